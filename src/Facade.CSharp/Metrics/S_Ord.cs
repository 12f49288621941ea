using System;
using Attribution.Core;

namespace Attribution;

/// <summary>
/// Sufficiency ordering, S_o = 1/(N+1) · Σᵢ max(f_c(R⁺(i)) - f_c(0), 0), R⁺(i) the black image with the first i of the image's
/// N pixels of positive attribution put back, largest first. Higher means that what the map ranks first suffices. 0 where
/// none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, in steps of several pixels; over logits. The axis of its
/// curves is the share of the N pixels.</remarks>
public sealed class S_Ord : CurveMetric<PixelCurve>
{
    /// <summary>The sufficiency ordering of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels and weighs as much; 1 is the definition exactly;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="normalised">Whether scores are divided by max(f_c(x) - f_c(0), 0), so that images compare; NaN where that
    /// is 0.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
    public S_Ord(
        Model model,
        int? targetClass = null,
        int? pixelsPerStep = null,
        bool normalised = false,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            pixelsPerStep,
            relaxation,
            _ => [SufficiencyOrdering.path(1)],
            curves => SufficiencyOrdering.ofCurve(curves[0]),
            curves => curves.OverPixels(),
            normalised
        ) { }
}
