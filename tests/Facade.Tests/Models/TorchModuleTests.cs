using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Module = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace Facade.Tests;

/// <summary>Models of TorchSharp's modules.</summary>
public static class TorchModuleTests
{
    private const int Classes = 3;
    private const int Channels = 4;
    private const int Side = 9;

    // A class of the caller's, which no one can look into.
    private sealed class Doubled(Module inner) : Module<Tensor, Tensor>(nameof(Doubled))
    {
        private readonly Module inner = inner;

        // Whether the last run was one for training.
        public bool? Trained { get; private set; }

        public static Doubled Of(Module inner)
        {
            var module = new Doubled(inner);
            module.RegisterComponents();
            return module;
        }

        public override Tensor forward(Tensor x)
        {
            Trained = training || inner.training;
            return Run(inner, x) * 2;
        }
    }

    private static Module Convolution(Random random, int rank, ScalarType type)
    {
        var (kernel, groups, bias) = (random.Next(1, 4), random.Next(2) + 1, random.Next(2) == 0);
        var (stride, dilation) = (random.Next(1, 3), random.Next(1, 3));
        var mode = random.Next(4) == 0 ? PaddingModes.Reflect : PaddingModes.Zeros;
        const int c = Channels;
        return (rank, random.Next(3)) switch
        {
            (1, 0) => Conv1d(c, c, kernel, Padding.Same, 1, dilation, groups: groups, dtype: type),
            (1, 1) => Conv1d(c, c, kernel, Padding.Valid, stride, dilation, groups: groups, dtype: type),
            (1, _) => Conv1d(c, c, kernel, stride, kernel / 2, dilation, mode, groups, bias, dtype: type),
            (2, 0) => Conv2d(c, c, (kernel, 3), (stride, 1), (1, 0), (1, dilation), mode, groups, bias, dtype: type),
            (2, 1) => Conv2d(c, c, kernel, Padding.Same, 1, dilation, groups: groups, dtype: type),
            (2, _) => Conv2d(c, c, kernel, stride, 1, dilation, mode, groups, bias, dtype: type),
            (_, 0) => Conv3d(c, c, kernel, Padding.Valid, 1, groups: groups, dtype: type),
            _ => Conv3d(c, c, kernel, stride, 1, 1, PaddingModes.Zeros, groups, bias, dtype: type),
        };
    }

    private static Module Norm(Random random, int rank, ScalarType type)
    {
        var affine = random.Next(2) == 0;
        TorchSharp.Modules.BatchNorm norm = rank switch
        {
            1 => BatchNorm1d(Channels, eps: 1e-3, affine: affine, dtype: type),
            2 => BatchNorm2d(Channels, eps: 1e-2, affine: affine, dtype: type),
            _ => BatchNorm3d(Channels, affine: affine, dtype: type),
        };
        using var _ = no_grad();
        norm.running_mean!.normal_();
        norm.running_var!.uniform_(0.5, 2);
        if (affine)
            norm.weight!.uniform_(0.5, 2);
        return norm;
    }

    private static Module Bend(Random random) =>
        random.Next(21) switch
        {
            0 => ReLU(),
            1 => LeakyReLU(0.2),
            2 => Sigmoid(),
            3 => Tanh(),
            4 => ELU(0.7),
            5 => GELU(),
            6 => SiLU(),
            7 => Hardswish(),
            8 => Mish(),
            9 => SELU(),
            10 => CELU(0.5),
            11 => ReLU6(),
            12 => Hardsigmoid(),
            13 => Hardtanh(-0.5, 0.7),
            14 => Softplus(2),
            15 => Softsign(),
            16 => LogSigmoid(),
            17 => Softshrink(0.1),
            18 => Tanhshrink(),
            19 => Dropout(0.5),
            _ => Identity(),
        };

    private static Module Pool(Random random, int rank) =>
        (rank, random.Next(3)) switch
        {
            (1, 0) => MaxPool1d(3, 1, 1, 2),
            (1, 1) => MaxPool1d(2, ceil_mode: true),
            (1, _) => AvgPool1d(3, 2, 1, count_include_pad: random.Next(2) == 0),
            (2, 0) => MaxPool2d((3, 2), (1, 2), (1, 0), ceil_mode: true),
            (2, 1) => AvgPool2d(3, 2, 1, ceil_mode: true, count_include_pad: false),
            (2, _) => AvgPool2d((2, 3), (2, 1), divisor_override: random.Next(2) == 0 ? 5 : null),
            (_, 0) => MaxPool3d([2, 2, 2]),
            _ => AvgPool3d([3, 3, 3], [2, 2, 2], [1, 1, 1]),
        };

    private static Module End(Random random, int rank) =>
        (rank, random.Next(2)) switch
        {
            (1, 0) => AdaptiveAvgPool1d(1),
            (1, _) => AdaptiveMaxPool1d(1),
            (2, 0) => AdaptiveAvgPool2d(1),
            (2, _) => AdaptiveMaxPool2d([1, 1]),
            _ => AdaptiveAvgPool3d([1, 1, 1]),
        };

