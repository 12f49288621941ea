using System;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>What follows from explanations that can be differentiated: attacks, best maps, second derivatives, training images.</summary>
public static class DifferentiableTests
{
    private static nn.Module<Tensor, Tensor> Network(int seed, bool isSmooth = false)
    {
        random.manual_seed(seed);
        return nn.Sequential(
                ("conv", nn.Conv2d(3, 4, 3)),
                ("bend", isSmooth ? nn.Tanh() : nn.ReLU()),
                ("flat", nn.Flatten()),
                ("dense", nn.Linear(4 * 36, 6)),
                ("tanh", nn.Tanh()),
                ("logits", nn.Linear(6, 3))
            )
            .to(float64);
    }

    private static Tensor Images(int seed, int count) => Check.Random(seed, count, 3, 8, 8).sigmoid() * 255;

    public static Test Tests { get; } =
        Runner.TestList(
            "Differentiable",
            [
                Check.InScope(
                    "an attack gives what the metric's row gives, and leaves the prediction",
                    () =>
                    {
                        using var module = Network(1);
                        using var model = Model.FromModule(module);
                        var x = Images(2, 3);
                        Func<Model, Quantity, Explainer> explain = (m, q) =>
                            AttributionMethod.Find("saliency").Create(m, new() { Quantity = q });
                        var found = new ExplanationAttack(model, explain).Run(x);
                        var own = explain(model, Quantity.Predicted)(x);
                        Check.Near(own, found.Before, 1e-12);
                        var row = AttributionMetric
                            .Find("attack-sensitivity")
                            .Create(model, new() { Explain = explain })(own, x);
                        var @class = new AttackSensitivity(model, explain).Evaluate(own, x);
                        for (var i = 0; i < 3; i++)
                        {
                            Expect.isTrue(
                                Math.Abs(row[i] - found.Changes[i]) < 1e-9,
                                $"row {row[i]}, {found.Changes[i]}"
                            );
                            Expect.isTrue(Math.Abs(@class[i] - found.Changes[i]) < 1e-9, "class");
                            Expect.isTrue(found.Moves[i] is >= 0 and <= 0.1, $"moves {found.Moves[i]}");
                        }
                        Check.Same(model.Logits(found.Images).argmax(1), model.Logits(x).argmax(1));
                        Expect.isTrue((found.Images - x).abs().max().ToDouble() <= 0.02 * 255 + 1e-9, "near");
                    }
                ),
                Check.InScope(
                    "every method of the registry can be attacked",
                    () =>
                    {
                        using var module = Network(3);
                        using var model = Model.FromModule(module);
                        var x = Images(4, 2);
                        foreach (var method in AttributionMethod.All.Where(method => method.AppliesTo(model)))
                        {
                            Func<Model, Quantity, Explainer> explain = (m, q) =>
                                method.Create(
                                    m,
                                    new()
                                    {
                                        Quantity = q,
                                        Samples = 3,
                                        Steps = 3,
                                        Iterations = 2,
                                        Background = x,
                                    }
                                );
                            // A smoothed network has no ReLUs for the methods that are about them.
                            if (method.Name.StartsWith("guided") || method.Name == "deconvolution")
                                continue;
                            var found = new ExplanationAttack(model, explain, steps: 3, tolerance: 10).Run(x);
                            Expect.isTrue(
                                found.Changes.All(change => change >= 0 && double.IsFinite(change)),
                                $"{method.Name}: {string.Join(", ", found.Changes)}"
                            );
                        }
                    }
                ),
                Check.InScope(
                    "a metric's best map is not worse than the one before, and must have a derivative",
                    () =>
                    {
                        using var module = Network(5, isSmooth: true);
                        using var model = Model.FromModule(module);
                        var x = Images(6, 2);
                        MetricOptimal search = new(model, AttributionMetric.Find("deletion"), iterations: 10);
                        var (start, found) = (search.Start(x), search.Find(x));
                        Check.Same(found.shape, 2, 8, 8);
                        var score = AttributionMetric.Find("deletion").Create(model, new());
                        Expect.isTrue(score(found, x).Average() < score(start, x).Average(), "lower");
                        Check.Throws<ArgumentOutOfRangeException>(
                            () =>
                                new MetricOptimal(model, AttributionMetric.Find("deletion"), iterations: 0).ToString(),
                            "no step"
                        );
                        Check.Refuses(
                            () => new MetricOptimal(model, AttributionMetric.Find("random-logit")).ToString(),
                            "random-logit",
                            "Explain"
                        );
                    }
                ),
                Check.InScope(
                    "second derivatives are refused of a network of ReLUs, and given of the smoothed one",
                    () =>
                    {
                        using var module = Network(7);
                        using var model = Model.FromModule(module);
                        var x = Images(8, 2);
                        Check.Refuses(() => new HessianMap(model).ToString(), "ReLU", "Smooth");
                        Check.Refuses(() => new IntegratedHessians(model).ToString(), "ReLU", "Smooth");
                        var smooth = model.Smooth(0.01);
                        IntegratedHessians pairs = new(smooth, Quantity.Class(1), grid: 2, steps: 60);
                        var found = pairs.Attribute(x);
                        Check.Same(found.shape, 2, 4, 4);
                        Expect.isTrue(pairs.Gaps(found, x).All(gap => gap < 1e-3), "complete");
                        var hessian = new HessianMap(smooth, Quantity.Class(1));
                        Check.Near(hessian.Attribute(x), x * hessian.Product(x, x), 1e-9);
                        Check.Throws<ArgumentOutOfRangeException>(() => model.Smooth(0).ToString(), "β");
                    }
                ),
                Check.InScope(
                    "the influence of training images is the product of TorchSharp's own gradients",
                    () =>
                    {
                        using var module = Network(9);
                        using var model = Model.FromModule(module);
                        var (x, training) = (Images(10, 2), Images(11, 3));
                        long[] labels = [0, 2, 1];
                        var predicted = model.Logits(x).argmax(1).data<long>().ToArray();
                        var found = new TracIn(model, layers: 2).Influence(x, training, labels);
                        string[] names = ["dense.weight", "dense.bias", "logits.weight", "logits.bias"];
                        Tensor Gradient(Tensor image, long label)
                        {
                            module.zero_grad();
                            nn.functional.cross_entropy(module.forward(image), tensor([label])).backward();
                            var parameters = module.named_parameters().ToDictionary(p => p.name, p => p.parameter);
                            return cat([.. names.Select(name => parameters[name].grad!.flatten())]).clone();
                        }
                        for (var i = 0; i < 2; i++)
                        for (var k = 0; k < 3; k++)
                        {
                            var expected = Gradient(x[i].unsqueeze(0), predicted[i])
                                .dot(Gradient(training[k].unsqueeze(0), labels[k]))
                                .ToDouble();
                            Expect.isTrue(Math.Abs(expected - found[i, k].ToDouble()) < 1e-9, $"{i}, {k}");
                        }
                        var best = TracIn.Proponents(found, 0, 1)[0];
                        Expect.isTrue(found[0].max().ToDouble() == best.Influence, "the strongest");
                        Expect.isTrue(
                            TracIn.Opponents(found, 0, 1)[0].Influence == found[0].min().ToDouble(),
                            "the strongest against"
                        );
                        var twice = new TracIn([(model, 0.5), (model, 1.5)], layers: 2).Influence(x, training, labels);
                        Check.Near(found * 2, twice, 1e-9);
                    }
                ),
                Check.InScope(
                    "what training images cannot be traced through is said in a sentence",
                    () =>
                    {
                        using var module = Network(12);
                        using var model = Model.FromModule(module);
                        Check.Refuses(() => new TracIn(model, layers: 3).ToString(), "3", "dense", "logits");
                        Check.Refuses(() => new TracIn([]).ToString(), "checkpoint");
                        using var functions = Model.FromLayers(("f", x => x.flatten(1)));
                        Check.Refuses(() => new TracIn(functions).ToString(), "dense layers", "ONNX");
                        Check.Refuses(
                            () => new TracIn(model).Influence(Images(1, 1), Images(2, 1), [7]),
                            "7",
                            "3 classes"
                        );
                    }
                ),
            ]
        );
}
