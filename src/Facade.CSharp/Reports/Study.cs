using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;

namespace Attribution;

/// <summary>A number and the range in which its bootstrap samples lie.</summary>
/// <param name="Value">The number.</param>
/// <param name="Low">The 2.5 % quantile of the samples.</param>
/// <param name="High">The 97.5 % quantile.</param>
public readonly record struct Estimate(double Value, double Low, double High);

/// <summary>How a method fares by a metric.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Method">The method's name.</param>
/// <param name="Count">The images whose score is defined.</param>
/// <param name="Median">The median over them.</param>
/// <param name="Rank">The mean of its ranks among the methods, 1 for the best, over the images that have a score by each.</param>
public sealed record StudyRow(string Metric, string Method, int Count, Estimate Median, Estimate Rank);

/// <summary>Two methods compared by a metric on the same images.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="First">The method that is better on more images.</param>
/// <param name="Second">The other.</param>
/// <param name="Count">The images that have a score by both.</param>
/// <param name="BetterShare">The share of those on which the first is better; a tie counts half.</param>
/// <param name="Probability">The two-sided probability of Wilcoxon's signed-rank test.</param>
/// <param name="Corrected">The same by Holm's correction for all pairs of the metric.</param>
public sealed record StudyPair(
    string Metric,
    string First,
    string Second,
    int Count,
    double BetterShare,
    double Probability,
    double Corrected
);

/// <summary>
/// Methods compared by metrics on the same images: medians and ranks with bootstrap intervals, and paired tests.
/// </summary>
/// <remarks>After Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, whose figure it draws.</remarks>
public sealed class Study
{
    private const int Resamples = 2000;
    private const double Level = 0.95;

    /// <summary>The names of the metrics whose figure it is: the paper's four criteria.</summary>
    public static IReadOnlyList<string> Criteria { get; } =
    ["necessity-ordering", "sufficiency-ordering", "proportionality-necessity", "proportionality-sufficiency"];

    private readonly ScoreTable table;

    /// <summary>A study of scores.</summary>
    /// <param name="table">The scores, all methods' by each metric.</param>
    /// <param name="metrics">The metrics, which say what is better.</param>
    /// <param name="seed">Decides on the bootstrap's samples.</param>
    public Study(ScoreTable table, IReadOnlyList<AttributionMetric> metrics, int seed = 1)
    {
        (this.table, Metrics) = (table, metrics);
        Rows = [.. metrics.SelectMany(metric => RowsOf(metric, seed))];
        Pairs = [.. metrics.SelectMany(PairsOf)];
    }

    /// <summary>The metrics, in order.</summary>
    public IReadOnlyList<AttributionMetric> Metrics { get; }

    /// <summary>For each metric its methods, by their medians, the best first.</summary>
    public IReadOnlyList<StudyRow> Rows { get; }

    /// <summary>For each metric the pairs of methods, the surest difference first.</summary>
    public IReadOnlyList<StudyPair> Pairs { get; }

    /// <summary>The scores of a method by a metric, one an image; NaN where it is undefined.</summary>
    internal IReadOnlyList<double> Scores(string metric, string method) =>
        table.Scores.First(s => s.Metric == metric && s.Method == method).PerInstance;

    /// <summary>Writes the scores: <c>Idx,method,metric,score</c>, one row an instance.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path) => table.WriteCsv(path);

