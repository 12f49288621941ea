using System.Collections.Generic;
using System.Linq;
using Attribution.Onnx;

namespace Facade.Tests;

internal static partial class OnnxCases
{
    private const int Tokens = 5,
        Width = 8,
        Heads = 2;

    /// <summary>PyTorch's attention: tokens × images × width, merged to rows, to heads beside images, and back. The batch is
    /// the shapes', or is computed where it is 0.</summary>
    private static OnnxGraph Attention(int batch)
    {
        var graph = new OnnxGraph(batch, Tokens, Width)
            .Weights("wi", Width, 3 * Width)
            .Weights("bi", 3 * Width)
            .Weights("wo", Width, Width)
            .Weights("bo", Width)
            .Weights("root", [], [0.5f])
            .Ints("three", Width, Width, Width)
            .Node("Transpose", "x", "first", Ints("perm", 1, 0, 2));
        void Shape(string name, params long[] sizes) =>
            graph.Shape(name, "x", 0, batch == 0 ? sizes : [.. sizes.Select(size => size < 0 ? -size * batch : size)]);
        Shape("heads", Tokens, -Heads, Width / Heads);
        Shape("flat", -Tokens, Width);
        Shape("tokens", Tokens, -1, Width);
        graph
            .Node("MatMul", "first wi", "m")
            .Node("Add", "m bi", "qkv")
            .Node("Split", "qkv three", "q k v", ("axis", 2));
        foreach (var part in new[] { "q", "k", "v" })
            graph.Node("Reshape", $"{part} heads", $"{part}h");
        return graph
            .Node("Transpose", "qh", "qt", Ints("perm", 1, 0, 2))
            .Node("Transpose", "kh", "kt", Ints("perm", 1, 2, 0))
            .Node("Transpose", "vh", "vt", Ints("perm", 1, 0, 2))
            .Node("Mul", "qt root", "qs")
            .Node("MatMul", "qs kt", "scores")
            .Node("Softmax", "scores", "a", ("axis", -1))
            .Node("MatMul", "a vt", "av")
            .Node("Transpose", "av", "at", Ints("perm", 1, 0, 2))
            .Node("Reshape", "at flat", "r")
            .Node("Gemm", "r wo bo", "g", ("transB", 1))
            .Node("Reshape", "g tokens", "t")
            .Node("Transpose", "t", "back", Ints("perm", 1, 0, 2))
            .Node("Add", "x back", "y");
    }

    // A shape of which the negative sizes are multiples of the first of a value's, or that is a constant.
    private static OnnxGraph Shape(this OnnxGraph graph, string name, string of, int axis, params long[] sizes)
    {
        if (sizes.All(size => size > 0))
            return graph.Ints(name, sizes);
        graph
            .Node("Shape", of, $"{name}_all")
            .Ints($"{name}_axis", axis)
            .Node("Gather", $"{name}_all {name}_axis", $"{name}_n");
        var parts = sizes
            .Select(
                (size, i) =>
                {
                    graph.Ints($"{name}_{i}", size > 0 ? size : -size);
                    if (size < 0)
                        graph.Node("Mul", $"{name}_n {name}_{i}", $"{name}_m{i}");
                    return size < 0 ? $"{name}_m{i}" : $"{name}_{i}";
                }
            )
            .ToArray();
        return graph.Node("Concat", string.Join(' ', parts), name, ("axis", 0));
    }

    public static IEnumerable<(string Name, OnnxGraph Graph)> Attentions =>
        [
            ("attention with tokens before a batch of 1", Attention(1)),
            ("attention with tokens before a computed batch", Attention(0)),
        ];

