using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Which metrics agree with a truth that is made up.</summary>
public static class TruthAgreementTests
{
    private const string Higher = "sparseness";
    private const string Lower = "complexity";
    private const int Side = 8;

    public static Test Tests =>
        Runner.TestList(
            "Truth agreement",
            [
                Runner.TestCase(
                    "a metric that orders methods as the truth does has 1, and one the other way round −1",
                    Same
                ),
                Runner.TestCase("it is Spearman's correlation of the means", Correlated),
                Runner.TestCase("a metric that says the same of all has none", Constant),
                Runner.TestCase("intervals are those of samples of the images", Intervals),
                Runner.TestCase("a method with few sound maps counts for nothing, and changes nothing", FewSound),
                Runner.TestCase("scores that miss the truth, or areas that do not fit, are refused", Refused),
                InScope("maps that are given are measured and compared", Run),
                InScope("every method and metric that applies is asked where nobody says which", Everything),
                InFolder("the file has a row a metric", Written),
            ]
        );

    private static MethodScores Scores(string method, string metric, double[] scores, string states = "") =>
        new(method, metric, scores)
        {
            Maps = new(
                scores.Select((_, i) => i < states.Length && states[i] == 'e' ? MapState.Empty : MapState.Sound)
            ),
        };

    /// <summary>Methods by their shares on the part, and what metrics make of each.</summary>
    private static TruthAgreement Of(double[][] shares, params (string Metric, Func<int, double[]> Scores)[] metrics) =>
        new(
            new(
                [.. shares[0].Select((_, i) => $"{i}")],
                [
                    .. shares.Select((own, m) => Scores($"m{m}", TruthAgreement.Truth, own)),
                    .. from metric in metrics
                    from m in Enumerable.Range(0, shares.Length)
                    select Scores($"m{m}", metric.Metric, metric.Scores(m)),
                ]
            ),
            [.. metrics.Select(metric => AttributionMetric.Find(metric.Metric))],
            [.. shares[0].Select(_ => 0.25)]
        );

    private static readonly double[][] four =
    [
        [0.1, 0.2],
        [0.5, 0.7],
        [0.3, 0.4],
        [0.9, 0.8],
    ];

    private static void Same()
    {
        var agreement = Of(
            four,
            (Higher, m => [.. four[m].Select(share => 10 * share - 3)]),
            (Lower, m => [.. four[m].Select(share => Math.Exp(share) + 2)]),
            ("deletion", m => [.. four[m].Select(share => -share)])
        );
        Check.Same(agreement.Rows.Select(row => row.Metric), Higher, "deletion", Lower);
        Check.Same(agreement.Rows.Select(row => row.Correlation.Value), 1, 1, -1);
        Check.Same(agreement.Rows.Select(row => row.Methods), 4, 4, 4);
        Check.Same(agreement.Methods.Select(method => method.Method), "m3", "m1", "m2", "m0");
        Expect.isTrue(Math.Abs(agreement.Methods[0].Ratio.Value - 0.85 / 0.25) < 1e-12, "to a uniform map's");
    }

    private static void Correlated()
    {
        // The ranks of the truth are 1 3 2 4 (means 0.15, 0.6, 0.2, 0.85), those of the scores 2 3 1 4: 1 - 6·2/(4·15).
        double[][] shares =
        [
            [0.1, 0.2],
            [0.5, 0.7],
            [0.2, 0.2],
            [0.9, 0.8],
        ];
        double[][] scores =
        [
            [5, 7],
            [8, 8],
            [0, 11],
            [9, 9],
        ];
        var row = Of(shares, (Higher, m => scores[m])).Rows[0];
        Expect.isTrue(Math.Abs(row.Correlation.Value - 0.8) < 1e-12, $"{row.Correlation.Value}");
    }

    private static void Constant()
    {
        var agreement = Of(four, (Higher, _ => [1, 1]), (Lower, m => [m, -m]), ("deletion", m => [-m, -m]));
        Expect.equal(agreement.Rows[0].Metric, "deletion", "what is undefined comes last");
        foreach (var row in agreement.Rows.Skip(1))
            Expect.isTrue(double.IsNaN(row.Correlation.Value), row.Metric);
        Expect.isTrue(double.IsNaN(agreement.Rows.Single(row => row.Metric == Higher).Correlation.Low), "no interval");
        // A sample of one image twice has an order of its own.
        var some = agreement.Rows.Single(row => row.Metric == Lower).Correlation;
        Expect.isTrue(some.Low < 0 && some.High > 0, $"{some}");
    }

