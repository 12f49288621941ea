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

/// <summary>Instances that are no images: rows of a table, signals, volumes.</summary>
public static class ShapesTests
{
    private static readonly Dictionary<string, (long[] Shape, Func<nn.Module<Tensor, Tensor>> Make)> kinds = new()
    {
        ["table"] = (
            [6],
            () => nn.Sequential(("dense", nn.Linear(6, 8)), ("relu", nn.ReLU()), ("logits", nn.Linear(8, 3)))
        ),
        ["signal"] = (
            [2, 12],
            () =>
                nn.Sequential(
                    ("conv", nn.Conv1d(2, 4, 3, padding: 1L)),
                    ("relu", nn.ReLU()),
                    ("flat", nn.Flatten()),
                    ("logits", nn.Linear(48, 3))
                )
        ),
        ["volume"] = (
            [2, 4, 6, 5],
            () =>
                nn.Sequential(
                    ("conv", nn.Conv3d(2, 4, 3, padding: 1L)),
                    ("relu", nn.ReLU()),
                    ("flat", nn.Flatten()),
                    ("logits", nn.Linear(480, 3))
                )
        ),
    };

    private static bool IsRefused(string kind, string method) =>
        method.StartsWith("attention")
        || method
            is "meaningful-perturbation"
                or "extremal-preservation"
                or "extremal-deletion"
                or "xrai"
                or "blur-integrated-gradients"
        || kind == "table" && method.Contains("cam");

    private static (nn.Module<Tensor, Tensor> Module, Model Model, Tensor X) Made(string kind)
    {
        random.manual_seed(3);
        var module = kinds[kind].Make();
        module.to(float64);
        module.eval();
        return (module, Model.FromModule(module), Random(5, [3, .. kinds[kind].Shape]).abs() * 60);
    }

    private static MetricSettings Settings =>
        new()
        {
            Samples = 4,
            PixelsPerStep = 1,
            Explain = (model, quantity) =>
                AttributionMethod.Find("saliency").Create(model, new() { Quantity = quantity }),
        };

    public static Test Tests =>
        Runner.TestList(
            "Shapes",
            [
                .. from kind in kinds.Keys
                from method in AttributionMethod.All
                select InScope(
                    $"{method.Name} of a {kind}",
                    () =>
                    {
                        var (module, model, x) = Made(kind);
                        using var _ = module;
                        using var owned = model;
                        Tensor Maps() =>
                            method.Create(
                                model,
                                new()
                                {
                                    Samples = 8,
                                    Iterations = 3,
                                    Steps = 4,
                                    Background = x,
                                }
                            )(x);
                        if (IsRefused(kind, method.Name))
                        {
                            Refuses(() => Maps(), "choose another method");
                            return;
                        }
                        var maps = Maps();
                        Expect.isTrue(maps.isfinite().all().ToBoolean(), "finite");
                        Expect.isTrue(
                            maps.shape.SequenceEqual(x.shape)
                                || maps.shape.SequenceEqual([3, .. x.shape.Skip(kind == "table" ? 1 : 2)]),
                            $"of the instances' shape, or of their positions: {string.Join(",", maps.shape)}"
                        );
                    }
                ),
                .. from kind in kinds.Keys
                from metric in AttributionMetric.All
                select InScope(
                    $"{metric.Name} of a {kind} is that of the same numbers as an image",
                    () =>
                    {
                        var (module, model, x) = Made(kind);
                        using var _ = module;
                        using var owned = model;
                        long[] shape = [.. x.shape.Skip(1)];
                        long[] image = kind switch
                        {
                            "table" => [1, 1, 6],
                            "signal" => [2, 1, 12],
                            _ => [2, 24, 5],
                        };
                        using var same = nn.Sequential(("shape", new Reshape([-1, .. shape])), ("network", module));
                        using var ofImages = Model.FromModule(same);
                        var maps = new SaliencyMap(model).Attribute(x);
                        var found = metric.Create(model, Settings)(maps, x);
                        var expected = metric.Create(ofImages, Settings)(
                            maps.reshape([3, .. image]),
                            x.reshape([3, .. image])
                        );
                        for (var i = 0; i < 3; i++)
                            Expect.isTrue(
                                found[i].Equals(expected[i])
                                    || Math.Abs(found[i] - expected[i]) <= 1e-9 * Math.Abs(expected[i]),
                                $"{found[i]}, {expected[i]}"
                            );
                    }
                ),
                InScope(
                    "occlusion of single features of a linear network is their part, and rise finds it",
                    () =>
                    {
                        foreach (var shape in new long[][] { [5], [2, 7], [1, 3, 4, 5] })
                        {
                            var x = Random(6, [2, .. shape]);
                            var weights = Random(7, [.. shape]);
                            using var model = Model.FromLayers(
                                (
                                    "s",
                                    t =>
                                        (t * weights).flatten(1).sum(1, keepdim: true).expand(-1, 2)
                                        * tensor(new[] { 1.0, 0 })
                                )
                            );
                            var parts = x * weights;
                            var each = shape.Length == 1 ? parts : parts.sum([1L]);
                            var found = new Occlusion(model, Quantity.Class(0), windowSize: 1, stride: 1).Attribute(x);
                            Near(found, each, 1e-9);
                            var rise = new Rise(model, Quantity.Class(0), samples: 4000, cells: 7).Attribute(x);
                            var (a, b) = (rise - rise.mean(), each - each.mean());
                            Expect.isGreaterThan(
                                (a * b).sum().ToDouble()
                                    / Math.Sqrt(a.square().sum().ToDouble() * b.square().sum().ToDouble()),
                                // Masks of features are their own; those of times and places are smooth.
                                shape.Length == 1
                                    ? 0.9
                                    : 0.3,
                                "the correlation"
                            );
                        }
                    }
                ),
            ]
        );

    private sealed class Reshape(long[] shape) : nn.Module<Tensor, Tensor>("reshape")
    {
        public override Tensor forward(Tensor x) => x.reshape(shape);
    }
}
