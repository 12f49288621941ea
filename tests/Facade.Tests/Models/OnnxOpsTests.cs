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

internal static class OnnxOpsTests
{
    public static Test Tests =>
        Runner.TestList(
            "ONNX operators",
            [.. Convolutions().Concat(Pools()).Concat(Dense()).Concat(Arithmetic()).Concat(Shapes()).Select(Agrees)]
        );

    private static long[] L(params long[] numbers) => numbers;

    private static (string, object) Ints(string name, params long[] numbers) => (name, numbers);

    // Images of odd sides; the batch is left open.
    private static OnnxGraph Image(int opset = 13) => new(opset, [0, 4, 9, 7]);

    private static OnnxGraph Op(string op, params (string, object)[] attributes) =>
        Image().Node(op, "x", "y", attributes);

    private static OnnxGraph Op(int opset, string op, params (string, object)[] attributes) =>
        Image(opset).Node(op, "x", "y", attributes);

    private static OnnxGraph Conv(long[] input, long[] weight, params (string, object)[] attributes) =>
        new OnnxGraph(input).Weights("w", weight).Weights("b", weight[0]).Node("Conv", "x w b", "y", attributes);

    private static IEnumerable<(string, OnnxGraph)> Convolutions()
    {
        OnnxGraph Plain(params (string, object)[] attributes) => Conv([0, 4, 9, 7], [6, 4, 3, 2], attributes);
        yield return ("Conv without attributes", Plain());
        yield return ("Conv without a bias", Image().Weights("w", 6, 4, 3, 3).Node("Conv", "x w", "y"));
        yield return ("Conv with strides", Plain(Ints("strides", 2, 3)));
        yield return ("Conv with symmetric pads", Plain(Ints("pads", 2, 1, 2, 1)));
        yield return ("Conv with asymmetric pads", Plain(Ints("pads", 0, 1, 2, 3), Ints("strides", 2, 1)));
        yield return ("Conv with dilations", Plain(Ints("dilations", 2, 3), Ints("kernel_shape", 3, 2)));
        yield return ("Conv with groups", Conv([0, 4, 9, 7], [6, 2, 3, 3], ("group", 2)));
        yield return ("depthwise Conv", Conv([0, 4, 9, 7], [8, 1, 3, 3], ("group", 4), Ints("pads", 1, 1, 1, 1)));
        foreach (var mode in new[] { "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET" })
            yield return ($"Conv with auto_pad {mode}", Plain(("auto_pad", mode), Ints("strides", 2, 2)));
        yield return ("Conv of one dimension", Conv([0, 4, 9], [6, 4, 3], Ints("pads", 1, 2), Ints("strides", 2)));
        yield return (
            "Conv of three dimensions",
            Conv([0, 2, 5, 6, 7], [3, 2, 2, 3, 2], Ints("pads", 1, 0, 1, 0, 1, 1), Ints("strides", 1, 2, 1))
        );
    }

