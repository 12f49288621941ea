namespace Attribution.Core

open TorchSharp

/// <summary>Monotonicity: whether the score never falls while pixels are put into the baseline, the smallest magnitude of
/// attribution first. Higher is better.</summary>
/// <remarks>Arya et al., arXiv 1909.03012, after Luss et al., arXiv 1905.12698: 1 if it never does, else 0. Over many steps
/// that is next to always 0; the share of the steps at which it does not fall is 1 where theirs is, and tells more
/// elsewhere.</remarks>
[<RequireQualifiedAccess>]
module Monotonicity =
    // Of the largest score: what passes in float32 leave of equal ones.
    [<Literal>]
    let private Rounding = 1e-5

    /// From the blank to the instance.
    let path (pixelsPerStep: int) (blank: Baseline) : PixelPath = {
        Insertion.path pixelsPerStep blank with
            Order = PixelOrder.ByMagnitude
    }

    /// <summary>Of each step whether t(x⁽ᵏ⁾) ≥ t(x⁽ᵏ⁻¹⁾), as 1 or 0 (n×K), or σ((t(x⁽ᵏ⁾) - t(x⁽ᵏ⁻¹⁾))/(τ s)), s the largest
    /// change.</summary>
    let private steady relaxation (curve: PixelCurve) : Tensor =
        let changes = curve.Scores.diff (1L, 1L)
        let slack = curve.Scores.abs().amax([| 1L |], true) * Number.Of Rounding
        Relax.isPositive relaxation (Relax.scale changes) (Tensor.add changes slack)

    /// The share of the steps at which the score does not fall: n.
    let ofCurve relaxation (curve: PixelCurve) : Tensor = (steady relaxation curve).mean [| 1L |]

    /// 1 where the score falls at no step, else 0: n.
    let always relaxation (curve: PixelCurve) : Tensor = (steady relaxation curve).prod 1L
