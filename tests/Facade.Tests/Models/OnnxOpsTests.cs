using System;
using System.Linq;
using Attribution.Core;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

internal static class OnnxOpsTests
{
    public static Test Tests =>
        Runner.TestList(
            "ONNX operators",
            [.. OnnxCases.All.Select(Agrees), .. Typed.Select(Describes), .. OnnxCases.Attentions.Select(HasRows)]
        );

    // What rule-based methods can read.
    private static (string Name, string Ops)[] Typed =>
        [
            ("ReduceMean over the image, keepdims 1", "Input, GlobalAveragePool"),
            ("ReduceMean over the image, keepdims 0", "Input, GlobalAveragePool, Flatten"),
            ("ReduceMax over the image, keepdims 1", "Input, GlobalMaxPool"),
            ("Sum of three", "Input, Neg, Add, Constant, Add"),
            ("Gemm with alpha, beta and transB", "Input, Linear 5"),
            ("MatMul over the last dimension", "Input, Linear 5"),
            ("Conv with weights that nodes compute", "Input, Conv 3×3, 6"),
            ("Celu", "Input, Celu"),
            ("PRelu of one slope", "Input, LeakyRelu 0.25"),
            ("a class token for a batch of 1", "Input, Reshape, Constant, Expand, Concat"),
            ("DepthToSpace in mode DCR", "Input, Reshape, Permute, Reshape"),
        ];

    private static Test Describes((string Name, string Ops) test) =>
        Check.InFolder(
            $"{test.Name} is read as {test.Ops}",
            folder =>
            {
                var graph = OnnxCases.All.Single(c => c.Name == test.Name).Graph;
                var last = graph.Model.Graph.Node.Last().Output[0];
                var core = OnnxReader.Read(graph.Node("Flatten", last, "rows").Save(folder, "rows")).Core;
                var ops = core.Graph.Nodes.SkipLast(1).Select(node => OpModule.describe(node.Op));
                Expect.equal(string.Join(", ", ops), test.Ops, "the ops are typed");
            }
        );

    // Tokens that stand before the batch in the file do not in the layers.
    private static Test HasRows((string Name, OnnxGraph Graph) test) =>
        Check.InFolder(
            $"every layer of {test.Name} has the instances in its first dimension",
            folder =>
            {
                using var scope = NewDisposeScope();
                var core = OnnxModelsTests.Placed(
                    OnnxReader.Read(test.Graph.Node("Flatten", "y", "rows").Save(folder, "rows"))
                );
                var x = randn([3, .. core.InputShape.Value]);
                foreach (var layer in ModelModule.layers(core))
                    Expect.equal(ModelModule.value(layer, core, x).shape[0], 3, $"{layer} has three rows");
            }
        );

    private static Test Agrees((string Name, OnnxGraph Graph) test) =>
        Check.InFolder(
            $"{test.Name} is what ONNX Runtime makes of it, and so is its derivative",
            folder => Agrees(test.Graph, folder, randomSeed: 7)
        );

    /// <summary>The last node's value and its derivative, for one instance and for several.</summary>
    public static void Agrees(OnnxGraph graph, string folder, ulong randomSeed)
    {
        using var scope = NewDisposeScope();
        var last = graph.Model.Graph.Node.Last().Output[0];
        var path = graph.Node("Flatten", last, "rows").Save(folder, "rows");
        long[] shape = [.. graph.Model.Graph.Input[0].Type.TensorType.Shape.Dim.Select(d => d.DimValue)];
        var n = shape[0] > 1 ? 2 * shape[0] : 5;
        using var generator = new Generator(randomSeed);
        var x = randn([n, .. shape[1..]], generator: generator);
        var expected = OnnxGraph.Expected(path, x);

        var loaded = OnnxReader.Read(path);
        var core = OnnxModelsTests.Placed(loaded);
        var images = x.reshape([n, .. core.InputShape.Value]);
        var actual = ModelModule.logits(core, images);
        Check.Same(actual.shape, expected.shape);
        Expect.isLessThan(OnnxModelsTests.Error(actual, expected), 1e-4, "a batch agrees");
        foreach (var size in new[] { 1, 2, 3 })
        {
            var rows = cat([.. images.split(size).Select(row => ModelModule.logits(core, row))]);
            Expect.isLessThan(OnnxModelsTests.Error(rows, expected), 1e-4, $"batches of {size} agree");
        }

        var doubles = ModelModule.toDevice(CPU, ScalarType.Float64, loaded.Core);
        var exact = ModelModule.logits(doubles, images);
        Expect.equal(exact.dtype, ScalarType.Float64, "the model moves to another precision");
        Expect.isLessThan(OnnxModelsTests.Error(exact.to(ScalarType.Float32), expected), 1e-4, "float64 agrees");
        HasDerivative(z => ModelModule.logits(doubles, z), images.to(ScalarType.Float64), generator);
    }

    // Along random directions, against central differences.
    private static void HasDerivative(Func<Tensor, Tensor> f, Tensor x, Generator generator)
    {
        const double Step = 1e-7;
        var w = randn(f(x).shape, ScalarType.Float64, generator: generator);
        Tensor Weighted(Tensor z) => (f(z) * w).sum();
        var point = x.clone().requires_grad_();
        var y = Weighted(point);
        var gradient = zeros_like(x);
        if (y.requires_grad && autograd.grad([y], [point], allow_unused: true)[0] is { IsInvalid: false } found)
            gradient = found;
        Expect.isTrue(gradient.isfinite().all().ToBoolean(), "the derivative is a number");
        for (var i = 0; i < 3; i++)
        {
            var d = randn(x.shape, ScalarType.Float64, generator: generator);
            var slope = ((Weighted(x + d * Step) - Weighted(x - d * Step)) / (2 * Step)).item<double>();
            var difference = Math.Abs(slope - (gradient * d).sum().item<double>());
            Expect.isLessThan(difference, 1e-5 * (1 + Math.Abs(slope)), "the derivative is that of differences");
        }
    }
}
