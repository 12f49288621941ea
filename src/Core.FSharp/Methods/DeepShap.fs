namespace Attribution.Core

/// <summary>DeepSHAP: DeepLIFT averaged over baselines that are drawn from a background.</summary>
/// <remarks>Lundberg and Lee, arXiv 1705.07874, section 4.2. An instance's attributions sum to t(x) less the mean of t over what was
/// drawn for it.</remarks>
[<RequireQualifiedAccess>]
module DeepShap =
    /// <summary>(1/N) Σₖ (x - bₖ) ⊙ mₖ, bₖ drawn from the background and mₖ DeepLIFT's multipliers from it (n×…).</summary>
    /// <exception cref="T:Attribution.AttributionException">All that were drawn for an instance are it itself.</exception>
    let attribute maximum count background seed (target: Target) (batch: Batch) : Tensor =
        let deepLift baseline = DeepLift.observed maximum ignore baseline true
        Background.mean "The baselines of DeepSHAP" count background seed deepLift target batch
