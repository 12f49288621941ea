using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Rules on networks of the forms that exporters write: the law of ReLU networks, and conservation.</summary>
internal static class RulesTests
{
    private static Tensor Images(ScalarType type) => rand([4, 3, 32, 32], type, generator: new Generator(11)) * 255;

    private static Model Load(string folder, string network, Precision precision)
    {
        var model = Model.LoadOnnx(Networks.All[network](folder), Preprocessing.ImageNet);
        model.To(CPU, precision);
        return model;
    }

    private static double Difference(Tensor a, Tensor b) => ((a - b).abs().max() / b.abs().max()).ToDouble();

    private static Test Law(string network, Precision precision, double error) =>
        Check.InFolder(
            $"LRP-ε of the network '{network}' in {precision} is gradient × input, and DeepLIFT is complete",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Load(folder, network, precision);
                var images = Images(precision == Precision.Float64 ? ScalarType.Float64 : ScalarType.Float32);
                var rules = new LrpComposite(LrpRule.Epsilon(1e-12), LrpRule.Epsilon(1e-12));
                var saliency = new SaliencyMap(model, 3).Attribute(images);
                var relevance = new Lrp(model, 3, rules).Attribute(images);
                Expect.isLessThan(Difference(relevance, saliency), error, "LRP-ε");
                var gaps = new DeepLift(model, 3).AttributeWithGaps(images).Gaps;
                Expect.isLessThan(gaps.Max(), error, "DeepLIFT");
            }
        );

    private static readonly string[] Shown =
    [
        "lrp-epsilon",
        "lrp-epsilon-plus",
        "lrp-alpha2-beta1",
        "lrp-gamma-box",
        "deeplift",
    ];

    private static string Row(string name, IEnumerable<IReadOnlyList<double>> cells)
    {
        static string Cell(IReadOnlyList<double> gaps)
        {
            var sorted = gaps.Order().ToArray();
            var gap = (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
            return gap < 1e-5 ? "0" : gap.ToString("0.000", CultureInfo.InvariantCulture);
        }
        return $"| {name} | {string.Join(" | ", cells.Select(Cell))} |";
    }

    /// <summary>The rows of docs/conservation.md: medians over images, of the predicted class's score.</summary>
    private static void RequireRows(string name, Model model, Tensor images)
    {
        var maps = Shown
            .Select(method => AttributionMethod.Find(method).Create(model, new MethodSettings())(images))
            .ToArray();
        var scores = model.Logits(images).amax(1);
        // What relevance is conserved of: the score itself.
        double[] Missing(Tensor map) =>
            ((map.sum([1, 2, 3]) - scores).abs() / scores.abs()).to(ScalarType.Float64).data<double>().ToArray();
        string[] rows =
        [
            Row(name, maps.Select(map => new CompletenessGap(model).Relative(map, images))),
            Row(name, maps.SkipLast(1).Select(Missing)),
        ];
        foreach (var row in rows)
            Expect.isTrue(Documented.Contains(row), $"the tables have the rows\n{string.Join('\n', rows)}\n");
    }

    private static string Documented
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!System.IO.File.Exists(System.IO.Path.Combine(folder, "Attribution.sln")))
                folder = System.IO.Path.GetDirectoryName(folder)!;
            return System.IO.File.ReadAllText(System.IO.Path.Combine(folder, "docs", "conservation.md"));
        }
    }

    private static Test IsDocumented(string network) =>
        Check.InFolder(
            $"docs/conservation.md tells what is missing from the maps of '{network}'",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Load(folder, network, Precision.Float64);
                RequireRows(network, model, Images(ScalarType.Float64));
            }
        );

    private static Test IsDocumented(string file, Preprocessing preprocessing, params long[] image) =>
        Check.Shared(
            $"docs/conservation.md tells what is missing from the maps of {file}",
            $"models/{file}",
            path =>
            {
                using var scope = NewDisposeScope();
                using var model = file.EndsWith(".npz") ? Model.LoadVgg16(path) : Model.LoadOnnx(path, preprocessing);
                model.To(CPU, Precision.Float64);
                var images = rand([4, .. image], ScalarType.Float64, generator: new Generator(11)) * 255;
                RequireRows(file, model, images);
            }
        );

    private static Test Redraws(string network, int layers, int tensors) =>
        Check.InFolder(
            $"parameter randomisation redraws every parameter of the network '{network}', and nothing else",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Load(folder, network, Precision.Float64);
                var images = Images(ScalarType.Float64);
                var all = ParameterRandomisation.Redraws(model);
                Check.Same([all.Layers, all.Tensors], layers, tensors);
                var maps = new SaliencyMap(model).Attribute(images);
                var test = new ParameterRandomisation(
                    model,
                    (m, q) => AttributionMethod.Find("saliency").Create(m, new MethodSettings { Quantity = q }),
                    steps: 1000
                );
                var curve = test.Curve(maps, images);
                Expect.equal(curve.Count, layers, "layer by layer");
                Expect.equal(curve[^1].Redrawn, all, "all at the end");
                Expect.isTrue(
                    curve.Zip(curve.Skip(1)).All(pair => pair.First.Redrawn.Numbers < pair.Second.Redrawn.Numbers),
                    "more at each step"
                );
            }
        );

    private static Test MaxPools =>
        Check.InFolder(
            "the rules of DeepLIFT for a max pool differ where windows overlap, and only one of them is complete there",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Load(folder, "plain", Precision.Float64);
                var images = Images(ScalarType.Float64);
                DeepLiftAttributions By(MaxPoolRule rule) =>
                    new DeepLift(model, 3, maxPool: rule).AttributeWithGaps(images);
                Expect.isLessThan(By(MaxPoolRule.Rescale).Gaps.Max(), 1e-9, "complete");
                Expect.isGreaterThan(By(MaxPoolRule.LastWindow).Gaps.Max(), 1e-2, "the last window alone");
                Expect.isGreaterThan(By(MaxPoolRule.Gradient).Gaps.Max(), 1e-2, "the gradient");
            }
        );

    private static Test Normalised =>
        Check.InFolder(
            "DeepLIFT is complete through a normalisation whose baseline has no variance",
            folder =>
            {
                using var scope = NewDisposeScope();
                foreach (var network in new[] { "instance normalisation", "transformer", "mobile" })
                {
                    using var model = Load(folder, network, Precision.Float64);
                    var gaps = new DeepLift(model, 3).AttributeWithGaps(Images(ScalarType.Float64)).Gaps;
                    Expect.isLessThan(gaps.Max(), network == "transformer" ? 1e-2 : 1e-6, network);
                }
            }
        );

    private static Test Masked =>
        Check.InFolder(
            "scores that are masked with -∞ get no relevance, and none becomes NaN",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Load(folder, "transformer", Precision.Float64);
                foreach (var method in Shown)
                {
                    var map = AttributionMethod
                        .Find(method)
                        .Create(model, new MethodSettings())(Images(ScalarType.Float64));
                    Expect.isTrue(map.isfinite().all().ToBoolean(), method);
                    Expect.isTrue(map.abs().sum([1, 2, 3]).gt((Scalar)0.0).all().ToBoolean(), $"{method} is not empty");
                }
            }
        );

    private static Test LayerNormModule =>
        Runner.TestCase(
            "a LayerNorm of TorchSharp is read as what it computes: LRP keeps what it is given, and its numbers are parameters",
            () =>
            {
                using var scope = NewDisposeScope();
                random.manual_seed(4);
                using var module = nn.Sequential(
                    ("flat", nn.Flatten()),
                    ("first", nn.Linear(12, 8, dtype: ScalarType.Float64)),
                    ("norm", nn.LayerNorm(8, dtype: ScalarType.Float64)),
                    ("last", nn.Linear(8, 3, dtype: ScalarType.Float64))
                );
                using var model = Model.FromModule(module);
                var x = randn([5, 3, 2, 2], ScalarType.Float64);
                Expect.isLessThan(Difference(model.Logits(x), module.call(x)), 1e-6, "logits");
                // Relevance that reaches the normalisation is what its input gets: the shift is 0, and so is the last bias's part.
                using (no_grad())
                {
                    ((TorchSharp.Modules.Linear)module[1]).bias!.zero_();
                    ((TorchSharp.Modules.Linear)module[3]).bias!.zero_();
                }
                var rules = new LrpComposite(LrpRule.Epsilon(1e-12), LrpRule.Epsilon(1e-12));
                var sums = new Lrp(model, 1, rules).Attribute(x).sum([1, 2, 3]);
                Expect.isLessThan(Difference(sums, model.Logits(x)[TensorIndex.Colon, 1]), 1e-5, "conserved");
                Check.Same([ParameterRandomisation.Redraws(model).Tensors], 6);
            }
        );

    public static Test Tests =>
        Runner.TestList(
            "Rules on networks as exported",
            [
                .. Networks.Piecewise.Select(name => Law(name, Precision.Float64, 1e-6)),
                .. Networks.Piecewise.Select(name => Law(name, Precision.Float32, 1e-2)),
                .. Networks.All.Keys.Select(IsDocumented),
                IsDocumented("mnist.onnx", new Preprocessing(1, [0], [1]), 1, 28, 28),
                IsDocumented("cifar10_large.onnx", new Preprocessing(255, [0], [1]), 3, 32, 32),
                IsDocumented("resnet_2b.onnx", new Preprocessing(255, [0], [1]), 3, 32, 32),
                IsDocumented("resnet_4b.onnx", new Preprocessing(255, [0], [1]), 3, 32, 32),
                IsDocumented("vgg16-tiny.npz", Preprocessing.ImageNet, 3, 64, 64),
                Redraws("plain", 6, 8),
                Redraws("dense blocks", 40, 61),
                Redraws("transformer", 32, 39),
                MaxPools,
                LayerNormModule,
                Normalised,
                Masked,
            ]
        );
}
