using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>How far a metric's order of methods is that of the truth.</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Correlation">Spearman's correlation, over the methods, of the metric's mean score, the better the higher, with the
/// share of the positive attribution on the part; NaN where the one or the other is the same for all. The interval is that of
/// samples of the images.</param>
/// <param name="Methods">The methods that it is of.</param>
public sealed record AgreementRow(string Metric, Estimate Correlation, int Methods);

/// <summary>How much of a method's positive attribution lies on the part.</summary>
/// <param name="Method">The method's name.</param>
/// <param name="Count">The images whose map is sound.</param>
/// <param name="Ratio">The mean share on the part, as a multiple of the part's share of these images: a uniform map has 1.</param>
public sealed record AgreementMethod(string Method, int Count, Estimate Ratio);

/// <summary>Which metrics agree with the truth, on images of which it is known where a map is to lie: whether a metric calls those
/// methods good whose maps lie there.</summary>
/// <remarks>The truth about a method is the share of its maps' positive attribution on the part (<see cref="Localisation.Shares"/>),
/// as a multiple of the part's share of the image. Each metric's mean scores are compared with it over the methods, by the rank
/// correlation of Spearman, American Journal of Psychology 15(1), 1904. The intervals are those of the bootstrap over images: each
/// sample of them gives new means of both, for the same methods. A method counts where half of the images have a sound map of it,
/// and a score.</remarks>
public sealed class TruthAgreement
{
    /// <summary>The metric whose scores are the truth about a map.</summary>
    public const string Truth = "relevance-mass";

    /// <summary>The fewest methods that have an order to speak of.</summary>
    public const int FewestMethods = 3;

    private const int Resamples = 2000;
    private const double Level = 0.95;

    // Long work is to be waited for: fewer steps, samples and explanations than the methods' and metrics' own numbers.
    private const int FewerSuperpixels = 12;
    private const int FewerSteps = 10;
    private const int FewerIterations = 15;
    private const int ShareOfSamples = 20;
    private const int FewestSamples = 5;
    private const int Windows = 8;
    private const int StepsOfCurves = 20;
    private const double MostPasses = 30;
    private const double MostPassesOfExplaining = 7;
    private const double Gradient = 3;

    private readonly IReadOnlyList<double> areas;
    private readonly ILookup<string, MethodScores> byMetric;
    private readonly Dictionary<string, double[]> shares;
    private readonly int[][] samples;

    /// <summary>The agreement of scores that are known.</summary>
    /// <param name="table">The scores of all methods by the metrics, and by <see cref="Truth"/>.</param>
    /// <param name="metrics">The metrics, which say what is better.</param>
    /// <param name="areas">The part's share of each image.</param>
    /// <param name="seed">Decides on the samples of images.</param>
    /// <exception cref="ArgumentException">There is no truth among the scores, or not one area an image.</exception>
    public TruthAgreement(
        ScoreTable table,
        IReadOnlyList<AttributionMetric> metrics,
        IReadOnlyList<double> areas,
        int seed = 1
    )
    {
        this.areas = areas;
        byMetric = table.Scores.Where(s => s.Failure is null).Select(s => s.OfSound).ToLookup(s => s.Metric);
        if (!byMetric.Contains(Truth))
            throw new ArgumentException($"The scores are to be compared with those by '{Truth}', which are missing.");
        if (byMetric[Truth].Any(s => s.PerInstance.Count != areas.Count))
            throw new ArgumentException($"There are {areas.Count} areas, and not one for each image.", nameof(areas));
        shares = byMetric[Truth].Where(IsKnown).ToDictionary(s => s.Method, s => s.PerInstance.ToArray());
        Random random = new(seed);
        int Drawn(int _) => random.Next(areas.Count);
        samples =
        [
            .. Enumerable.Range(0, Resamples).Select(_ => Enumerable.Range(0, areas.Count).Select(Drawn).ToArray()),
        ];
        Methods =
        [
            .. shares
                .Select(method => new AgreementMethod(
                    method.Key,
                    method.Value.Count(double.IsFinite),
                    Sampled(rows => Ratio(method.Value, rows))
                ))
                .OrderByDescending(method => method.Ratio.Value),
        ];
        Rows =
        [
            .. metrics
                .Select(RowOf)
                .OrderBy(row => double.IsNaN(row.Correlation.Value) ? 1 : 0)
                .ThenByDescending(row => row.Correlation.Value),
        ];
    }

