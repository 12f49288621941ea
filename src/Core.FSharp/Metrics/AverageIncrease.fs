namespace Attribution.Core

open TorchSharp

/// <summary>Average increase %, or rate of increase in confidence: on how many instances the score is higher when only what the
/// mask keeps is seen. Higher is better.</summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063.</remarks>
[<RequireQualifiedAccess>]
module AverageIncrease =
    /// <summary>100 · [t(M(x)) > t(x)] of each instance (n, percent): 100 or 0. Softly, τ is a share of |t(x)|.</summary>
    let scores relaxation (mask: Mask) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        let before, after = MaskedScores.both relaxation mask target attributions batch
        let scale = (before.unsqueeze 1L |> Relax.scale).squeeze 1L
        Number.Of 100. * Relax.isPositive relaxation scale (after - before)
