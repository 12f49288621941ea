namespace Attribution.Core

/// <summary>Feature permutation: what the target loses when a feature is another instance's.</summary>
/// <remarks>Breiman, Machine Learning 45, 2001, for one instance: Fisher, Rudin and Dominici, arXiv 1801.01489. The others are drawn
/// from a background.</remarks>
[<RequireQualifiedAccess>]
module FeaturePermutation =
    /// <summary>(1/N) Σₖ t(x) - t(x with the feature of bₖ), bₖ drawn from the background: n×h×w, or of the instances' shape where
    /// features tell channels apart.</summary>
    /// <exception cref="T:Attribution.AttributionException">All that were drawn for an instance are it itself.</exception>
    let attribute count background seed (features: Features) (target: Target) (batch: Batch) : Tensor =
        Background.mean "Permuted features" count background seed (FeatureAblation.attribute features) target batch
