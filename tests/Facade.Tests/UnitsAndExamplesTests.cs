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

/// <summary>What a unit wants to see, and the examples that a layer puts nearest.</summary>
public static class UnitsAndExamplesTests
{
    private static Model Made(double bias = 0) => Parts(bias).Model;

    private static (Model Model, Func<Tensor, Tensor> Conv) Parts(double bias = 0)
    {
        random.manual_seed(11);
        var conv = nn.Conv2d(3, 4, 3, padding: 1L);
        using (no_grad())
            conv.bias!.fill_(bias);
        var module = nn.Sequential(
            ("conv", conv),
            ("relu", nn.ReLU()),
            ("flat", nn.Flatten()),
            ("logits", nn.Linear(4 * 64, 3))
        );
        module.to(float64);
        module.eval();
        return (Model.FromModule(module), conv.forward);
    }

    private static readonly long[] Shape = [3, 8, 8];

    private static double[] Numbers(Tensor t) => [.. t.to(float64).flatten().data<double>()];

    private static T Failure<T>(Action act)
        where T : Exception
    {
        try
        {
            act();
        }
        catch (T failure)
        {
            return failure;
        }
        throw new InvalidOperationException($"Expected {typeof(T).Name}.");
    }

    private sealed class Told : IProgress<Progress>
    {
        public Progress Last { get; private set; }

        public void Report(Progress value) => Last = value;
    }

