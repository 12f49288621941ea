using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;

namespace Attribution;

/// <summary>A number and the range in which its bootstrap samples lie.</summary>
/// <param name="Value">The number.</param>
/// <param name="Low">The 2.5 % quantile of the samples.</param>
/// <param name="High">The 97.5 % quantile.</param>
public readonly record struct Estimate(double Value, double Low, double High)
{
    private const int Resamples = 2000;
    private const double Level = 0.95;

    /// <summary>The mean of some numbers, and its interval; NaN of none.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="seed">Decides on the samples.</param>
    public static Estimate OfMean(IReadOnlyCollection<double> values, int seed = 1) =>
        Sampled(Enumerable.Average, Statistics.bootstrapInterval, [.. values], seed);

    internal static Estimate Sampled(
        Func<double[], double> statistic,
        Func<Random, int, double, double[], (double, double)> interval,
        double[] values,
        int seed
    )
    {
        if (values.Length == 0)
            return new(double.NaN, double.NaN, double.NaN);
        var (low, high) = interval(new Random(seed), Resamples, Level, values);
        return new(statistic(values), low, high);
    }
}

/// <summary>How a method fares by a metric.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Method">The method's name.</param>
/// <param name="Count">The images whose map is sound and whose score is defined.</param>
/// <param name="Median">The median over them.</param>
/// <param name="Rank">The mean of its ranks among the methods, 1 for the best, over the images of which each of them has a sound
/// map and a score. A method that has one for fewer than half of the images takes no rank: it would take the images away
/// from the others.</param>
public sealed record StudyRow(string Metric, string Method, int Count, Estimate Median, Estimate Rank)
{
    /// <summary>Whether it takes a rank: at least half of the images have a sound map of it, and a score.</summary>
    public bool IsRanked { get; init; } = true;

    /// <summary>The images over which it is ranked.</summary>
    public int Ranked { get; init; }

    /// <summary>How many of its maps are not sound.</summary>
    public int Unsound { get; init; }
}

/// <summary>Two methods compared by a metric on the same images.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="First">The method that is better on more images.</param>
/// <param name="Second">The other.</param>
/// <param name="Count">The images of which both have a sound map and a score.</param>
/// <param name="BetterShare">The share of those on which the first is better; a tie counts half.</param>
/// <param name="Probability">The two-sided probability of Wilcoxon's signed-rank test.</param>
/// <param name="Corrected">The same by Holm's correction for all pairs of the metric that have images in common.</param>
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
/// Methods compared by metrics on the same images, the grid of their scores: medians and ranks with bootstrap intervals, and paired tests.
/// </summary>
/// <remarks>After Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, whose figure <c>Attribution.Pages</c> draws of it.</remarks>
public sealed class Study
{
    /// <summary>The names of the metrics whose figure it is: the paper's four criteria.</summary>
    public static IReadOnlyList<string> Criteria { get; } =
    ["necessity-ordering", "sufficiency-ordering", "proportionality-necessity", "proportionality-sufficiency"];

    private readonly Lazy<IReadOnlyList<StudyRow>> rows;
    private readonly Lazy<IReadOnlyList<StudyPair>> pairs;

    /// <summary>A study of scores.</summary>
    /// <param name="table">The scores, all methods' by each metric.</param>
    /// <param name="metrics">The metrics, which say what is better.</param>
    /// <param name="seed">Decides on the bootstrap's samples.</param>
    public Study(ScoreTable table, IReadOnlyList<AttributionMetric> metrics, int seed = 1)
    {
        (Table, Metrics) = (table, metrics);
        rows = new(() => [.. metrics.SelectMany(metric => RowsOf(metric, seed))]);
        pairs = new(() => [.. metrics.SelectMany(PairsOf)]);
    }

    /// <summary>Makes maps of images by methods, and scores them by metrics: a method on a part of the images after the other, so that
    /// memory is bounded. What fails is named, and the others go on.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="methods">The methods; those of <see cref="AttributionMethod.All"/> with their defaults as they are.</param>
    /// <param name="metrics">The metrics.</param>
    /// <param name="options">How it is done; null: the defaults.</param>
    /// <param name="progress">Told of every pass, and of what it is for.</param>
    /// <param name="cancellation">Stops the work; what was found until then is kept where a file is named.</param>
    /// <param name="place">Where it is done; null: <see cref="Workplace.In"/>.</param>
    /// <exception cref="AttributionException">Every method or every metric fails, or the file that keeps what is found cannot be
    /// used.</exception>
    public static Study Run(
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        IReadOnlyList<AttributionMetric> metrics,
        StudyOptions? options = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default,
        Workplace? place = null
    ) =>
        new StudyRun(
            model,
            images,
            methods,
            metrics,
            options ?? new(),
            progress,
            cancellation,
            place ?? Workplace.In(model)
        ).Study();

