namespace Attribution.Core

/// <summary>Pixel flipping: how much of the score is lost while all pixels are removed, the largest attribution first, on
/// average over the steps. Higher is better.</summary>
/// <remarks>Bach et al., PLoS ONE 10(7), 2015; the area over the perturbation curve (AOPC) of Samek et al., arXiv 1509.06321,
/// whose regions are single pixels here.</remarks>
[<RequireQualifiedAccess>]
module PixelFlipping =
    /// x⁽ᵏ⁾: the instance without its first k·M pixels.
    let path (pixelsPerStep: int) (blank: Baseline) : PixelPath = Deletion.path pixelsPerStep blank

    /// <summary>AOPC = 1/(L+1) · Σ_{k=0..L} t(x) - t(x⁽ᵏ⁾).</summary>
    let ofCurve (curve: PixelCurve) : Tensor =
        let lost = curve.Whole.unsqueeze 1L - curve.Scores
        let counted = PixelCurves.counted curve
        Tensor.sumInOrder (lost * counted) / counted.sum 1L
