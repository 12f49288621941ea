using System;
using System.Collections.Generic;
using System.Linq;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A transformer as an ONNX file, spelled as PyTorch exports one: layers as products and sums, GELU by erf, windows by slices and
/// moves, the class token given to as many images as there are.</summary>
internal sealed class TransformerFile
{
    private readonly TransformerShape shape;
    private readonly IReadOnlyDictionary<string, Tensor> arrays;
    private readonly OnnxWriter file = new(17, 3, ConceptScenes.Size, ConceptScenes.Size);

    private TransformerFile(TransformerModule module, TransformerShape shape) =>
        (arrays, this.shape) = (module.Arrays, shape);

    /// <summary>The bytes of the file of a trained transformer.</summary>
    public static byte[] Of(TransformerModule module, TransformerShape shape)
    {
        using var scope = NewDisposeScope();
        return new TransformerFile(module, shape).Write();
    }

    private string Array(string name) => file.Numbers(name, arrays[name]);

    private string Step(string op, string name, params string[] inputs) => file.Node(op, name, inputs);

    private string Reshape(string name, string x, params long[] sizes) =>
        Step("Reshape", name, x, file.Whole(name + ".shape", sizes));

    private string Permute(string name, string x, params long[] order) =>
        file.Node("Transpose", name, [x], ("perm", order));

    private string Dense(string name, string x)
    {
        var weight = file.Numbers(name + ".weight.t", arrays[name + ".weight"].t());
        return Step("Add", name, Array(name + ".bias"), Step("MatMul", name + ".product", x, weight));
    }

    private string Norm(string name, string x) =>
        file.Node(
            "LayerNormalization",
            name,
            [x, Array(name + ".weight"), Array(name + ".bias")],
            ("axis", -1L),
            ("epsilon", 1e-5)
        );

    private string Number(string name, double value) => file.Numbers(name, tensor((float)value));

    private string Gelu(string name, string x)
    {
        var scaled = Step("Div", name + ".scaled", x, Number(name + ".root", Math.Sqrt(2)));
        var shifted = Step("Add", name + ".shifted", Step("Erf", name + ".erf", scaled), Number(name + ".one", 1));
        return Step("Mul", name, Step("Mul", name + ".twice", x, shifted), Number(name + ".half", 0.5));
    }

    private byte[] Write()
    {
        var centred = Step("Sub", "centred", "images", Array("mean"));
        var scaled = Step("Mul", "scaled", centred, Number("scale", 1.0 / 64));
        var side = (long)shape.Side;
        var width = (long)shape.Stages[0].Width;
        var patches = scaled;
        foreach (var (name, _, to, kernel, step, padding) in shape.Embedding)
        {
            patches = file.Node(
                "Conv",
                name,
                [patches, Array(name + ".weight"), Array(name + ".bias")],
                ("kernel_shape", new long[] { kernel, kernel }),
                ("strides", new long[] { step, step }),
                ("pads", new long[] { padding, padding, padding, padding })
            );
            if (to != shape.Stages[0].Width)
                patches = Step("Relu", name + ".relu", patches);
        }
        var x = Permute("tokens", Reshape("rows", patches, 0, width, side * side), 0, 2, 1);
        if (shape.HasToken)
            x = WithToken(x, width);
        foreach (var (stage, name, here, isMoved) in shape.Blocks)
        {
            if (stage.Width != width)
            {
                x = Merged($"merge.{stage.Width}", x, here, width);
                width = stage.Width;
            }
            var heard = Attended(name, Norm(name + ".norm1", x), stage, here, isMoved);
            x = Step("Add", name + ".heard", x, heard);
            var wide = Gelu(name + ".gelu", Dense(name + ".fc1", Norm(name + ".norm2", x)));
            x = Step("Add", name, x, Dense(name + ".fc2", wide));
        }
        x = Norm("norm", x);
        x = shape.HasToken
            ? file.Node("Gather", "first", [x, file.WholeNumber("first.place", 0)], ("axis", 1L))
            : file.Node("ReduceMean", "mean.of", [x], ("axes", new long[] { 1 }), ("keepdims", 0L));
        return file.File(Dense("head", x), ConceptScenes.ClassNames.Count);
    }