    public static Test Tests =>
        Runner.TestList(
            "Units and examples",
            [
                InScope(
                    "what a unit wants to see is worth more to it than noise, and its value is the unit's own",
                    () =>
                    {
                        // No unit is off.
                        using var model = Made(bias: 2000);
                        foreach (var layer in new[] { "conv", "relu", "logits" })
                        {
                            using var found = new ActivationMaximisation(model, layer, 1, rate: 0.3).Image(
                                seed: 2,
                                steps: 20,
                                draws: 2,
                                shape: Shape
                            );
                            Expect.equal(found.Images.shape, (long[])[2, .. Shape], "the images");
                            Expect.isTrue(Numbers(found.Images).All(v => v is >= 0 and <= 255), "from 0 to white");
                            Expect.equal(
                                found.Values.Select(v => v.Count).ToArray(),
                                (int[])[21, 21],
                                "a value a step, and the last"
                            );
                            var unit = Quantity.Unit(layer, 1);
                            Near(
                                tensor(found.Reached.ToArray()),
                                tensor(model.Values(unit, found.Images).ToArray()),
                                1e-9
                            );
                            var noise = model.Values(unit, Random(3, 20, 3, 8, 8).mul(20).add(127.5).clamp(0, 255));
                            Expect.isTrue(found.Reached.Min() > noise.Max(), $"{layer}: more than of any noise");
                            Expect.isFalse(found.IsDead, "alive");
                            Expect.isNull(found.Warning, "nothing to say");
                        }
                    }
                ),
                InScope(
                    "a class is wanted as a unit is, the same seed gives the same image, and white may be 1",
                    () =>
                    {
                        using var model = Made();
                        double[] Of(ActivationMaximisation wanted, long seed, double peak = 255)
                        {
                            using var found = wanted.Image(seed, steps: 4, shape: Shape, peak: peak);
                            return Numbers(found.Images);
                        }
                        ActivationMaximisation ofClass = new(model, Quantity.Class(2));
                        Expect.equal(Of(ofClass, 1), Of(new(model, "logits", 2), 1), "the class is the unit");
                        Expect.equal(Of(ofClass, 1), Of(ofClass, 1), "again");
                        Expect.notEqual(Of(ofClass, 1), Of(ofClass, 2), "another seed");
                        Expect.isTrue(Of(ofClass, 1, 1).Max() <= 1, "up to 1");
                    }
                ),
                InScope(
                    "a unit that stays at 0 is said to be dead, and where to cut",
                    () =>
                    {
                        using var model = Made(bias: -1e5);
                        using var found = new ActivationMaximisation(model, "relu", 1).Image(steps: 3, shape: Shape);
                        Expect.isTrue(found.IsDead, "dead");
                        Expect.stringContains(found.Warning!, "Unit 1 of layer 'relu' is dead", "which");
                        Expect.stringContains(found.Warning!, "layer 'conv'", "where to cut");
                        using var before = new ActivationMaximisation(model, "conv", 1).Image(steps: 3, shape: Shape);
                        Expect.isFalse(before.IsDead, "before the activation");
                    }
                ),
                InScope(
                    "each step is told, and the work stops where it is asked to",
                    () =>
                    {
                        using var model = Made();
                        Told told = new();
                        ActivationMaximisation wanted = new(model, "conv", 0);
                        wanted.Image(steps: 5, draws: 2, shape: Shape, progress: told).Dispose();
                        Expect.equal(told.Last.Total, 12L, "two draws of five steps and a last look");
                        using CancellationTokenSource stop = new();
                        stop.Cancel();
                        Throws<OperationCanceledException>(
                            () => wanted.Image(shape: Shape, cancellation: stop.Token),
                            "stopped"
                        );
                    }
                ),
                InScope(
                    "what makes no sense is refused, and what is no image",
                    () =>
                    {
                        using var model = Made();
                        ActivationMaximisation wanted = new(model, "conv", 0);
                        Throws<ArgumentOutOfRangeException>(() => wanted.Image(steps: 0, shape: Shape), "no steps");
                        Throws<ArgumentOutOfRangeException>(() => wanted.Image(draws: 0, shape: Shape), "no draws");
                        Throws<ArgumentOutOfRangeException>(() => wanted.Image(peak: 0, shape: Shape), "black white");
                        Throws<ArgumentOutOfRangeException>(
                            () => new ActivationMaximisation(model, "conv", 0, rate: 0),
                            "rate"
                        );
                        Throws<ArgumentOutOfRangeException>(
                            () => new ActivationMaximisation(model, "conv", 0, shift: 1),
                            "shift"
                        );
                        Throws<ArgumentOutOfRangeException>(
                            () => new ActivationMaximisation(model, "conv", 0, zoom: -1),
                            "zoom"
                        );
                        Throws<ArgumentOutOfRangeException>(
                            () => new ActivationMaximisation(model, "conv", 0, turn: 200),
                            "turn"
                        );
                        Expect.stringContains(
                            Failure<AttributionException>(() => wanted.Image()).Message,
                            "any shape",
                            "which shape"
                        );
                        Expect.stringContains(
                            Failure<AttributionException>(() => new ActivationMaximisation(model, "conc", 0)).Message,
                            "'conv'",
                            "the closest name"
                        );
                        Expect.stringContains(
                            Failure<AttributionException>(() =>
                                new ActivationMaximisation(model, "conv", 9).Image(shape: Shape)
                            ).Message,
                            "no unit 9",
                            "the unit"
                        );
                        using var table = Model.FromLayers(("sum", x => x.sum(1, keepdim: true)));
                        Expect.stringContains(
                            Failure<AttributionException>(() =>
                                new ActivationMaximisation(table, Quantity.Class(0)).Image(shape: [5])
                            ).Message,
                            "looked for among images",
                            "a table"
                        );
                    }
                ),
                InScope(
                    "examples are the nearest of either kind, and the image itself is none",
                    () =>
                    {
                        using var off = no_grad();
                        var (model, conv) = Parts();
                        var set = Random(7, 12, 3, 8, 8).abs().mul(60);
                        var x = set.narrow(0, 4, 3);
                        long[] classes = [.. model.ClassScores(set).argmax(1).data<long>()];
                        foreach (var distance in Enum.GetValues<LayerDistance>())
                        foreach (int? batchSize in new int?[] { null, 5 })
                        {
                            Examples examples = new(model, "relu", Units.Each, distance);
                            var found = examples.Find(x, set, 2, batchSize);
                            var values = nn.functional.relu(conv(set)).flatten(1);
                            for (var i = 0; i < 3; i++)
                            {
                                Example[] all =
                                [
                                    .. Enumerable
                                        .Range(0, 12)
                                        .Where(k => k != 4 + i)
                                        .Select(k => new Example(
                                            k,
                                            Apart(distance, values[4 + i], values[k]),
                                            (int)classes[k]
                                        ))
                                        .OrderBy(one => one.Distance),
                                ];
                                Same(all.Where(one => one.Class == classes[4 + i]).Take(2), found[i].Similar);
                                Same(all.Where(one => one.Class != classes[4 + i]).Take(2), found[i].Counterfactual);
                                Expect.equal(found[i].Class, (int)classes[4 + i], "its class");
                            }
                            Same(found[1].Similar, examples.Similar(x, set, 2)[1]);
                            Same(found[1].Counterfactual, examples.Counterfactual(x, set, 2)[1]);
                        }
                    }
                ),
                InScope(
                    "examples ask for a set of others, of other classes, and a layer that is there",
                    () =>
                    {
                        using var model = Made();
                        var x = Random(7, 1, 3, 8, 8).abs().mul(60);
                        Examples examples = new(model, "conv");
                        Expect.stringContains(
                            Failure<AttributionException>(() => examples.Find(x, x)).Message,
                            "the explained one itself",
                            "alone"
                        );
                        var near = x.add(0.001);
                        Expect.equal(examples.Similar(x, near)[0].Count, 1, "similar alone");
                        Expect.stringContains(
                            Failure<AttributionException>(() => examples.Find(x, near)).Message,
                            "none is a counterfactual",
                            "one class"
                        );
                        Expect.stringContains(
                            Failure<AttributionException>(() => new Examples(model, "conc")).Message,
                            "'conv'",
                            "the closest name"
                        );
                        Throws<ArgumentOutOfRangeException>(() => examples.Find(x, x, 0), "no examples");
                        Throws<ArgumentOutOfRangeException>(
                            () => new Examples(model, distance: (LayerDistance)7),
                            "distance"
                        );
                        Throws<AttributionException>(() => examples.Find(x, zeros(2, 3, 9, 9)), "another shape");
                    }
                ),
            ]
        );

    private static double Apart(LayerDistance distance, Tensor a, Tensor b) =>
        distance == LayerDistance.Euclidean
            ? (a - b).norm().ToDouble()
            : 1 - (a * b).sum().ToDouble() / (a.norm() * b.norm()).ToDouble();

    private static void Same(IEnumerable<Example> expected, IReadOnlyList<Example> found)
    {
        Expect.equal(
            found.Select(one => (one.Position, one.Class)).ToArray(),
            expected.Select(one => (one.Position, one.Class)).ToArray(),
            "which"
        );
        Near(
            tensor(expected.Select(one => one.Distance).ToArray()),
            tensor(found.Select(one => one.Distance).ToArray()),
            1e-6
        );
    }
}