    private static void Intervals()
    {
        // On nine of ten images the metric is right, and on the last one the other way round, and louder.
        double[] truth = [0.1, 0.2, 0.3, 0.4, 0.5];
        double[][] shares = [.. truth.Select(share => Enumerable.Repeat(share, 10).ToArray())];
        double[] Scores(int m) => [.. Enumerable.Repeat(truth[m], 9), -20 * truth[m]];
        var found = Of(shares, (Higher, Scores)).Rows[0].Correlation;
        Check.Same([found.Value, found.Low, found.High], -1, -1, 1);
        double[] Sure(int m) => [.. Enumerable.Repeat(truth[m], 10)];
        var sure = Of(shares, (Higher, Sure)).Rows[0].Correlation;
        Check.Same([sure.Value, sure.Low, sure.High], 1, 1, 1);
        Expect.equal(Of(shares, (Higher, Scores)).Rows[0], Of(shares, (Higher, Scores)).Rows[0], "the seed decides");
    }

    private static void FewSound()
    {
        ScoreTable Table(params MethodScores[] more) =>
            new(
                ["a", "b", "c"],
                [
                    .. from m in Enumerable.Range(1, 3)
                    from metric in new[] { TruthAgreement.Truth, Higher }
                    select Scores($"m{m}", metric, [m / 10.0, m / 5.0, m / 4.0]),
                    .. more,
                ]
            );
        AttributionMetric[] metrics = [AttributionMetric.Find(Higher)];
        double[] areas = [0.2, 0.3, 0.4];
        var without = new TruthAgreement(Table(), metrics, areas);
        var more = new TruthAgreement(
            Table(
                Scores("few", TruthAgreement.Truth, [0.9, 0.9, 0.9], "ee"),
                Scores("few", Higher, [0, 0, 0], "ee"),
                MethodScores.Failed("failed", Higher, 3, "It cannot be done."),
                Scores("failed", TruthAgreement.Truth, [0.5, 0.5, 0.5])
            ),
            metrics,
            areas
        );
        Expect.equal(more.Rows[0], without.Rows[0], "the others'");
        Check.Same(more.Methods.Select(method => method.Method), "m3", "failed", "m2", "m1");
    }

    private static void Refused()
    {
        ScoreTable table = new(["a"], [Scores("m", Higher, [1])]);
        Throws<ArgumentException>(() => new TruthAgreement(table, [AttributionMetric.Find(Higher)], [0.5]), "no truth");
        ScoreTable known = new(["a"], [Scores("m", TruthAgreement.Truth, [1])]);
        Throws<ArgumentException>(() => new TruthAgreement(known, [], [0.5, 0.5]), "two areas of one image");
    }

    private static (Model Model, ImageSet Images, Tensor Masks) Case(int count)
    {
        var weights = Random(2, 3 * Side * Side, 3) * 0.01;
        var model = Model.FromLayers(("flat", x => x.flatten(1)), ("logits", x => x.matmul(weights.to(x.dtype)) + 9));
        return (
            model,
            ImageSet.FromTensor(Random(5, count, 3, Side, Side).abs() * 60),
            Random(7, count, Side, Side).gt(0.9)
        );
    }

    /// <summary>Maps of which ever more lies inside, on few pixels.</summary>
    private static StudyMethod Sharp(Tensor masks, int level) =>
        new($"level {level}", Random(1, [.. masks.shape]).abs() * 0.1 + level * masks.to(float64));

