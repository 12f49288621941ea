using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;
using Progress = Attribution.Progress;

namespace Facade.Tests;

/// <summary>The metrics of the map alone, of its faith to the model, of its dependence on the model, and of where it lies.</summary>
public static class Metrics2Tests
{
    private static readonly Func<Model, Quantity, Explainer> saliency = (model, quantity) =>
        AttributionMethod.Find("saliency").Create(model, new() { Quantity = quantity });

    private static readonly string[] rows =
    [
        "sparseness",
        "complexity",
        "effective-complexity",
        "infidelity",
        "max-sensitivity",
        "sensitivity-n",
        "faithfulness-correlation",
        "monotonicity",
        "monotonicity-correlation",
        "non-sensitivity",
        "region-perturbation",
        "selectivity",
        "completeness-gap",
        "parameter-randomisation",
        "random-logit",
        "average-sensitivity",
        "local-lipschitz",
        "continuity",
        "relative-input-stability",
        "relative-output-stability",
        "relative-representation-stability",
        "input-invariance",
        "smooth-parameter-randomisation",
        "efficient-parameter-randomisation",
    ];

    private static readonly MetricSettings settings = new() { Explain = saliency, Samples = 4 };

    public static Test Tests =>
        Runner.TestList(
            "Metrics of other kinds",
            [
                InScope("a row's scores are the same, whatever the batch and the neighbours", Batches),
                InScope("a row's score is its class's", Classes),
                InScope("a metric that makes maps asks how", Unexplained),
                InScope("progress never goes back nor beyond the whole, and work stops when it is told to", Reports),
                InScope("maps are made of the class that the whole image is explained for", Explained),
                InScope("a linear score's gradient has no infidelity, nor its product with the input per unit", Linear),
                InScope("a randomised model has weights of its own", Randomised),
                InScope("a map is compared at each layer, or at some, from the logits down", Curve),
                InScope("functions cannot be randomised", Functions),
                InScope("a region's share of the largest pixels", Regions),
                InScope("settings that make no sense are refused", Senseless),
            ]
        );

    private static Tensor Images(int count) => (Random(1, count, 2, 5, 5) * 30 + 128).to(float32);

    private static Model Network()
    {
        var module = nn.Sequential(
            ("conv", nn.Conv2d(2, 4, 3, padding: 1, dtype: float64)),
            ("relu", nn.ReLU()),
            ("flat", nn.Flatten()),
            ("dense", nn.Linear(100, 3, dtype: float64))
        );
        using (no_grad())
            foreach (var (parameter, i) in module.parameters().Select((p, i) => (p, i)))
                parameter.copy_(Random(10 + i, parameter.shape));
        return Model.FromModule(module);
    }

    // s = (w · x, 0).
    private static Model LinearModel(Tensor w) =>
        Model.FromLayers(
            (
                "s",
                x =>
                {
                    var s = (x * w.to(x.dtype)).sum([1L, 2L, 3L]);
                    return stack([s, s * 0], 1);
                }
            )
        );

    private static Scorer Score(string row, Model model) => AttributionMetric.Find(row).Create(model, settings);

    private static void Near(IEnumerable<double> actual, IEnumerable<double> expected, string what)
    {
        foreach (var (a, e) in actual.Zip(expected))
            Expect.isTrue(Math.Abs(a - e) <= 1e-6 * (1 + Math.Abs(e)), $"{what}: {a} is {e}");
        Expect.equal(actual.Count(), expected.Count(), what);
    }

    private static void Batches()
    {
        using var model = Network();
        var x = Images(5);
        var maps = saliency(model, Quantity.Predicted)(x);
        foreach (var row in rows)
        {
            var score = Score(row, model);
            var whole = score(maps, x);
            Expect.isTrue(whole.All(double.IsFinite), $"{row}: {string.Join(", ", whole)}");
            foreach (var size in new[] { 1, 2, 3 })
                Near(score(maps, x, size), whole, $"{row}, {size} at a time");
            Near(score(maps[..3], x[..3]), whole.Take(3), $"{row} of the first three");
            var metric = AttributionMetric.Find(row);
            Expect.isTrue(metric.Passes(settings, 25) >= 0, $"{row} costs something or nothing");
            Throws<ArgumentException>(() => score(maps[..2], x), $"{row} of too few maps");
        }
    }

