namespace Attribution.Core

open TorchSharp

/// <summary>Total proportionality: the area between the scores of changing pixels of positive attribution in decreasing and in
/// increasing order, over the share of the attribution that has changed. 0 when the impact of pixels is proportional to their
/// attribution.</summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985: for necessity pixels are removed, for sufficiency put back
/// into the black image.</remarks>
[<RequireQualifiedAccess>]
module Proportionality =
    /// ↓ and ↑: the largest attribution first, and the smallest first.
    let paths (change: PixelChange) (pixelsPerStep: int) : PixelPath list = [
        for order in [ PixelOrder.Descending; PixelOrder.Ascending ] ->
            { NecessityOrdering.path pixelsPerStep with Order = order; Change = change }
    ]

    /// p at each point of a curve: the share of the positive attribution that has changed (n×K); NaN where none is positive.
    let shares (curve: PixelCurve) : Tensor =
        let all = (curve.Attribution.narrow (1L, -1L, 1L)).expand_as curve.Attribution
        Tensor.ratio (Tensor.isPositive all) curve.Attribution all

    /// The piecewise linear ys over xs (both n×K), at other points (n×P): n×P.
    let private interpolate (xs: Tensor) (ys: Tensor) (points: Tensor) : Tensor =
        let next =
            torch
                .searchsorted(xs.detach().contiguous(), points.detach().contiguous(), right = false)
                .clamp(Number.Of 1L, Number.Of(xs.shape[1] - 1L))

        let at (t: Tensor) place = t.gather (1L, place)
        let before = next - Number.Of 1L
        let width = at xs next - at xs before
        // A curve of fewer points than others repeats its last.
        let isPoint = Tensor.isZero width
        let weight = (points - at xs before) / width.masked_fill (isPoint, Number.Of 1.)
        let weight = weight.masked_fill (isPoint, Number.Of 1.)
        Tensor.add (Tensor.complement weight * at ys before) (weight * at ys next)

    /// <summary>∫₀¹ |↓(p) - ↑(p)| dp of each instance (n), both piecewise linear, by the trapezoid rule on the union of their
    /// points; NaN where no attribution is positive.</summary>
    let area (descending: PixelCurve) (ascending: PixelCurve) : Tensor =
        let down, up = shares descending, shares ascending

        if down.shape[1] < 2L then
            torch.full (down.shape[0], Number.Of nan, torch.float64)
        else
            let numbers = [| down; up; descending.Scores; ascending.Scores |]
            let isUndefined = (torch.cat (numbers, 1L)).isnan().any 1L
            let isShort = (torch.tensor descending.Lengths).lt(Number.Of 2L)
            // No NaN may reach the derivative of what is defined.
            let finite = numbers |> Array.map _.nan_to_num(0.)
            let struct (points, _) = torch.cat([| finite[0]; finite[1] |], 1L).sort 1L

            let gap = interpolate finite[0] finite[2] points - interpolate finite[1] finite[3] points

            (PixelCurves.trapezoid points (gap.abs ())).masked_fill(isUndefined.logical_or isShort, Number.Of nan)
