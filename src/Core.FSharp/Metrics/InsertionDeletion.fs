namespace Attribution.Core

/// <summary>Deletion: the area under the score while all pixels are removed, the largest attribution first, over the share of
/// the pixels that are gone. Lower is better.</summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421.</remarks>
[<RequireQualifiedAccess>]
module Deletion =
    /// From the instance to its blank.
    let path (pixelsPerStep: int) (blank: Baseline) : PixelPath = {
        Order = PixelOrder.All
        Change = PixelChange.Remove
        PixelsPerStep = pixelsPerStep
        FewestSteps = 1
        Blank = blank
        IsAboveBlack = false
    }

    /// <summary>∫₀¹ t(x without the first p·H·W pixels) dp by the trapezoid rule.</summary>
    let ofCurve (curve: PixelCurve) : Tensor = PixelCurves.area curve

/// <summary>Insertion: the area under the score while all pixels are put into the blank, the largest attribution first, over
/// the share of the pixels that are there. Higher is better.</summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421.</remarks>
[<RequireQualifiedAccess>]
module Insertion =
    /// From the instance's blank to the instance.
    let path (pixelsPerStep: int) (blank: Baseline) : PixelPath = {
        Deletion.path pixelsPerStep blank with
            Change = PixelChange.Insert
    }

    /// <summary>∫₀¹ t(the blank with the first p·H·W pixels of x) dp by the trapezoid rule.</summary>
    let ofCurve (curve: PixelCurve) : Tensor = PixelCurves.area curve
