using System;
using Attribution.Core;

namespace Attribution;

/// <summary>
/// Deletion, ∫₀¹ f_c(x without the first p·H·W pixels) dp: the area under the score while all pixels are removed, the
/// largest attribution first, those of negative attribution last. Lower is better; between 0 and 1 for probabilities.
/// </summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421. By the trapezoid rule, from the whole image to the baseline.</remarks>
public sealed class Deletion : CurveMetric<PixelCurve>
{
    /// <summary>The deletion of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="baseline">What a removed pixel becomes; null: black.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
    public Deletion(
        Model model,
        int? targetClass = null,
        int? pixelsPerStep = null,
        Scale scale = Scale.Probabilities,
        Baseline? baseline = null,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(model, targetClass, scale),
            pixelsPerStep,
            relaxation,
            x => [Core.Deletion.path(1, (baseline ?? Baseline.Black).For(x))],
            curves => Core.Deletion.ofCurve(curves[0]),
            curves => curves.OverPixels()
        ) { }
}