    // The token is as many as there are images.
    private string WithToken(string x, long width)
    {
        var sizes = Step("Shape", "sizes", x);
        var count = Step("Slice", "count", sizes, file.Whole("count.start", 0), file.Whole("count.end", 1));
        var target = file.Node("Concat", "token.shape", [count, file.Whole("token.rest", 1, width)], ("axis", 0L));
        var each = Step("Expand", "token.each", Array("token"), target);
        var all = file.Node("Concat", "with.token", [each, x], ("axis", 1L));
        return Step("Add", "placed", all, Array("places"));
    }

    private string Merged(string name, string x, int side, long width)
    {
        var grid = Reshape(name + ".grid", x, -1, side, 2, side, 2, width);
        var corners = Permute(name + ".corners", grid, 0, 1, 3, 2, 4, 5);
        return Dense(name, Reshape(name + ".joined", corners, -1, (long)side * side, 4 * width));
    }

    // What is before a place comes after the end.
    private string Rolled(string name, string x, long by)
    {
        foreach (var axis in new long[] { 1, 2 })
        {
            string Part(string part, long from, long to) =>
                Step(
                    "Slice",
                    $"{name}.{axis}.{part}",
                    x,
                    file.Whole($"{name}.{axis}.{part}.from", from),
                    file.Whole($"{name}.{axis}.{part}.to", to),
                    file.Whole($"{name}.{axis}.{part}.axis", axis)
                );
            x = file.Node(
                "Concat",
                $"{name}.{axis}",
                [Part("end", by, long.MaxValue), Part("start", 0, by)],
                ("axis", axis)
            );
        }
        return x;
    }

    private string Attended(string name, string x, TransformerStage stage, int side, bool isMoved)
    {
        var (width, window, heads) = ((long)stage.Width, (long)stage.Window, (long)stage.Heads);
        var (count, half) = (window > 0 ? side / window : 1, window / 2);
        var tokens = window > 0 ? window * window : ((long)side * side) + 1;
        if (window > 0)
        {
            x = Reshape(name + ".grid", x, -1, side, side, width);
            x = isMoved ? Rolled(name + ".moved", x, half) : x;
            x = Reshape(name + ".cut", x, -1, count, window, count, window, width);
            x = Reshape(name + ".windows", Permute(name + ".by.window", x, 0, 1, 3, 2, 4, 5), -1, tokens, width);
        }
        var qkv = Reshape(name + ".three", Dense(name + ".qkv", x), -1, tokens, 3, heads, width / heads);
        qkv = Permute(name + ".three.first", qkv, 2, 0, 3, 1, 4);
        string[] each =
        [
            .. new[] { "q", "k", "v" }.Select(
                (part, i) =>
                    file.Node(
                        "Gather",
                        $"{name}.{part}",
                        [qkv, file.WholeNumber($"{name}.{part}.place", i)],
                        ("axis", 0L)
                    )
            ),
        ];
        var scaled = Step("Mul", name + ".q.scaled", each[0], Number(name + ".by", 1 / Math.Sqrt(width / heads)));
        var scores = Step("MatMul", name + ".scores", scaled, Permute(name + ".k.t", each[1], 0, 1, 3, 2));
        if (window > 0)
        {
            var table = arrays[name + ".bias"][tensor(TransformerModule.Apart(stage.Window))];
            var bias = file.Numbers(name + ".bias", table.reshape(tokens, tokens, -1).permute(2, 0, 1).unsqueeze(0));
            scores = Step("Add", name + ".biased", scores, bias);
            if (isMoved)
            {
                var strangers = file.Numbers(
                    name + ".strangers",
                    TransformerModule.Strangers(side, stage.Window).unsqueeze(0)
                );
                scores = Reshape(name + ".by.image", scores, -1, count * count, heads, tokens, tokens);
                scores = Step("Add", name + ".masked", scores, strangers);
                scores = Reshape(name + ".again", scores, -1, heads, tokens, tokens);
            }
        }
        var weights = file.Node("Softmax", name + ".attention", [scores], ("axis", -1L));
        x = Permute(name + ".by.token", Step("MatMul", name + ".heads", weights, each[2]), 0, 2, 1, 3);
        x = Dense(name + ".proj", Reshape(name + ".joined", x, -1, tokens, width));
        if (window == 0)
            return x;
        x = Reshape(name + ".apart", x, -1, count, count, window, window, width);
        x = Reshape(name + ".whole", Permute(name + ".by.row", x, 0, 1, 3, 2, 4, 5), -1, side, side, width);
        x = isMoved ? Rolled(name + ".back", x, side - half) : x;
        return Reshape(name + ".tokens", x, -1, (long)side * side, width);
    }
}
