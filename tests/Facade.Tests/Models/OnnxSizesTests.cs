using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>The blocks that networks are made of, as wide as they are in practice and in float32: where kernels are wrong on
/// some machines, it is at such sizes.</summary>
internal static class OnnxSizesTests
{
    public static Test Tests => Runner.TestList("ONNX blocks of real size", [.. All.Select(Agrees)]);

    private static IEnumerable<(string Name, long[] Input, Action<Block> Build)> All
    {
        get
        {
            foreach (
                var (inputs, width, side) in new[] { (64, 64, 14), (256, 128, 14), (512, 256, 14), (1024, 512, 7) }
            )
            foreach (var stride in new[] { 1, 2 })
                yield return (
                    $"bottleneck of {inputs} to {4 * width} channels, stride {stride}",
                    [inputs, side, side],
                    b =>
                    {
                        b.Conv("x", inputs, width, 1, 1).Act().Conv(b.Last, width, width, 3, stride).Act();
                        var long_ = b.Conv(b.Last, width, 4 * width, 1, 1).Last;
                        b.Conv("x", inputs, 4 * width, 1, stride).Node("Add", $"{b.Last} {long_}").Act();
                    }
                );
            foreach (var stride in new[] { 1, 2 })
            {
                yield return (
                    $"basic block of 256 to 512 channels, stride {stride}",
                    [256, 14, 14],
                    b =>
                    {
                        b.Conv("x", 256, 512, 3, stride).Act();
                        var long_ = b.Conv(b.Last, 512, 512, 3, 1).Last;
                        b.Conv("x", 256, 512, 1, stride).Node("Add", $"{b.Last} {long_}").Act();
                    }
                );
                yield return (
                    $"inverted residual of 96 channels, stride {stride}",
                    [96, 14, 14],
                    b =>
                        b.Conv("x", 96, 576, 1, 1)
                            .Act()
                            .Conv(b.Last, 576, 576, 3, stride, groups: 576)
                            .Act()
                            .Conv(b.Last, 576, 160, 1, 1)
                );
                yield return (
                    $"grouped bottleneck of 256 channels, stride {stride}",
                    [256, 14, 14],
                    b =>
                        b.Conv("x", 256, 128, 1, 1)
                            .Act()
                            .Conv(b.Last, 128, 128, 3, stride, groups: 32)
                            .Act()
                            .Conv(b.Last, 128, 256, 1, 1)
                );
            }
            yield return (
                "dense block of 480 channels",
                [480, 14, 14],
                b =>
                {
                    b.Norm("x", 480).Act().Conv(b.Last, 480, 128, 1, 1).Norm(b.Last, 128).Act();
                    b.Conv(b.Last, 128, 32, 3, 1).Node("Concat", $"x {b.Last}", ("axis", 1));
                }
            );
            yield return (
                "branches of 832 channels",
                [832, 7, 7],
                b =>
                {
                    var one = b.Conv("x", 832, 384, 1, 1).Last;
                    var three = b.Conv("x", 832, 192, 1, 1).Act().Conv(b.Last, 192, 384, 3, 1).Last;
                    var five = b.Conv("x", 832, 48, 1, 1).Act().Conv(b.Last, 48, 128, 5, 1).Last;
                    b.Node("Concat", $"{one} {three} {five}", ("axis", 1)).Act();
                }
            );
            yield return (
                "decoder of 64 channels",
                [64, 14, 14],
                b => b.Conv("x", 64, 32, 2, 2, isTransposed: true).Act().Conv(b.Last, 32, 8, 3, 1)
            );
            yield return ("stem of 3 to 64 channels", [3, 64, 64], b => b.Conv("x", 3, 64, 7, 2).Act());
            yield return ("patches of 16×16", [3, 64, 64], b => b.Conv("x", 3, 192, 16, 16, pad: 0).Act());
        }
    }

