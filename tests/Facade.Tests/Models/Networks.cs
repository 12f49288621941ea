using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Facade.Tests;

/// <summary>Networks of random weights in the forms that exporters write, of 3×32×32 images and ten classes.</summary>
internal sealed class Networks
{
    private readonly OnnxGraph graph;
    private readonly Random random;
    private int count;

    private Networks(int opset, int seed)
    {
        graph = new OnnxGraph(opset, [0, 3, 32, 32]);
        random = new Random(seed);
    }

    /// <summary>The networks by name: what makes a file in a folder.</summary>
    public static IReadOnlyDictionary<string, Func<string, string>> All { get; } =
        new Dictionary<string, Func<string, string>>
        {
            ["plain, no biases"] = folder => new Networks(13, 1).Plain(hasBias: false).Save(folder),
            ["plain"] = folder => new Networks(13, 2).Plain(hasBias: true).Save(folder),
            ["residual"] = folder => new Networks(13, 3).Residual().Save(folder),
            ["dense blocks"] = folder => new Networks(13, 4).DenseBlocks().Save(folder),
            ["mobile"] = folder => new Networks(14, 5).Mobile().Save(folder),
            ["instance normalisation"] = folder => new Networks(13, 6).InstanceNorm().Save(folder),
            ["transformer"] = folder => new Networks(17, 7).Transformer().Save(folder),
        };

    /// <summary>Those of ReLUs, max pools and linear operators alone.</summary>
    public static IEnumerable<string> Piecewise => ["plain, no biases", "plain", "residual", "dense blocks"];

    private string last = "x";

    private string Save(string folder) => graph.Save(folder, last);

    private string Name(string what) => $"{what}{count++}";

