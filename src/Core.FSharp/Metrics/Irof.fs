namespace Attribution.Core

open TorchSharp

/// <summary>IROF, iterative removal of features: how much of a class's probability is lost while superpixels become the image's mean
/// colour, the largest mean of attribution first, on average over the share of them that is gone. Higher is better.</summary>
/// <remarks>Rieger and Hansen, arXiv 2003.08747.</remarks>
[<RequireQualifiedAccess>]
module Irof =
    /// How many superpixels an image of so many pixels is cut into where nobody chose it: one for ten pixels, as those of the paper
    /// of 32×32, and 300 at the most, as of 224×224.
    let chosenCount (pixels: int64) : int = int (max 1L (min 300L (pixels / 10L)))

    /// <summary>1 - ∫₀¹ t(x⁽ᵖ⁾) / t(x) dp of each instance (n) by the trapezoid rule, x⁽ᵖ⁾ without the share p of its superpixels.
    /// NaN where t(x) is not positive.</summary>
    /// <param name="labels">The superpixel of each pixel, from 0: n×h×w, int64.</param>
    let ofSuperpixels relaxation (labels: Tensor) target attributions (batch: Batch) : Tensor =
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let labels = labels.flatten 1L
        let counts = Tensor.toArray<int64>(labels.amax [| 1L |]) |> Array.map ((+) 1L)
        let groups = { Labels = labels; Count = Array.max counts }
        let sizes = PixelGroups.sizes groups

        let means =
            (PixelGroups.sums groups pixels / sizes.clamp_min (Number.Of 1.))
                .masked_fill(Tensor.isZero sizes, Number.Of System.Double.NegativeInfinity)

        let colours = batch.X.mean([| 2L; 3L |], true).expand_as batch.X

        let own, without =
            PixelGroups.removed relaxation groups means counts 1 (fun i _ -> Sweep.pick i colours) target batch

        let counts = torch.tensor counts
        let last = (without.gather (1L, (counts - Number.Of 1L).unsqueeze 1L)).squeeze 1L
        // Each end weighs half.
        let area = (Tensor.add (Tensor.sumInOrder without) ((own - last) / Number.Of 2.)) / counts
        Tensor.complement (Tensor.ratio (Tensor.isPositive own) area own)

    /// <summary>The same, of superpixels of the instances.</summary>
    /// <param name="count">How many an instance is cut into, about.</param>
    let scores relaxation (count: int) target attributions (batch: Batch) : Tensor =
        ofSuperpixels relaxation (Superpixels.slic count (batch.X.detach ())) target attributions batch