    // Without a kink, so that rounding moves a gradient as little as a value.
    private static Test Agrees((string Name, long[] Input, Action<Block> Build) test) =>
        Check.InFolder(
            $"{test.Name}: in float32 its values are ONNX Runtime's and its gradient that of float64, for 1, 2 and 5 images",
            folder =>
            {
                using var scope = NewDisposeScope();
                var block = new Block(test.Input);
                test.Build(block);
                block.Node("GlobalAveragePool", block.Last).Node("Flatten", block.Last);
                var path = block.Graph.Save(folder, block.Last);
                var loaded = OnnxReader.Read(path);
                var (single, wide) = (
                    OnnxModelsTests.Placed(loaded),
                    ModelModule.toDevice(CPU, ScalarType.Float64, loaded.Core)
                );
                using var generator = new Generator(3);
                foreach (var n in new long[] { 1, 2, 5 })
                {
                    var x = randn([n, .. test.Input], generator: generator);
                    var logits = ModelModule.logits(single, x);
                    Expect.isLessThan(
                        OnnxModelsTests.Error(logits, OnnxGraph.Expected(path, x)),
                        1e-4,
                        $"the values of {n} images agree"
                    );
                    var w = randn(logits.shape, generator: generator);
                    var gradient = Interop.Gradient(z => (ModelModule.logits(single, z) * w).sum(1), x);
                    var exact = Interop.Gradient(
                        z => (ModelModule.logits(wide, z) * w.to(ScalarType.Float64)).sum(1),
                        x.to(ScalarType.Float64)
                    );
                    Expect.isLessThan(
                        OnnxModelsTests.Error(gradient, exact.to(ScalarType.Float32)),
                        1e-4,
                        $"the gradient of {n} images agrees"
                    );
                }
            }
        );

    /// <summary>A chain of layers with random weights of a size that keeps values as large as they were.</summary>
    private sealed class Block(long[] input)
    {
        private readonly Random random = new(11);
        private int count;

        public OnnxGraph Graph { get; } = new([0, .. input]);
        public string Last { get; private set; } = "x";

        public Block Node(string op, string inputs, params (string, object)[] attributes)
        {
            Graph.Node(op, inputs, Last = $"v{count++}", attributes);
            return this;
        }

        public Block Act() => Node("Softplus", Last);

        public Block Conv(
            string from,
            long inputs,
            long outputs,
            long kernel,
            long stride,
            int groups = 1,
            long? pad = null,
            bool isTransposed = false
        )
        {
            long[] shape = isTransposed
                ? [inputs, outputs / groups, kernel, kernel]
                : [outputs, inputs / groups, kernel, kernel];
            var name = $"w{count}";
            Graph.Weights(name, shape, Numbers(shape, Math.Sqrt(1.0 / (inputs / groups * kernel * kernel))));
            Graph.Weights(name + "b", [outputs], Numbers([outputs], 0.1));
            var pads = pad ?? (isTransposed ? 0 : kernel / 2);
            return Node(
                isTransposed ? "ConvTranspose" : "Conv",
                $"{from} {name} {name}b",
                ("strides", new[] { stride, stride }),
                ("pads", new[] { pads, pads, pads, pads }),
                ("group", groups)
            );
        }

        public Block Norm(string from, long channels)
        {
            var name = $"n{count}";
            foreach (var part in "abc")
                Graph.Weights(name + part, [channels], Numbers([channels], 0.3));
            Graph.Weights(name + "d", [channels], [.. Numbers([channels], 0.3).Select(v => 1 + v * v)]);
            return Node("BatchNormalization", $"{from} {name}a {name}b {name}c {name}d");
        }

        private float[] Numbers(long[] shape, double deviation) =>
            [
                .. Enumerable
                    .Range(0, (int)shape.Aggregate(1L, (a, b) => a * b))
                    .Select(_ =>
                        (float)(
                            deviation
                            * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                            * Math.Cos(2 * Math.PI * random.NextDouble())
                        )
                    ),
            ];
    }
}
