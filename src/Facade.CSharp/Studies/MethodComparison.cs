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

    // And steps.
    private const int FewerIterations = 20;

    private const int OfEachStudied = 2;
    private const int OfEachLocated = 3;
    private const int Resamples = 2000;

    private readonly SortedSet<string> failures = new(StringComparer.Ordinal);

    private int[] First(int ofEach) =>
        [.. labels.Index().GroupBy(l => l.Item).SelectMany(same => same.Take(ofEach).Select(l => l.Index)).Order()];

    /// <summary>The images of the study.</summary>
    public int[] Studied => First(OfEachStudied);

    private StudyMethod[] Methods(Quantity quantity) =>
        [
            .. AttributionMethod.All.Select(method => new StudyMethod(
                method,
                new()
                {
                    Quantity = quantity,
                    Seed = options.Seed,
                    Samples = fewerSamples.TryGetValue(method.Name, out var samples) ? samples : null,
                    Background = images,
                    Iterations = FewerIterations,
                }
            )),
        ];

    private static AttributionMetric[] Criteria => [.. Attribution.Study.Criteria.Select(AttributionMetric.Find)];

    private MetricSettings Metrics => new() { PixelsPerStep = options.PixelsPerStep };

    private RunOptions Run => new() { IsEveryMethod = true, BatchSize = options.BatchSize };

    private long PassesOf(Quantity quantity, int count) =>
        (long)Methods(quantity).Sum(method => method.Passes(model, images)) * count;

    /// <summary>Forward passes, about.</summary>
    public long Passes => StudyPasses + PassesOf(Quantity.Predicted, First(OfEachLocated).Length);

    private long StudyPasses
    {
        get
        {
            var pixels = (long)images.Height * images.Width;
            var scored = Studied.Length * (AttributionMethod.All.Count + 1L);
            return PassesOf(Quantity.Predicted, Studied.Length)
                + (long)Criteria.Sum(metric => metric.Passes(Metrics, pixels) * scored);
        }
    }

    /// <summary>The methods by the criteria of the paper, for the predicted class's score.</summary>
    /// <param name="byExpert">The influence-directed maps of images (n×h×w).</param>
    /// <param name="next">Progress of so many passes.</param>
    public Study Study(Func<int[], Tensor> byExpert, Func<long, string, IProgress<Progress>?> next)
    {
        using var scope = NewDisposeScope();
        var rows = Studied;
        var study = Attribution.Study.Run(
            model,
            images.Take(rows),
            [new(StudyMethod.InfluenceDirected, byExpert(rows)), .. Methods(Quantity.Predicted)],
            Criteria,
            new()
            {
                Metrics = Metrics,
                Seed = options.Seed,
                IsEveryMethod = true,
                BatchSize = options.BatchSize,
            },
            next(StudyPasses, $"Comparing methods on {Words.Count(rows.Length, "image")}"),
            cancellation
        );
        failures.UnionWith(study.LeftOut.Concat(study.Failures));
        return study;
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
        var areas = Localisation.Areas(MasksOf(truth, rows));
        MethodRun run = new(model, new(images.Take(rows)), Methods(margin), Run, null, cancellation);
        var total = PassesOf(margin, rows.Length);
        Passes passes = new(total, next(total, "Looking where the maps of every method lie"), cancellation);
        var found = run.Methods.ToDictionary(
            method => method,
            _ => new List<(bool IsKnown, double Share, double Hit)>()
        );
        run.Each(part =>
        {
            var masks = MasksOf(truth, rows.AsSpan(part.Start, part.Images.Count));
            foreach (var method in run.Methods)
                if (run.Maps(method, part, passes) is { } maps)
                {
                    var states = MapStates.Of(maps);
                    var finite = Maps.Finite(TensorModule.pixels(maps), states);
                    var (shares, hits) = (Localisation.Shares(masks, finite), Localisation.Hits(masks, finite));
                    found[method]
                        .AddRange(
                            states.Select(
                                (s, i) => (s == MapState.Sound && double.IsFinite(shares[i]), shares[i], hits[i])
                            )
                        );
                }
        });
        failures.UnionWith(run.Failures.Sentences);

        MethodTruth Of(StudyMethod method)
        {
            var all = found[method];
            double[] known = [.. all.Index().Where(map => map.Item.IsKnown).Select(map => (double)map.Index)];
            double Ratio(double[] some) => some.Average(i => all[(int)i].Share) / some.Average(i => areas[(int)i]);
            if (known.Length == 0)
                return new(method.Name, 0, double.NaN, new(double.NaN, double.NaN, double.NaN), double.NaN);
            var (low, high) = Interop.BootstrapInterval(Ratio, new Random(options.Seed), Resamples, 0.95, known);
            return new(
                method.Name,
                known.Length,
                known.Average(i => all[(int)i].Share),
                new(Ratio(known), low, high),
                known.Average(i => all[(int)i].Hit)
            );
        }

        // Where few maps are sound, their mean is of other images than the others'.
        MethodTruth[] ranked =
        [
            .. run
                .Sound.Select(Of)
                .OrderBy(m => m.Count > 0 && 2 * m.Count >= rows.Length ? 0 : 1)
                .ThenByDescending(m => double.IsNaN(m.Ratio.Value) ? double.MinValue : m.Ratio.Value),
        ];
        return new(rows.Length, areas.Average(), ranked);
    }

    /// <summary>What was left out since it failed, and why: a sentence each.</summary>
    public IReadOnlyList<string> Failures => [.. failures];

    private static Tensor MasksOf(ReportTruth truth, ReadOnlySpan<int> rows) =>
        truth.Parts.index_select(0, tensor(Array.ConvertAll(rows.ToArray(), row => (long)row)));
}
