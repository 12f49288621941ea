using System.Collections.Generic;
using Attribution.Onnx;

namespace Facade.Tests;

internal static partial class OnnxCases
{
    // What a file says about its batch must not limit the batch.
    private static IEnumerable<(string, OnnxGraph)> Batches()
    {
        yield return (
            "a class token that is expanded to a computed batch",
            new OnnxGraph(0, 6, 8)
                .Weights("token", 1, 1, 8)
                .Ints("zero", 0)
                .Ints("rest", -1, -1)
                .Whole("minus", -1)
                .Node("Shape", "x", "s")
                .Node("Gather", "s zero", "n")
                .Node("Concat", "n rest", "t", ("axis", 0))
                .Node("Shape", "t", "rank")
                .Node(
                    "ConstantOfShape",
                    "rank",
                    "ones",
                    (
                        "value",
                        new TensorProto
                        {
                            DataType = 7,
                            Dims = { 1 },
                            Int64Data = { 1 },
                        }
                    )
                )
                .Node("Mul", "ones minus", "less")
                .Node("Equal", "t less", "open")
                .Node("Where", "open ones t", "shape")
                .Node("Expand", "token shape", "tokens")
                .Node("Concat", "tokens x", "y", ("axis", 1))
        );
        yield return (
            "a class token for a batch of 1",
            new OnnxGraph(1, 6, 8)
                .Weights("token", 1, 1, 8)
                .Ints("s", 1, 1, 8)
                .Node("Expand", "token s", "tokens")
                .Node("Concat", "tokens x", "y", ("axis", 1))
        );
        yield return (
            "a class token for a batch of 4",
            new OnnxGraph(4, 6, 8)
                .Weights("token", 1, 1, 8)
                .Ints("s", 4, 1, 8)
                .Node("Expand", "token s", "tokens")
                .Node("Concat", "tokens x", "y", ("axis", 1))
        );
        yield return (
            "zeros for a batch of 4",
            new OnnxGraph(4, 6, 8).Ints("s", 4, 6, 8).Node("ConstantOfShape", "s", "z").Node("Add", "x z", "y")
        );
        yield return (
            "zeros for a computed batch",
            Image().Node("Shape", "x", "s").Node("ConstantOfShape", "s", "z").Node("Max", "x z", "y")
        );
        yield return (
            "ones for a computed batch beside rows",
            new OnnxGraph(0, 6)
                .Node("Shape", "x", "s")
                .Node(
                    "ConstantOfShape",
                    "s",
                    "z",
                    (
                        "value",
                        new TensorProto
                        {
                            DataType = 1,
                            Dims = { 1 },
                            FloatData = { 2 },
                        }
                    )
                )
                .Node("Concat", "z x", "y", ("axis", 1))
        );
        yield return (
            "heads for a batch of 1",
            new OnnxGraph(1, 6, 8)
                .Ints("heads", 1, 6, 2, 4)
                .Ints("back", 1, 6, 8)
                .Node("Reshape", "x heads", "h")
                .Node("Transpose", "h", "t", Ints("perm", 0, 2, 1, 3))
                .Node("Softmax", "t", "a")
                .Node("Transpose", "a", "u", Ints("perm", 0, 2, 1, 3))
                .Node("Reshape", "u back", "y")
        );
        yield return (
            "heads among the images of a batch of 4",
            new OnnxGraph(4, 6, 8)
                .Ints("heads", 6, 8, 4)
                .Ints("back", 6, 4, 8)
                .Node("Transpose", "x", "t", Ints("perm", 1, 0, 2))
                .Node("Reshape", "t heads", "h")
                .Node("Transpose", "h", "b", Ints("perm", 1, 0, 2))
                .Node("Softmax", "b", "a")
                .Node("Transpose", "a", "u", Ints("perm", 1, 0, 2))
                .Node("Reshape", "u back", "v")
                .Node("Transpose", "v", "y", Ints("perm", 1, 0, 2))
        );
        yield return (
            "windows of an image with a constant for each",
            new OnnxGraph(1, 4, 4, 3)
                .Ints("windows", 1, 2, 2, 2, 2, 3)
                .Ints("each", 4, 4, 3)
                .Weights("mask", 4, 4, 3)
                .Ints("back", 1, 2, 2, 2, 2, 3)
                .Node("Reshape", "x windows", "w")
                .Node("Transpose", "w", "t", Ints("perm", 0, 1, 3, 2, 4, 5))
                .Node("Reshape", "t each", "r")
                .Node("Add", "r mask", "m")
                .Node("Reshape", "m back", "y")
        );
        yield return (
            "Expand of computed values to a batch of 4",
            new OnnxGraph(4, 3, 1).Ints("s", 4, 3, 5).Node("Expand", "x s", "y")
        );
        yield return (
            "Expand of computed values to a computed batch",
            new OnnxGraph(0, 3, 1)
                .Ints("zero", 0)
                .Ints("rest", 3, 5)
                .Node("Shape", "x", "s")
                .Node("Gather", "s zero", "n")
                .Node("Concat", "n rest", "t", ("axis", 0))
                .Node("Expand", "x t", "y")
        );
        yield return (
            "Slice of all instances",
            Image().Ints("s", 0, 1).Ints("e", long.MaxValue, 3).Node("Slice", "x s e", "y")
        );
    }

