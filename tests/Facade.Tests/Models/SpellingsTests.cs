using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Rules on networks in the spellings that exporters have.</summary>
internal static class SpellingsTests
{
    private static readonly (string Name, LrpComposite Rules)[] Composites =
    [
        ("ε", new(LrpRule.Epsilon(1e-9), LrpRule.Epsilon(1e-9))),
        ("z⁺ and ε", new(LrpRule.ZPlus, LrpRule.Epsilon(1e-9))),
        ("α2-β1 and ε", new(LrpRule.AlphaBeta(2), LrpRule.Epsilon(1e-9))),
        ("γ, ε and box", new(LrpRule.Gamma(), LrpRule.Epsilon(1e-9), LrpRule.ZBox(-3, 3))),
    ];

    // Numbers that depend on their name alone, so that each spelling has the same.
    private static float[] Numbers(string name, long count, double scale = 1, double shift = 0)
    {
        var random = new Random(name.Aggregate(17, (hash, c) => unchecked(hash * 31 + c)));
        return
        [
            .. Enumerable.Range(0, (int)count).Select(_ => (float)((random.NextDouble() - 0.5) * 2 * scale + shift)),
        ];
    }

    private static OnnxGraph Random(
        this OnnxGraph graph,
        string name,
        long[] dims,
        double scale = 1,
        double shift = 0
    ) => graph.Weights(name, dims, Numbers(name, dims.Aggregate(1L, (a, b) => a * b), scale, shift));

    private static OnnxGraph Scalar(this OnnxGraph graph, string name, float value) => graph.Weights(name, [], [value]);

    // A 3×3 convolution of 2×6×6 images to four channels, then whatever `middle` makes of 'z', then a dense layer.
    private static string File(string folder, string name, int opset, Action<OnnxGraph> middle)
    {
        var graph = new OnnxGraph(opset, [0, 2, 6, 6]);
        graph.Random("w", [4, 2, 3, 3], 0.5).Random("w_b", [4], 0.5);
        middle(graph);
        graph
            .Node("GlobalAveragePool", "y", "pooled")
            .Node("Flatten", "pooled", "flat")
            .Random("dense", [3, 4])
            .Random("dense_b", [3])
            .Node("Gemm", "flat dense dense_b", "s", ("transB", 1));
        var path = Path.Combine(folder, name + ".onnx");
        System.IO.File.Move(graph.Save(folder, "s"), path);
        return path;
    }

    private static OnnxGraph Convolved(this OnnxGraph graph, string to = "z") =>
        graph.Node("Conv", "x w w_b", to, ("pads", new long[] { 1, 1, 1, 1 }));

    private static double Difference(Tensor a, Tensor b) => ((a - b).abs().max() / b.abs().max()).ToDouble();

    /// <summary>All spellings have one map, by DeepLIFT and each composite of LRP.</summary>
    private static Test Alike(string name, int opset, params Action<OnnxGraph>[] spellings) =>
        Check.InFolder(
            $"each spelling of {name} has the same maps",
            folder =>
            {
                using var scope = NewDisposeScope();
                var images = randn([3, 2, 6, 6], ScalarType.Float64, generator: new Generator(5));
                Tensor[]? expected = null;
                for (var i = 0; i < spellings.Length; i++)
                {
                    using var model = Model.LoadOnnx(File(folder, $"{i}", opset, spellings[i]));
                    model.To(CPU, Precision.Float64);
                    Tensor[] maps =
                    [
                        model.Logits(images),
                        new DeepLift(model, 1).Attribute(images),
                        .. Composites.Select(c => new Lrp(model, 1, c.Rules).Attribute(images)),
                    ];
                    expected ??= maps;
                    foreach (
                        var (map, other, what) in maps.Zip(
                            expected,
                            ["logits", "DeepLIFT", .. Composites.Select(c => c.Name)]
                        )
                    )
                        Expect.isLessThan(Difference(map, other), 1e-5, $"spelling {i}: {what}");
                }
            }
        );

