using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;
using File = System.IO.File;

namespace Facade.Tests;

/// <summary>
/// The numbers of every method and metric are those that were committed: whoever changes how something is computed learns
/// here whether it also changed what is computed.
/// </summary>
public static class OwnNumbersTests
{
    private const string FileName = "own-numbers.json";
    private const string WriteVariable = "ATTRIBUTION_WRITE_NUMBERS";
    private const double Tolerance = 1e-9;
    private const double ToleranceOfDraws = 1e-5;

    // They draw normal numbers in float32, and the processor decides on the last digit of those.
    private static readonly string[] drawn =
    [
        "infidelity",
        "parameter-randomisation",
        "smooth-parameter-randomisation",
        "efficient-parameter-randomisation",
    ];

    // Maps of a number a channel and pixel, and maps of a number a pixel.
    private static readonly string[] judgedMaps = ["saliency", "grad-cam"];

    public static Test Tests =>
        Runner.TestList(
            "Own numbers",
            Environment.GetEnvironmentVariable(WriteVariable) == "1"
                ? [Runner.TestCase("are written", Write)]
                : [.. networks.SelectMany(network => Of(network.Key, network.Value)), OneByOne, Whole]
        );

    /// <summary>A network and its images, by float64 throughout so that rounding stays far below the tolerance.</summary>
    /// <param name="Model">The network.</param>
    /// <param name="X">Its images.</param>
    /// <param name="Layers">Where experts are sought.</param>
    /// <param name="PixelsPerStep">So many that the curves of the metrics take little time.</param>
    private sealed record Case(Model Model, Tensor X, string[] Layers, int PixelsPerStep);

    /// <summary>A line of the file: its name, and a list of numbers an image; a single list where all images make one.</summary>
    private sealed record Row(string Name, Func<int?, double[][]> Compute)
    {
        public double[][] Of(int? batchSize = null)
        {
            using var scope = NewDisposeScope();
            return Compute(batchSize);
        }
    }

    private static readonly IReadOnlyDictionary<string, Func<Case>> networks = new Dictionary<string, Func<Case>>
    {
        ["the demo's network"] = Demo,
        ["a network with batch normalisation"] = ByFormula,
        ["the demo's Swin transformer"] = Transformer,
    };

    private static Case Demo()
    {
        using var scenes = ConceptScenes.Draw(2);
        // On a flat ground neighbours tie in a max pool but for rounding, which is each processor's own: so no ground is flat.
        var x = 10 + 0.9 * scenes.Images.Images().to(float64);
        return new(Model.LoadVgg16(DemoNetwork.WeightsPath), x + 9 * Wave(7, x.shape), ["conv5_3l", "fc1l"], 160);
    }

    /// <summary>Attention within windows that move, and patches that are merged.</summary>
    private static Case Transformer()
    {
        using var scenes = ConceptScenes.Draw(2);
        var x = 10 + 0.9 * scenes.Images.Images().to(float64);
        var model = Model.LoadOnnx(DemoNetworks.ModelPath(SceneNetwork.Swin));
        return new(model, x + 9 * Wave(7, x.shape), ["stages.0.blocks.1.heads", "stages.1.blocks.0"], 160);
    }

    /// <summary>What the demo's network lacks: normalisation, a mean over positions, and odd sizes.</summary>
    private static Case ByFormula()
    {
        var module = nn.Sequential(
            ("conv1", nn.Conv2d(3, 5, 3, padding: 1L)),
            ("norm", nn.BatchNorm2d(5)),
            ("relu1", nn.ReLU()),
            ("pool", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(5, 8, 3)),
            ("relu2", nn.ReLU()),
            ("mean", nn.AdaptiveAvgPool2d(1)),
            ("flat", nn.Flatten()),
            ("logits", nn.Linear(8, 4))
        );
        module.to(float64);
        module.eval();
        using (no_grad())
        {
            var order = 0;
            // By formula, since what a seed draws may change from one release of libtorch to the next.
            foreach (var (name, numbers) in module.state_dict().Where(entry => entry.Value.is_floating_point()))
            {
                var wave = Wave(++order, numbers.shape);
                numbers.copy_(
                    name switch
                    {
                        "norm.running_mean" => 40 * wave,
                        "norm.running_var" => 1e4 * (1 + wave / 2),
                        "norm.weight" => 1 + wave / 2,
                        "logits.weight" => 2 * wave,
                        "logits.bias" => (1 + wave) / 2,
                        _ => wave / 2,
                    }
                );
            }
        }
        // Each image is finer than the one before.
        var images = Enumerable.Range(0, 3).Select(n => sin(n + arange(675, dtype: float64) * (0.05 + 0.4 * n)));
        return new(Model.FromModule(module), 127.5 * (1 + stack(images).reshape(3, 3, 15, 15)), ["norm", "conv2"], 40);
    }

