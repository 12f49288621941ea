namespace Attribution.Core

open System
open TorchSharp

/// <summary>Region perturbation: how much of the score is lost while square regions are replaced by random numbers, the largest
/// sum of attribution first, on average over the steps. Higher is better.</summary>
/// <remarks>Samek et al., arXiv 1509.06321: the area over the perturbation curve (AOPC), most relevant regions first, of 100
/// regions of 9×9 pixels, 16 % of an image of 227×227.</remarks>
[<RequireQualifiedAccess>]
module RegionPerturbation =
    /// The share of the regions that is replaced where nobody chose it.
    [<Literal>]
    let Share = 0.16

    /// The side of a region where nobody chose it, for images of so many pixels: 9 of 224.
    let chosenSide (pixels: int64) : int64 = PixelGroups.sideOf (9. / 224.) pixels

    /// How many of some regions are replaced: one at the least.
    let steps (share: float) (regions: int64) : int64 = max 1L (int64 (Math.Round(share * float regions)))

    /// <summary>1/(L+1) · Σ_{k=0..L} t(x) - t(x⁽ᵏ⁾) of each instance (n), x⁽ᵏ⁾ with k of its regions drawn evenly from the image's
    /// own range: the mean over several draws.</summary>
    /// <param name="side">Of a region, in pixels.</param>
    /// <param name="share">L, of all regions.</param>
    /// <param name="samples">How many draws there are.</param>
    let scores relaxation side share (samples: int) seed target attributions (batch: Batch) : Tensor =
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let regions = PixelGroups.squares side batch.X
        let counts = Array.create (int batch.X.shape[0]) (steps share regions.Count)
        let sums = PixelGroups.sums regions pixels
        let other = PixelGroups.ofRange seed batch
        let own, without = PixelGroups.removed relaxation regions sums counts samples other target batch
        (own.unsqueeze 1L - without).sum(1L) / Number.Of(float (without.shape[1] + 1L))

/// <summary>Selectivity: the area under the score while square regions are removed, the largest sum of attribution first, over
/// the share of the regions that are gone. Lower is better.</summary>
/// <remarks>Montavon, Samek and Müller, Digital Signal Processing 73, 2018, who remove squares of 4×4 pixels of 28×28.</remarks>
[<RequireQualifiedAccess>]
module Selectivity =
    /// The side of a region where nobody chose it, for images of so many pixels: 4 of 28.
    let chosenSide (pixels: int64) : int64 = PixelGroups.sideOf (4. / 28.) pixels

    /// <summary>∫₀¹ t(x without the share p of its regions) dp of each instance (n) by the trapezoid rule.</summary>
    /// <param name="side">Of a region, in pixels.</param>
    /// <param name="baseline">What a region becomes.</param>
    let scores relaxation side (baseline: Baseline) target attributions (batch: Batch) : Tensor =
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let regions = PixelGroups.squares side batch.X
        let counts = Array.create (int batch.X.shape[0]) regions.Count
        let other = PixelGroups.ofBaseline baseline batch

        let own, without =
            PixelGroups.removed relaxation regions (PixelGroups.sums regions pixels) counts 1 other target batch

        let scores = torch.cat ([| own.unsqueeze 1L; without |], 1L)

        let shares =
            (Number.Range(0L, scores.shape[1], torch.CPU)).``to`` torch.float64 / Number.Of(float regions.Count)

        PixelCurves.trapezoid (shares.unsqueeze(0L).expand_as scores) scores