    private static void Run()
    {
        var (model, images, masks) = Case(6);
        using var _ = images;
        using var __ = model;
        StudyMethod[] methods = [.. new[] { 2, 0, 5, 1 }.Select(level => Sharp(masks, level))];
        AttributionMetric[] metrics =
        [
            .. new[] { "sparseness", "complexity", "localisation-auc", "max-sensitivity" }.Select(
                AttributionMetric.Find
            ),
        ];
        var agreement = TruthAgreement.Run(model, images, masks, methods, metrics);
        Check.Same(agreement.Methods.Select(m => m.Method), "level 5", "level 2", "level 1", "level 0");
        foreach (var row in agreement.Rows.Where(row => row.Metric is "sparseness" or "complexity"))
            Expect.equal(row.Correlation, new Estimate(1, 1, 1), row.Metric);
        Expect.isFalse(agreement.Rows.Any(row => row.Metric == TruthAgreement.Truth), "what was not asked for");
        var shares = Localisation.Shares(masks, Random(1, [.. masks.shape]).abs() * 0.1 + 5 * masks.to(float64));
        var expected = shares.Average() / Localisation.Areas(masks).Average();
        Expect.isTrue(Math.Abs(agreement.Methods[0].Ratio.Value - expected) < 1e-6, $"{agreement.Methods[0].Ratio}");
        Check.Same(agreement.Rows.Select(row => row.Metric).Order(), "complexity", "localisation-auc", "sparseness");
        Expect.equal(agreement.LeftOut.Count, 1, "given maps cannot be made again");
        Expect.isTrue(
            agreement.LeftOut[0].StartsWith("The metric max-sensitivity is left out: "),
            agreement.LeftOut[0]
        );
        Refuses(() => TruthAgreement.Run(model, images, masks, methods[..2], metrics[..1]), "3", "2");
        Refuses(() => TruthAgreement.Run(model, images, masks[..3], methods, metrics[..1]), "3×8×8", "6 images");
    }

    private static void Everything()
    {
        Expect.isFalse(
            TruthAgreement.AllMetrics.Any(metric => metric.Name == "attack-sensitivity"),
            "minutes a method"
        );
        Expect.equal(TruthAgreement.AllMetrics.Count, AttributionMetric.All.Count - 2, "all others");
        var (model, images, masks) = Case(3);
        using var _ = images;
        using var __ = model;
        var methods = TruthAgreement.AllMethods(images);
        Check.Same(methods.Select(method => method.Name), [.. AttributionMethod.All.Select(method => method.Name)]);
        Expect.isTrue(
            methods.Single(method => method.Name == "rise").Description.Contains("50 samples"),
            "a twentieth"
        );
        List<double> told = [];
        var agreement = TruthAgreement.Run(
            model,
            images,
            masks,
            [.. methods.Where(method => method.Name is "saliency" or "integrated-gradients" or "occlusion" or "rise")],
            progress: new Reported(progress => told.Add((double)progress.Done / progress.Total))
        );
        Expect.equal(agreement.Methods.Count, 4, "methods");
        Expect.isTrue(agreement.Rows.Count >= AttributionMetric.All.Count - 4, $"{agreement.Rows.Count} metrics");
        Check.Same(told, [.. told.Order()]);
        Expect.isTrue(told[^1] is > 0.5 and <= 1, $"to the end: {told[^1]}");

        MetricSettings Quick(string metric, MetricSettings? given = null) =>
            TruthAgreement.Quick(AttributionMetric.Find(metric), given ?? new(), 4096);
        Expect.equal(Quick("deletion").PixelsPerStep, 204, "20 steps");
        Expect.equal(Quick("sensitivity-n").Samples, 9, "1 + 3·9 passes");
        Expect.equal(Quick("infidelity").Samples, 29, "1 + 29 passes");
        Expect.equal(Quick("max-sensitivity").Samples, 2, "1 + 3·2 passes");
        Expect.isFalse(Quick("sparseness").Samples.HasValue, "it draws none");
        Expect.equal(Quick("infidelity", new() { Samples = 70, PixelsPerStep = 5 }).Samples, 70, "as asked");
    }

    private sealed class Reported(Action<Attribution.Progress> report) : IProgress<Attribution.Progress>
    {
        public void Report(Attribution.Progress value) => report(value);
    }

    private static void Written(string folder)
    {
        var path = Path.Combine(folder, "agreement.csv");
        Of(four, (Higher, m => four[m]), (Lower, _ => [1, 1])).WriteCsv(path);
        Check.Same(
            File.ReadAllLines(path),
            "metric,correlation,low,high,methods",
            "sparseness,1,1,1,4",
            "complexity,,,,4"
        );
    }
}
