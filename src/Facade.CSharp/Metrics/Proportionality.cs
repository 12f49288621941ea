using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;

namespace Attribution;

/// <summary>The two curves of <see cref="TPN"/> or <see cref="TPS"/>, whose axis is the share of the positive attribution that
/// has changed.</summary>
/// <param name="Descending">↓: the largest attribution first.</param>
/// <param name="Ascending">↑: the smallest first.</param>
public sealed record ProportionalityCurves(PixelCurve Descending, PixelCurve Ascending);

/// <summary>The area between the curves of both orders.</summary>
public abstract class ProportionalityMetric : CurveMetric<ProportionalityCurves>
{
    private protected ProportionalityMetric(
        Model model,
        int? targetClass,
        int? pixelsPerStep,
        bool normalised,
        Relaxation? relaxation,
        PixelChange change
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            pixelsPerStep,
            relaxation,
            _ => Proportionality.paths(change, 1),
            curves => Proportionality.area(curves[0], curves[1]),
            curves => Plots(curves[0]).Zip(Plots(curves[1]), (down, up) => new ProportionalityCurves(down, up)),
            normalised
        ) { }

    private static IEnumerable<PixelCurve> Plots(Core.PixelCurve curve) => curve.Over(Proportionality.shares(curve));
}