    private static IEnumerable<(string, OnnxGraph)> Pools()
    {
        foreach (var op in new[] { "MaxPool", "AveragePool" })
        foreach (var ceil in new[] { 0, 1 })
        foreach (var counted in op == "MaxPool" ? new[] { 0 } : [0, 1])
        {
            (string, object)[] More((string, object)[] attributes) =>
                [
                    .. attributes,
                    ("ceil_mode", ceil),
                    .. op == "MaxPool" ? [] : new[] { ("count_include_pad", (object)counted) },
                ];
            var name = $"{op}, ceil_mode {ceil}, count_include_pad {counted},";
            OnnxGraph Graph(params (string, object)[] attributes) => Op(19, op, More(attributes));
            yield return ($"{name} without pads", Graph(Ints("kernel_shape", 3, 2), Ints("strides", 2, 2)));
            yield return (
                $"{name} with symmetric pads",
                Graph(Ints("kernel_shape", 3, 2), Ints("strides", 2, 2), Ints("pads", 1, 1, 1, 1))
            );
            yield return (
                $"{name} with asymmetric pads",
                Graph(Ints("kernel_shape", 3, 3), Ints("strides", 2, 3), Ints("pads", 0, 1, 2, 2))
            );
            yield return (
                $"{name} with pads wider than half a kernel",
                Graph(Ints("kernel_shape", 3, 3), Ints("strides", 1, 2), Ints("pads", 2, 2, 2, 2))
            );
            if (ceil == 0)
                foreach (var mode in new[] { "SAME_UPPER", "SAME_LOWER", "VALID" })
                    yield return (
                        $"{name} with auto_pad {mode}",
                        Graph(Ints("kernel_shape", 3, 2), Ints("strides", 2, 2), ("auto_pad", mode))
                    );
            foreach (var input in new[] { L(0, 2, 9), L(0, 2, 5, 6, 7) })
            {
                var rank = input.Length - 2;
                long[] Each(long n) => [.. Enumerable.Repeat(n, rank)];
                yield return (
                    $"{name} of {rank} dimensions",
                    new OnnxGraph(19, input).Node(
                        op,
                        "x",
                        "y",
                        More([("kernel_shape", Each(2)), ("strides", Each(2)), ("pads", L([.. Each(1), .. Each(0)]))])
                    )
                );
            }
        }
        yield return ("MaxPool with dilations", Op("MaxPool", Ints("kernel_shape", 2, 3), Ints("dilations", 3, 2)));
        foreach (var op in new[] { "GlobalAveragePool", "GlobalMaxPool" })
        {
            yield return (op, Op(op));
            yield return ($"{op} of three dimensions", new OnnxGraph(0, 2, 3, 4, 5).Node(op, "x", "y"));
        }
    }

    private static IEnumerable<(string, OnnxGraph)> Dense()
    {
        OnnxGraph Rows() => new(0, 6);
        yield return ("Gemm", Rows().Weights("w", 6, 5).Weights("b", 5).Node("Gemm", "x w b", "y"));
        yield return (
            "Gemm with alpha, beta and transB",
            Rows()
                .Weights("w", 5, 6)
                .Weights("b", 1, 5)
                .Node("Gemm", "x w b", "y", ("alpha", 0.5), ("beta", 2.0), ("transB", 1))
        );
        yield return ("Gemm without a bias", Rows().Weights("w", 6, 5).Node("Gemm", "x w", "y", ("alpha", 3.0)));
        yield return (
            "Gemm with one number as its bias",
            Rows().Weights("w", 6, 5).Weights("b", 1).Node("Gemm", "x w b", "y")
        );
        yield return (
            "Gemm of constants with transA",
            Rows()
                .Weights("a", 3, 6)
                .Weights("b", 3, 4)
                .Node("Gemm", "a b", "w", ("transA", 1), ("alpha", 0.5))
                .Node("MatMul", "x w", "y")
        );
        yield return (
            "Gemm with a computed bias",
            Rows().Weights("w", 6, 6).Node("Relu", "x", "r").Node("Gemm", "x w r", "y", ("beta", 0.25), ("alpha", 2.0))
        );
        yield return (
            "MatMul followed by Add",
            Rows().Weights("w", 6, 5).Weights("b", 5).Node("MatMul", "x w", "m").Node("Add", "m b", "y")
        );
        yield return (
            "MatMul over the last dimension",
            new OnnxGraph(0, 2, 3, 6).Weights("w", 6, 5).Node("MatMul", "x w", "y")
        );
        yield return (
            "MatMul of two computed values",
            Image().Node("Transpose", "x", "t", Ints("perm", 0, 1, 3, 2)).Node("MatMul", "x t", "y")
        );
        yield return ("MatMul with a stack of matrices", Image().Weights("w", 4, 7, 3).Node("MatMul", "x w", "y"));
        yield return ("MatMul with a vector", Image().Weights("w", 7).Node("MatMul", "x w", "y"));
        yield return (
            "BatchNormalization",
            Image()
                .Weights("s", 4)
                .Weights("b", 4)
                .Weights("m", 4)
                .Weights("v", [4], [0.5f, 1, 2, 0.1f])
                .Node("BatchNormalization", "x s b m v", "y", ("epsilon", 0.01))
        );
    }