    /// <summary>Numbers between -1 and 1 without an order that one sees: sines, ever faster.</summary>
    private static Tensor Wave(int phase, params long[] shape)
    {
        var i = arange(shape.Aggregate(1L, (a, b) => a * b), dtype: float64);
        return sin(phase + i + i * i / 100).reshape(shape);
    }

    private static readonly MethodSettings settings = new()
    {
        Steps = 10,
        Samples = 8,
        Iterations = 5,
        Seed = 5,
    };

    /// <summary>Maps of a method, in steps of a millionth of their maximum: pixels that are the same but for rounding, of which
    /// Grad-CAM's maps have many, would have another order on another machine.</summary>
    private static Explainer Judged(string method, string metric, Model model, Quantity quantity)
    {
        var explain = AttributionMethod.Find(method).Create(model, settings with { Quantity = quantity });
        // The order of all of saliency's pixels is sure, and a step more or less of one would move their correlation.
        if ((method, metric) == ("saliency", "random-logit"))
            return explain;
        return (x, size, progress, stop) =>
        {
            var maps = explain(x, size, progress, stop);
            long[] pixels = [.. Enumerable.Range(1, (int)maps.dim() - 1)];
            var step = maps.abs().amax(pixels, keepdim: true).clamp_min(1e-30) / 1e6;
            return (maps / step).round() * step;
        };
    }

    private static Row[] Images(Case c) =>
        [
            new("images", _ => Sums(c.X)),
            new("logits", size => PerImage(c.Model.Logits(c.X, size), image => Numbers(image))),
        ];

    // What takes more passes is computed for the small network alone.
    private const double MostPasses = 250;

    private static bool IsTooLong(Case c, double passes) => c.X.shape[2] > 32 && passes > MostPasses;

    private static Row[] Method(Case c, AttributionMethod method)
    {
        if (!method.AppliesTo(c.Model) || IsTooLong(c, method.Work(c.Model, settings, c.X).Passes))
            return [];
        var explain = method.Create(c.Model, settings);
        return Map(method.Name, size => explain(c.X, size));
    }

    private static Row[] Map(string name, Func<int?, Tensor> map) =>
        [new($"{name}: sums", size => Sums(map(size))), new($"{name}: places", size => Places(map(size)))];

    private static Row[] Metric(Case c, AttributionMetric metric)
    {
        Row Of(string method) =>
            new(
                $"{metric.Name} of {method}",
                size =>
                {
                    var score = metric.Create(
                        c.Model,
                        new()
                        {
                            PixelsPerStep = c.PixelsPerStep,
                            Samples = 8,
                            Seed = 5,
                            Explain = (model, quantity) => Judged(method, metric.Name, model, quantity),
                            Masks = Wave(3, 1, c.X.shape[2], c.X.shape[3]).gt(0.6),
                        }
                    );
                    var maps = Judged(method, metric.Name, c.Model, Quantity.Predicted)(c.X);
                    return [.. score(maps, c.X, size).Select(number => new[] { number })];
                }
            );
        MetricSettings few = new() { PixelsPerStep = c.PixelsPerStep, Samples = 8 };
        return IsTooLong(c, metric.Passes(few, c.X.shape[2] * c.X.shape[3])) ? [] : [.. judgedMaps.Select(Of)];
    }

    private static Row[] Experts(Case c, string layer)
    {
        var influence = new InflDirected(c.Model, layer, Quantity.Predicted);
        return
        [
            new(
                $"expert of {layer}",
                size =>
                    [
                        [influence.DisInfluence(c.X, size)],
                    ]
            ),
            new(
                $"influence of {layer}",
                size =>
                {
                    var units = influence.Influence(c.X, size).unsqueeze(0);
                    return
                    [
                        [.. Sums(units)[0], .. Places(units)[0]],
                    ];
                }
            ),
            .. Map(
                $"expert of {layer}",
                size => influence.ExpertAttribution(influence.DisInfluence(c.X, size), c.X, size)
            ),
        ];
    }

    private static IEnumerable<(string Name, Func<Case, Row[]> Rows)> Parts()
    {
        yield return ("images and logits", Images);
        foreach (var method in AttributionMethod.All)
            yield return (method.Name, c => Method(c, method));
        foreach (var metric in AttributionMetric.All)
            yield return (metric.Name, c => Metric(c, metric));
        yield return ("experts", c => [.. c.Layers.SelectMany(layer => Experts(c, layer))]);
    }

