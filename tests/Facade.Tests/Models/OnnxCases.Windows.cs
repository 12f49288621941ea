using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Onnx;

namespace Facade.Tests;

internal static partial class OnnxCases
{
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

    private static IEnumerable<(string, OnnxGraph)> Transposed()
    {
        OnnxGraph Plain(params (string, object)[] attributes) =>
            Image().Weights("w", 4, 3, 3, 2).Weights("b", 3).Node("ConvTranspose", "x w b", "y", attributes);
        yield return ("ConvTranspose", Plain());
        yield return (
            "ConvTranspose without a bias",
            Image().Weights("w", 4, 3, 3, 2).Node("ConvTranspose", "x w", "y")
        );
        yield return (
            "ConvTranspose with strides, pads and dilations",
            Plain(Ints("strides", 2, 3), Ints("pads", 1, 0, 2, 1), Ints("dilations", 2, 1))
        );
        yield return (
            "ConvTranspose with output_padding",
            Plain(Ints("strides", 3, 3), Ints("output_padding", 2, 1), Ints("pads", 1, 0, 0, 0))
        );
        yield return (
            "ConvTranspose with groups",
            Image().Weights("w", 4, 3, 2, 2).Weights("b", 6).Node("ConvTranspose", "x w b", "y", ("group", 2))
        );
        foreach (var mode in new[] { "SAME_UPPER", "SAME_LOWER", "VALID" })
            yield return ($"ConvTranspose with auto_pad {mode}", Plain(("auto_pad", mode), Ints("strides", 2, 1)));
        foreach (var mode in new[] { "NOTSET", "SAME_UPPER", "SAME_LOWER" })
            yield return (
                $"ConvTranspose with output_shape and auto_pad {mode}",
                Plain(Ints("output_shape", 18, 7), Ints("strides", 2, 1), ("auto_pad", mode))
            );
        yield return (
            "ConvTranspose of one dimension",
            new OnnxGraph(0, 4, 9).Weights("w", 4, 3, 3).Node("ConvTranspose", "x w", "y", Ints("strides", 2))
        );
        yield return (
            "ConvTranspose of three dimensions",
            new OnnxGraph(0, 2, 3, 4, 3)
                .Weights("w", 2, 3, 2, 3, 2)
                .Node("ConvTranspose", "x w", "y", Ints("strides", 2, 1, 3), Ints("pads", 1, 1, 0, 0, 1, 1))
        );
        yield return (
            "Conv with weights that nodes compute",
            Image()
                .Weights("w", 6, 4, 9)
                .Weights("v", 6, 1, 1)
                .Node("Mul", "w v", "wv")
                .Ints("s", 6, 4, 3, 3)
                .Node("Reshape", "wv s", "f")
                .Node("Conv", "x f", "y", Ints("pads", 1, 1, 1, 1))
        );
        OnnxGraph Dynamic(params (string, object)[] attributes) =>
            new OnnxGraph(1, 4, 5, 5)
                .Node("GlobalAveragePool", "x", "p")
                .Weights("w", 6, 4, 3, 3)
                .Node("Mul", "w p", "f", attributes);
        yield return (
            "Conv with weights that depend on the image",
            Dynamic().Weights("b", 6).Node("Conv", "x f b", "y", Ints("strides", 2, 1), Ints("pads", 1, 0, 1, 2))
        );
        yield return (
            "depthwise Conv with weights that depend on the image",
            new OnnxGraph(1, 4, 5, 5)
                .Ints("f", 4, 1, 5, 5)
                .Node("Reshape", "x f", "w")
                .Node("Conv", "x w", "y", ("group", 4))
        );
        yield return (
            "Conv with images among the groups",
            new OnnxGraph(2, 4, 5, 5)
                .Ints("f", 8, 1, 5, 5)
                .Ints("g", 1, 8, 5, 5)
                .Ints("h", 2, 4)
                .Node("Reshape", "x f", "w")
                .Node("Reshape", "x g", "z")
                .Node("Conv", "z w", "c", ("group", 8))
                .Node("Reshape", "c h", "y")
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
        yield return (
            "AveragePool with dilations",
            Op(19, "AveragePool", Ints("kernel_shape", 2, 3), Ints("dilations", 3, 2), Ints("pads", 1, 0, 0, 2))
        );
        yield return (
            "AveragePool with dilations that counts pads",
            Op(
                19,
                "AveragePool",
                Ints("kernel_shape", 2, 3),
                Ints("dilations", 3, 2),
                Ints("pads", 1, 0, 0, 2),
                ("count_include_pad", 1)
            )
        );
        foreach (var p in new[] { 1, 2, 3 })
        {
            yield return (
                $"LpPool with p {p}",
                Op(
                    18,
                    "LpPool",
                    ("p", p),
                    Ints("kernel_shape", 3, 2),
                    Ints("strides", 2, 1),
                    Ints("pads", 1, 0, 2, 1),
                    Ints("dilations", 1, 2)
                )
            );
            yield return ($"GlobalLpPool with p {p}", Op("GlobalLpPool", ("p", p)));
        }
        yield return ("LpPool with auto_pad", Op("LpPool", Ints("kernel_shape", 2, 3), ("auto_pad", "SAME_UPPER")));
        yield return (
            "LpPool with ceil_mode",
            Op(18, "LpPool", Ints("kernel_shape", 2, 3), Ints("strides", 2, 3), ("ceil_mode", 1))
        );
        foreach (var keep in new[] { 0, 1 })
        foreach (var op in new[] { "ReduceMean", "ReduceMax" })
            yield return ($"{op} over the image, keepdims {keep}", Op(op, Ints("axes", 3, 2), ("keepdims", keep)));
    }
}
