namespace Attribution.Core

open TorchSharp

/// <summary>Monotonicity by correlation: whether features are ranked by magnitude as they are by what the score does without
/// knowing them. Higher is better; 1 is the same order.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584. Features are the steps in which pixels are removed elsewhere.</remarks>
[<RequireQualifiedAccess>]
module MonotonicityCorrelation =
    /// <summary>ρ_F (|Σ_{p ∈ F} A_p|, E (t(x) - t(x_F))²) of each instance (n), Spearman's, over the features F: M pixels each,
    /// in the order of attribution. x_F draws F evenly from the image's own range. NaN where one is constant.</summary>
    /// <param name="samples">How many draws the expectation is taken over.</param>
    let scores relaxation (pixelsPerStep: int) (samples: int) seed target attributions (batch: Batch) : Tensor =
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let features = PixelGroups.inSteps pixelsPerStep pixels
        let own, drawn = PixelGroups.alone features samples (PixelGroups.ofRange seed batch) target batch
        let changes = (Tensor.square (drawn - own.reshape (-1L, 1L, 1L))).mean [| 2L |]
        let magnitudes = (PixelGroups.sums features pixels).abs().cpu()
        Relax.correlations (Relax.ranks relaxation magnitudes) (Relax.ranks relaxation changes)
