using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Onnx;

namespace Facade.Tests;

internal static partial class OnnxCases
{
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
        yield return ("MatMul of a constant on the left", Image().Weights("w", 5, 9).Node("MatMul", "w x", "y"));
        yield return ("Einsum with a constant", Image().Weights("w", 5, 4).Einsum("nchw,dc->ndhw", "x w"));
        yield return ("Einsum of attention", Image().Node("Neg", "x", "k").Einsum("nchi, nchj -> ncij", "x k"));
        yield return ("Einsum with dots", Image().Weights("w", 7, 5).Einsum("...i,ij->...j", "x w"));
        yield return ("Einsum without an arrow", Image().Weights("w", 7, 5).Einsum("bchw,wv", "x w"));
        yield return ("Einsum of one", Image().Einsum("nchw->nwc", "x"));
        yield return (
            "Einsum of three",
            Image().Weights("u", 9, 2).Weights("v", 7, 3).Einsum("nchw,hi,wj->ncij", "x u v")
        );
    }

    private static OnnxGraph Einsum(this OnnxGraph graph, string equation, string inputs) =>
        graph.Node("Einsum", inputs, "y", ("equation", equation));

    private static IEnumerable<(string, OnnxGraph)> Activations()
    {
        foreach (
            var op in "Relu LeakyRelu Sigmoid Tanh Elu Selu Celu HardSigmoid ThresholdedRelu Softplus Softsign".Split(
                ' '
            )
        )
            yield return (op, Op(op));
        yield return ("Mish", Op(18, "Mish"));
        foreach (var op in new[] { "Celu", "ThresholdedRelu", "Selu" })
            yield return ($"{op} with alpha", Op(op, ("alpha", 0.3)));
        yield return ("Selu with gamma", Op("Selu", ("gamma", 0.3)));
        yield return ("PRelu of one slope", Image().Weights("s", [1], [0.25f]).Node("PRelu", "x s", "y"));
        yield return ("PRelu by channels", Image().Weights("s", 4, 1, 1).Node("PRelu", "x s", "y"));
        yield return ("PRelu with a slope that is computed", Image().Node("Sin", "x", "s").Node("PRelu", "x s", "y"));
        yield return ("LeakyRelu with alpha", Op("LeakyRelu", ("alpha", 0.3)));
        yield return ("Elu with alpha", Op("Elu", ("alpha", 0.3)));
        yield return ("HardSigmoid with alpha and beta", Op("HardSigmoid", ("alpha", 0.5), ("beta", 0.1)));
        yield return ("HardSwish", Op(14, "HardSwish"));
        yield return ("Gelu", Op(20, "Gelu"));
        yield return ("Gelu approximated by tanh", Op(20, "Gelu", ("approximate", "tanh")));
        yield return (
            "Clip by inputs",
            Image().Weights("lo", [], [-0.2f]).Weights("hi", [], [0.5f]).Node("Clip", "x lo hi", "y")
        );
        yield return ("Clip by one input", Image().Weights("hi", [], [0.5f]).Node("Clip", "x - hi", "y"));
        yield return ("Clip by attributes", Op(7, "Clip", ("min", -0.2), ("max", 0.3)));
        yield return (
            "Clip of whole numbers",
            Image()
                .Whole("lo", 0)
                .Whole("hi", 2)
                .Node("Cast", "x", "i", ("to", 7))
                .Node("Clip", "i lo hi", "c")
                .Node("Cast", "c", "y", ("to", 1))
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
        foreach (var op in "Exp Abs Neg Sign Erf Sin Cos Atan Reciprocal Floor Ceil Round Identity Dropout".Split(' '))
            yield return (op, Op(op));
        foreach (var op in new[] { "Sqrt", "Log" })
            yield return (op, Image().Node("Abs", "x", "a").Node(op, "a", "y"));
        yield return ("Pow", Image().Weights("p", [], [2]).Node("Abs", "x", "a").Node("Pow", "a p", "y"));
        foreach (var op in new[] { "Min", "Max", "Sum" })
            yield return ($"{op} of three", Image().Weights("c", 4, 1, 1).Node("Neg", "x", "n").Node(op, "x n c", "y"));
        yield return ("Mean of three", Image().Weights("c", 4, 1, 1).Node("Neg", "x", "n").Node("Mean", "x n c", "y"));
        foreach (var op in new[] { "Sum", "Mean", "Min", "Max" })
            yield return ($"{op} of one", Op(op));
        foreach (var op in new[] { "Min", "Max" })
            yield return ($"{op} of two", Image().Node("Sin", "x", "s").Node(op, "s x", "y"));
        yield return ("Pow of a computed exponent", Image().Node("Abs", "x", "a").Node("Pow", "a x", "y"));
        yield return ("Pow of a half", Image().Weights("p", [1], [0.5f]).Node("Abs", "x", "a").Node("Pow", "a p", "y"));
        yield return ("Pow of a negative base", Image().Weights("p", [4, 1, 1], [1, 2, 3, 4]).Node("Pow", "x p", "y"));
        yield return ("Mod of real numbers", Image().Weights("m", [], [0.7f]).Node("Mod", "x m", "y", ("fmod", 1)));
        foreach (var fmod in new[] { 0, 1 })
            yield return (
                $"Mod of whole numbers, fmod {fmod}",
                Image()
                    .Ints("by", 3, -3, 1, -1, 2, -2, 7)
                    .Weights("ten", [], [10])
                    .Node("Mul", "x ten", "t")
                    .Node("Cast", "t", "i", ("to", 7))
                    .Node("Mod", "i by", "m", ("fmod", fmod))
                    .Node("Cast", "m", "y", ("to", 1))
            );
        yield return (
            "Div of whole numbers",
            Image()
                .Ints("by", 3, -3, 1, -1, 2, -2, 7)
                .Weights("ten", [], [10])
                .Node("Mul", "x ten", "t")
                .Node("Cast", "t", "i", ("to", 7))
                .Node("Div", "i by", "m")
                .Node("Cast", "m", "y", ("to", 1))
        );
        foreach (var op in new[] { "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual" })
            yield return (
                $"Where by {op}",
                Image(16)
                    .Weights("c", [], [0])
                    .Node("Round", "x", "r")
                    .Node(op, "r c", "b")
                    .Node("Sin", "x", "s")
                    .Node("Where", "b x s", "y")
            );
        foreach (var op in new[] { "And", "Or", "Xor" })
            yield return (
                $"{op} and Not",
                Image()
                    .Weights("c", [], [0.2f])
                    .Node("Greater", "x c", "a")
                    .Node("Sin", "x", "s")
                    .Node("Less", "s c", "b")
                    .Node("Not", "b", "n")
                    .Node(op, "a n", "o")
                    .Node("Cast", "o", "m", ("to", 1))
                    .Node("Mul", "m x", "y")
            );
        yield return (
            "Where with constants",
            Image()
                .Weights("w", 9, 7)
                .Weights("zero", [], [0])
                .Weights("c", 4, 1, 1)
                .Node("Less", "w zero", "b")
                .Node("Where", "b x c", "y")
        );
        yield return ("IsNaN", Image().Node("Sqrt", "x", "s").Node("IsNaN", "s", "b").Node("Where", "b x x", "y"));
    }
}
