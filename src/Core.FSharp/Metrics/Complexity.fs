namespace Attribution.Core

open TorchSharp

/// <summary>Complexity: the entropy of a map. Lower means that fewer pixels carry it.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631.</remarks>
[<RequireQualifiedAccess>]
module Complexity =
    /// <summary>-Σₚ P_p ln P_p of each map (n), P_p = |A_p| / Σ |A| the share of a pixel: 0 where one has all, ln d where d
    /// pixels have the same. NaN where all are 0.</summary>
    let scores (attributions: Tensor) : Tensor =
        attributions
        |> Ranking.ofMagnitudes (fun magnitudes ->
            let all = (magnitudes.sum ([| 1L |], true)).expand_as magnitudes
            let shares = Tensor.ratio (Tensor.isPositive all) magnitudes all
            // The logarithm of 0 counts as 0, and has no part in the derivative.
            let logarithms = shares.masked_fill(Tensor.isZero shares, Number.Of 1.).log()

            -(shares * logarithms).sum 1L)
