namespace Attribution.Core

open TorchSharp

/// <summary>Average drop %: how much of the score is lost when only what the mask keeps is seen. Lower means that it
/// suffices.</summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, whose own is the soft mask and probabilities.</remarks>
[<RequireQualifiedAccess>]
module AverageDrop =
    /// <summary>100 · max(t(x) - t(M(x)), 0) / t(x) of each instance (n, percent). Undefined where t(x) ≤ 0: NaN there.</summary>
    let scores relaxation (mask: Mask) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        let before, after = MaskedScores.both relaxation mask target attributions batch
        Tensor.ratio (Tensor.isPositive before) (Number.Of 100. * (before - after).clamp_min(Number.Of 0.)) before
