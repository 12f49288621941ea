using System.Collections.Generic;
using System.Linq;

namespace Facade.Tests;

internal static partial class OnnxCases
{
    private static IEnumerable<(string, OnnxGraph)> Norms()
    {
        yield return (
            "BatchNormalization",
            Image()
                .Weights("s", 4)
                .Weights("b", 4)
                .Weights("m", 4)
                .Weights("v", [4], [0.5f, 1, 2, 0.1f])
                .Node("BatchNormalization", "x s b m v", "y", ("epsilon", 0.01))
        );
        yield return (
            "BatchNormalization of rows",
            new OnnxGraph(0, 4)
                .Weights("s", 4)
                .Weights("b", 4)
                .Weights("m", 4)
                .Weights("v", [4], [0.5f, 1, 2, 0.1f])
                .Node("BatchNormalization", "x s b m v", "y")
        );
        yield return (
            "InstanceNormalization",
            Image().Weights("s", 4).Weights("b", 4).Node("InstanceNormalization", "x s b", "y", ("epsilon", 0.01))
        );
        yield return (
            "GroupNormalization by groups",
            Op18().Weights("s", 2).Weights("b", 2).Node("GroupNormalization", "x s b", "y", ("num_groups", 2))
        );
        yield return (
            "GroupNormalization by channels",
            Image(21).Weights("s", 4).Weights("b", 4).Node("GroupNormalization", "x s b", "y", ("num_groups", 2))
        );
        yield return (
            "LayerNormalization",
            Image(17).Weights("s", 7).Weights("b", 7).Node("LayerNormalization", "x s b", "y", ("epsilon", 0.01))
        );
        yield return (
            "LayerNormalization over all but the batch",
            Image(17).Weights("s", 4, 9, 7).Node("LayerNormalization", "x s", "y", ("axis", 1))
        );
        yield return (
            "LayerNormalization as its parts",
            Image()
                .Weights("two", [], [2])
                .Weights("e", [], [1e-5f])
                .Node("ReduceMean", "x", "m", Ints("axes", -1))
                .Node("Sub", "x m", "c")
                .Node("Pow", "c two", "q")
                .Node("ReduceMean", "q", "v", Ints("axes", -1))
                .Node("Add", "v e", "w")
                .Node("Sqrt", "w", "d")
                .Node("Div", "c d", "y")
        );
        foreach (var size in new[] { 1, 3, 7 })
            yield return ($"LRN over {size}", Op("LRN", ("size", size), ("alpha", 0.5), ("beta", 0.6), ("bias", 1.5)));
        foreach (var p in new[] { 1, 2 })
            yield return ($"LpNormalization with p {p}", Op("LpNormalization", ("p", p), ("axis", 1)));
        yield return ("MeanVarianceNormalization", Op("MeanVarianceNormalization", Ints("axes", 1, 3)));
    }

    private static OnnxGraph Op18() => Image(18);

    private static IEnumerable<(string, OnnxGraph)> Reductions()
    {
        foreach (var op in new[] { "Softmax", "LogSoftmax", "Hardmax" })
        {
            yield return ($"{op} over the channels", Op(op, ("axis", 1)));
            yield return ($"{op} over the last dimension", Op(op));
            yield return (
                $"{op} of operator set 11 over all that follows",
                Op(11, op, ("axis", 1)).Node("Neg", "y", "z")
            );
            yield return ($"{op} of operator set 11 over the last dimension", Op(11, op, ("axis", 3)));
        }
        foreach (
            var op in "ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp".Split(
                ' '
            )
        )
        {
            yield return ($"{op} over two dimensions", Op(op, Ints("axes", 2, 3)));
            yield return ($"{op} without keeping them", Op(op, Ints("axes", -1, 1), ("keepdims", 0)));
            yield return ($"{op} by an input", Image(18).Ints("axes", 1, 2).Node(op, "x axes", "y", ("keepdims", 0)));
        }
        yield return ("ReduceSum by an input", Image().Ints("axes", -1).Node("ReduceSum", "x axes", "y"));
        yield return (
            "ReduceLogSum",
            Image().Node("Abs", "x", "a").Node("ReduceLogSum", "a", "y", Ints("axes", 1, 3), ("keepdims", 0))
        );
        yield return (
            "ReduceLogSumExp of large numbers",
            Image().Weights("c", [], [300]).Node("Mul", "x c", "m").Node("ReduceLogSumExp", "m", "y", Ints("axes", 1))
        );
        foreach (
            var op in new[]
            {
                "ReduceMean",
                "ReduceSum",
                "ReduceProd",
                "ReduceL2",
                "ReduceSumSquare",
                "ReduceLogSumExp",
            }
        )
            yield return ($"{op} over nothing", Image(18).Node(op, "x", "y", ("noop_with_empty_axes", 1)));
        foreach (var op in new[] { "ArgMax", "ArgMin" })
        foreach (var last in new[] { 0, 1 })
            yield return (
                $"{op}, select_last_index {last}",
                Image()
                    .Node("Round", "x", "r")
                    .Node(op, "r", "i", ("axis", 2), ("keepdims", last), ("select_last_index", last))
                    .Node("Cast", "i", "y", ("to", 1))
            );
        foreach (var largest in new[] { 0, 1 })
            yield return (
                $"TopK, largest {largest}",
                Image()
                    .Ints("k", 3)
                    .Node("TopK", "x k", "v i", ("axis", 2), ("largest", largest))
                    .Node("Cast", "i", "f", ("to", 1))
                    .Node("Mul", "v f", "y")
            );
        yield return (
            "TopK with ties",
            Image().Ints("k", 5).Node("Round", "x", "r").Node("TopK", "r k", "v i").Node("Cast", "i", "y", ("to", 1))
        );
        foreach (var op in new[] { "LpNormalization", "ReduceL2", "LpPool", "GlobalLpPool" })
            yield return (
                $"{op} of zeros",
                Image()
                    .Weights("zero", [4, 1, 1], [0, 1, 0, 1])
                    .Node("Mul", "x zero", "z")
                    .Node(
                        op,
                        "z",
                        "y",
                        op switch
                        {
                            "LpPool" => Ints("kernel_shape", 2, 3),
                            "ReduceL2" => Ints("axes", 2, 3),
                            "LpNormalization" => ("axis", 2),
                            _ => ("p", 2),
                        }
                    )
            );
        foreach (var exclusive in new[] { 0, 1 })
        foreach (var reverse in new[] { 0, 1 })
            yield return (
                $"CumSum, exclusive {exclusive}, reverse {reverse}",
                Image()
                    .Constant("a", Stored(6, [], 2))
                    .Node("CumSum", "x a", "y", ("exclusive", exclusive), ("reverse", reverse))
            );
    }
}
