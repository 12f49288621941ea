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

namespace Facade.Tests;

/// <summary>The methods of the registry, and what each class of them takes.</summary>
public static class MethodsTests
{
    private const int Count = 5;

    public static Test Tests =>
        Runner.TestList(
            "Methods",
            [
                InScope("every method tells of its passes, and how many there will be", Passes),
                InScope("settings reach the methods that they concern", Settings),
                InScope("a seed decides on what is drawn, and an instance keeps its draws in a part", Seeds),
                InScope("feature ablation takes groups by any numbers", Groups),
                InScope("expected gradients of linear logits are exact, from any background", Background),
                InScope("class activation maps look at the last convolution after its activation", LastConvolution),
                Check.Shared(
                    "the course's network has its last convolution at conv5_3",
                    "models/vgg16-tiny.npz",
                    path => OfFile(Model.LoadVgg16(path), "conv5_3")
                ),
                Check.Shared(
                    "a residual network's last convolution is looked at after its shortcut and activation",
                    "models/resnet_2b.onnx",
                    path => OfFile(Model.LoadOnnx(path), "29")
                ),
                InScope("class activation maps ask for positions", Positions),
                InScope("settings out of range are refused at once", Ranges),
                InScope("work stops when it is cancelled", Cancels),
            ]
        );

    private static Test InScope(string name, Action<Model> test) => Check.InScope(name, () => test(Network()));

    private static Tensor Images(int count = Count) => Random(3, count, 3, 8, 8) * 50;

    private static T Seeded<T>(T module, int seed)
        where T : nn.Module
    {
        using var _ = no_grad();
        foreach (var parameter in module.parameters())
            parameter.copy_(Random(seed++, parameter.shape) / 4);
        return module;
    }

    private static Model Network() =>
        Model.FromModule(
            Seeded(
                nn.Sequential(
                    ("first", nn.Conv2d(3, 4, 3, padding: 1, dtype: float64)),
                    ("bend", nn.ReLU()),
                    ("pool", nn.MaxPool2d(2)),
                    ("second", nn.Conv2d(4, 6, 3, dtype: float64)),
                    ("norm", nn.BatchNorm2d(6, dtype: float64)),
                    ("last", nn.ReLU()),
                    ("flat", nn.Flatten()),
                    ("logits", nn.Linear(24, 4, dtype: float64))
                ),
                5
            )
        );

    private static void Near(Tensor actual, Tensor expected, string what)
    {
        Check.Same(actual.shape, expected.shape);
        var error = (actual - expected).abs().max() / (1 + expected.abs().max());
        Expect.isLessThan(error.ToDouble(), 1e-9, what);
    }

    private static MethodSettings Few =>
        new()
        {
            Samples = 6,
            Steps = 4,
            Iterations = 4,
        };

    private sealed class Reports : List<Attribution.Progress>, IProgress<Attribution.Progress>
    {
        public void Report(Attribution.Progress value) => Add(value);
    }

    private static void Passes(Model model)
    {
        foreach (var method in AttributionMethod.All.Where(method => method.AppliesTo(model)))
        {
            var reports = new Reports();
            method.Create(model, Few)(Images(), 2, reports);
            Expect.isNonEmpty(reports, method.Name);
            Expect.isTrue(reports.All(report => report.Done <= report.Total), method.Name);
            Expect.isGreaterThan(method.Work(model, Few, Images()).Passes, 0, method.Name);
        }
    }

