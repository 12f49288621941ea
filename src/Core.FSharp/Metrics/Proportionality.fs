namespace Attribution.Core

open System

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
            {
                NecessityOrdering.path pixelsPerStep with
                    Order = order
                    Change = change
            }
    ]

    /// p at each point of a curve: the share of the positive attribution that has changed; NaN where none is positive.
    let shares (curve: PixelCurve) : float[] =
        curve.Attribution |> Array.map (fun sum -> sum / Array.last curve.Attribution)

    let private interpolate (xs: float[]) (ys: float[]) x =
        match Array.BinarySearch(xs, x) with
        | i when i >= 0 -> ys[i]
        | i ->
            let next = ~~~i
            let weight = (x - xs[next - 1]) / (xs[next] - xs[next - 1])
            (1. - weight) * ys[next - 1] + weight * ys[next]

    /// <summary>∫₀¹ |↓(p) - ↑(p)| dp, both piecewise linear, by the trapezoid rule on the union of their points; NaN where no
    /// attribution is positive.</summary>
    let area (descending: PixelCurve) (ascending: PixelCurve) : float =
        if descending.Pixels.Length < 2 then
            nan
        else
            let down, up = shares descending, shares ascending
            let points = Array.append down up |> Array.sort

            points
            |> Array.map (fun p -> abs (interpolate down descending.Scores p - interpolate up ascending.Scores p))
            |> PixelCurves.trapezoid points