    private static IEnumerable<(string, OnnxGraph)> Types()
    {
        yield return (
            "float16 weights",
            Image().Constant("h", Stored(10, [1], 0x3E00)).Node("Cast", "h", "c", ("to", 1)).Node("Mul", "x c", "y")
        );
        yield return (
            "bfloat16 weights",
            Image().Constant("h", Stored(16, [1], 0x3FC0)).Node("Cast", "h", "c", ("to", 1)).Node("Mul", "x c", "y")
        );
        yield return (
            "computing in double",
            new OnnxGraph(0, 6)
                .Constant(
                    "w",
                    new TensorProto
                    {
                        DataType = 11,
                        Dims = { 6, 2 },
                        DoubleData = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3 },
                    }
                )
                .Node("Cast", "x", "d", ("to", 11))
                .Node("MatMul", "d w", "m")
                .Node("Sin", "m", "s")
                .Node("Cast", "s", "y", ("to", 1))
        );
        yield return ("CastLike", Image(15).Ints("i", 1).Node("CastLike", "i x", "c").Node("Add", "x c", "y"));
        yield return (
            "Cast to whole numbers and back",
            Image().Node("Cast", "x", "i", ("to", 6)).Node("Cast", "i", "f", ("to", 1)).Node("Mul", "f x", "y")
        );
        yield return (
            "Size and the shape's end",
            Image(15)
                .Node("Shape", "x", "s", ("start", -2))
                .Node("ConstantOfShape", "s", "z")
                .Node("Size", "z", "n")
                .Node("CastLike", "n x", "f")
                .Node("Div", "x f", "y")
        );
        yield return (
            "Shape from the second dimension to the last but one",
            Image(15)
                .Node("Shape", "x", "s", ("start", 1), ("end", -1))
                .Node("ReduceProd", "s", "p", ("keepdims", 0))
                .Node("CastLike", "p x", "f")
                .Node("Div", "x f", "y")
        );
        yield return (
            "Range",
            Image()
                .Whole("from", 3)
                .Whole("to", -10)
                .Whole("by", -2)
                .Node("Range", "from to by", "r")
                .Node("Cast", "r", "f", ("to", 1))
                .Node("Mul", "x f", "y")
        );
        yield return (
            "Range of real numbers",
            Image()
                .Weights("from", [], [0.5f])
                .Weights("to", [], [2.25f])
                .Weights("by", [], [0.25f])
                .Node("Range", "from to by", "r")
                .Node("Mul", "x r", "y")
        );
        foreach (var value in new[] { 0, 1 })
            yield return (
                $"If whose condition is known to be {value}",
                Image()
                    .Node("Shape", "x", "s")
                    .Whole("one", 1)
                    .Node("Gather", "s one", "channels")
                    .Whole("four", 5 - value)
                    .Node("Equal", "channels four", "c")
                    .Node("Sin", "x", "t")
                    .Node(
                        "If",
                        "c",
                        "r",
                        ("then_branch", Branch("Neg", "t", "b1")),
                        ("else_branch", Branch("Abs", "t", "b2"))
                    )
                    .Node("Add", "r x", "y")
            );
        yield return ("Dropout with its ratio", Image().Weights("r", [], [0.3f]).Node("Dropout", "x r", "y"));
    }

    private static GraphProto Branch(string op, string input, string output)
    {
        var graph = new OnnxGraph(0).Weights("factor_" + output, [], [2]).Node(op, input, "v_" + output);
        graph.Node("Mul", $"v_{output} factor_{output}", output).Outputs(output);
        graph.Model.Graph.Input.Clear();
        return graph.Model.Graph;
    }
}
