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

/// <summary>The classes of the metrics that make maps near an image, of other weights, or of a whole set.</summary>
public static class RobustnessTests
{
    private static readonly Func<Model, Quantity, Explainer> saliency = (model, quantity) =>
        AttributionMethod.Find("saliency").Create(model, new() { Quantity = quantity });

    private static readonly Dictionary<string, Func<Model, MapMetric>> classes = new()
    {
        ["average-sensitivity"] = model => new AverageSensitivity(model, saliency, samples: 3),
        ["local-lipschitz"] = model => new LocalLipschitz(model, saliency, samples: 3),
        ["continuity"] = model => new Continuity(model, saliency),
        ["relative-input-stability"] = model => new RelativeInputStability(model, saliency, samples: 3),
        ["relative-output-stability"] = model => new RelativeOutputStability(model, saliency, samples: 3),
        ["relative-representation-stability"] = model => new RelativeRepresentationStability(
            model,
            saliency,
            samples: 3
        ),
        ["input-invariance"] = model => new InputInvariance(model, saliency),
        ["smooth-parameter-randomisation"] = model => new SmoothParameterRandomisation(model, saliency, samples: 3),
        ["efficient-parameter-randomisation"] = model => new EfficientParameterRandomisation(model, saliency),
    };

    public static Test Tests =>
        Runner.TestList(
            "Robustness",
            [
                InScope("a class gives what its row gives, whatever the batch", Rows),
                InScope("a layer may be named, and must be there", Layers),
                InScope("a gradient does not see where numbers begin, and a product with the image does", Shifted),
                InScope("of a whole set, maps near each other or told alike are asked for one class", OfSets),
                InScope("settings that make no sense are refused", Senseless),
            ]
        );

    private static Tensor Images(int count) => Random(1, count, 2, 5, 5) * 30 + 128;

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

    private static void Near(IEnumerable<double> actual, IEnumerable<double> expected, string what)
    {
        Expect.equal(actual.Count(), expected.Count(), what);
        foreach (var (a, e) in actual.Zip(expected))
            Expect.isTrue(a.Equals(e) || Math.Abs(a - e) <= 1e-6 * (1 + Math.Abs(e)), $"{what}: {a} is {e}");
    }

    private static void Rows()
    {
        using var model = Network();
        var x = Images(4);
        var maps = saliency(model, Quantity.Predicted)(x);
        foreach (var (name, make) in classes)
        {
            var row = AttributionMetric.Find(name).Create(model, new() { Explain = saliency, Samples = 3 })(maps, x);
            Expect.isTrue(row.All(double.IsFinite), $"{name}: {string.Join(", ", row)}");
            foreach (var size in new int?[] { null, 1, 3 })
                Near(make(model).Evaluate(maps, x, size), row, $"{name}, {size} at a time");
        }
    }

    private static void Layers()
    {
        using var model = Network();
        var x = Images(3);
        var maps = saliency(model, Quantity.Predicted)(x);
        IReadOnlyList<double> By(string? layer) =>
            new RelativeRepresentationStability(model, saliency, layer: layer, samples: 2).Evaluate(maps, x);
        Near(By("relu"), By(null), "where class activation maps look");
        Expect.isFalse(By("dense").SequenceEqual(By(null)), "another layer");
        Throws<ArgumentException>(() => By("nowhere"), "no such layer");
    }

    private static void Shifted()
    {
        using var model = Network();
        var x = Images(3);
        Func<Model, Quantity, Explainer> gradient = (m, q) =>
            (images, size, progress, stop) => new SaliencyMap(m, q).Attribute(images, size, false, progress, stop);
        var slopes = gradient(model, Quantity.Predicted)(x);
        var maps = saliency(model, Quantity.Predicted)(x);
        Near(new InputInvariance(model, gradient).Evaluate(slopes, x), [0, 0, 0], "the gradient");
        var added = (slopes * 255).flatten(1).norm(1) / maps.flatten(1).norm(1);
        var found = new InputInvariance(model, saliency).Evaluate(maps, x);
        Near(found, added.data<double>(), "times the image");
    }

    private static void OfSets()
    {
        // The class is the sign of the first number.
        using var model = Model.FromLayers(
            ("s", x => stack([x.flatten(1)[.., 0], zeros_like(x.flatten(1)[.., 0])], 1))
        );
        var x = tensor([2.0, 0, 3, 0, -1, 0, 4, 0, 5, 0]).reshape(5, 1, 1, 2);
        var maps = tensor([1.0, 0, 1, 0.1, 1, -0.1, 0, -1, 0, 0]).reshape(5, 1, 1, 2);
        Near(new Sufficiency(model).Evaluate(maps, x), [0.5, 0.5, 0, double.NaN, double.NaN], "sufficiency");
        var wide = new Sufficiency(model, threshold: 1.6).Evaluate(maps, x);
        Near(wide, [2 / 3.0, 2 / 3.0, 0, 2 / 3.0, double.NaN], "of maps further apart");
        var told = new Consistency(model, grid: 2, cells: 2).Evaluate(maps, x);
        Near(told, [0.5, 0.5, 0, double.NaN, double.NaN], "consistency");
        Check.Same(told.Maps.Positions(MapState.Empty), 4);
        var soft = new Sufficiency(model, relaxation: Relaxation.Soft(0.1)).Scores(maps, x);
        Expect.isTrue(soft[3].isfinite().ToBoolean(), "softly, every map is a little near");
    }

    private static void Senseless()
    {
        using var model = Network();
        void Out(Action act, string what) => Throws<ArgumentOutOfRangeException>(act, what);
        Out(() => new AverageSensitivity(model, saliency, radius: 0), "no change");
        Out(() => new LocalLipschitz(model, saliency, samples: 0), "no samples");
        Out(() => new Continuity(model, saliency, pixels: 0), "no step");
        Out(() => new RelativeInputStability(model, saliency, radius: -1), "a change below nothing");
        Out(() => new RelativeOutputStability(model, saliency, samples: 0), "no samples");
        Out(() => new RelativeRepresentationStability(model, saliency, radius: 0), "no change");
        Out(() => new InputInvariance(model, saliency, shift: 0), "no shift");
        Out(() => new SmoothParameterRandomisation(model, saliency, noise: -1), "noise below nothing");
        Out(() => new SmoothParameterRandomisation(model, saliency, steps: 0), "no steps");
        Out(() => new EfficientParameterRandomisation(model, saliency, bins: 1), "one bin");
        Out(() => new Sufficiency(model, threshold: 0), "nothing is near");
        Out(() => new Sufficiency(model, threshold: 3), "everything is");
        Out(() => new Consistency(model, grid: 2, cells: 5), "five of four cells");
        using var functions = Model.FromLayers(("s", x => x.flatten(1)));
        Check.Refuses(
            () => new EfficientParameterRandomisation(functions, saliency).Evaluate(Images(1), Images(1)),
            "no weights"
        );
    }
}