    private static void Classes()
    {
        using var model = Network();
        var x = Images(3);
        var maps = saliency(model, Quantity.Class(2))(x);
        var ofTwo = settings with { TargetClass = 2 };
        var labels = model.Logits(x).argmax(1).data<long>().ToArray();
        foreach (var row in rows.Skip(3))
        {
            var scores = AttributionMetric.Find(row).Create(model, ofTwo)(maps, x);
            Expect.isTrue(scores.All(double.IsFinite), row);
            var beyond = AttributionMetric.Find(row).Create(model, settings with { TargetClass = 3 });
            Check.Refuses(() => beyond(maps, x), "class 3", "0 to 2");
        }
        Expect.isTrue(labels.Any(label => label != 2), "some instance is predicted otherwise");
    }

    private static void Unexplained()
    {
        using var model = Network();
        foreach (var metric in AttributionMetric.All)
            if (metric.NeedsExplain)
                Check.Refuses(() => metric.Create(model, new()), metric.Name, "MetricSettings.Explain");
            else if (metric.NeedsMasks)
                Check.Refuses(() => metric.Create(model, new()), metric.Name, "MetricSettings.Masks");
            else
                metric.Create(model, new());
        Expect.equal(AttributionMetric.All.Count(metric => metric.NeedsExplain), 13, "thirteen do");
        Expect.equal(AttributionMetric.All.Count(metric => metric.NeedsMasks), 5, "and five need masks");
    }

    private sealed class Reported : IProgress<Progress>
    {
        public List<Progress> All { get; } = [];

        public void Report(Progress value) => All.Add(value);
    }

    private static void Reports()
    {
        using var model = Network();
        var x = Images(3);
        var maps = saliency(model, Quantity.Predicted)(x);
        foreach (var row in rows.Skip(3))
        {
            var reported = new Reported();
            Score(row, model)(maps, x, 1, reported);
            var shares = reported.All.Select(p => (double)p.Done / p.Total).ToArray();
            Expect.isTrue(shares.Length > 2 && shares.Last() < 1, $"{row} reports, and not beyond the whole");
            Expect.isTrue(shares.Zip(shares.Skip(1)).All(pair => pair.First <= pair.Second), $"{row} goes on");
            Throws<OperationCanceledException>(
                () => Score(row, model)(maps, x, 1, null, new CancellationToken(canceled: true)),
                $"{row} stops"
            );
        }
    }

    private static void Explained()
    {
        using var model = Network();
        var x = Images(4);
        var predicted = model.Logits(x).argmax(1).data<long>().ToArray();
        var asked = new List<long[]>();
        Func<Model, Quantity, Explainer> explain = (random, quantity) =>
            (images, size, progress, stop) =>
            {
                // A linear model of the logits: the gradient of the quantity is the class's own column.
                var identity = Model.FromLayers(("s", y => y.flatten(1)[.., ..3]));
                using var gradient = new SaliencyMap(identity, quantity).Attribute(images, multiplyWithInput: false);
                asked.Add(gradient.flatten(1).argmax(1).data<long>().ToArray());
                return saliency(random, quantity)(images, size, progress, stop);
            };
        var maps = saliency(model, Quantity.Predicted)(x);
        new MaxSensitivity(model, explain, samples: 2).Evaluate(maps, x);
        new ParameterRandomisation(model, explain).Evaluate(maps, x);
        Expect.equal(asked.Count, 4, "two changes and two layers");
        foreach (var classes in asked)
            Check.Same(classes, predicted);
        asked.Clear();
        new RandomLogit(model, explain).Evaluate(maps, x);
        Expect.isTrue(asked.Single().Zip(predicted).All(pair => pair.First != pair.Second), "another class for each");
    }