    /// <summary>The metrics, by their agreement, the best first.</summary>
    public IReadOnlyList<AgreementRow> Rows { get; }

    /// <summary>The methods, the one whose maps lie on the part most first.</summary>
    public IReadOnlyList<AgreementMethod> Methods { get; }

    /// <summary>How many images there are.</summary>
    public int Images => areas.Count;

    /// <summary>The mean share of the image that the part covers.</summary>
    public double Area => areas.Average();

    /// <summary>What failed or was left out, and why: a sentence each.</summary>
    public IReadOnlyList<string> LeftOut { get; private init; } = [];

    /// <summary>The metrics that can be asked in a reasonable time: all but attack sensitivity and the smooth parameter randomisation,
    /// which take minutes a method.</summary>
    public static IReadOnlyList<AttributionMetric> AllMetrics { get; } =
    [
        .. AttributionMetric.All.Where(metric =>
            metric.Name is not ("attack-sensitivity" or "smooth-parameter-randomisation")
        ),
    ];

    /// <summary>Every method of the registry, with fewer steps, samples and iterations than its own numbers: a twentieth of its samples,
    /// 5 at the least, 10 steps, 15 iterations and 12 superpixels, and windows side by side.</summary>
    /// <param name="images">The images, with which expected gradients compare each.</param>
    /// <param name="quantity">What is explained; null: the predicted class's score.</param>
    /// <param name="seed">Decides on what is drawn.</param>
    public static IReadOnlyList<StudyMethod> AllMethods(ImageSet images, Quantity? quantity = null, long seed = 1)
    {
        var window = Math.Max(1, Math.Min(images.Height, images.Width) / Windows);
        return
        [
            .. AttributionMethod.All.Select(method => new StudyMethod(
                method,
                new()
                {
                    Quantity = quantity ?? Quantity.Predicted,
                    Seed = seed,
                    Steps = FewerSteps,
                    Iterations = FewerIterations,
                    Samples =
                        method.DefaultSamples > FewestSamples
                            ? Math.Max(FewestSamples, method.DefaultSamples / ShareOfSamples)
                            : null,
                    WindowSize = window,
                    Stride = window,
                    Background = images,
                    Features = Features.Superpixels(FewerSuperpixels),
                }
            )),
        ];
    }

    /// <summary>What a metric is set up with here, where its settings leave it free: pixels change in 20 steps, and samples are as
    /// many as cost 30 passes an image, or of a metric that makes maps of its own 2 of these.</summary>
    /// <param name="metric">The metric.</param>
    /// <param name="settings">Its settings.</param>
    /// <param name="pixels">How many pixels an image has.</param>
    public static MetricSettings Quick(AttributionMetric metric, MetricSettings settings, long pixels)
    {
        settings = settings with { PixelsPerStep = settings.PixelsPerStep ?? (int)Math.Max(1, pixels / StepsOfCurves) };
        double Cost(int? samples) => metric.Passes(settings with { Samples = samples }, pixels);
        var most = metric.NeedsExplain ? MostPassesOfExplaining : MostPasses;
        if (settings.Samples is not null || Cost(null) <= most || Cost(1) == Cost(2))
            return settings;
        var each = Cost(2) - Cost(1);
        return settings with { Samples = (int)Math.Max(1, 1 + (most - Cost(1)) / each) };
    }