    /// <summary>Writes <c>{metrics: […], rows: […], pairs: […]}</c>.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            new
            {
                Metrics = Metrics.Select(m => new
                {
                    m.Name,
                    m.Title,
                    m.Formula,
                    m.Source,
                    Better = m.Better.ToString().ToLowerInvariant(),
                    m.Range,
                    m.Blank,
                    Over = m.Over.ToString().ToLowerInvariant(),
                }),
                Rows = Rows.Select(r => new
                {
                    r.Metric,
                    r.Method,
                    r.Count,
                    Median = Numbers(r.Median),
                    Rank = Numbers(r.Rank),
                }),
                Pairs,
                Settings = table
                    .Scores.Where(s => s.Settings is not null)
                    .DistinctBy(s => s.Method)
                    .ToDictionary(s => s.Method, s => s.Settings),
            }
        );

    /// <summary>Draws the paper's figure: for each metric a panel of box plots, the method of the best median on top.</summary>
    /// <param name="path">The PNG file.</param>
    /// <param name="subtitle">Of what it is.</param>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Draw(string path, string subtitle) => Figure(subtitle).Write(path);

    internal Figure Figure(string subtitle)
    {
        const int RowHeight = 19;
        const float NamesWidth = 165;
        var most = Metrics.Max(metric => Rows.Count(row => row.Metric == metric.Name));
        return Charts.Draw(
            "Attribution methods by what they are measured by",
            subtitle,
            [],
            Math.Min(2, Metrics.Count),
            [.. Metrics.Select(PanelOf)],
            NamesWidth,
            new(300, RowHeight * most)
        );
    }

    private Panel PanelOf(AttributionMetric metric)
    {
        var drawn = Rows.Where(row => row.Metric == metric.Name && row.Count > 0).Reverse().ToArray();
        BoxPlot[] boxes = [.. drawn.Select(row => BoxPlot.Of(Scores(metric.Name, row.Method).Where(double.IsFinite)))];
        var (from, to) = boxes.Length > 0 ? (boxes.Min(b => b.Least), boxes.Max(b => b.Most)) : (0, 1);
        var margin = to > from ? 0.03 * (to - from) : 0.5;
        var better = metric.Better == Better.Lower ? "← better" : "better →";
        var methods = drawn.Select((row, i) => ((double)i, row.Method));
        return new(
            metric.Title,
            Axis.Linear(better, from - margin, to + margin),
            new("", -0.7, drawn.Length - 0.3, [.. methods]),
            [.. boxes.Select((box, i) => Charts.Box(i, box, Charts.Palette[0]))]
        );
    }

    private static object Numbers(Estimate e) =>
        new
        {
            Value = Json.Number(e.Value),
            Low = Json.Number(e.Low),
            High = Json.Number(e.High),
        };

    private MethodScores[] Of(AttributionMetric metric) => [.. table.Scores.Where(s => s.Metric == metric.Name)];

    private static double Sign(AttributionMetric metric) => metric.Better == Better.Lower ? 1 : -1;

    private IEnumerable<StudyRow> RowsOf(AttributionMetric metric, int seed)
    {
        var all = Of(metric);
        int[] complete =
        [
            .. Enumerable
                .Range(0, all.FirstOrDefault()?.PerInstance.Count ?? 0)
                .Where(i => all.All(s => double.IsFinite(s.PerInstance[i]))),
        ];
        double[][] ranks =
        [
            .. complete.Select(i => Statistics.ranks([.. all.Select(s => Sign(metric) * s.PerInstance[i])])),
        ];
        return all.Select(
                (scores, column) =>
                {
                    double[] known = [.. scores.PerInstance.Where(double.IsFinite)];
                    return new StudyRow(
                        metric.Name,
                        scores.Method,
                        known.Length,
                        Sampled(Statistics.median, known, seed),
                        Sampled(Enumerable.Average, [.. ranks.Select(r => r[column])], seed)
                    );
                }
            )
            .OrderBy(row => double.IsNaN(row.Median.Value) ? double.PositiveInfinity : Sign(metric) * row.Median.Value)
            .ThenBy(row => row.Rank.Value);
    }

    private static Estimate Sampled(Func<double[], double> statistic, double[] values, int seed)
    {
        if (values.Length == 0)
            return new(double.NaN, double.NaN, double.NaN);
        var (low, high) = Interop.BootstrapInterval(statistic, new Random(seed), Resamples, Level, values);
        return new(statistic(values), low, high);
    }

    private StudyPair[] PairsOf(AttributionMetric metric)
    {
        var all = Of(metric);
        StudyPair[] pairs =
        [
            .. from a in Enumerable.Range(0, all.Length)
            from b in Enumerable.Range(a + 1, all.Length - a - 1)
            select Pair(metric, all[a], all[b]),
        ];
        var corrected = Statistics.holm([.. pairs.Select(pair => pair.Probability)]);
        return [.. pairs.Select((pair, i) => pair with { Corrected = corrected[i] }).OrderBy(pair => pair.Probability)];
    }

    private static StudyPair Pair(AttributionMetric metric, MethodScores a, MethodScores b)
    {
        double[] gains = [.. a.PerInstance.Zip(b.PerInstance, (x, y) => Sign(metric) * (y - x)).Where(double.IsFinite)];
        var share = gains.Length == 0 ? 0.5 : gains.Average(gain => (Math.Sign(gain) + 1) / 2.0);
        var probability = Statistics.signedRank(gains);
        return share >= 0.5
            ? new(metric.Name, a.Method, b.Method, gains.Length, share, probability, probability)
            : new(metric.Name, b.Method, a.Method, gains.Length, 1 - share, probability, probability);
    }
}
