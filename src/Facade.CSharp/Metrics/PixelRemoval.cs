namespace Attribution;

/// <summary>The value of any quantity while all pixels are removed, the largest attribution first: <see cref="CurveMetric{TCurve}.Curves"/>
/// gives it step by step, and its score is that of <see cref="PixelFlipping"/>, which asks for a class's.</summary>
/// <param name="model">The classifier.</param>
/// <param name="quantity">The quantity.</param>
/// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="baseline">What a pixel that is not there is; null: black.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
public sealed class PixelRemoval(Model model, Quantity quantity, int? pixelsPerStep = null, Baseline? baseline = null)
    : CurveMetric<PixelCurve>(
        model,
        quantity,
        pixelsPerStep,
        null,
        x => [Core.PixelFlipping.path(1, Baseline.For(baseline, x))],
        curves => Core.PixelFlipping.ofCurve(curves[0]),
        curves => curves.OverPixels()
    )
{
    /// <summary>How many pixels are removed before each one: n×h×w, 64-bit integers.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    public static Tensor Order(Tensor attributions) => PixelCurves.ranks(attributions);
}