    private static IEnumerable<Test> Of(string network, Func<Case> make) =>
        Parts()
            .Select(part =>
                Runner.TestCase(
                    $"{network}: {part.Name}",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var @case = make();
                        using var model = @case.Model;
                        foreach (var row in part.Rows(@case))
                        {
                            Near(row.Of(), Committed(network, row.Name), row.Name);
                        }
                    }
                )
            );

    private static Test Whole =>
        Runner.TestCase(
            "fill a file that has no row but theirs, in their order",
            () =>
            {
                var computed = networks.SelectMany(network =>
                {
                    using var scope = NewDisposeScope();
                    var @case = network.Value();
                    using var model = @case.Model;
                    return Parts()
                        .SelectMany(part => part.Rows(@case))
                        .Select(row => (network.Key, row.Name))
                        .ToArray();
                });
                var there = Read()
                    .SelectMany(network => network.Value.Keys.Select(row => (network.Key, row)))
                    .ToArray();
                Expect.isTrue(
                    there.SequenceEqual(computed),
                    $"{FileName} has rows that nothing computes, or in another order: {string.Join(", ", there.Except(computed))}. {HowToWrite}"
                );
            }
        );

    private static Test OneByOne =>
        Runner.TestCase(
            "are the same of one image at a time",
            () =>
            {
                using var scope = NewDisposeScope();
                var @case = ByFormula();
                using var model = @case.Model;
                foreach (var row in Parts().SelectMany(part => part.Rows(@case)))
                    Near(row.Of(1), row.Of(), row.Name);
            }
        );

    private static double[] Numbers(Tensor t) => [.. t.to(float64).contiguous().data<double>()];

    private static double[][] PerImage(Tensor t, Func<Tensor, double[]> numbers) =>
        [.. Enumerable.Range(0, (int)t.shape[0]).Select(i => numbers(t[i]))];

    private static double[][] Sums(Tensor t) =>
        PerImage(t, image => [image.sum().ToDouble(), image.abs().sum().ToDouble()]);

    // Sevenths lie in all parts of an image, and in all of its channels.
    private static double[][] Places(Tensor t) =>
        PerImage(
            t,
            image =>
            {
                var numbers = Numbers(image);
                return [.. Enumerable.Range(1, 6).Select(k => numbers[k * numbers.Length / 7])];
            }
        );

    private static void Near(double[][] actual, double[][] expected, string row)
    {
        Check.Same(actual.Select(image => image.Length), [.. expected.Select(image => image.Length)]);
        var (a, b) = (actual.SelectMany(image => image).ToArray(), expected.SelectMany(image => image).ToArray());
        var tolerance = drawn.Any(name => row.StartsWith(name, StringComparison.Ordinal))
            ? ToleranceOfDraws
            : Tolerance;
        var scale = b.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
        for (var i = 0; i < b.Length; i++)
            Expect.isTrue(
                a[i].Equals(b[i]) || Math.Abs(a[i] - b[i]) <= tolerance * scale,
                FormattableString.Invariant($"{row}: number {i} is {a[i]:R}, was {b[i]:R}")
            );
    }

    private static string FilePath
    {
        get
        {
            for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
                if (File.Exists(Path.Combine(folder, "Attribution.sln")))
                    return Path.Combine(folder, "tests", "Facade.Tests", FileName);
            throw new InvalidOperationException($"The tests are not in a folder of the project, which has {FileName}.");
        }
    }

    private static string HowToWrite =>
        $"If the new numbers are right, run these tests once with {WriteVariable}=1 and commit {FileName}.";

    private static Dictionary<string, Dictionary<string, double[][]>> Read()
    {
        if (!File.Exists(FilePath))
            throw new InvalidOperationException($"There is no {FileName}. {HowToWrite}");
        return JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, double[][]>>>(
            File.ReadAllText(FilePath),
            new JsonSerializerOptions { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals }
        )!;
    }

    private static double[][] Committed(string network, string row) =>
        Read().GetValueOrDefault(network)?.GetValueOrDefault(row)
        ?? throw new InvalidOperationException($"{FileName} has no row '{row}' of {network}. {HowToWrite}");

    private static void Write()
    {
        var text = networks.Select(network =>
        {
            using var scope = NewDisposeScope();
            var @case = network.Value();
            using var model = @case.Model;
            var rows = Parts()
                .SelectMany(part => part.Rows(@case))
                .Select(row => $"    {JsonSerializer.Serialize(row.Name, plain)}: {Json(row.Of())}");
            return $"  {JsonSerializer.Serialize(network.Key, plain)}: {{\n{string.Join(",\n", rows)}\n  }}";
        });
        File.WriteAllText(FilePath, $"{{\n{string.Join(",\n", text)}\n}}\n");
        // A run that writes proves nothing.
        throw new InvalidOperationException($"{FileName} is written: read what changed, and unset {WriteVariable}.");
    }

    private static readonly JsonSerializerOptions plain = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static string Json(double[][] images) =>
        $"[{string.Join(", ", images.Select(image => $"[{string.Join(", ", image.Select(Json))}]"))}]";

    private static string Json(double number) =>
        double.IsFinite(number)
            ? (number + 0.0).ToString("R", CultureInfo.InvariantCulture)
            : $"\"{number.ToString(CultureInfo.InvariantCulture)}\"";
}