    // A random network on n×4×9…: containers inside containers, and what keeps at least 3 places in each dimension.
    private static (Module Module, Tensor X) Network(int seed, ScalarType type)
    {
        var random = new Random(seed);
        torch.random.manual_seed(seed);
        var rank = random.Next(1, 4);
        var x = rand([5, Channels, .. Enumerable.Repeat((long)Side, rank)], dtype: type) * 4 - 2;
        var root = Sequential();
        var (value, container) = (x, Sequential());
        for (var i = 0; i < 12; i++)
        {
            var next = random.Next(5) switch
            {
                0 or 1 => Convolution(random, rank, type),
                2 => Norm(random, rank, type),
                3 => Bend(random),
                _ => Pool(random, rank),
            };
            using var _ = no_grad();
            next.eval();
            // Not where the kernel is larger than the image.
            if (
                !Try(() => next.call(value.clone()), out var after)
                || after.shape.Skip(2).Any(size => size < 3)
                || after.shape[1] != Channels
            )
                continue;
            value = after;
            container.append($"{next.GetName()}{i}", next);
            if (random.Next(3) > 0)
                continue;
            root.append($"block{i}", random.Next(4) == 0 ? Doubled.Of(container) : container);
            container = Sequential();
        }
        if (container.Count > 0)
            root.append("last", container);
        root.append("pool", End(random, rank));
        root.append("flat", Flatten());
        root.append("fc", Linear(Channels, Classes, hasBias: random.Next(2) == 0, dtype: type));
        if (random.Next(2) == 0)
            root.append("probabilities", Softmax(random.Next(2) == 0 ? 1 : -1));
        return (root, x);
    }

    // Not inside what is called, since autograd refuses some of the places where a module works in place.
    private static void WorkInPlace(Module module)
    {
        if (module is TorchSharp.Modules.Sequential)
            foreach (var child in module.children())
                WorkInPlace((Module)child);
        else
            module.GetType().GetProperty("inplace")?.SetValue(module, true);
    }

    // TorchSharp's containers free values on the way, and now and then one that is handed on as it is.
    private static Tensor Run(Module module, Tensor x) =>
        module is TorchSharp.Modules.Sequential
            ? module.children().Aggregate(x, (value, child) => Run((Module)child, value))
            : module.call(x);

    private static (Tensor Logits, Tensor Gradient) Plain(Module module, Tensor x)
    {
        module.eval();
        var at = x.clone().requires_grad_();
        var logits = Run(module, at);
        var gradient = autograd.grad([logits.select(1, 1).sum()], [at])[0];
        return (logits.detach(), gradient);
    }

    private static double Error(Tensor actual, Tensor expected) =>
        ((actual - expected).abs().max() / (expected.abs().max() + 1e-6)).to(ScalarType.Float64).item<double>();

    private static Tensor Gradient(Model model, Tensor x) =>
        new SaliencyMap(model, targetClass: 1).Attribute(x, multiplyWithInput: false);

    private static Test Agrees(ScalarType type, double tolerance) =>
        Runner.TestCase(
            $"60 random networks of {type} give the modules' own logits and gradients, in training mode too",
            () =>
            {
                foreach (var seed in Enumerable.Range(0, 60))
                {
                    using var scope = NewDisposeScope();
                    var (module, x) = Network(seed, type);
                    var (logits, gradient) = Plain(module, x);
                    WorkInPlace(module);
                    module.train();
                    using var model = Model.FromModule(module);
                    var given = x.clone();
                    Expect.isLessThan(Error(model.Logits(x), logits), tolerance, $"network {seed}'s logits");
                    Expect.isLessThan(Error(Gradient(model, x), gradient), tolerance, $"network {seed}'s gradient");
                    Check.Same(x, given);
                    Expect.isTrue(module.modules().All(part => part.training), "the mode is as it was");
                    Expect.isTrue(module.parameters().All(p => p.requires_grad), "parameters are as they were");
                    Expect.isTrue(module.parameters().All(p => p.grad is null), "no gradient reached a parameter");
                }
            }
        );

    private static Module Small() =>
        Sequential(
            ("features", Sequential(("0", Conv2d(3, 4, 3)), ("1", BatchNorm2d(4)), ("2", ReLU()))),
            ("own", Doubled.Of(Dropout(0.5))),
            ("head", Sequential(("0", AdaptiveAvgPool2d(1)), ("1", Flatten()), ("2", Linear(4, Classes))))
        );

    private static Test Case(string name, Action test) =>
        Runner.TestCase(
            name,
            () =>
            {
                using var _ = NewDisposeScope();
                test();
            }
        );

