using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using static System.FormattableString;

namespace Attribution;

/// <summary>What a report found, in sentences that its numbers decide.</summary>
internal static class ReportFindings
{
    public static IReadOnlyList<string> Of(AttributionReport report) =>
        [
            .. report.Locations?.Verdict.Take(1) ?? [],
            .. report.Truth?.Verdict.Take(1) ?? [],
            .. OfDrop(report),
            .. from pair in report.Pairs
            from c in report.Experts.Comparisons
            where (c.One.Class, c.Other.Class) == (pair.First, pair.Second) && !c.One.IsOverOwnImages
            select OfExperts(report, c),
        ];

    public static IReadOnlyList<string> Of(LocationSection section)
    {
        string Found(IReadOnlyList<PairLocation> some, Func<PairLocation, Location> of) =>
            Invariant(
                $"{some.Count(p => of(p).PartRatio > 1)} of {some.Count} pairs (median {Statistics.median([.. some.Select(p => of(p).PartRatio)]):0.0} times as much)"
            );
        string Apart(IReadOnlyList<PairLocation> some)
        {
            double[] areas = [.. some.Select(p => p.Expert.Selectivity)];
            return Invariant($"{areas.Min():0.00} to {areas.Max():0.00} (median {Statistics.median(areas):0.00})");
        }

        PairLocation[] first = [.. section.Pairs.Where(p => p.IsFirstForm)];
        PairLocation[] second = [.. section.Pairs.Where(p => !p.IsFirstForm)];
        return
        [
            $"The expert of the margin puts more of its attribution on the part that tells two classes apart than a uniform map does in {Found(first, p => p.Gradient)}, and by integrated gradients in {Found(first, p => p.Integrated)}.",
            $"For the margin the other way round it does so in {Found(second, p => p.Gradient)}, and by integrated gradients in {Found(second, p => p.Integrated)}.",
            $"The experts tell the two classes of their pair apart with a selectivity of {Apart(first)}, and the other way round of {Apart(second)}; 0.5 tells nothing, 1 tells every image.",
        ];
    }

    public static IReadOnlyList<string> Of(TruthSection section)
    {
        MethodTruth[] methods = [.. section.Methods.Where(m => m.Count > 0 && 2 * m.Count >= section.Instances)];
        MethodTruth[] finding = [.. methods.Where(m => m.Ratio.Low > 1)];
        MethodTruth[] missing = [.. methods.Where(m => m.Ratio.High < 1)];
        static string Told(MethodTruth m) =>
            Invariant($"{m.Method} ({m.Ratio.Value:0.0}×, {m.Ratio.Low:0.0} to {m.Ratio.High:0.0})");
        static string[] Line(string before, IEnumerable<string> some) =>
            some.Any() ? [$"{before}: {string.Join(", ", some)}."] : [];
        var spread = finding.Length > 1 ? $", from {Told(finding[0])} to {Told(finding[^1])}" : "";
        return
        [
            $"{finding.Length} of {methods.Length} methods find the distinguishing part: they put more on it than a uniform map by the whole of their 95 % interval{spread}.",
            .. Line("Surely less than a uniform map put on it", missing.Select(Told)),
            .. Line("For the rest these images do not decide it", methods.Except(finding).Except(missing).Select(Told)),
            .. Line(
                "Not compared, since they have a sound map for fewer than half of the images",
                section.Methods.Except(methods).Select(m => $"{m.Method} ({m.Count} of {section.Instances})")
            ),
        ];
    }

    private static IEnumerable<string> OfDrop(AttributionReport report)
    {
        MethodDrop[] best = [.. report.Drop.Drops.Where(d => double.IsFinite(d.Score)).OrderBy(d => d.Score)];
        if (best.Length > 0)
            yield return $"Seen through its map alone, an image of {report.Names[report.Drop.Class]} loses on average, by method: {string.Join(", ", best.Select(d => Invariant($"{d.Method} {d.Score:0.0}%")))} of its score (the average drop; lower is better).";
    }

    private static string OfExperts(AttributionReport report, ExpertComparison c)
    {
        var (one, other) = (report.Names[c.One.Class], report.Names[c.Other.Class]);
        var which = c.Coincide
            ? $"have the same expert, {report.Noun} {c.One.Unit} of {report.Layer}"
            : $"have different experts, {report.Noun}s {c.One.Unit} and {c.Other.Unit} of {report.Layer}";
        return Invariant(
            $"{char.ToUpperInvariant(one[0])}{one[1..]} and {other} {which}; the rank correlation of all influences on them is {c.RankCorrelation:0.00}."
        );
    }
}