    private static IEnumerable<(string, OnnxGraph)> Arithmetic()
    {
        foreach (var op in new[] { "Add", "Sub", "Mul", "Div" })
        {
            yield return ($"{op} of a channel's constant", Image().Weights("c", 4, 1, 1).Node(op, "x c", "y"));
            yield return ($"{op} of a constant on the left", Image().Weights("c", 1, 4, 1, 7).Node(op, "c x", "y"));
            yield return ($"{op} of two computed values", Image().Node("Sigmoid", "x", "s").Node(op, "x s", "y"));
        }
        foreach (
            var op in "Relu LeakyRelu Sigmoid Tanh Elu HardSigmoid Softplus Exp Abs Neg Erf Reciprocal Floor Ceil Identity Dropout".Split(
                ' '
            )
        )
            yield return (op, Op(op));
        yield return ("LeakyRelu with alpha", Op("LeakyRelu", ("alpha", 0.3)));
        yield return ("Elu with alpha", Op("Elu", ("alpha", 0.3)));
        yield return ("HardSigmoid with alpha and beta", Op("HardSigmoid", ("alpha", 0.5), ("beta", 0.1)));
        yield return ("HardSwish", Op(14, "HardSwish"));
        yield return ("Gelu", Op(20, "Gelu"));
        yield return ("Gelu approximated by tanh", Op(20, "Gelu", ("approximate", "tanh")));
        foreach (var op in new[] { "Sqrt", "Log" })
            yield return (op, Image().Node("Abs", "x", "a").Node(op, "a", "y"));
        yield return ("Pow", Image().Weights("p", [], [2]).Node("Abs", "x", "a").Node("Pow", "a p", "y"));
        foreach (var op in new[] { "Min", "Max", "Sum" })
            yield return ($"{op} of three", Image().Weights("c", 4, 1, 1).Node("Neg", "x", "n").Node(op, "x n c", "y"));
        yield return (
            "Clip by inputs",
            Image().Weights("lo", [], [-0.2f]).Weights("hi", [], [0.5f]).Node("Clip", "x lo hi", "y")
        );
        yield return ("Clip by one input", Image().Weights("hi", [], [0.5f]).Node("Clip", "x - hi", "y"));
        yield return ("Clip by attributes", Op(7, "Clip", ("min", -0.2), ("max", 0.3)));
        foreach (var op in new[] { "Softmax", "LogSoftmax" })
        {
            yield return ($"{op} over the channels", Op(op, ("axis", 1)));
            yield return ($"{op} over the last dimension", Op(op));
            yield return (
                $"{op} of operator set 11 over all that follows",
                Op(11, op, ("axis", 1)).Node("Neg", "y", "z")
            );
            yield return ($"{op} of operator set 11 over the last dimension", Op(11, op, ("axis", 3)));
        }
        foreach (var op in new[] { "ReduceMean", "ReduceMax", "ReduceMin" })
        {
            yield return ($"{op} over two dimensions", Op(op, Ints("axes", 2, 3)));
            yield return ($"{op} without keeping them", Op(op, Ints("axes", -1, 1), ("keepdims", 0)));
            yield return ($"{op} by an input", Image(18).Ints("axes", 1, 2).Node(op, "x axes", "y", ("keepdims", 0)));
        }
        yield return ("ReduceSum by an input", Image().Ints("axes", -1).Node("ReduceSum", "x axes", "y"));
    }