    /// <summary>Makes maps of images by methods, scores them by metrics, and compares the scores with where the maps lie. What fails is
    /// named, and the others go on.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">The images.</param>
    /// <param name="masks">Where a map is to lie: n×h×w of booleans.</param>
    /// <param name="methods">The methods, with what they explain; null: <see cref="AllMethods"/>.</param>
    /// <param name="metrics">The metrics; null: <see cref="AllMetrics"/>.</param>
    /// <param name="settings">What metrics are set up with, by <see cref="Quick"/> where it leaves them free; null: for the predicted
    /// class's score. Its masks are not used.</param>
    /// <param name="options">How methods are run; null: as all that there are.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">Every method fails, the masks do not fit, or fewer than three methods have enough sound
    /// maps.</exception>
    public static TruthAgreement Run(
        Model model,
        ImageSet images,
        Tensor masks,
        IReadOnlyList<StudyMethod>? methods = null,
        IReadOnlyList<AttributionMetric>? metrics = null,
        MetricSettings? settings = null,
        RunOptions? options = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        settings = (settings ?? new()) with { Masks = masks };
        metrics ??= AllMetrics;
        var pixels = (long)images.Height * images.Width;
        (AttributionMetric Metric, MetricSettings Settings)[] asked =
        [
            .. metrics
                .Prepend(AttributionMetric.Find(Truth))
                .DistinctBy(metric => metric.Name)
                .Select(metric => (metric, Quick(metric, settings, pixels))),
        ];
        MethodRun run = new(
            model,
            new(images),
            methods ?? AllMethods(images),
            options ?? new() { IsEveryMethod = true },
            null,
            cancellation
        );
        double Cost(StudyMethod method, AttributionMetric metric, MetricSettings own) =>
            metric.Passes(own, pixels)
            * (metric.NeedsExplain ? Math.Max(1, method.Passes(model, images) / Gradient) : 1);
        double CostOf(StudyMethod method) =>
            method.Passes(model, images) + asked.Sum(metric => Cost(method, metric.Metric, metric.Settings));
        Passes passes = new((long)(images.Count * run.Methods.Sum(CostOf)), progress, cancellation);
        Failures failures = new(isEvery: true);
        List<MethodScores> found = [];
        run.Each(part =>
        {
            using var maps = NewDisposeScope();
            foreach (var method in run.Methods)
            {
                if (run.Maps(method, part, passes) is not { } made)
                    continue;
                foreach (var (metric, own) in asked)
                {
                    var next = passes.Next((long)(part.Images.Count * Cost(method, metric, own)));
                    if (failures.Has(Failing(metric, method)))
                        continue;
                    var setUp = own with { Explain = method.Explainer, MultipliedFrom = method.MultipliedFrom };
                    var scores = failures.Try(
                        Failing(metric, method),
                        () =>
                            MapScores.Of(
                                metric.Create(model, setUp),
                                made,
                                part.Instances,
                                options?.BatchSize,
                                next,
                                cancellation
                            )
                    );
                    if (scores is not null)
                        found.Add(new(method.Name, metric.Name, scores));
                }
            }
        });
        var wide = masks.shape[0] == 1 ? masks.expand(images.Count, -1, -1) : masks;
        var areas = Localisation.Areas(wide);
        var sound = run.Sound.Select(method => method.Name).ToHashSet();
        MethodScores[] whole =
        [
            .. found
                .Where(scores => sound.Contains(scores.Method))
                .GroupBy(scores => (scores.Method, scores.Metric))
                .Select(parts => Joined([.. parts]))
                .Where(scores => scores.PerInstance.Count == areas.Count),
        ];
        // Of what no method has a score by, the first reason stands for all.
        string[] told =
        [
            .. from metric in asked
            let failed = run.Sound.Where(method => failures.Has(Failing(metric.Metric, method))).ToArray()
            where failed.Length > 0
            select failed.Length == run.Sound.Count
                ? $"The metric {metric.Metric.Name} is left out: {failures.Reason(Failing(metric.Metric, failed[0]))}"
                : $"The metric {metric.Metric.Name} is left out of {string.Join(", ", failed.Select(m => m.Name))}: {failures.Reason(Failing(metric.Metric, failed[0]))}",
        ];
        // The truth is asked first of all; what it refuses the masks for, every metric would.
        if (whole.All(scores => scores.Metric != Truth))
            throw new AttributionException(failures.Reason(Failing(asked[0].Metric, run.Sound[0])));
        ScoreTable table = new([.. Enumerable.Range(0, images.Count).Select(images.Label)], whole);
        AttributionMetric[] scored =
        [
            .. metrics.Where(metric => Array.Exists(whole, scores => scores.Metric == metric.Name)),
        ];
        TruthAgreement agreement = new(table, scored, areas, (int)settings.Seed)
        {
            LeftOut = [.. run.Failures.Sentences, .. told],
        };
        return agreement.Methods.Count >= FewestMethods
            ? agreement
            : throw new AttributionException(
                $"An order of methods takes {FewestMethods} that have sound maps of half of the images, but there {(agreement.Methods.Count == 1 ? "is" : "are")} {agreement.Methods.Count}: name more of them."
            );
    }

