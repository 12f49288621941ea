using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>A report's numbers as files.</summary>
internal static class ReportScores
{
    private sealed record Scores(
        string Method,
        string Metric,
        double Mean,
        IReadOnlyList<ReportInstance> Instances,
        IReadOnlyList<double> Values
    );

    public static void WriteCsv(AttributionReport report, string path) =>
        ScoreRows.Write(
            path,
            from scores in All(report)
            from row in scores.Instances.Zip(scores.Values)
            select (row.First.Label, scores.Method, scores.Metric, row.Second)
        );

    public static void WriteJson(AttributionReport report, string path) =>
        Json.Write(
            path,
            All(report)
                .GroupBy(scores => scores.Method)
                .ToDictionary(
                    method => method.Key,
                    method =>
                        method.ToDictionary(
                            scores => scores.Metric,
                            scores => new
                            {
                                Score = Json.Number(scores.Mean),
                                Instances = scores.Instances.Select(instance => instance.Label),
                                PerInstance = scores.Values.Select(Json.Number),
                                Skipped = scores.Values.Index().Where(v => double.IsNaN(v.Item)).Select(v => v.Index),
                            }
                        )
                )
        );

    public static void WriteExperts(AttributionReport report, string path) =>
        Json.Write(
            path,
            new[] { report.Experts, report.Margins }
                .SelectMany(section => section.Experts.Concat(section.Companions))
                .Concat(report.Locations?.Pairs.Select(pair => pair.Expert) ?? [])
                .Select(expert => new
                {
                    expert.Layer,
                    Units = expert.Units.Name(),
                    expert.Quantity,
                    expert.Distribution,
                    Expert = expert.Unit,
                    expert.Influence,
                    expert.Instances,
                    expert.ActiveShare,
                    expert.IsDead,
                    Selectivity = new
                    {
                        expert.Class,
                        Against = expert.Sibling,
                        Auc = expert.Selectivity,
                    },
                    expert.Top,
                })
        );

    private static IEnumerable<Scores> All(AttributionReport report) =>
        report
            .Drop.Drops.Select(drop => new Scores(
                drop.Method,
                "average-drop",
                drop.Score,
                report.Drop.Instances,
                drop.Drops
            ))
            .Concat(
                ReportMethods.All.Select(
                    (method, column) =>
                    {
                        double[] values = [.. report.Necessity.Select(row => row.Curves[column].Score)];
                        return new Scores(
                            method,
                            "necessity-ordering",
                            values.Average(),
                            [.. report.Necessity.Select(row => row.Instance)],
                            values
                        );
                    }
                )
            );
}