    private static IEnumerable<(string, OnnxGraph)> Shapes()
    {
        yield return ("Flatten of the last dimension", Op("Flatten", ("axis", 1)));
        yield return ("Reshape to rows", Image().Ints("s", -1, 252).Node("Reshape", "x s", "y"));
        yield return ("Reshape with a copied dimension", Image().Ints("s", 0, 7, -1, 2).Node("Reshape", "x s", "y"));
        yield return (
            "Reshape for a batch of 1 that the file fixes",
            new OnnxGraph(1, 4, 9, 7).Ints("s", 1, 252).Node("Reshape", "x s", "y")
        );
        yield return (
            "Reshape to one row that is inferred",
            new OnnxGraph(1, 4, 9, 7).Ints("s", 1, -1).Node("Reshape", "x s", "y")
        );
        yield return (
            "Reshape of a constant",
            new OnnxGraph(0, 6)
                .Weights("w", 2, 3, 5)
                .Ints("s", 6, 5)
                .Node("Reshape", "w s", "v")
                .Node("MatMul", "x v", "y")
        );
        yield return (
            "Reshape by a computed shape",
            Image()
                .Ints("zero", 0)
                .Ints("rest", -1)
                .Node("Shape", "x", "s")
                .Node("Gather", "s zero", "n", ("axis", 0))
                .Node("Concat", "n rest", "t", ("axis", 0))
                .Node("Reshape", "x t", "y")
        );
        yield return (
            "Reshape by arithmetic on shapes",
            Image()
                .Ints("two", 2)
                .Ints("start", 1)
                .Ints("end", 3)
                .Ints("minus", -1)
                .Node("Shape", "x", "s")
                .Node("Slice", "s start end", "hw")
                .Node("Div", "hw two", "half")
                .Node("Cast", "half", "whole", ("to", 7))
                .Node("Mul", "whole two", "even")
                .Node("ReduceSum", "even", "sum", ("keepdims", 1))
                .Ints("places", 63)
                .Node("Concat", "minus places sum", "t", ("axis", 0))
                .Node("Transpose", "x", "x2", Ints("perm", 0, 2, 3, 1))
                .Weights("w", 4, 12)
                .Node("MatMul", "x2 w", "m")
                .Node("Reshape", "m t", "y")
        );
        yield return ("Transpose", Op("Transpose", Ints("perm", 0, 2, 3, 1)));
        yield return (
            "Transpose of the batch and back",
            Image()
                .Node("Transpose", "x", "t")
                .Node("Relu", "t", "r")
                .Node("Transpose", "r", "y", Ints("perm", 3, 0, 2, 1))
        );
        yield return (
            "the batch folded into heads and back",
            new OnnxGraph(0, 6, 8)
                .Ints("heads", 6, -1, 4)
                .Ints("back", 6, -1, 8)
                .Node("Transpose", "x", "t", Ints("perm", 1, 0, 2))
                .Node("Reshape", "t heads", "h")
                .Node("Tanh", "h", "a")
                .Node("Reshape", "a back", "b")
                .Node("Transpose", "b", "y", Ints("perm", 1, 0, 2))
        );
        yield return (
            "Squeeze and Unsqueeze by attributes",
            Op(11, "Unsqueeze", Ints("axes", 1, 3)).Node("Squeeze", "y", "z", Ints("axes", 3))
        );
        yield return (
            "Squeeze and Unsqueeze by inputs",
            Image().Ints("a", 1, -1).Node("Unsqueeze", "x a", "u").Ints("b", 1).Node("Squeeze", "u b", "y")
        );
        yield return ("Squeeze of all that is 1", new OnnxGraph(0, 4, 1, 1).Node("Squeeze", "x", "y"));
        yield return ("Concat of channels", Image().Node("Neg", "x", "n").Node("Concat", "x n x", "y", ("axis", -3)));
        yield return ("Concat of rows", Image().Node("Neg", "x", "n").Node("Concat", "x n", "y", ("axis", 2)));
        yield return ("Constant", Image().Node("Constant", "", "c", ("value_float", 2.5)).Node("Mul", "x c", "y"));
        yield return (
            "Constant of whole numbers",
            Image().Node("Constant", "", "s", Ints("value_ints", 0, -1)).Node("Reshape", "x s", "y")
        );
        yield return (
            "Constant with a tensor",
            Image()
                .Node(
                    "Constant",
                    "",
                    "c",
                    (
                        "value",
                        new TensorProto
                        {
                            DataType = 1,
                            Dims = { 4, 1, 1 },
                            FloatData = { 1, 2, 3, 4 },
                        }
                    )
                )
                .Node("Add", "x c", "y")
        );
        yield return ("Pad by attributes", Op(7, "Pad", Ints("pads", 0, 0, 1, 2, 0, 0, 0, 3), ("value", 0.5)));
        yield return (
            "Pad by inputs",
            Image().Ints("p", 0, 1, 0, 2, 0, 0, 1, 0).Weights("v", [], [1.5f]).Node("Pad", "x p v", "y")
        );
        yield return ("Pad that crops", Image().Ints("p", 0, 0, -1, 2, 0, 0, 0, -1).Node("Pad", "x p", "y"));
        yield return (
            "Pad by reflection",
            Image().Ints("p", 0, 0, 1, 2, 0, 0, 2, 0).Node("Pad", "x p", "y", ("mode", "reflect"))
        );
        yield return (
            "Pad by the edge",
            Image().Ints("p", 0, 0, 1, 2, 0, 0, 2, 0).Node("Pad", "x p", "y", ("mode", "edge"))
        );
        yield return ("Gather of channels", Image().Ints("i", 3, 0, -1).Node("Gather", "x i", "y", ("axis", 1)));
        yield return (
            "Gather of one row",
            Image().Node("Constant", "", "i", ("value_int", 2)).Node("Gather", "x i", "y", ("axis", 2))
        );
        yield return (
            "Slice with steps",
            Image().Ints("s", 1, -1).Ints("e", 100, 1).Ints("a", 2, 3).Ints("t", 2, -2).Node("Slice", "x s e a t", "y")
        );
        yield return (
            "Slice backwards to the start",
            Image().Ints("s", -1).Ints("e", long.MinValue).Ints("a", 1).Ints("t", -1).Node("Slice", "x s e a t", "y")
        );
        yield return ("Slice by attributes", Op(7, "Slice", Ints("starts", 1), Ints("ends", -1), Ints("axes", 3)));
        yield return (
            "Split",
            Image().Ints("p", 1, 3).Node("Split", "x p", "a b", ("axis", 1)).Node("Mul", "a b", "y")
        );
        yield return ("Split into equal parts", Op(11, "Split", ("axis", 1)).Node("Abs", "y", "z"));
    }

