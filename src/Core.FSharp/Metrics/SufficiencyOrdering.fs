namespace Attribution.Core

/// <summary>Sufficiency ordering: the mean score while pixels of positive attribution are put back into the black image,
/// largest first. Higher means that what the map ranks first suffices.</summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, in steps of M pixels.</remarks>
[<RequireQualifiedAccess>]
module SufficiencyOrdering =
    /// R⁺(i, π): the black image with the first i pixels of π put back.
    let path (pixelsPerStep: int) : PixelPath = {
        NecessityOrdering.path pixelsPerStep with
            Change = PixelChange.Insert
    }

    /// <summary>S_o = 1/(N+1) · Σᵢ blockᵢ · s(R⁺(i, π)), s(·) = max(t(·) - t(0), 0); 0 where no attribution is positive.</summary>
    let ofCurve (curve: PixelCurve) : Tensor = PixelCurves.ordering curve