    private static void Linear()
    {
        var w = Random(2, 2, 5, 5);
        using var model = LinearModel(w);
        var x = Images(3);
        var gradient = w.expand(3, 2, 5, 5);
        var white = Baseline.White;
        var multiplied = w * (x.to(float64) - 255);
        foreach (var perturbation in new[] { Perturbation.Noise(), Perturbation.Square(2) })
        {
            double Worst(bool scaled, Baseline? from, Tensor maps) =>
                new Infidelity(model, 0, perturbation, 8, scaled, from).Evaluate(maps, x).Max();
            var nothing = Worst(true, null, gradient * 0);
            Expect.isTrue(Worst(false, null, gradient) < 1e-6 * nothing, "the gradient");
            Expect.isTrue(Worst(true, null, gradient * -3) < 1e-6 * nothing, "a multiple");
            Expect.isTrue(Worst(false, null, gradient * 3) > nothing, "a multiple as it is");
            Expect.isTrue(Worst(false, white, multiplied) < 1e-6 * nothing, "per unit");
        }
        var gap = new CompletenessGap(model, 0, white);
        Expect.isTrue(gap.Relative(multiplied, x).Max() < 1e-4, "complete");
        Expect.isTrue(gap.Evaluate(multiplied * 2, x).Min() > 1, "and not");
        var sensitivity = new SensitivityN(model, 0, [0.2], 10, white);
        Near(sensitivity.Evaluate(multiplied, x), [1, 1, 1], "sensitivity-n");
        var correlation = new FaithfulnessCorrelation(model, 0, 0.3, 10, white);
        Near(correlation.Evaluate(multiplied, x), [1, 1, 1], "faithfulness correlation");
        var estimate = new FaithfulnessEstimate(model, 0, 3, Scale.Logits, white);
        Near(estimate.Evaluate(multiplied, x), [1, 1, 1], "faithfulness estimate");
        var steps = multiplied.mean([1]).gt(0).to(float64);
        var monotonicity = new Monotonicity(model, 0, 1, false, Scale.Logits, white);
        Near(monotonicity.Evaluate(multiplied, x), steps.mean([1, 2]).data<double>(), "monotonicity");
        Near(new Monotonicity(model, 0, 1, true, Scale.Logits, white).Evaluate(multiplied, x), [0, 0, 0], "strictly");
        Near(new NonSensitivity(model, 0, 1, 2).Evaluate(multiplied * 0, x), [25, 25, 25], "non-sensitivity");
        var ends = new RegionSelectivity(model, 0, 5, Scale.Logits, white).Evaluate(multiplied, x);
        var (whole, none) = (model.Logits(x)[.., 0], model.Logits(x * 0 + 255)[.., 0]);
        Near(ends, ((whole + none) / 2).to(float64).data<double>(), "one region");
        Near(new RegionPerturbation(model, 0, 5).Evaluate(multiplied, x * 0 + 7), [0, 0, 0], "of one colour");
        Near(new Road(model, 0, noise: 0).Evaluate(multiplied, x * 0 + 7), [0, 0, 0], "filled in by the same");
        Near(new Irof(model, 0).Evaluate(multiplied, x * 0 + 7), [0, 0, 0], "of the mean colour");
    }

    private static void Randomised()
    {
        using var model = Network();
        var x = Images(2);
        var logits = model.Logits(x);
        using (var all = model.Randomised(5))
        using (var top = model.Randomised(5, 1))
        using (var again = model.Randomised(5, 2))
        {
            Check.Same(all.Layers, [.. model.Layers]);
            Expect.equal(all.Precision, Precision.Float64, "the same numbers");
            Check.Same(again.Logits(x), all.Logits(x));
            Expect.isFalse(top.Logits(x).eq(logits).any().ToBoolean(), "the last layer is random");
            Expect.isFalse(all.Logits(x).eq(top.Logits(x)).any().ToBoolean(), "and the first");
            Throws<ArgumentOutOfRangeException>(() => model.Randomised(5, 3), "there are two");
            Throws<ArgumentOutOfRangeException>(() => model.Randomised(5, 0), "none");
        }
        Check.Same(model.Logits(x), logits);
    }

    private static void Curve()
    {
        using var model = Network();
        var x = Images(3);
        var maps = saliency(model, Quantity.Predicted)(x);
        var test = new ParameterRandomisation(model, saliency);
        var curve = test.Curve(maps, x);
        Check.Same(curve.Select(layer => layer.Layer), "dense", "conv");
        Near(
            test.Evaluate(maps, x),
            curve[0].Magnitudes.Zip(curve[1].Magnitudes, (a, b) => (a + b) / 2),
            "the mean over the layers"
        );
        Check.Same(
            new ParameterRandomisation(model, saliency, steps: 1).Curve(maps, x).Select(layer => layer.Layer),
            "conv"
        );
        var alone = new ParameterRandomisation(model, saliency, isAlone: true).Curve(maps, x);
        Check.Same(alone[0].Signed, [.. curve[0].Signed]);
        Expect.notEqual(alone[1].Signed.ToArray(), curve[1].Signed.ToArray(), "without the dense layer");
    }

