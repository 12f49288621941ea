namespace Attribution.Core

/// <summary>Necessity ordering: the mean score while pixels of positive attribution are removed, largest first. Lower means
/// that what the map ranks first is needed.</summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, Eq. 5, in steps of M pixels.</remarks>
[<RequireQualifiedAccess>]
module NecessityOrdering =
    /// R(i, π): the instance without the first i pixels of π.
    let path (pixelsPerStep: int) : PixelPath = {
        Order = PixelOrder.Descending
        Change = PixelChange.Remove
        PixelsPerStep = pixelsPerStep
        FewestSteps = 1
        Blank = Baseline.black
        IsAboveBlack = true
    }

    /// <summary>N_o = 1/(N+1) · Σᵢ blockᵢ · s(R(i, π)), s(·) = max(t(·) - t(0), 0); 0 where no attribution is positive.</summary>
    let ofCurve (curve: PixelCurve) : Tensor = PixelCurves.ordering curve