    private static Test LinearExample =>
        Check.InFolder(
            "relu(x1 - 0.99 x2 + 99) at (100, 100) gives 100 and -99 by ε and z⁺ with ε, wherever the bias stands",
            folder =>
            {
                using var scope = NewDisposeScope();
                var x = tensor([100f, 100f]).reshape(1, 1, 1, 2);
                Action<OnnxGraph>[] files =
                [
                    g =>
                        g.Weights("w", [1, 2], [1, -0.99f])
                            .Weights("b", [1], [99])
                            .Node("Gemm", "f w b", "z", ("transB", 1)),
                    g =>
                        g.Weights("w", [2, 1], [1, -0.99f])
                            .Weights("b", [1], [99])
                            .Node("MatMul", "f w", "p")
                            .Node("Add", "b p", "z"),
                    g =>
                        g.Weights("w", [2, 1], [1, -0.99f])
                            .Weights("b", [1], [-99])
                            .Node("MatMul", "f w", "p")
                            .Node("Sub", "p b", "z"),
                    g =>
                        g.Weights("w", [2, 1], [1, -0.99f])
                            .Node("MatMul", "f w", "p")
                            .Weights("one", [1], [1])
                            .Weights("b", [1], [99])
                            .Weights("none", [1], [0])
                            .Node("BatchNormalization", "p one b none one", "z", ("epsilon", 0.0)),
                ];
                foreach (var file in files)
                {
                    var graph = new OnnxGraph(0, 1, 1, 2).Node("Flatten", "x", "f");
                    file(graph);
                    // Two classes, of which the second is nothing.
                    var path = graph
                        .Node("Relu", "z", "r")
                        .Weights("two", [1, 2], [1, 0])
                        .Node("MatMul", "r two", "s")
                        .Save(folder, "s");
                    using var model = Model.LoadOnnx(path, new Preprocessing(1, [0], [1]));
                    model.To(CPU, Precision.Float64);
                    foreach (var rules in new[] { LrpComposite.Epsilon, LrpComposite.EpsilonPlus })
                    {
                        var map = new Lrp(model, 0, rules).Attribute(x).to(ScalarType.Float64).data<double>().ToArray();
                        Expect.isLessThan(Math.Abs(map[0] - 100), 1e-3, "x1");
                        Expect.isLessThan(Math.Abs(map[1] + 99), 1e-3, "x2");
                    }
                }
            }
        );

    // What `dense` makes of tokens (n×t×4), as 'c'.
    private static OnnxGraph Tokens(this OnnxGraph g, Func<string, OnnxGraph> dense)
    {
        g.Random("one", [4, 4])
            .Random("one_b", [4])
            .Convolved()
            .Node("Relu", "z", "r")
            .Ints("tokens", 0, 4, 36)
            .Node("Reshape", "r tokens", "rows")
            .Node("Transpose", "rows", "t", ("perm", new long[] { 0, 2, 1 }));
        return dense("t")
            .Node("Relu", "c", "d")
            .Node("Transpose", "d", "u", ("perm", new long[] { 0, 2, 1 }))
            .Ints("grid", 0, 4, 6, 6)
            .Node("Reshape", "u grid", "y");
    }

    private static OnnxGraph Normalised(this OnnxGraph g, string from, string to, string axes)
    {
        g.Scalar("epsilon", 1e-5f);
        if (axes == "spatial")
            g.Node("ReduceMean", from, "mean", ("axes", new long[] { 2, 3 }));
        else
            g.Node("ReduceMean", from, "mean", ("axes", new long[] { -1 }));
        g.Node("Sub", $"{from} mean", "centred").Node("Mul", "centred centred", "square");
        if (axes == "spatial")
            g.Node("ReduceMean", "square", "variance", ("axes", new long[] { 2, 3 }));
        else
            g.Node("ReduceMean", "square", "variance", ("axes", new long[] { -1 }));
        return g.Node("Add", "variance epsilon", "raised")
            .Node("Sqrt", "raised", "deviation")
            .Node("Div", "centred deviation", to);
    }

