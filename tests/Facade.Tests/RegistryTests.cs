using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>What every method and metric of the registries promises.</summary>
public static class RegistryTests
{
    private const long Side = 10;
    private const int Count = 5;

    public static Test Tests =>
        Runner.TestList(
            "Registry",
            [
                Runner.TestCase(
                    "names are told apart, and a wrong one is answered with those there are",
                    () =>
                    {
                        Expect.isTrue(
                            AttributionMethod.All.Select(m => m.Name).Distinct().Count() == AttributionMethod.All.Count
                                && AttributionMetric.All.Select(m => m.Name).Distinct().Count()
                                    == AttributionMetric.All.Count,
                            "unique names"
                        );
                        Check.Refuses(() => AttributionMethod.Find("salience"), "'salience'", "saliency");
                        Check.Refuses(() => AttributionMetric.Find("drop"), "'drop'", "average-drop");
                    }
                ),
                .. AttributionMethod.All.Select(Method),
                .. AttributionMetric.All.Select(Metric),
                .. new[] { "deeplift", "integrated-gradients" }.Select(Complete),
            ]
        );

    private static Tensor Images => Random(7, Count, 3, Side, Side).abs() * 60;

    /// <summary>A small convolutional network with all that such networks have.</summary>
    private static Model Network()
    {
        random.manual_seed(6);
        var module = nn.Sequential(
            ("conv1", nn.Conv2d(3, 4, 3, padding: 1L)),
            ("norm", nn.BatchNorm2d(4)),
            ("relu1", nn.ReLU()),
            ("pool", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(4, 6, 3, padding: 1L)),
            ("relu2", nn.ReLU()),
            ("flat", nn.Flatten()),
            ("dense", nn.Linear(6 * Side * Side / 4, 8)),
            ("relu3", nn.ReLU()),
            ("logits", nn.Linear(8, 3))
        );
        module.to(float64);
        module.eval();
        return Model.FromModule(module);
    }

    private static double[] Numbers(Tensor t) => [.. t.to(float64).contiguous().data<double>()];

    private static void Near(Tensor a, Tensor b, string what)
    {
        Check.Same(a.shape, b.shape);
        var scale = Math.Max(b.abs().max().ToDouble(), 1e-9);
        var gap = (a - b).abs().max().ToDouble() / scale;
        Expect.isTrue(gap < 1e-6, $"{what} (off by {gap})");
    }

    private static MethodSettings Settings => new() { Steps = 8, Samples = 6 };

    private static Test Method(AttributionMethod method) =>
        InScope(
            $"{method.Name} gives a finite map an image, whatever the batch",
            () =>
            {
                using var network = Network();
                using var transformer = Model.LoadOnnx(DemoNetworks.ModelPath(SceneNetwork.Vit));
                var (model, x) = method.AppliesTo(network)
                    ? (network, Images)
                    : (transformer, Random(7, Count, 3, 64, 64).abs() * 60);
                var explain = method.Create(model, Settings);
                var whole = explain(x);
                Expect.isTrue(
                    whole.shape.SequenceEqual(x.shape) || whole.shape.SequenceEqual([Count, x.shape[2], x.shape[3]]),
                    $"shape {string.Join(",", whole.shape)}"
                );
                Expect.isTrue(whole.isfinite().all().ToBoolean(), "finite");
                Expect.isTrue(whole.abs().sum().ToDouble() > 0, "not empty");
                Near(explain(x, batchSize: 2), whole, "two at a time");
                Instances all = x;
                var parts = Enumerable.Range(0, Count).Select(i => explain(all.Part(i, x[i..(i + 1)])));
                Near(cat([.. parts]), whole, "one by one, as parts of the set");
            }
        );

    // What these make of the channels is lost in their mean.
    private static readonly string[] ofEachChannel =
    [
        "infidelity",
        "max-sensitivity",
        "attack-sensitivity",
        "average-sensitivity",
        "local-lipschitz",
        "continuity",
        "relative-input-stability",
        "relative-output-stability",
        "relative-representation-stability",
        "input-invariance",
        "completeness-gap",
    ];

    private static Test Metric(AttributionMetric metric) =>
        InScope(
            $"{metric.Name} gives a score an image, whatever its neighbours",
            () =>
            {
                using var model = Network();
                var x = Images;
                // The class that every image has a positive score of, if there is one.
                var logits = model.Logits(x);
                var target = (int)logits.amin([0]).argmax().ToInt64();
                var score = metric.Create(
                    model,
                    new()
                    {
                        TargetClass = target,
                        PixelsPerStep = 9,
                        Samples = 6,
                        Explain = (m, quantity) => new SaliencyMap(m, quantity).AttributeBy,
                        // Each image's own.
                        Masks = Random(8, Count, Side, Side).gt(0.8),
                    }
                );
                var maps = new SaliencyMap(model).Attribute(x);
                var whole = score(maps, x);
                Expect.equal(whole.Count, Count, "a score an image");
                SameNumbers(score(maps, x, batchSize: 2), whole, "two at a time");
                Instances all = x;
                var parts = Enumerable
                    .Range(0, Count)
                    .SelectMany(i => score(maps[i..(i + 1)], all.Part(i, x[i..(i + 1)])));
                SameNumbers([.. parts], whole, "one by one, as parts of the set");
                if (!ofEachChannel.Contains(metric.Name))
                    SameNumbers(score(maps.mean([1]), x), whole, "of pixel attributions");
            }
        );

    private static Tensor AttributeBy(
        this SaliencyMap method,
        Instances x,
        int? batchSize = null,
        IProgress<Attribution.Progress>? progress = null,
        System.Threading.CancellationToken cancellation = default
    ) => method.Attribute(x, batchSize, true, progress, cancellation);

    private static void SameNumbers(IReadOnlyList<double> a, IReadOnlyList<double> b, string what)
    {
        for (var i = 0; i < b.Count; i++)
            Expect.isTrue(
                a[i].Equals(b[i]) || Math.Abs(a[i] - b[i]) <= 1e-6 * (1 + Math.Abs(b[i])),
                $"{what}: {i}: {a[i]} is {b[i]}"
            );
    }

    private static Test Complete(string name) =>
        Check.Shared(
            $"{name} is complete on a real network",
            "models/resnet_2b.onnx",
            file =>
            {
                using var scope = NewDisposeScope();
                using var model = Model.LoadOnnx(file, new(255, [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]));
                var x = Random(3, 4, 3, 32, 32).abs() * 60;
                var quantity = Quantity.Margin(3, 5);
                var settings = Settings with { Quantity = quantity, Steps = 200, Rule = IntegrationRule.Midpoint };
                var sums = AttributionMethod.Find(name).Create(model, settings)(x).sum([1, 2, 3]).to(float64);
                var (here, there) = (model.Logits(x).to(float64), model.Logits(zeros_like(x)).to(float64));
                var change = here[.., 3] - here[.., 5] - (there[.., 3] - there[.., 5]);
                var gap = ((sums - change).abs() / (1 + change.abs())).max().ToDouble();
                Expect.isTrue(gap < (name == "deeplift" ? 1e-6 : 1e-2), $"gap {gap}");
            }
        );
}