    private static Test Agrees((string Name, OnnxGraph Graph) test) =>
        Check.InFolder(
            $"{test.Name} is what ONNX Runtime makes of it",
            folder =>
            {
                using var scope = NewDisposeScope();
                var graph = test.Graph;
                var last = graph.Model.Graph.Node.Last().Output[0];
                var path = graph.Node("Flatten", last, "rows").Save(folder, "rows");
                long[] shape =
                [
                    .. graph.Model.Graph.Input[0].Type.TensorType.Shape.Dim.Skip(1).Select(d => d.DimValue),
                ];
                using var generator = new Generator(7);
                var x = randn([3, .. shape], generator: generator);
                var expected = OnnxGraph.Expected(path, x);

                var core = OnnxReader.Read(path).Core;
                var images = x.reshape([3, .. core.InputShape.Value]);
                var actual = ModelModule.logits(core, images);
                Check.Same(actual.shape, expected.shape);
                Expect.isLessThan(OnnxModelsTests.Error(actual, expected), 1e-4, "a batch of 3 agrees");
                var rows = cat([.. images.split(1).Select(row => ModelModule.logits(core, row))]);
                Expect.isLessThan(OnnxModelsTests.Error(rows, expected), 1e-4, "batches of 1 agree");
                var exact = ModelModule.logits(ModelModule.toDevice(CPU, ScalarType.Float64, core), images);
                Expect.equal(exact.dtype, ScalarType.Float64, "the model moves to another precision");
                Expect.isLessThan(
                    OnnxModelsTests.Error(exact.to(ScalarType.Float32), expected),
                    1e-4,
                    "float64 agrees"
                );
            }
        );
}
