using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Onnx;

namespace Facade.Tests;

internal static partial class OnnxCases
{
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
        foreach (var mode in new[] { "DCR", "CRD" })
            yield return (
                $"DepthToSpace in mode {mode}",
                new OnnxGraph(0, 12, 3, 5).Node("DepthToSpace", "x", "y", ("blocksize", 2), ("mode", mode))
            );
        yield return ("SpaceToDepth", new OnnxGraph(0, 3, 4, 6).Node("SpaceToDepth", "x", "y", ("blocksize", 2)));
        yield return (
            "Expand of other dimensions",
            new OnnxGraph(0, 3, 1, 5).Ints("s", 3, 4, 1).Node("Expand", "x s", "y")
        );
        yield return (
            "Flatten at every dimension",
            Image().Node("Flatten", "x", "a", ("axis", 2)).Ints("s", -1, 4, 63).Node("Reshape", "a s", "y")
        );
    }
}
