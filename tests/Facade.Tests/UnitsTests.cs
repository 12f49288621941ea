using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Units of layers: each number, or channels.</summary>
public static class UnitsTests
{
    private const long Channels = 3;

    private static readonly Units[] channelReadings = [Units.ChannelSum, Units.ChannelMax];

    public static Test Tests =>
        Runner.TestList(
            "Units",
            [
                InScope("a channel's influence is the sum of its positions', and auto has channels", Influence),
                InScope("a channel's attribution is the sum of its positions'", ExpertAttribution),
                InScope("integrated gradients of a channel sum to its value's change", Integrated),
                InScope("readings do not differ on a dense layer", Dense),
                InScope(
                    "there is no fourth channel of three",
                    model =>
                        Check.Refuses(
                            () => new InflDirected(model, "conv", Quantity.Predicted).ExpertAttribution(3, Images(2)),
                            "'conv'",
                            "no unit 3",
                            "0 to 2"
                        )
                ),
                Check.InFolder("an expert says what a unit is, and so does its file", Summary),
            ]
        );

    private static Test InScope(string name, Action<Model> test) => Check.InScope(name, () => test(Network()));

    // A convolution with a bend, and logits of all its positions.
    private static Model Network()
    {
        var (kernel, weights) = (Random(1, Channels, 3, 3, 3), Random(2, 4, Channels * 16));
        return Model.FromLayers(
            ("conv", x => nn.functional.conv2d(x.to(float64), kernel, padding: [1, 1])),
            ("bend", x => x.tanh()),
            ("flat", x => x.flatten(1)),
            ("logits", x => x.matmul(weights.t()))
        );
    }

    private static Tensor Images(int count) => Random(3, count, 3, 4, 4);

    private static void Near(Tensor actual, Tensor expected, string what)
    {
        Check.Same(actual.shape, expected.shape);
        var error = (actual - expected).abs().max() / (1 + expected.abs().max());
        Expect.isLessThan(error.ToDouble(), 1e-10, what);
    }

    private static void Influence(Model model)
    {
        Tensor Of(Units units) => new InflDirected(model, "bend", Quantity.Class(1), units).Influence(Images(5));
        var each = Of(Units.Each);
        Check.Same(each.shape, Channels, 4, 4);
        foreach (var units in channelReadings.Append(Units.Auto))
            Near(Of(units), each.sum([1, 2]), $"{units}");
        Expect.equal(
            new InflDirected(model, "bend", Quantity.Class(1)).DisInfluence(Images(5)),
            (int)each.sum([1, 2]).argmax().ToInt64(),
            "the expert"
        );
    }

    private static void ExpertAttribution(Model model)
    {
        Tensor Map(Units units, int unit) =>
            new InflDirected(model, "bend", Quantity.Predicted, units).ExpertAttribution(unit, Images(2));
        var positions = Enumerable.Range(16, 16).Select(unit => Map(Units.Each, unit)).ToArray();
        Near(Map(Units.ChannelSum, 1), stack(positions).sum([0]), "the sum");

        var explainer = new InflDirected(model, "bend", Quantity.Predicted, Units.ChannelMax);
        var best = explainer.Activity(1, Images(2)).Values;
        float[][] values =
        [
            .. Enumerable
                .Range(16, 16)
                .Select(unit =>
                    new InflDirected(model, "bend", Quantity.Predicted, Units.Each)
                        .Activity(unit, Images(2))
                        .Values.ToArray()
                ),
        ];
        foreach (var row in new[] { 0, 1 })
        {
            var largest = Array.FindIndex(values, v => v[row] == values.Max(other => other[row]));
            Expect.equal(best[row], values[largest][row], "the maximum");
            Near(Map(Units.ChannelMax, 1)[row], positions[largest][row], "the position of the maximum");
        }
    }

    private static void Integrated(Model model)
    {
        foreach (var units in channelReadings)
        {
            var gradients = new IntegratedGrad(model, "conv", 2, units);
            var maps = gradients.Attribute(Images(3), numSteps: 64, rule: IntegrationRule.GaussLegendre);
            var activity = new InflDirected(model, "conv", Quantity.Predicted, units).Activity(2, Images(3));
            var change = tensor(activity.Values.Select(v => (double)v).ToArray());
            // The value at black is 0, and a maximum bends along the path.
            var gap = (maps.sum([1, 2, 3]) - change).abs().max().ToDouble();
            Expect.isLessThan(gap, units == Units.ChannelSum ? 1e-5 : 0.2, $"{units}");
        }
    }

    private static void Dense(Model model)
    {
        foreach (var layer in new[] { "flat", "logits" })
        foreach (var units in channelReadings.Append(Units.Each))
            Near(
                new InflDirected(model, layer, Quantity.Class(0), units).Influence(Images(4)),
                new InflDirected(model, layer, Quantity.Class(0)).Influence(Images(4)),
                $"{layer}, {units}"
            );
    }

    private static void Summary(string folder)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(folder, "data.npz");
        using (var writer = new NpzWriter(path))
        {
            writer.Add("X", Images(6).permute(0, 2, 3, 1).to(float32));
            writer.Commit();
        }
        using var images = ImageSet.LoadNpz(path);
        foreach (
            var (layer, units, read, noun, count) in new[]
            {
                ("bend", Units.Auto, Units.ChannelSum, "channel", 3),
                ("bend", Units.ChannelMax, Units.ChannelMax, "channel", 3),
                ("bend", Units.Each, Units.Each, "unit", 48),
                ("flat", Units.Auto, Units.Each, "unit", 48),
            }
        )
        {
            var expert = ExpertSummary.Find(Network(), layer, Quantity.Class(2), images, units: units);
            Expect.equal((expert.Units, expert.Noun, expert.Influence.Count), (read, noun, count), $"{layer}, {units}");
            var explainer = new InflDirected(Network(), layer, Quantity.Class(2), units);
            Expect.equal(expert.Expert, explainer.DisInfluence(images), "the expert");
            Expect.equal(
                expert.ActiveShare,
                explainer.Activity(expert.Expert, images).ActiveShare(),
                "how often it is active"
            );

            var file = Path.Combine(folder, "experts.json");
            ExpertSummary.WriteJson(file, [expert]);
            var written = JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("units").GetString();
            Expect.equal(
                written,
                new Dictionary<Units, string>
                {
                    [Units.Each] = "each",
                    [Units.ChannelSum] = "channel-sum",
                    [Units.ChannelMax] = "channel-max",
                }[read],
                "the file"
            );
        }
    }
}
