using System.Collections.Generic;

namespace Facade.Tests;

internal static partial class OnnxCases
{
    private static IEnumerable<(string, OnnxGraph)> Pieces()
    {
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
        yield return (
            "Split by num_outputs",
            new OnnxGraph(18, [0, 5, 3])
                .Node("Split", "x", "a b", ("axis", 1), ("num_outputs", 2))
                .Node("Abs", "b", "y")
        );
        yield return (
            "Gather of a table",
            Image().Constant("i", Stored(6, [2, 2], 3, 0, -1, 1)).Node("Gather", "x i", "y", ("axis", -2))
        );
        yield return (
            "Gather by computed places",
            Image()
                .Weights("t", 7, 3)
                .Node("ArgMax", "x", "i", ("axis", 3), ("keepdims", 0))
                .Node("Gather", "t i", "g", ("axis", 0))
                .Node("GlobalAveragePool", "x", "p")
                .Node("Mul", "g p", "y")
        );
        yield return (
            "GatherElements",
            Image()
                .Constant("i", Stored(6, [1, 2, 1, 3], 0, 8, -1, 3, -9, 4))
                .Node("Shape", "x", "s")
                .Ints("zero", 0)
                .Ints("rest", 2, 1, 3)
                .Node("Gather", "s zero", "n")
                .Node("Concat", "n rest", "t", ("axis", 0))
                .Node("Expand", "i t", "j")
                .Node("GatherElements", "x j", "y", ("axis", 2))
        );
        yield return (
            "GatherElements by computed places",
            Image().Node("ArgMax", "x", "i", ("axis", 2)).Node("GatherElements", "x i", "y", ("axis", 2))
        );
        yield return ("Tile", Image().Ints("r", 1, 2, 1, 3).Node("Tile", "x r", "y"));
        yield return (
            "Tile of a constant",
            Image().Weights("w", 2, 1, 7).Ints("r", 2, 9, 1).Node("Tile", "w r", "v").Node("Mul", "x v", "y")
        );
    }

    private static IEnumerable<(string, OnnxGraph)> Grids()
    {
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
        foreach (var mode in new[] { "reflect", "edge", "wrap" })
            yield return (
                $"Pad of channels in mode {mode}",
                Image(19).Ints("p", 2, -1, 1, 3).Ints("a", 1, 3).Node("Pad", "x p - a", "y", ("mode", mode))
            );
        foreach (
            var coordinates in new[]
            {
                "half_pixel",
                "pytorch_half_pixel",
                "half_pixel_symmetric",
                "align_corners",
                "asymmetric",
            }
        )
        foreach (var mode in new[] { "nearest", "linear", "cubic" })
        {
            OnnxGraph Resize(string inputs, OnnxGraph graph, params (string, object)[] attributes) =>
                graph.Node(
                    "Resize",
                    inputs,
                    "y",
                    [("coordinate_transformation_mode", coordinates), ("mode", mode), .. attributes]
                );
            var name = $"Resize, {mode}, {coordinates},";
            yield return ($"{name} twice as large", Resize("x - k", Image(19).Weights("k", [4], [1, 1, 2, 2])));
            yield return ($"{name} by a fraction", Resize("x - k", Image(19).Weights("k", [4], [1, 1, 0.6f, 1.7f])));
            yield return ($"{name} to a size", Resize("x - - s", Image(19).Ints("s", 13, 1), Ints("axes", 2, 3)));
        }
        foreach (var nearest in new[] { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" })
        foreach (var coordinates in new[] { "half_pixel", "asymmetric" })
            yield return (
                $"Resize with nearest_mode {nearest}, {coordinates}",
                Image(13)
                    .Weights("k", [4], [1, 1, 1.5f, 2])
                    .Node(
                        "Resize",
                        "x - k",
                        "y",
                        ("nearest_mode", nearest),
                        ("coordinate_transformation_mode", coordinates)
                    )
            );
        yield return (
            "Resize, cubic, without what is outside",
            Image(13)
                .Weights("k", [4], [1, 1, 1.5f, 2])
                .Node("Resize", "x - k", "y", ("mode", "cubic"), ("exclude_outside", 1), ("cubic_coeff_a", -0.5))
        );
        yield return (
            "Resize of some dimensions",
            Image(18).Weights("k", [2], [2, 3]).Node("Resize", "x - k", "y", Ints("axes", 3, 2), ("mode", "linear"))
        );
        yield return (
            "Resize to a computed size",
            Image()
                .Node("Shape", "x", "s")
                .Ints("two", 1, 1, 2, 2)
                .Node("Mul", "s two", "t")
                .Node("Resize", "x - - t", "y", ("mode", "linear"))
        );
        foreach (var mode in new[] { "nearest", "linear" })
        {
            yield return (
                $"Resize of operator set 10, {mode}",
                Image(10).Weights("k", [4], [1, 1, 2, 1.5f]).Node("Resize", "x k", "y", ("mode", mode))
            );
            yield return (
                $"Upsample of operator set 9, {mode}",
                Image(9).Weights("k", [4], [1, 1, 2, 3]).Node("Upsample", "x k", "y", ("mode", mode))
            );
            yield return (
                $"Upsample of operator set 7, {mode}",
                Op(7, "Upsample", ("scales", new float[] { 1, 1, 2, 3 }), ("mode", mode))
            );
        }
    }
}