    private string Numbers(string what, double scale, double shift, params long[] dims)
    {
        var name = Name(what);
        float Normal() =>
            (float)(
                Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()) * scale
                + shift
            );
        graph.Weights(
            name,
            dims,
            [.. Enumerable.Range(0, (int)dims.Aggregate(1L, (a, b) => a * b)).Select(_ => Normal())]
        );
        return name;
    }

    private string Op(string op, string inputs, params (string, object)[] attributes)
    {
        last = Name(op.ToLowerInvariant());
        graph.Node(op, inputs, last, attributes);
        return last;
    }

    private string Convolution(
        string x,
        long from,
        long to,
        long kernel,
        long stride = 1,
        bool hasBias = false,
        long groups = 1
    )
    {
        var weight = Numbers(
            "weight",
            Math.Sqrt(2.0 / (from / groups * kernel * kernel)),
            0,
            to,
            from / groups,
            kernel,
            kernel
        );
        var bias = hasBias ? " " + Numbers("bias", 0.2, 0, to) : "";
        return Op(
            "Conv",
            $"{x} {weight}{bias}",
            ("pads", Enumerable.Repeat(kernel / 2, 4).ToArray()),
            ("strides", new[] { stride, stride }),
            ("group", (int)groups)
        );
    }

    private string BatchNorm(string x, long channels) =>
        Op(
            "BatchNormalization",
            $"{x} {Numbers("scale", 0.1, 1, channels)} {Numbers("shift", 0.2, 0, channels)} "
                + $"{Numbers("mean", 0.2, 0, channels)} {Positive(channels)}"
        );

    private string Positive(long channels)
    {
        var name = Name("variance");
        graph.Weights(
            name,
            [channels],
            [.. Enumerable.Range(0, (int)channels).Select(_ => 0.5f + random.NextSingle())]
        );
        return name;
    }

    private string Relu(string x) => Op("Relu", x);

    private string Pool(string x, params long[] pads) =>
        Op("MaxPool", x, ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", pads));

    private Networks Classified(string x, long channels)
    {
        var flat = Op("Flatten", Op("GlobalAveragePool", x));
        Op("Gemm", $"{flat} {Numbers("weight", 0.2, 0, 10, channels)} {Numbers("bias", 0.1, 0, 10)}", ("transB", 1));
        return this;
    }

    private Networks Plain(bool hasBias)
    {
        var x = Relu(Convolution("x", 3, 16, 3, 1, hasBias));
        x = Pool(x, 0, 0, 1, 1);
        x = Relu(Convolution(x, 16, 32, 3, 1, hasBias));
        x = Pool(x, 1, 1, 1, 1);
        x = Op("Flatten", x);
        x = Op("MatMul", $"{x} {Numbers("weight", 0.03, 0, 32 * 64, 32)}");
        if (hasBias)
            x = Op("Add", $"{x} {Numbers("bias", 0.2, 0, 32)}");
        x = Relu(x);
        x = Op("MatMul", $"{x} {Numbers("weight", 0.3, 0, 32, 10)}");
        if (hasBias)
            Op("Add", $"{Numbers("bias", 0.2, 0, 10)} {x}");
        return this;
    }

    private Networks Residual()
    {
        var x = Pool(Relu(BatchNorm(Convolution("x", 3, 32, 7, 1), 32)), 0, 0, 1, 1);
        foreach (var (from, to, stride) in new[] { (32L, 32L, 1L), (32, 64, 2), (64, 64, 1), (64, 128, 2) })
        {
            var inner = Relu(BatchNorm(Convolution(x, from, to, 3, stride), to));
            inner = BatchNorm(Convolution(inner, to, to, 3), to);
            var shortcut = from == to ? x : BatchNorm(Convolution(x, from, to, 1, stride), to);
            x = Relu(Op("Add", $"{inner} {shortcut}"));
        }
        return Classified(x, 128);
    }

    private Networks DenseBlocks()
    {
        var (x, width) = (Pool(Relu(BatchNorm(Convolution("x", 3, 32, 3, 1), 32)), 1, 1, 1, 1), 32L);
        for (var block = 0; block < 2; block++)
        {
            for (var layer = 0; layer < 4; layer++, width += 16)
            {
                var grown = Convolution(Relu(BatchNorm(x, width)), width, 48, 1);
                grown = Convolution(Relu(BatchNorm(grown, 48)), 48, 16, 3);
                x = Op("Concat", $"{x} {grown}", ("axis", 1));
            }
            x = Convolution(Relu(BatchNorm(x, width)), width, width / 2, 1);
            x = Op("AveragePool", x, ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
            width /= 2;
        }
        return Classified(Relu(BatchNorm(x, width)), width);
    }

    // Depthwise convolutions, hard swish, and channels weighed by what they hold.
    private Networks Mobile()
    {
        var x = Op("HardSwish", BatchNorm(Convolution("x", 3, 16, 3, 2), 16));
        for (var i = 0; i < 2; i++)
        {
            var inner = Op("HardSwish", BatchNorm(Convolution(x, 16, 48, 1), 48));
            inner = Op("HardSwish", BatchNorm(Convolution(inner, 48, 48, 3, 1, false, 48), 48));
            var squeezed = Relu(Convolution(Op("GlobalAveragePool", inner), 48, 12, 1, 1, true));
            var gate = Op("HardSigmoid", Convolution(squeezed, 12, 48, 1, 1, true));
            inner = BatchNorm(Convolution(Op("Mul", $"{inner} {gate}"), 48, 16, 1), 16);
            x = Op("Add", $"{x} {inner}");
        }
        return Classified(x, 16);
    }

    private Networks InstanceNorm()
    {
        var x = "x";
        foreach (var (from, to) in new[] { (3L, 16L), (16, 32) })
        {
            x = Convolution(x, from, to, 3, 2, true);
            x = Relu(Op("InstanceNormalization", $"{x} {Numbers("scale", 0.1, 1, to)} {Numbers("shift", 0.2, 0, to)}"));
        }
        return Classified(x, 32);
    }

    private string Dense(string x, long from, long to) =>
        Op(
            "Add",
            $"{Op("MatMul", $"{x} {Numbers("weight", Math.Sqrt(1.0 / from), 0, from, to)}")} {Numbers("bias", 0.1, 0, to)}"
        );

    private string LayerNorm(string x, long width) =>
        Op(
            "LayerNormalization",
            $"{x} {Numbers("scale", 0.1, 1, width)} {Numbers("shift", 0.1, 0, width)}",
            ("axis", -1)
        );

    private string Scalar(float value)
    {
        var name = Name("scalar");
        graph.Weights(name, [], [value]);
        return name;
    }

    // Patches of 8×8 as tokens of 24 numbers; two heads, each place seeing those before it; GELU spelled out.
    private Networks Transformer()
    {
        var x = Convolution("x", 3, 24, 8, 8, true);
        graph.Model.Graph.Node[^1].Attribute.First(a => a.Name == "pads").Ints.Clear();
        graph.Model.Graph.Node[^1].Attribute.First(a => a.Name == "pads").Ints.AddRange([0, 0, 0, 0]);
        graph.Ints("rows", 0, 24, 16).Ints("heads", 0, 16, 2, 12).Ints("joined", 0, 16, 24);
        x = Op("Transpose", Op("Reshape", $"{x} rows"), ("perm", new long[] { 0, 2, 1 }));
        x = Op("Add", $"{x} {Numbers("position", 0.3, 0, 1, 16, 24)}");
        var mask = Name("mask");
        graph.Weights(
            mask,
            [16, 16],
            [.. Enumerable.Range(0, 256).Select(i => i % 16 > i / 16 ? float.NegativeInfinity : 0)]
        );
        for (var block = 0; block < 2; block++)
        {
            var normal = LayerNorm(x, 24);
            string Head(long[] order) =>
                Op("Transpose", Op("Reshape", $"{Dense(normal, 24, 24)} heads"), ("perm", order));
            var (query, key, value) = (Head([0, 2, 1, 3]), Head([0, 2, 3, 1]), Head([0, 2, 1, 3]));
            var scores = Op("Div", $"{Op("MatMul", $"{query} {key}")} {Scalar(MathF.Sqrt(12))}");
            var seen = Op("Softmax", Op("Add", $"{scores} {mask}"), ("axis", -1));
            var mixed = Op("Transpose", Op("MatMul", $"{seen} {value}"), ("perm", new long[] { 0, 2, 1, 3 }));
            x = Op("Add", $"{x} {Dense(Op("Reshape", $"{mixed} joined"), 24, 24)}");
            var wide = Dense(LayerNorm(x, 24), 24, 48);
            var erf = Op("Add", $"{Op("Erf", Op("Div", $"{wide} {Scalar(MathF.Sqrt(2))}"))} {Scalar(1)}");
            var bent = Op("Mul", $"{Op("Mul", $"{wide} {erf}")} {Scalar(0.5f)}");
            x = Op("Add", $"{x} {Dense(bent, 48, 24)}");
        }
        var pooled = Op("ReduceMean", LayerNorm(x, 24), ("axes", new long[] { 1 }), ("keepdims", 0));
        Op("Gemm", $"{pooled} {Numbers("weight", 0.3, 0, 10, 24)} {Numbers("bias", 0.1, 0, 10)}", ("transB", 1));
        return this;
    }
}
