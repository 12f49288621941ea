namespace Attribution.Core

/// <summary>Faithfulness estimate: whether the attribution of each feature goes with what the score loses when that feature
/// alone is hidden. Higher is better; 1 is a perfect line.</summary>
/// <remarks>Alvarez-Melis and Jaakkola, arXiv 1806.07538. Features are the steps in which pixels are removed elsewhere.</remarks>
[<RequireQualifiedAccess>]
module FaithfulnessEstimate =
    /// <summary>corr_F (Σ_{p ∈ F} A_p, t(x) - t(x with F at the baseline)) of each instance (n), Pearson's, over the features F:
    /// M pixels each, in the order of attribution. NaN where the map or the loss is constant.</summary>
    let scores (pixelsPerStep: int) (baseline: Baseline) target attributions (batch: Batch) : Tensor =
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let features = PixelGroups.inSteps pixelsPerStep pixels
        let own, without = PixelGroups.alone features 1 (PixelGroups.ofBaseline baseline batch) target batch
        let sums = (PixelGroups.sums features pixels).cpu()
        // The last feature may have fewer pixels, and a constant map another sum there.
        let isFlat = (pixels.amax [| 1L |]).eq(pixels.amin [| 1L |])
        let r = Relax.correlations sums (own.unsqueeze 1L - without.squeeze 2L)
        r.masked_fill (isFlat.cpu (), Number.Of nan)
