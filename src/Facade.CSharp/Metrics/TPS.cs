using System;
using Attribution.Core;

namespace Attribution;

/// <summary>
/// Total proportionality for sufficiency, TPS = ∫₀¹ |↓(p) - ↑(p)| dp: the area between the scores max(f_c(·) - f_c(0), 0) of the
/// black image into which the pixels of positive attribution are put back in decreasing (↓) and in increasing (↑)
/// order, over the share p of their attribution. 0 when the impact of pixels is proportional to their attribution; lower is
/// better. NaN where none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985; by the trapezoid rule on the points of both curves, taken
/// every several pixels; over logits.</remarks>
public sealed class TPS : ProportionalityMetric
{
    /// <summary>The total proportionality for sufficiency of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="normalised">Whether scores are divided by max(f_c(x) - f_c(0), 0), as defined; NaN where that is 0.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
    public TPS(
        Model model,
        int? targetClass = null,
        int? pixelsPerStep = null,
        bool normalised = true,
        Relaxation? relaxation = null
    )
        : base(model, targetClass, pixelsPerStep, normalised, relaxation, PixelChange.Insert) { }
}
