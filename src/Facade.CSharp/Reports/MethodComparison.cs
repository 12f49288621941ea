using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Every method of the registry on the images of a report: by criteria, and by the truth where that is known.</summary>
internal sealed class MethodComparison(
    Model model,
    ImageSet images,
    IReadOnlyList<long> labels,
    ReportOptions options,
    PixelSteps steps,
    CancellationToken cancellation
)
{
    // A report is to be waited for: fewer random samples than the methods' own numbers.
    private static readonly Dictionary<string, int> fewerSamples = new()
    {
        ["rise"] = 300,
        ["smoothgrad"] = 20,
        ["smoothgrad-squared"] = 20,
        ["vargrad"] = 20,
        ["expected-gradients"] = 40,
    };

    private const int OfEachStudied = 2;
    private const int OfEachLocated = 3;
    private const int Resamples = 2000;

    private readonly SortedSet<string> failures = new(StringComparer.Ordinal);

    private int[] First(int ofEach) =>
        [.. labels.Index().GroupBy(l => l.Item).SelectMany(same => same.Take(ofEach).Select(l => l.Index)).Order()];

    /// <summary>The images of the study.</summary>
    public int[] Studied => First(OfEachStudied);

    private static MethodSettings Settings(AttributionMethod method, Quantity quantity, long seed) =>
        new()
        {
            Quantity = quantity,
            Seed = seed,
            Samples = fewerSamples.TryGetValue(method.Name, out var samples) ? samples : null,
        };

    /// <summary>Forward passes, about.</summary>
    public long Passes =>
        (long)
            AttributionMethod.All.Sum(method =>
                method.Work(Settings(method, Quantity.Predicted, 1), images).Passes
                * (Studied.Length + First(OfEachLocated).Length)
            );

    /// <summary>The methods by the criteria of the paper, for the predicted class's score.</summary>
    /// <param name="byExpert">The influence-directed maps of images (n×h×w).</param>
    /// <param name="next">Progress of so many passes.</param>
    public Study Study(Func<int[], Tensor> byExpert, Func<long, string, IProgress<Progress>?> next)
    {
        using var scope = NewDisposeScope();
        var rows = Studied;
        var x = ((Instances)images.Take(rows)).Remembered();
        var methods = new List<(string Name, Tensor Maps)> { (ReportMethods.InfluenceDirected, byExpert(rows)) };
        foreach (var method in AttributionMethod.All)
            if (Maps(method, Quantity.Predicted, x, next) is { } maps)
                methods.Add((method.Name, maps));
        var states = methods.Select(method => MapStates.Of(method.Maps)).ToArray();
        var every = cat([.. methods.Select(method => method.Maps)]);
        AttributionMetric[] metrics = [.. Attribution.Study.Criteria.Select(AttributionMetric.Find)];
        var settings = new MetricSettings { PixelsPerStep = options.PixelsPerStep };
        var scores =
            from metric in metrics
            let found = MapScores.Of(
                metric.Create(model, settings),
                every,
                x.Repeated(methods.Count),
                options.BatchSize,
                next(
                    (long)metric.Passes(settings, images.Height * images.Width) * rows.Length * methods.Count,
                    $"Scoring maps by {metric.Name}"
                ),
                cancellation
            )
            from part in found.Chunk(rows.Length).Index()
            select new MethodScores(methods[part.Index].Name, metric.Name, part.Item)
            {
                Maps = states[part.Index],
                Steps = steps,
            };
        var table = new ScoreTable([.. rows.Select(images.Label)], [.. scores]);
        return new(table, metrics, options.Seed);
    }

    /// <summary>Where the maps of the margin between each image's class and its sibling lie.</summary>
    /// <param name="truth">Where the distinguishing part is.</param>
    /// <param name="next">Progress of so many passes.</param>
    public TruthSection Truth(ReportTruth truth, Func<long, string, IProgress<Progress>?> next)
    {
        using var scope = NewDisposeScope();
        var siblings = truth
            .Pairs.SelectMany(pair => new[] { (pair.First, pair.Second), (pair.Second, pair.First) })
            .ToDictionary(pair => (long)pair.Item1, pair => (long)pair.Item2);
        int[] rows = [.. First(OfEachLocated).Where(row => siblings.ContainsKey(labels[row]))];
        var margin = Quantity.MarginEach(rows.Select(row => labels[row]), rows.Select(row => siblings[labels[row]]));
        Instances x = images.Take(rows);
        var masks = truth.Parts.index_select(0, tensor(rows.Select(row => (long)row).ToArray()));
        var areas = Localisation.Areas(masks);
        MethodTruth Find(AttributionMethod method, Tensor found)
        {
            var states = MapStates.Of(found);
            using var maps = Attribution.Maps.Finite(found, states);
            var shares = Localisation.Shares(masks, maps);
            double[] known =
            [
                .. states.Positions(MapState.Sound).Where(i => double.IsFinite(shares[i])).Select(i => (double)i),
            ];
            double Ratio(double[] some) => some.Average(i => shares[(int)i]) / some.Average(i => areas[(int)i]);
            var inside = Localisation.Hits(masks, maps);
            var hits = known.Select(i => inside[(int)i]).DefaultIfEmpty(double.NaN).Average();
            if (known.Length == 0)
                return new MethodTruth(method.Name, 0, double.NaN, new(double.NaN, double.NaN, double.NaN), hits);
            var (low, high) = Interop.BootstrapInterval(Ratio, new Random(options.Seed), Resamples, 0.95, known);
            return new MethodTruth(
                method.Name,
                known.Length,
                known.Average(i => shares[(int)i]),
                new(Ratio(known), low, high),
                hits
            );
        }
        var methods = new List<MethodTruth>();
        foreach (var method in AttributionMethod.All)
            if (Maps(method, margin, x, next) is { } maps)
                methods.Add(Find(method, maps));
        // Where few maps are sound, their mean is of other images than the others'.
        MethodTruth[] ranked =
        [
            .. methods
                .OrderBy(m => m.Count > 0 && 2 * m.Count >= rows.Length ? 0 : 1)
                .ThenByDescending(m => double.IsNaN(m.Ratio.Value) ? double.MinValue : m.Ratio.Value),
        ];
        return new(rows.Length, areas.Average(), ranked);
    }

    /// <summary>What was left out since it failed, and why: a sentence each.</summary>
    public IReadOnlyList<string> Failures => [.. failures];

    // One method that a model does not allow leaves the others as they are.
    private Tensor? Maps(
        AttributionMethod method,
        Quantity quantity,
        Instances x,
        Func<long, string, IProgress<Progress>?> next
    )
    {
        var settings = Settings(method, quantity, options.Seed) with { Background = (Instances)images };
        var progress = next((long)(method.Work(settings, x).Passes * x.Count), $"Explaining by {method.Name}");
        try
        {
            return TensorModule.pixels(method.Create(model, settings)(x, options.BatchSize, progress, cancellation));
        }
        catch (AttributionException e)
        {
            failures.Add($"The method {method.Name} is left out: {e.Message}");
            return null;
        }
    }
}
