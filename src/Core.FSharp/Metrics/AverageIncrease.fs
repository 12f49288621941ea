namespace Attribution.Core

open TorchSharp

/// <summary>Average increase %, or rate of increase in confidence: on how many instances the score is higher when only what the
/// mask keeps is seen. Higher is better.</summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063.</remarks>
[<RequireQualifiedAccess>]
module AverageIncrease =
    /// <summary>100 · [t(M(x)) > t(x)] of each instance (n, percent): 100 or 0.</summary>
    let increases (mask: Mask) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        let change (before: Tensor) (after: Tensor) =
            100. * after.gt(before).``to`` before.dtype

        MaskedScores.compare change mask target attributions batch
