using System;
using Attribution.Core;

namespace Attribution;

/// <summary>
/// Insertion, ∫₀¹ f_c(the baseline with the first p·H·W pixels of x) dp: the area under the score while all pixels are put
/// into the baseline, the largest attribution first, those of negative attribution last. Higher is better; between 0 and 1
/// for probabilities.
/// </summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421, who begin from the blurred image: pass it as the baseline. By the
/// trapezoid rule, from the baseline to the whole image.</remarks>
public sealed class Insertion : CurveMetric<PixelCurve>
{
    /// <summary>The insertion of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="baseline">What a pixel is before it is put in; null: black.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
    public Insertion(
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
            x => [Core.Insertion.path(1, (baseline ?? Baseline.Black).For(x))],
            curves => Core.Insertion.ofCurve(curves[0]),
            curves => curves.OverPixels()
        ) { }
}
