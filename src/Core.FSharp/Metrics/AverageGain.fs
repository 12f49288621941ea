namespace Attribution.Core

open TorchSharp

/// <summary>Average gain %: how much of what a probability lacks to 1 is gained when only what the mask keeps is seen. Higher is
/// better.</summary>
/// <remarks>Zhang, Torres, Sicre, Avrithis and Ayache, Opti-CAM, arXiv 2301.07002.</remarks>
[<RequireQualifiedAccess>]
module AverageGain =
    /// <summary>100 · max(t(M(x)) - t(x), 0) / (1 - t(x)) of each instance (n, percent), t a probability. 0 where t(x) = 1, which
    /// leaves nothing to gain.</summary>
    let scores relaxation (mask: Mask) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        let before, after = MaskedScores.both relaxation mask target attributions batch
        let lack = Tensor.complement before

        let share =
            Tensor.ratio (lack.ne (Number.Of 0.)) (Number.Of 100. * (after - before).clamp_min(Number.Of 0.)) lack

        share.nan_to_num 0.