    // Files whose instances leave the first dimension.
    private static IEnumerable<(string, OnnxGraph)> Stacked()
    {
        foreach (var attention in Attentions)
            yield return attention;
        yield return (
            "rows of tokens whose batch is lost and found by what is left",
            new OnnxGraph(1, Tokens, Width)
                .Weights("w", Width, 6)
                .Ints("flat", Tokens, Width)
                .Ints("tokens", Tokens, 1, -1)
                .Node("Transpose", "x", "first", Ints("perm", 1, 0, 2))
                .Node("Reshape", "first flat", "r")
                .Node("MatMul", "r w", "m")
                .Node("Softmax", "m", "s", ("axis", 0))
                .Node("Reshape", "s tokens", "t")
                .Node("Transpose", "t", "y", Ints("perm", 1, 2, 0))
        );
        yield return (
            "a class token before tokens that stand before the batch",
            new OnnxGraph(1, Tokens, Width)
                .Weights("token", 1, 1, Width)
                .Weights("places", Tokens + 1, 1, Width)
                .Weights("w", 3, Width)
                .Whole("zero", 0)
                .Node("Transpose", "x", "first", Ints("perm", 1, 0, 2))
                .Node("Concat", "token first", "all", ("axis", 0))
                .Node("Add", "all places", "placed")
                .Node("Sigmoid", "placed", "s")
                .Node("Gather", "s zero", "c", ("axis", 0))
                .Node("Gemm", "c w", "y", ("transB", 1))
        );
        yield return (
            "an image without its batch",
            new OnnxGraph(1, 6, Width)
                .Ints("zero", 0)
                .Weights("w", 6, 4)
                .Weights("c", Width, 1)
                .Node("Squeeze", "x zero", "s")
                .Node("Transpose", "s", "t")
                .Node("MatMul", "t w", "m")
                .Node("Add", "c m", "a")
                .Node("Softmax", "a", "p", ("axis", 0))
                .Node("CumSum", "p zero", "u")
                .Node("Unsqueeze", "u zero", "y")
        );
        var timm = new OnnxGraph(1, Tokens, Width).Weights("w", Width, 3 * Width);
        foreach (var i in Enumerable.Range(0, 3))
            timm.Whole($"i{i}", i);
        yield return (
            "queries, keys and values picked from a dimension in front",
            timm.Ints("split", 1, Tokens, 3, Heads, Width / Heads)
                .Ints("back", 1, Tokens, Width)
                .Node("MatMul", "x w", "qkv")
                .Node("Reshape", "qkv split", "r")
                .Node("Transpose", "r", "t", Ints("perm", 2, 0, 3, 1, 4))
                .Node("Gather", "t i0", "q", ("axis", 0))
                .Node("Gather", "t i1", "k", ("axis", 0))
                .Node("Gather", "t i2", "v", ("axis", 0))
                .Node("Transpose", "k", "kt", Ints("perm", 0, 1, 3, 2))
                .Node("MatMul", "q kt", "scores")
                .Node("Softmax", "scores", "a", ("axis", -1))
                .Node("MatMul", "a v", "av")
                .Node("Transpose", "av", "at", Ints("perm", 0, 2, 1, 3))
                .Node("Reshape", "at back", "y")
        );
        foreach (var batch in new[] { 0, 1 })
            yield return (
                $"shifted windows merged with a batch of {batch}",
                new OnnxGraph(batch, 4, 6, 3)
                    .Ints("one", 1)
                    .Ints("most", long.MaxValue)
                    .Ints("zero", 0)
                    .Ints("axis", 1)
                    .Weights("w", 3, 9)
                    .Weights("mask", 6, 1, 4, 4)
                    .Weights("wo", 3, 3)
                    .Node("Slice", "x one most axis", "below")
                    .Node("Slice", "x zero one axis", "above")
                    .Node("Concat", "below above", "rolled", ("axis", 1))
                    .Shape("grid", "x", 0, batch == 0 ? -1 : 1, 2, 2, 3, 2, 3)
                    .Node("Reshape", "rolled grid", "g")
                    .Node("Transpose", "g", "gt", Ints("perm", 0, 1, 3, 2, 4, 5))
                    .Ints("windows", -1, 4, 3)
                    .Node("Reshape", "gt windows", "win")
                    .Node("MatMul", "win w", "m")
                    .Ints("split", 3, 3, 3)
                    .Node("Split", "m split", "q k v", ("axis", 2))
                    .Node("Transpose", "k", "kt", Ints("perm", 0, 2, 1))
                    .Node("MatMul", "q kt", "scores")
                    .Shape("masked", "x", 0, batch == 0 ? -1 : 1, 6, 1, 4, 4)
                    .Node("Reshape", "scores masked", "sm")
                    .Node("Add", "sm mask", "sa")
                    .Ints("attention", -1, 4, 4)
                    .Node("Reshape", "sa attention", "sr")
                    .Node("Softmax", "sr", "p", ("axis", -1))
                    .Node("MatMul", "p v", "pv")
                    .Node("MatMul", "pv wo", "o")
                    .Shape("back", "x", 0, batch == 0 ? -1 : 1, 2, 3, 2, 2, 3)
                    .Node("Reshape", "o back", "b")
                    .Node("Transpose", "b", "bt", Ints("perm", 0, 1, 3, 2, 4, 5))
                    .Shape("whole", "x", 0, batch == 0 ? -1 : 1, 4, 6, 3)
                    .Node("Reshape", "bt whole", "y")
            );
        yield return (
            "a convolution over windows merged with a batch of 1",
            new OnnxGraph(1, 2, 4, 6)
                .Weights("w", 3, 2, 3, 3)
                .Ints("grid", 1, 2, 2, 2, 2, 3)
                .Ints("windows", 4, 2, 2, 3)
                .Ints("back", 2, 2, 3, 2, 3)
                .Ints("one", 1, -1)
                .Node("Reshape", "x grid", "g")
                .Node("Transpose", "g", "t", Ints("perm", 0, 2, 4, 1, 3, 5))
                .Node("Reshape", "t windows", "r")
                .Node("Conv", "r w", "c", Ints("pads", 1, 1, 1, 1))
                .Node("Reshape", "c back", "b")
                .Node("ReduceMax", "b", "m", Ints("axes", 0))
                .Node("Reshape", "m one", "y")
        );
        (string Name, OnnxGraph Graph)[] single =
        [
            (
                "Einsum to tokens before a batch of 1",
                new OnnxGraph(1, Tokens, Width)
                    .Weights("w", Width, 3)
                    .Node("Einsum", "x w", "e", ("equation", "ntd,dk->tnk"))
                    .Node("Einsum", "e e", "f", ("equation", "tnk,snk->stn"))
                    .Node("Unsqueeze", "f zero", "y")
            ),
            (
                "a batch of 1 stretched to more",
                new OnnxGraph(1, Tokens, Width)
                    .Weights("w", 3, Tokens, Width)
                    .Node("Mul", "w x", "m")
                    .Node("ReduceSum", "m two", "s")
                    .Node("Unsqueeze", "s zero", "y")
            ),
            (
                "rows beside a batch of 1",
                new OnnxGraph(1, Tokens, Width)
                    .Node("ReduceMax", "x", "m", Ints("axes", 1), ("keepdims", 0))
                    .Node("Sub", "x m", "y")
            ),
            (
                "a product with several matrices",
                new OnnxGraph(1, Tokens, Width)
                    .Weights("w", 3, Width, 2)
                    .Node("MatMul", "x w", "m")
                    .Node("ReduceMean", "m", "a", Ints("axes", 0))
                    .Node("LayerNormalization", "a g", "y", ("axis", 1))
                    .Weights("g", Tokens, 2)
            ),
            (
                "tiles, stretches, pieces and places of tokens before a batch of 1",
                new OnnxGraph(1, Tokens, Width)
                    .Ints("times", 2, 1, 1)
                    .Ints("wide", 3, 1, 1, 1)
                    .Ints("begin", -2)
                    .Ints("end", 0)
                    .Ints("back", -1)
                    .Node("Transpose", "x", "t", Ints("perm", 1, 0, 2))
                    .Node("Tile", "t times", "tt")
                    .Node("Slice", "tt begin end zero back", "s")
                    .Node("Split", "s", "a b", ("axis", 0))
                    .Node("Concat", "b a t", "c", ("axis", 0))
                    .Node("Expand", "c wide", "e")
                    .Node("TopK", "e zero1", "best where", ("axis", 1))
                    .Node("ReduceL2", "best", "y", Ints("axes", 0))
                    .Ints("zero1", 1)
            ),
            (
                "Gemm of computed matrices",
                new OnnxGraph(1, Tokens, Width)
                    .Weights("c", Tokens)
                    .Node("Squeeze", "x zero", "s")
                    .Node("Gemm", "s s c", "g", ("transB", 1), ("alpha", 0.5))
                    .Node("Gemm", "g s", "h", ("transA", 1))
                    .Node("Flatten", "h", "f", ("axis", 0))
                    .Node("Transpose", "f", "y", Ints("perm", 0, 1))
            ),
        ];
        foreach (var (name, graph) in single)
            yield return (name, graph.Modern());
    }

    // Operators of a newer set, and the constants that several of the cases take.
    private static OnnxGraph Modern(this OnnxGraph graph)
    {
        graph.Model.OpsetImport[0].Version = 17;
        return graph.Ints("zero", 0).Ints("two", 2);
    }
}
