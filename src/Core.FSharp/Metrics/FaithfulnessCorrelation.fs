namespace Attribution.Core

/// <summary>Faithfulness correlation: whether the attributions of a set of pixels sum to what the score loses without these.
/// Higher is better; 1 is a perfect line.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631. Sensitivity-n is this for several sizes of sets.</remarks>
[<RequireQualifiedAccess>]
module FaithfulnessCorrelation =
    /// <summary>corr_S (Σ_{p ∈ S} A_p, t(x) - t(x with S at the baseline)) of each instance (n), Pearson's, over random sets S
    /// of one size, a share of the pixels. NaN where one is constant.</summary>
    let scores (share: float) subsets seed baseline target attributions batch =
        SensitivityN.scores [ share ] subsets seed baseline target attributions batch