    public static Test Tests =>
        Runner.TestSequenced(
            Runner.TestList(
                "A TorchSharp module",
                [
                    Agrees(ScalarType.Float32, 1e-4),
                    Agrees(ScalarType.Float64, 1e-11),
                    Case(
                        "gives a layer for each module in its containers, with what computes it",
                        () =>
                        {
                            using var model = Model.FromModule(Small());
                            Check.Same(
                                model.Describe().Select(layer => $"{layer.Name}: {layer.Operation}"),
                                "input: Input",
                                "features.0: Conv 3×3, 4",
                                "features.1: BatchNorm",
                                "features.2: Relu",
                                "own: Doubled",
                                "head.0: GlobalAveragePool",
                                "head.1: Flatten",
                                "head.2: Linear 3"
                            );
                            Check.Same(Model.FromModule(Doubled.Of(Small())).Layers, "input", "logits");
                            Check.Same(Model.FromModule(Linear(2, 2)).Layers, "input", "logits");
                            Check.Same(Model.FromModule(Sequential(("input", ReLU()))).Layers, "input'", "input");
                        }
                    ),
                    Case(
                        "can be cut at a layer",
                        () =>
                        {
                            var module = Small();
                            using var model = Model.FromModule(module);
                            var influence = new InflDirected(model, "head.1", Quantity.Class(2)).Influence(
                                rand(2, 3, 8, 8)
                            );
                            var weight = module.named_parameters().Single(p => p.name == "head.2.weight").parameter;
                            Expect.isLessThan(Error(influence, weight.detach()[2]), 1e-6, "a linear head's influence");
                        }
                    ),
                    Case(
                        "outlives its models, which follow its training",
                        () =>
                        {
                            var module = Small();
                            var x = rand(2, 3, 8, 8);
                            using var model = Model.FromModule(module);
                            var before = model.Logits(x);
                            using var copy = model.To(CPU);
                            var copied = copy.Logits(x);
                            Expect.isLessThan(Error(copied, before), 1e-5, "a copy");
                            using (no_grad())
                            {
                                foreach (var parameter in module.parameters())
                                    parameter.mul_(1.5);
                                foreach (
                                    var (_, buffer) in module
                                        .named_buffers()
                                        .Where(b => b.name.EndsWith("running_mean"))
                                )
                                    buffer.add_(1);
                            }
                            var expected = Plain(module, x).Logits;
                            Expect.isGreaterThan(Error(expected, before), 0.1, "training changes the logits");
                            Expect.isLessThan(Error(model.Logits(x), expected), 1e-5, "the model sees it");
                            Check.Same(copy.Logits(x), copied);
                            model.Dispose();
                            copy.Dispose();
                            Check.Same(Plain(module, x).Logits, expected);
                        }
                    ),
                    Case(
                        "runs in evaluation mode and is left in the mode that each of its parts was in",
                        () =>
                        {
                            var inner = Doubled.Of(Dropout(0.5));
                            var outer = Doubled.Of(Sequential(inner, Linear(4, Classes)));
                            outer.train();
                            inner.eval();
                            using var model = Model.FromModule(outer);
                            model.Logits(rand(2, 4));
                            Expect.equal((inner.Trained, outer.Trained), (false, false), "while it runs");
                            Expect.equal((inner.training, outer.training), (false, true), "afterwards");
                            var fails = Model.FromModule(Sequential(("own", outer)));
                            Expect.isFalse(Try(() => fails.Logits(rand(2, 5)), out var _), "a module that fails");
                            Expect.equal((inner.training, outer.training), (false, true), "after a failure");
                        }
                    ),
                    Case(
                        "runs on several threads at once in evaluation mode",
                        () =>
                        {
                            var module = Doubled.Of(Sequential(Dropout(0.9), Linear(4, Classes)));
                            var x = rand(2, 4);
                            var expected = Plain(module, x).Logits;
                            module.train();
                            using var model = Model.FromModule(module);
                            var results = new Tensor[200];
                            Parallel.For(0, results.Length, i => results[i] = model.Logits(x));
                            foreach (var result in results)
                                Check.Same(result, expected);
                            Expect.isTrue(module.training, "afterwards");
                        }
                    ),
                    Case(
                        "whose normalisation keeps no statistics, or that computes in 16 bits, is refused",
                        () =>
                        {
                            var norm = Sequential(("a", Sequential(("b", BatchNorm2d(3, track_running_stats: false)))));
                            Check.Refuses(() => Model.FromModule(norm), "a.b", "BatchNorm2d", "track_running_stats");
                            Check.Refuses(() => Model.FromModule(Doubled.Of(norm)), "BatchNorm2d");
                            Check.Refuses(() => Model.FromModule(Linear(2, 2, dtype: ScalarType.Float16)), "Float16");
                        }
                    ),
                    Case(
                        "cannot follow its model into other numbers where it is called",
                        () =>
                        {
                            using var model = Model.FromModule(Sequential(("own", Doubled.Of(Linear(4, Classes)))));
                            using var wide = model.To(CPU, Precision.Float64);
                            Check.Refuses(() => wide.Logits(rand(2, 4)), "'own'", "Float64");
                        }
                    ),
                ]
            )
        );

    private static bool Try(Func<Tensor> act, out Tensor result)
    {
        try
        {
            result = act();
            return true;
        }
        catch (ExternalException)
        {
            result = empty(0);
            return false;
        }
    }
}