    /// <summary>Has one of several parts of a study's units computed, and keeps what it finds in <see cref="StudyOptions.Kept"/>: for
    /// machines that do not know of each other, whose files <see cref="Merge"/> joins.</summary>
    /// <param name="part">Which part, from 1.</param>
    /// <param name="parts">How many there are.</param>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="methods">The methods.</param>
    /// <param name="metrics">The metrics.</param>
    /// <param name="options">How it is done.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    /// <exception cref="AttributionException">Every method or every metric fails, or the file that keeps what is found cannot be
    /// used.</exception>
    public static void RunPart(
        int part,
        int parts,
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        IReadOnlyList<AttributionMetric> metrics,
        StudyOptions options,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        new StudyRun(
            model,
            images,
            methods,
            metrics,
            options,
            progress,
            cancellation,
            Workplace.Part(model, part, parts)
        ).Do();

    /// <summary>Joins what parts of a study kept.</summary>
    /// <param name="files">Their <see cref="StudyOptions.Kept"/>.</param>
    /// <param name="kept">The file of them all, from which a study goes on.</param>
    /// <param name="isMixed">Whether results of machines of several kinds may stand beside each other.</param>
    /// <returns>How many results there are.</returns>
    /// <exception cref="AttributionException">A file cannot be read, or they are of several studies or kinds of machines.</exception>
    public static int Merge(IReadOnlyList<string> files, string kept, bool isMixed = false) =>
        StudyRecord.Merge(files, kept, isMixed);

    /// <summary>The work of a study, for a process that computes units of it.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="methods">The methods.</param>
    /// <param name="metrics">The metrics.</param>
    /// <param name="options">How it is done; null: the defaults.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">Every method or every metric fails, or the file that keeps what is found cannot be
    /// used.</exception>
    public static Workload Plan(
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        IReadOnlyList<AttributionMetric> metrics,
        StudyOptions? options = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => new StudyRun(model, images, methods, metrics, options ?? new(), progress, cancellation, null);

    /// <summary>The scores, by metric and then by method.</summary>
    public ScoreTable Table { get; }

    /// <summary>The methods that were run, as they were set up; empty where the scores came from elsewhere.</summary>
    public IReadOnlyList<StudyMethod> Methods { get; internal init; } = [];

    /// <summary>The kinds of machines that computed the scores: libtorch, processor, threads; empty where they came from elsewhere.</summary>
    public IReadOnlyCollection<string> Machines { get; internal init; } = [];

    /// <summary>What methods and metrics have to say of what they did, a sentence each.</summary>
    public IReadOnlyList<string> Remarks { get; internal init; } = [];

    /// <summary>What failed though it was asked for by its name, and why: a sentence each.</summary>
    public IReadOnlyList<string> Failures { get; internal init; } = [];

    /// <summary>What the model does not allow of all that there is, and why: a sentence each.</summary>
    public IReadOnlyList<string> LeftOut { get; internal init; } = [];

    /// <summary>The metrics, in order.</summary>
    public IReadOnlyList<AttributionMetric> Metrics { get; }

    /// <summary>For each metric its methods, by their medians, the best first; those that take no rank come last.</summary>
    public IReadOnlyList<StudyRow> Rows => rows.Value;

    /// <summary>For each metric the pairs of methods, the surest difference first.</summary>
    public IReadOnlyList<StudyPair> Pairs => pairs.Value;

    /// <summary>The methods of which some maps are not sound, and those that take no rank: a sentence each.</summary>
    public IReadOnlyList<string> Notes => [.. Table.Notes, .. Rows.GroupBy(row => row.Method).SelectMany(Unranked)];

    /// <summary>The steps in which pixels were removed or put back; null where no metric does so.</summary>
    public PixelSteps? Steps => Table.Steps;

    /// <summary>What each of a method's maps is.</summary>
    /// <exception cref="AttributionException">There is no such method.</exception>
    public MapStates Maps(string method) =>
        Table.Scores.FirstOrDefault(s => s.Method == method)?.Maps
        ?? throw new AttributionException($"The study has no method '{method}'.");

    /// <summary>The scores that a method's sound maps have by a metric, one an image; NaN for others, and where undefined.</summary>
    public IReadOnlyList<double> Scores(string metric, string method) =>
        Table.Scores.First(s => s.Metric == metric && s.Method == method).OfSound.PerInstance;

    /// <summary>The box plot of those scores; null where no image has one.</summary>
    /// <param name="metric">The metric's name.</param>
    /// <param name="method">The method's.</param>
    /// <exception cref="InvalidOperationException">The study has no such metric or method.</exception>
    public BoxPlot? Box(string metric, string method)
    {
        double[] known = [.. Scores(metric, method).Where(double.IsFinite)];
        return known.Length == 0 ? null : BoxPlot.Of(known);
    }

    /// <summary>Writes the scores: <c>Idx,method,metric,score</c>, one row an instance.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path) => Table.WriteCsv(path);

    /// <summary>Writes <c>{metrics: […], rows: […], pairs: […], machines: […]}</c>; with <c>maps</c>, by method, where some are not sound, and
    /// with <c>failed</c> where a method has no scores by a metric.</summary>
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
                    PixelsPerStep = StepsOf(m)?.Pixels,
                    FewestSteps = StepsOf(m) is { Fewest: > 1 } steps ? steps.Fewest : (int?)null,
                }),
                Rows = Rows.Select(r => new
                {
                    r.Metric,
                    r.Method,
                    r.Count,
                    r.IsRanked,
                    r.Ranked,
                    r.Unsound,
                    Median = Numbers(r.Median),
                    Rank = Numbers(r.Rank),
                }),
                Pairs,
                Machines,
                Settings = Table
                    .Scores.Where(s => s.Settings is not null)
                    .DistinctBy(s => s.Method)
                    .ToDictionary(s => s.Method, s => s.Settings),
                Maps = Table
                    .Scores.Where(s => s.Maps.Unsound > 0)
                    .DistinctBy(s => s.Method)
                    .ToDictionary(s => s.Method, s => s.Maps.ForJson()),
                Failed = Table
                    .Scores.Where(s => s.Failure is not null)
                    .Select(s => new
                    {
                        s.Method,
                        s.Metric,
                        Reason = s.Failure,
                    }),
            }
        );

    private PixelSteps? StepsOf(AttributionMetric metric) =>
        Table.Scores.FirstOrDefault(s => s.Metric == metric.Name && s.Steps is not null)?.Steps;

    private static string[] Unranked(IGrouping<string, StudyRow> method)
    {
        string[] metrics = [.. method.Where(row => !row.IsRanked && row.Unsound > 0).Select(row => row.Metric)];
        return metrics.Length == 0
            ? []
            :
            [
                $"{method.Key} takes no rank by {string.Join(", ", metrics)}: fewer than half of the images have a sound map of it, and a score.",
            ];
    }

    private static object Numbers(Estimate e) =>
        new
        {
            Value = Json.Number(e.Value),
            Low = Json.Number(e.Low),
            High = Json.Number(e.High),
        };

    // Sound maps alone are compared.
    private MethodScores[] Of(AttributionMetric metric) =>
        [.. Table.Scores.Where(s => s.Metric == metric.Name && s.Failure is null).Select(s => s.OfSound)];

    private static double Sign(AttributionMetric metric) => metric.Better == Better.Lower ? 1 : -1;

    private IEnumerable<StudyRow> RowsOf(AttributionMetric metric, int seed)
    {
        var all = Of(metric);
        // A method with few scores would take the images away from the others.
        MethodScores[] ranked = [.. all.Where(s => s.Count > 0 && 2 * s.Count >= s.PerInstance.Count)];
        int[] complete =
        [
            .. Enumerable
                .Range(0, ranked.FirstOrDefault()?.PerInstance.Count ?? 0)
                .Where(i => ranked.All(s => double.IsFinite(s.PerInstance[i]))),
        ];
        double[][] ranks =
        [
            .. complete.Select(i => Statistics.ranks([.. ranked.Select(s => Sign(metric) * s.PerInstance[i])])),
        ];
        return all.Select(scores =>
            {
                double[] known = [.. scores.PerInstance.Where(double.IsFinite)];
                var column = Array.IndexOf(ranked, scores);
                double[] own = column < 0 ? [] : [.. ranks.Select(r => r[column])];
                return new StudyRow(
                    metric.Name,
                    scores.Method,
                    known.Length,
                    Estimate.Sampled(Statistics.median, Statistics.bootstrapMedian, known, seed),
                    Estimate.Sampled(Enumerable.Average, Statistics.bootstrapInterval, own, seed)
                )
                {
                    IsRanked = column >= 0,
                    Ranked = own.Length,
                    Unsound = scores.Maps.Unsound,
                };
            })
            .OrderBy(row => row.IsRanked ? 0 : 1)
            .ThenBy(row => double.IsNaN(row.Median.Value) ? double.PositiveInfinity : Sign(metric) * row.Median.Value)
            .ThenBy(row => row.Rank.Value);
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
        // Where nothing can be compared no test is made.
        StudyPair[] tested = [.. pairs.Where(pair => pair.Count > 0)];
        var corrected = Statistics.holm([.. tested.Select(pair => pair.Probability)]);
        return
        [
            .. tested
                .Select((pair, i) => pair with { Corrected = corrected[i] })
                .Concat(pairs.Where(pair => pair.Count == 0))
                .OrderBy(pair => pair.Probability),
        ];
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