    private static void Settings(Model model)
    {
        Tensor Of(string name, MethodSettings settings) =>
            AttributionMethod.Find(name).Create(model, settings)(Images());
        var quantity = Quantity.Margin(0, 2);
        var settings = Few with
        {
            Quantity = quantity,
            Layer = "bend",
            Baseline = Baseline.White,
            Noise = 0.3,
            Seed = 9,
            Background = Images(3),
            WindowSize = 3,
            Stride = 2,
        };
        foreach (
            var (name, kind) in new[]
            {
                ("smoothgrad", SmoothGradKind.Mean),
                ("smoothgrad-squared", SmoothGradKind.Squared),
                ("vargrad", SmoothGradKind.Variance),
            }
        )
            Near(Of(name, settings), new SmoothGrad(model, quantity, kind, 6, 0.3, 9).Attribute(Images()), name);
        Near(
            Of("expected-gradients", settings),
            new ExpectedGradients(model, quantity, Images(3), 6, 9).Attribute(Images()),
            "expected-gradients"
        );
        Near(
            Of("occlusion", settings),
            new Occlusion(model, quantity, 3, 2, Baseline.White).Attribute(Images()),
            "occlusion"
        );
        Near(
            Of("rise", settings),
            new Rise(model, quantity, 6, seed: 9, baseline: Baseline.White).Attribute(Images()),
            "rise"
        );
        Near(Of("grad-cam", settings), new GradCam(model, quantity, "bend").Attribute(Images()), "grad-cam");
        Near(
            Of("grad-cam++", settings),
            new GradCamPlusPlus(model, quantity, "bend").Attribute(Images()),
            "grad-cam++"
        );
        Near(Of("layer-cam", settings), new LayerCam(model, quantity, "bend").Attribute(Images()), "layer-cam");
        Near(
            new SmoothGrad(model, quantity, samples: 3, multiplyWithInput: true).Attribute(Images()),
            Images() * new SmoothGrad(model, quantity, samples: 3).Attribute(Images()),
            "times x"
        );
        Check.Same(new GradCam(model).AttributeLayer(Images()).shape, Count, 2, 2);
    }

    private static void Seeds(Model model)
    {
        foreach (var name in new[] { "smoothgrad", "expected-gradients", "rise" })
        {
            Tensor Of(long seed, Instances x) =>
                AttributionMethod.Find(name).Create(model, Few with { Seed = seed })(x);
            var maps = Of(1, Images());
            Check.Same(Of(1, Images()), maps);
            Expect.isFalse(Of(2, Images()).allclose(maps), $"{name}: another seed");
            Instances whole = Images();
            Near(Of(1, whole.Part(3, Images()[3..])), maps[3..], $"{name}: a part");
        }
    }

    private static void Groups(Model model)
    {
        var halves = arange(8, dtype: int64).ge(4).to(int64).expand(1, 8, 8);
        var maps = new FeatureAblation(model, groups: halves * 1000 - 7).Attribute(Images());
        Near(new FeatureAblation(model, groups: halves.to(uint8)).Attribute(Images(), 3), maps, "renumbered");
        var left = Images();
        left[.., .., .., 4..] = 0;
        var classes = model.Logits(Images()).argmax(1, keepdim: true);
        var loss = (model.Logits(Images()) - model.Logits(left)).gather(1, classes).squeeze(1);
        Near(maps[.., 0, 0, 7], loss, "the right half's loss");
        Check.Same(maps.shape, Count, 3, 8, 8);
        Throws<ArgumentException>(() => _ = new FeatureAblation(model, groups: ones(3, 8, 8)), "fractions");
        Throws<ArgumentException>(
            () => new FeatureAblation(model, groups: zeros(3, 8, 9, dtype: int64)).Attribute(Images()),
            "another shape"
        );
        Check.Same(new FeatureAblation(model).Attribute(Images(1)).shape, 1, 3, 8, 8);
    }

