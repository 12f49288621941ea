using System.Linq;
using Attribution.Core;

namespace Attribution;

/// <summary>The two curves of <see cref="TPN"/> or <see cref="TPS"/>, whose axis is the share of the positive attribution that
/// has changed.</summary>
/// <param name="Descending">↓: the largest attribution first.</param>
/// <param name="Ascending">↑: the smallest first.</param>
public sealed record ProportionalityCurves(PixelCurve Descending, PixelCurve Ascending);

internal static class ProportionalityReading
{
    public static PixelPath[] Paths(PixelChange change) => [.. Proportionality.paths(change, 1)];

    public static (double, ProportionalityCurves) Read(Core.PixelCurve[] curves, bool isNormalised)
    {
        Core.PixelCurve[] both = [.. curves.Select(curve => curve.Normalised(isNormalised))];
        PixelCurve[] plots =
        [
            .. both.Select(curve => new PixelCurve(curve.Pixels, Proportionality.shares(curve), curve.Scores)),
        ];
        return (Proportionality.area(both[0], both[1]), new(plots[0], plots[1]));
    }
}