    private static void Functions()
    {
        using var model = LinearModel(Random(2, 2, 5, 5));
        var x = Images(2);
        Check.Refuses(() => model.Randomised(), "no weights");
        Check.Refuses(() => new ParameterRandomisation(model, saliency).Evaluate(x, x), "no weights");
        using var one = Model.FromLayers(("s", y => y.sum([1L, 2L, 3L]).unsqueeze(1)));
        Check.Refuses(() => new RandomLogit(one, saliency).Evaluate(x, x), "the model has one");
    }

    private static void Regions()
    {
        var maps = tensor([4.0, 3, 2, 1, -1, 0]).reshape(1, 2, 3);
        var mask = tensor([true, false, true, false, false, false]).reshape(1, 2, 3);
        Near(Localisation.Shares(mask, maps), [0.6], "mass");
        Near(Localisation.Hits(mask, maps), [1], "largest");
        Near(Localisation.RankAccuracies(mask, maps), [0.5], "of two");
        Near(Localisation.TopKIntersections(3, mask, maps), [2 / 3.0], "of three");
        Near(Localisation.Areas(mask), [1 / 3.0], "area");
        Near(Localisation.Shares(mask, maps.unsqueeze(1).expand(1, 3, 2, 3)), [0.6], "of channels");
        Throws<ArgumentException>(() => Localisation.Shares(mask, maps.transpose(1, 2)), "3×2");
        Throws<ArgumentException>(() => Localisation.Hits(mask.to(float32), maps), "not booleans");
        Throws<ArgumentException>(() => Localisation.TopKIntersections(7, mask, maps), "7 of 6");
        Near(Localisation.PointingGame(mask, -maps + 4, margin: 1.5), [1], "the pixel at a corner");
        Near(Localisation.PointingGame(mask, -maps + 4, margin: 1), [0], "which is no neighbour");
        Throws<ArgumentException>(() => Localisation.PointingGame(mask, maps, margin: -1), "no margin");
        Expect.equal(Localisation.Margin(224, 112), 15.0, "of 224 pixels");
    }

    private static void Senseless()
    {
        using var model = Network();
        void Out(Action act, string what) => Throws<ArgumentOutOfRangeException>(act, what);
        Out(() => new Infidelity(model, samples: 0), "no samples");
        Out(() => Perturbation.Noise(0), "no noise");
        Out(() => Perturbation.Square(0), "no square");
        Out(() => new MaxSensitivity(model, saliency, radius: 0), "no change");
        Out(() => new MaxSensitivity(model, saliency, samples: 0), "no samples");
        Out(() => new SensitivityN(model, shares: []), "no sizes");
        Out(() => new SensitivityN(model, shares: [1]), "all pixels");
        Out(() => new SensitivityN(model, subsets: 1), "one set");
        Out(() => new FaithfulnessCorrelation(model, share: 1), "all pixels");
        Out(() => new FaithfulnessCorrelation(model, subsets: 1), "one set");
        Out(() => new FaithfulnessEstimate(model, pixelsPerStep: 0), "no pixels a step");
        Out(() => new FaithfulnessEstimate(model, scale: Scale.Map), "no score");
        Out(() => new Monotonicity(model, pixelsPerStep: 0), "no pixels a step");
        Out(() => new MonotonicityCorrelation(model, samples: 0), "no samples");
        Out(() => new NonSensitivity(model, pixelsPerStep: 0), "no pixels a step");
        Out(() => new RegionPerturbation(model, side: 0), "no region");
        Out(() => new RegionPerturbation(model, share: 1.1), "more than all");
        Out(() => new RegionPerturbation(model, samples: 0), "no samples");
        Out(() => new RegionSelectivity(model, side: 0), "no region");
        Out(() => new Irof(model, superpixels: 0), "no superpixels");
        Out(() => new Road(model, shares: []), "no shares");
        Out(() => new Road(model, shares: [1]), "all pixels");
        Out(() => new Road(model, noise: -1), "no noise");
        Out(() => new ParameterRandomisation(model, saliency, steps: 0), "no steps");
        Out(() => EffectiveComplexity.Evaluate(Images(1), 1), "above the largest");
        Check.Refuses(() => Sparseness.Evaluate(Images(1) / 0 * 0), "NaN");
        Check.Refuses(() => Complexity.Evaluate(zeros(0, 3, 3)), "no instances");
    }
}
