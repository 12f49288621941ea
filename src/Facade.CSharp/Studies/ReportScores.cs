using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>A report's numbers as files.</summary>
internal static class ReportScores
{
    public static void WriteCsv(AttributionReport report, string path) =>
        ScoreRows.Write(
            path,
            from of in All(report)
            from row in of.Instances.Zip(of.Scores.PerInstance)
            select (row.First.Label, of.Scores.Method, of.Scores.Metric, row.Second)
        );

    public static void WriteJson(AttributionReport report, string path) =>
        Json.Write(
            path,
            All(report)
                .GroupBy(of => of.Scores.Method)
                .ToDictionary(
                    method => method.Key,
                    method =>
                        method.ToDictionary(
                            of => of.Scores.Metric,
                            of => of.Scores.ForJson(of.Instances.Select(instance => instance.Label))
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

    public static IEnumerable<(IReadOnlyList<ReportInstance> Instances, MethodScores Scores)> All(
        AttributionReport report
    ) =>
        report
            .Drop.Drops.Select(drop =>
                (report.Drop.Instances, new MethodScores(drop.Method, "average-drop", drop.Drops) { Maps = drop.Maps })
            )
            .Concat(
                ReportMethods.All.Select(
                    (method, column) =>
                    {
                        MethodCurve[] curves = [.. report.Necessity.Select(row => row.Curves[column])];
                        return (
                            (IReadOnlyList<ReportInstance>)[.. report.Necessity.Select(row => row.Instance)],
                            new MethodScores(method, "necessity-ordering", [.. curves.Select(curve => curve.Score)])
                            {
                                Maps = new(curves.Select(curve => curve.Map)),
                                Steps = report.Steps,
                            }
                        );
                    }
                )
            );
}