    public static Test Tests =>
        Runner.TestList(
            "Rules on any spelling",
            [
                LinearExample,
                Alike(
                    "a bias",
                    13,
                    g => g.Convolved().Node("Relu", "z", "y"),
                    g =>
                        g.Weights("outside", [4, 1, 1], Numbers("w_b", 4, 0.5))
                            .Node("Conv", "x w", "c", ("pads", new long[] { 1, 1, 1, 1 }))
                            .Node("Add", "c outside", "z")
                            .Node("Relu", "z", "y"),
                    g =>
                        g.Weights("outside", [4], Numbers("w_b", 4, 0.5))
                            .Ints("pads", 0, 0, 1, 1, 0, 0, 1, 1)
                            .Node("Pad", "x pads", "padded")
                            .Node("Conv", "padded w", "c")
                            .Node("Transpose", "c", "t", ("perm", new long[] { 0, 2, 3, 1 }))
                            .Node("Add", "outside t", "z")
                            .Node("Transpose", "z", "u", ("perm", new long[] { 0, 3, 1, 2 }))
                            .Scalar("zero", 0)
                            .Node("Max", "u zero", "y")
                ),
                Alike(
                    "a normalisation with fixed statistics",
                    13,
                    g =>
                        g.Random("scale", [4])
                            .Random("shift", [4])
                            .Random("mean", [4])
                            .Random("variance", [4], 0.3, 1)
                            .Convolved()
                            .Node("BatchNormalization", "z scale shift mean variance", "n")
                            .Node("Relu", "n", "y"),
                    g =>
                        g.Weights("scale", [4, 1, 1], Numbers("scale", 4))
                            .Weights("shift", [4, 1, 1], Numbers("shift", 4))
                            .Weights("mean", [4, 1, 1], Numbers("mean", 4))
                            .Weights(
                                "deviation",
                                [4, 1, 1],
                                [.. Numbers("variance", 4, 0.3, 1).Select(v => MathF.Sqrt(v + 1e-5f))]
                            )
                            .Convolved()
                            .Node("Sub", "z mean", "centred")
                            .Node("Div", "centred deviation", "n")
                            .Node("Mul", "scale n", "m")
                            .Node("Add", "m shift", "a")
                            .Node("Relu", "a", "y")
                ),
                Alike(
                    "a dense layer on tokens",
                    13,
                    g =>
                        g.Tokens(from =>
                            g.Node("Einsum", $"{from} one", "p", ("equation", "nti,io->nto"))
                                .Node("Add", "p one_b", "c")
                        ),
                    g => g.Tokens(from => g.Node("MatMul", $"{from} one", "p").Node("Add", "one_b p", "c")),
                    g =>
                        g.Tokens(from =>
                            g.Weights("times", [4], Numbers("times", 4, 0.3, 1))
                                .Weights("over", [4], Numbers("times", 4, 0.3, 1))
                                .Node("MatMul", $"{from} one", "p")
                                .Node("Mul", "p times", "m")
                                .Node("Div", "m over", "q")
                                .Node("Add", "q one_b", "c")
                        )
                ),
                Alike(
                    "a max pool with unequal pads",
                    13,
                    g =>
                        g.Convolved()
                            .Node("Relu", "z", "r")
                            .Node(
                                "MaxPool",
                                "r",
                                "y",
                                ("kernel_shape", new long[] { 3, 3 }),
                                ("strides", new long[] { 2, 2 }),
                                ("pads", new long[] { 0, 0, 1, 1 })
                            ),
                    g =>
                        g.Convolved()
                            .Node("Relu", "z", "r")
                            .Ints("pads", 0, 0, 0, 0, 0, 0, 1, 1)
                            .Scalar("low", float.NegativeInfinity)
                            .Node("Pad", "r pads low", "padded")
                            .Node(
                                "MaxPool",
                                "padded",
                                "y",
                                ("kernel_shape", new long[] { 3, 3 }),
                                ("strides", new long[] { 2, 2 })
                            )
                ),
                Alike(
                    "hard swish",
                    14,
                    g => g.Convolved().Node("HardSwish", "z", "y"),
                    g =>
                        g.Convolved()
                            .Scalar("three", 3)
                            .Scalar("six", 6)
                            .Scalar("zero", 0)
                            .Node("Add", "z three", "up")
                            .Node("Clip", "up zero six", "clipped")
                            .Node("Mul", "z clipped", "product")
                            .Node("Div", "product six", "y")
                ),
                Alike(
                    "GELU",
                    20,
                    g => g.Convolved().Node("Gelu", "z", "y"),
                    g =>
                        g.Convolved()
                            .Scalar("root", MathF.Sqrt(2))
                            .Scalar("one", 1)
                            .Scalar("half", 0.5f)
                            .Node("Div", "z root", "d")
                            .Node("Erf", "d", "e")
                            .Node("Add", "e one", "p")
                            .Node("Mul", "z p", "q")
                            .Node("Mul", "q half", "y"),
                    g =>
                        g.Convolved()
                            .Scalar("root", MathF.Sqrt(2))
                            .Scalar("one", 1)
                            .Scalar("half", 0.5f)
                            .Node("Mul", "half z", "h")
                            .Node("Div", "z root", "d")
                            .Node("Erf", "d", "e")
                            .Node("Add", "one e", "p")
                            .Node("Mul", "h p", "y")
                ),
                Alike(
                    "softplus",
                    13,
                    g => g.Convolved().Node("Softplus", "z", "y"),
                    g =>
                        g.Convolved()
                            .Scalar("one", 1)
                            .Node("Exp", "z", "e")
                            .Node("Add", "e one", "p")
                            .Node("Log", "p", "y")
                ),
                Alike(
                    "swish",
                    13,
                    g => g.Convolved().Node("Sigmoid", "z", "g").Node("Mul", "z g", "y"),
                    g =>
                        g.Convolved()
                            .Scalar("one", 1)
                            .Node("Neg", "z", "n")
                            .Node("Exp", "n", "e")
                            .Node("Add", "e one", "p")
                            .Node("Div", "z p", "y")
                ),
                Alike(
                    "instance normalisation",
                    13,
                    g =>
                        g.Random("scale", [4])
                            .Random("shift", [4])
                            .Convolved()
                            .Node("InstanceNormalization", "z scale shift", "n")
                            .Node("Relu", "n", "y"),
                    g =>
                        g.Weights("scale", [4, 1, 1], Numbers("scale", 4))
                            .Weights("shift", [4, 1, 1], Numbers("shift", 4))
                            .Convolved()
                            .Normalised("z", "n", "spatial")
                            .Node("Mul", "n scale", "m")
                            .Node("Add", "m shift", "a")
                            .Node("Relu", "a", "y"),
                    g =>
                        g.Weights("scale", [4, 1, 1], Numbers("scale", 4))
                            .Weights("shift", [4, 1, 1], Numbers("shift", 4))
                            .Convolved()
                            .Normalised("z", "unused", "spatial")
                            .Node("Reciprocal", "deviation", "inverse")
                            .Node("Mul", "inverse scale", "factor")
                            .Node("Mul", "centred factor", "m")
                            .Node("Add", "m shift", "a")
                            .Node("Relu", "a", "y")
                ),
                Alike(
                    "layer normalisation",
                    17,
                    g =>
                        g.Random("scale", [6])
                            .Random("shift", [6])
                            .Convolved()
                            .Node("LayerNormalization", "z scale shift", "n", ("axis", -1))
                            .Node("Relu", "n", "y"),
                    g =>
                        g.Random("scale", [6])
                            .Random("shift", [6])
                            .Convolved()
                            .Normalised("z", "n", "last")
                            .Node("Mul", "n scale", "m")
                            .Node("Add", "m shift", "a")
                            .Node("Relu", "a", "y")
                ),
                Alike(
                    "softmax",
                    13,
                    g => g.Convolved().Node("Softmax", "z", "soft", ("axis", -1)).Node("Mul", "z soft", "y"),
                    g =>
                        g.Convolved()
                            .Node("ReduceMax", "z", "largest", ("axes", new long[] { -1 }))
                            .Node("Sub", "z largest", "less")
                            .Node("Exp", "less", "e")
                            .Ints("axes", -1)
                            .Node("ReduceSum", "e axes", "sum")
                            .Node("Div", "e sum", "soft")
                            .Node("Mul", "z soft", "y")
                ),
            ]
        );
}