    private static void Background(Model _)
    {
        var weights = Random(8, 4, 192);
        using var linear = Model.FromLayers(("logits", x => x.flatten(1).matmul(weights.t())));
        var row = weights[2].reshape(3, 8, 8);
        Tensor Of(Instances? background, int samples) =>
            new ExpectedGradients(linear, Quantity.Class(2), background, samples).Attribute(Images());

        // An image is left out of its own background.
        Tensor Others(Tensor x) => (x.sum(0, keepdim: true) - x) / (x.shape[0] - 1);
        Near(Of(null, 2 * Count), (Images() - Others(Images())) * row, "the instances themselves");
        Check.Refuses(
            () => new ExpectedGradients(linear, Quantity.Class(2)).Attribute(Images(1)),
            "instance 0",
            "give more images"
        );
        Near(Of(zeros(2, 3, 8, 8, float64), 4), Images() * row, "black ones");
        using var set = ImageSet.FromTensor(Images(4).to(float32));
        Near(
            Of(set, 8),
            (Images() - Images(4).to(float32).to(float64).mean([0], keepdim: true)) * row,
            "a set of images"
        );
        Check.Refuses(() => new ExpectedGradients(linear, background: zeros(0, 3, 8, 8)), "background", "empty");
        Check.Refuses(() => Of(zeros(2, 3, 8, 9, float64), 4), "background", "[3; 8; 9]");
    }

    private static void LastConvolution(Model model)
    {
        Expect.equal(Cuts.LastConvolution(model), "last", "after normalisation and activation");
        Expect.equal(new GradCam(model).Layer, "last", "what nobody names");
        using var bare = Model.FromModule(
            nn.Sequential(("only", nn.Conv2d(3, 2, 3)), ("flat", nn.Flatten()), ("logits", nn.Linear(72, 2)))
        );
        Expect.equal(Cuts.LastConvolution(bare), "only", "a convolution without activation");
        using var functions = Model.FromLayers(("logits", x => x.flatten(1)));
        Check.Refuses(() => new LayerCam(functions), "no convolution", "name a layer");
        Near(
            new GradCam(model).Attribute(Images()),
            new GradCam(model, Quantity.Predicted, "last").Attribute(Images()),
            "the default"
        );
    }

    private static void OfFile(Model model, string layer)
    {
        using (model)
            Expect.equal(Cuts.LastConvolution(model), layer, "the layer");
    }

    private static void Positions(Model model)
    {
        foreach (var layer in new[] { "flat", "logits" })
            Check.Refuses(
                () => new GradCamPlusPlus(model, layer: layer).Attribute(Images()),
                $"'{layer}'",
                "positions"
            );
        Throws<AttributionException>(() => _ = new LayerCam(model, layer: "lats"), "no such layer");
    }

    private static void Ranges(Model model)
    {
        Action[] wrong =
        [
            () => _ = new SmoothGrad(model, samples: 0),
            () => _ = new SmoothGrad(model, noise: -0.1),
            () => _ = new SmoothGrad(model, noise: double.NaN),
            () => _ = new SmoothGrad(model, kind: (SmoothGradKind)3),
            () => _ = new ExpectedGradients(model, samples: 0),
            () => _ = new ExpectedGradients(model, samples: int.MaxValue),
            () => _ = new Occlusion(model, windowSize: 0),
            () => _ = new Occlusion(model, stride: 0),
            () => _ = new Occlusion(model, windowSize: 3, stride: 4),
            () => _ = new Rise(model, samples: 0),
            () => _ = new Rise(model, cells: 0),
            () => _ = new Rise(model, cells: 257),
            () => _ = new Rise(model, probability: 0),
            () => _ = new Rise(model, probability: 1),
            () => _ = new Rise(model, probability: double.NaN),
        ];
        foreach (var make in wrong)
            Throws<ArgumentOutOfRangeException>(make, "refused");
        // The stride of a window whose size nobody names is one window at most.
        Near(
            new Occlusion(model, stride: 50).Attribute(Images()),
            new Occlusion(model, windowSize: 1).Attribute(Images()),
            "covered"
        );
    }

    private static void Cancels(Model model)
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        foreach (var method in AttributionMethod.All.Where(method => method.AppliesTo(model)))
            Throws<OperationCanceledException>(
                () => method.Create(model, Few)(Images(), cancellation: source.Token),
                method.Name
            );
    }
}