    private static string Failing(AttributionMetric metric, StudyMethod method) => $"{metric.Name} of {method.Name}";

    private static MethodScores Joined(MethodScores[] parts) =>
        new(parts[0].Method, parts[0].Metric, [.. parts.SelectMany(part => part.PerInstance)])
        {
            Maps = new(parts.SelectMany(part => part.Maps)),
        };

    /// <summary>Writes <c>metric,correlation,low,high,methods</c>, a row a metric; what is not defined is left empty.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path)
    {
        Records rows = new("metric", "correlation", "low", "high", "methods");
        foreach (var row in Rows)
            rows.Add(row.Metric, row.Correlation.Value, row.Correlation.Low, row.Correlation.High, row.Methods);
        rows.WriteCsv(path);
    }

    // Fewer maps are of other images than the others'.
    private static bool IsKnown(MethodScores scores) =>
        scores.Count > 0 && 2 * scores.Count >= scores.PerInstance.Count;

    private static double Mean(double[] numbers, int[] rows)
    {
        var (sum, count) = (0.0, 0);
        foreach (var row in rows)
            if (double.IsFinite(numbers[row]))
                (sum, count) = (sum + numbers[row], count + 1);
        return sum / count;
    }

    private double Ratio(double[] shares, int[] rows)
    {
        var (share, area) = (0.0, 0.0);
        foreach (var row in rows)
            if (double.IsFinite(shares[row]))
                (share, area) = (share + shares[row], area + areas[row]);
        return share / area;
    }

    private int[] Whole => [.. Enumerable.Range(0, areas.Count)];

    private Estimate Sampled(Func<int[], double> statistic)
    {
        double[] found = [.. samples.Select(statistic).Where(double.IsFinite).Order()];
        double At(double share) => found.Length == 0 ? double.NaN : found[(int)Math.Round(share * (found.Length - 1))];
        return new(statistic(Whole), At((1 - Level) / 2), At((1 + Level) / 2));
    }

    private AgreementRow RowOf(AttributionMetric metric)
    {
        (double[] Shares, double[] Scores)[] methods =
        [
            .. byMetric[metric.Name]
                .Where(s => IsKnown(s) && shares.ContainsKey(s.Method))
                .Select(s => (shares[s.Method], s.PerInstance.ToArray())),
        ];
        var sign = metric.Better == Better.Lower ? -1 : 1;

        double Correlation(int[] rows)
        {
            (double Truth, double Score)[] known =
            [
                .. methods
                    .Select(method => (Ratio(method.Shares, rows), sign * Mean(method.Scores, rows)))
                    .Where(pair => double.IsFinite(pair.Item1) && double.IsFinite(pair.Item2)),
            ];
            if (known.Length < FewestMethods)
                return double.NaN;
            var found = Statistics.rankCorrelation([.. known.Select(m => m.Truth)], [.. known.Select(m => m.Score)]);
            // What is 0 but for rounding is neither for nor against.
            return Math.Round(found, 12);
        }

        return new(metric.Name, Sampled(Correlation), methods.Length);
    }
}
