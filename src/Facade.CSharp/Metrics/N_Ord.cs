using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;

namespace Attribution;

/// <summary>The score of an instance while its pixels are removed.</summary>
/// <param name="Removed">Pixels removed, largest attribution first.</param>
/// <param name="Scores">max(f_c - f_c(0), 0) after each removal.</param>
public sealed record RemovalCurve(IReadOnlyList<long> Removed, IReadOnlyList<double> Scores);

/// <summary>
/// Necessity ordering, N_o = 1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) the image without the first i of its N pixels of
/// positive attribution, largest first. Lower means that what the map ranks first is needed. 0 where none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, Eq. 5, in steps of several pixels.</remarks>
public sealed class N_Ord : CurveMetric<RemovalCurve>
{
    /// <summary>The necessity ordering of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels and weighs as much; 1 is the definition exactly;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="normalised">Whether scores are divided by max(f_c(x) - f_c(0), 0), so that images compare; NaN where that
    /// is 0.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
    public N_Ord(
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
            _ => [NecessityOrdering.path(1)],
            curves => NecessityOrdering.ofCurve(curves[0]),
            curves =>
                curves
                    .OverPixels()
                    .Select(curve => new RemovalCurve([.. curve.Pixels.Skip(1)], [.. curve.Scores.Skip(1)])),
            normalised
        ) { }
}
