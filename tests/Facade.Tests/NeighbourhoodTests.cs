using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Influence around instances, and on more quantities.</summary>
public static class NeighbourhoodTests
{
    public static Test Tests =>
        Runner.TestList(
            "Neighbourhood",
            [
                InScope("the layer's line times the activation is complete, whatever a unit is", Complete),
                InScope("noise depends on its seed, and no result on the batch", Seeds),
                InScope(
                    "every method explains a unit by its quantity, whatever is known of the instances",
                    UnitQuantity
                ),
                InScope("names are the command line's", Names),
                InScope("what makes no neighbourhood or quantity is refused", Refused),
                Check.InFolder("a margin's opposite is the opposite margin's expert", Opposite),
            ]
        );

    private static Test InScope(string name, Action test) =>
        Runner.TestCase(
            name,
            () =>
            {
                using var scope = NewDisposeScope();
                test();
            }
        );

    private static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator, dtype: float64);
    }

    private static Model Network()
    {
        var (kernel, weights) = (Random(1, 3, 3, 3, 3), Random(2, 4, 48));
        return Model.FromLayers(
            ("conv", x => nn.functional.conv2d(x.to(float64), kernel, padding: [1, 1])),
            ("bend", x => x.tanh()),
            ("flat", x => x.flatten(1)),
            ("logits", x => x.matmul(weights.t()))
        );
    }

    private static Tensor Images(int count) => Random(3, count, 3, 4, 4);

    private static void Near(Tensor actual, Tensor expected, string what, double tolerance = 1e-10)
    {
        Check.Same(actual.shape, expected.shape);
        var error = (actual - expected).abs().max() / (1 + expected.abs().max());
        Expect.isLessThan(error.ToDouble(), tolerance, what);
    }

    private static void Complete()
    {
        var (model, x) = (Network(), Images(5));
        var change = (model.Logits(x) - model.Logits(zeros_like(x))).mean([0]);
        var line = Neighbourhood.LayerLine(steps: 64, rule: IntegrationRule.GaussLegendre);
        foreach (var layer in new[] { "input", "conv", "bend" })
        foreach (var units in new[] { Units.Each, Units.ChannelSum })
        {
            var influence = new InflDirected(model, layer, Quantity.Margin(2, 0), units, line, timesActivation: true);
            Near(influence.Influence(x).sum(), change[2] - change[0], $"{layer}, {units}", 1e-6);
        }
    }

    private static void Seeds()
    {
        Tensor Of(long seed, int? size = null) =>
            new InflDirected(
                Network(),
                "conv",
                Quantity.OneVsRest(1),
                around: Neighbourhood.Gaussian(0.5, 4, seed)
            ).Influence(Images(5), size);
        Near(Of(1, 2), Of(1), "the same seed in other batches");
        Expect.isGreaterThan((Of(2) - Of(1)).abs().max().ToDouble(), 1e-3, "another seed");
    }

    private static void UnitQuantity()
    {
        var (model, x) = (Network(), Images(3));
        var known = ((Instances)x).Remembered();
        // Keeps the logits of each instance, which are not the units' values.
        Near(
            new SaliencyMap(model, Quantity.Predicted).Attribute(known),
            new SaliencyMap(model, Quantity.Predicted).Attribute(x),
            "the predicted class"
        );
        var unit = Quantity.Unit("bend", 1);
        Near(
            new SaliencyMap(model, unit).Attribute(known),
            new InflDirected(model, "bend", Quantity.Predicted).ExpertAttribution(1, x),
            "saliency"
        );
        var gradients = new IntegratedGrad(model, unit);
        var maps = gradients.Attribute(known, numSteps: 8);
        Near(maps, new IntegratedGrad(model, "bend", 1).Attribute(x, numSteps: 8), "integrated gradients");
        Near(
            gradients.CompletenessGap(maps, known),
            new IntegratedGrad(model, "bend", 1).CompletenessGap(maps, x),
            "their gap"
        );
    }

    private static void Names()
    {
        Check.Same(
            new[]
            {
                Quantity.Margin(3, 5),
                Quantity.Margin([3, 4], [5]),
                Quantity.OneVsRest(3),
                Quantity.Threshold(3, 0.5),
                Quantity.Unit("fc1", 12),
            }.Select(quantity => quantity.Name),
            "margin:3,5",
            "margin:3+4,5",
            "one-vs-rest:3",
            "threshold:3,0.5",
            "unit:fc1,12"
        );
        Check.Same(
            new[]
            {
                Neighbourhood.Itself,
                Neighbourhood.Line(Baseline.White, 7),
                Neighbourhood.LayerLine(),
                Neighbourhood.Gaussian(2.5, 3, 4),
            }.Select(around => around.ToString()),
            "itself",
            "line (7 steps from white)",
            "layer-line (50 steps from black)",
            "gaussian:2.5 (3 draws, seed 4)"
        );
    }

    private static void Refused()
    {
        Action[] wrong =
        [
            () => Neighbourhood.Gaussian(-1),
            () => Neighbourhood.Gaussian(double.NaN),
            () => Neighbourhood.Gaussian(1, draws: 0),
            () => Neighbourhood.Line(steps: 0),
            () => Neighbourhood.LayerLine(steps: 1, rule: IntegrationRule.Trapezoid),
            () => Quantity.Threshold(1, double.NaN),
        ];
        foreach (var act in wrong)
            Expect.isTrue(IsRefused(act), "out of range");
        Check.Refuses(() => Quantity.Margin([], [1]), "at least one class");
        var (model, x) = (Network(), Images(2));
        Check.Refuses(() => new InflDirected(model, "conv", Quantity.Unit("fold", 0)).Influence(x), "'fold'");
        Check.Refuses(
            () => new InflDirected(model, "conv", Quantity.Unit("bend", 3)).Influence(x),
            "no unit 3",
            "'bend'"
        );
        Check.Refuses(() => new InflDirected(model, "flat", Quantity.Unit("conv", 0)).Influence(x), "'flat'", "'conv'");
        Check.Refuses(() => new SaliencyMap(model, Quantity.Unit("fold", 0)).Attribute(x), "'fold'");
    }

    private static bool IsRefused(Action act)
    {
        try
        {
            act();
            return false;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    private static ImageSet Set(string folder)
    {
        var path = Path.Combine(folder, "data.npz");
        using (var writer = new NpzWriter(path))
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(7);
            writer.Add("X", randint(0, 256, [9, 4, 4, 3], generator: generator).to(ScalarType.Byte));
            writer.Add("Y", tensor(new long[] { 0, 1, 2, 0, 1, 2, 0, 1, 2 }));
            writer.Commit();
        }
        return ImageSet.LoadNpz(path);
    }

    private static void Opposite(string folder)
    {
        using var scope = NewDisposeScope();
        using var images = Set(folder);
        ExpertSummary Of(Quantity quantity, Neighbourhood around) =>
            ExpertSummary.FindAll(
                Network(),
                ["flat"],
                [new(quantity, [0, 1], IsMargin: true)],
                images,
                around: around,
                timesActivation: true
            )[0];
        foreach (var around in new[] { Neighbourhood.Itself, Neighbourhood.LayerLine(steps: 3) })
        {
            var (one, other) = (Of(Quantity.Margin(0, 1), around), Of(Quantity.Margin(1, 0), around));
            Expect.equal(one.Opposite!.Unit, other.Expert, "the unit");
            Expect.equal(one.Opposite.Influence, other.Top[0].Influence, "its influence");
            Expect.equal(one.Opposite.ActiveShare, other.ActiveShare, "how often it is active");
            Check.Same(one.Opposite.MostActive, [.. other.MostActive]);

            var activity = new InflDirected(Network(), "flat", Quantity.Predicted).Activity(one.Expert, images);
            int[] members =
            [
                .. Enumerable.Range(0, 9).Where(i => i % 3 < 2).OrderByDescending(i => activity.Values[i]),
            ];
            Check.Same(one.MostActive.Select(image => image.Position), members);
            Check.Same(
                one.MostActive.Select(image => image.Value),
                [.. members.Select(i => (double)activity.Values[i])]
            );

            var file = Path.Combine(folder, "experts.json");
            ExpertSummary.WriteJson(file, [one]);
            var written = JsonDocument.Parse(File.ReadAllText(file)).RootElement;
            Expect.equal(written.GetProperty("opposite").GetProperty("unit").GetInt32(), other.Expert, "the file");
            Expect.equal(written.GetProperty("around").GetString(), around.Name, "the file says around what");
            Expect.isTrue(written.GetProperty("times_activation").GetBoolean(), "and times what");
        }
    }
}
