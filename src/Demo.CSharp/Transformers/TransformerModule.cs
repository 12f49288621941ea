using System;
using System.Collections.Generic;
using System.Linq;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>A transformer while it is trained. Its parameters have the names that they have in its file.</summary>
internal sealed class TransformerModule : Module<Tensor, Tensor>
{
    private readonly TransformerShape shape;
    private readonly Dictionary<string, Linear> dense = [];
    private readonly Dictionary<string, LayerNorm> norms = [];
    private readonly Dictionary<string, Parameter> own = [];
    private readonly List<(string Name, Conv2d Layer)> embed = [];
    private readonly Tensor mean;

    public TransformerModule(TransformerShape shape)
        : base(nameof(TransformerModule))
    {
        this.shape = shape;
        mean = tensor([123.68f, 116.779f, 103.939f]).reshape(1, 3, 1, 1);
        register_buffer("mean", mean);
        var first = shape.Stages[0].Width;
        foreach (var (name, from, to, kernel, step, padding) in shape.Embedding)
        {
            var layer = Conv2d(from, to, kernel, stride: step, padding: padding);
            register_module(name.Replace('.', '_'), layer);
            embed.Add((name, layer));
        }
        if (shape.HasToken)
        {
            Own("token", 1, 1, first);
            Own("places", 1, (shape.Side * shape.Side) + 1, first);
        }
        foreach (var (stage, name, _, _) in shape.Blocks)
        {
            var width = stage.Width;
            Norm(name + ".norm1", width);
            Dense(name + ".qkv", width, 3 * width);
            Dense(name + ".proj", width, width);
            Norm(name + ".norm2", width);
            Dense(name + ".fc1", width, TransformerShape.Wider * width);
            Dense(name + ".fc2", TransformerShape.Wider * width, width);
            if (stage.Window > 0)
                Own(name + ".bias", ((2 * stage.Window) - 1) * ((2 * stage.Window) - 1), stage.Heads);
        }
        foreach (var (before, after) in shape.Stages.Zip(shape.Stages.Skip(1)))
            Dense($"merge.{after.Width}", 4 * before.Width, after.Width);
        Norm("norm", shape.Stages[^1].Width);
        Dense("head", shape.Stages[^1].Width, ConceptScenes.ClassNames.Count);
    }

    private void Own(string name, params long[] sizes)
    {
        own[name] = Parameter(randn(sizes) * 0.02f);
        register_parameter(name.Replace('.', '_'), own[name]);
    }

    private void Norm(string name, long width)
    {
        norms[name] = LayerNorm(width);
        register_module(name.Replace('.', '_'), norms[name]);
    }

    private void Dense(string name, long from, long to)
    {
        dense[name] = Linear(from, to);
        init.normal_(dense[name].weight, std: Math.Sqrt(1.0 / from));
        init.zeros_(dense[name].bias);
        register_module(name.Replace('.', '_'), dense[name]);
    }

    /// <summary>The parameters by their names in the file.</summary>
    public IReadOnlyDictionary<string, Tensor> Arrays
    {
        get
        {
            Dictionary<string, Tensor> arrays = new() { ["mean"] = mean };
            foreach (var (name, layer) in embed)
                (arrays[name + ".weight"], arrays[name + ".bias"]) = (layer.weight, layer.bias!);
            foreach (var (name, layer) in dense)
                (arrays[name + ".weight"], arrays[name + ".bias"]) = (layer.weight, layer.bias!);
            foreach (var (name, layer) in norms)
                (arrays[name + ".weight"], arrays[name + ".bias"]) = (layer.weight!, layer.bias!);
            foreach (var (name, numbers) in own)
                arrays[name] = numbers;
            return arrays;
        }
    }

    /// <summary>For each pair of places in a window, which number of the bias table it takes: by how far they lie apart.</summary>
    public static long[] Apart(int window)
    {
        var places = Enumerable.Range(0, window * window).Select(i => (Row: i / window, Column: i % window)).ToArray();
        return
        [
            .. from a in places
            from b in places
            select (long)(((a.Row - b.Row + window - 1) * ((2 * window) - 1)) + a.Column - b.Column + window - 1),
        ];
    }

    /// <summary>What is added to the scores of tokens that came into one window by moving, and are no neighbours: windows × 1 × tokens
    /// × tokens of 0 and -100.</summary>
    public static Tensor Strangers(int side, int window)
    {
        var half = window / 2;
        int Part(int i) =>
            i < side - window ? 0
            : i < side - half ? 1
            : 2;
        var (count, tokens) = (side / window, window * window);
        var parts = new int[count * count, tokens];
        for (var row = 0; row < side; row++)
        for (var column = 0; column < side; column++)
            parts[(row / window * count) + (column / window), (row % window * window) + (column % window)] =
                (3 * Part(row)) + Part(column);
        var mask = new float[count * count, 1, tokens, tokens];
        for (var w = 0; w < count * count; w++)
        for (var a = 0; a < tokens; a++)
        for (var b = 0; b < tokens; b++)
            mask[w, 0, a, b] = parts[w, a] == parts[w, b] ? 0 : -100;
        return tensor(mask);
    }

    /// <summary>Logits, N×14, of scenes, N×3×64×64, 0-255.</summary>
    public override Tensor forward(Tensor x)
    {
        x = (x - mean).Times(1.0 / 64);
        foreach (var (name, layer) in embed)
            x = name == embed[^1].Name ? layer.forward(x) : layer.forward(x).relu();
        x = x.flatten(2).transpose(1, 2);
        if (shape.HasToken)
            x = cat([own["token"].expand(x.shape[0], -1, -1), x], 1).Plus(own["places"]);
        var width = shape.Stages[0].Width;
        foreach (var (stage, name, side, isMoved) in shape.Blocks)
        {
            if (stage.Width != width)
            {
                x = Merged(x, side * 2, width, stage.Width);
                width = stage.Width;
            }
            x = x.Plus(Attended(norms[name + ".norm1"].forward(x), stage, name, side, isMoved));
            var wide = functional.gelu(dense[name + ".fc1"].forward(norms[name + ".norm2"].forward(x)));
            x = x.Plus(dense[name + ".fc2"].forward(wide));
        }
        x = norms["norm"].forward(x);
        return dense["head"].forward(shape.HasToken ? x.select(1, 0) : x.mean([1L]));
    }

    private Tensor Merged(Tensor x, int side, int width, int wider)
    {
        var grid = x.reshape(-1, side / 2, 2, side / 2, 2, width).permute(0, 1, 3, 2, 4, 5);
        return dense[$"merge.{wider}"].forward(grid.reshape(x.shape[0], -1, 4 * width));
    }

    private Tensor Attended(Tensor x, TransformerStage stage, string name, int side, bool isMoved)
    {
        var (n, tokens, width, window) = (x.shape[0], x.shape[1], (long)stage.Width, stage.Window);
        var half = window / 2;
        if (window > 0)
        {
            x = x.reshape(n, side, side, width);
            x = isMoved ? x.roll([-half, -half], [1, 2]) : x;
            x = x.reshape(n, side / window, window, side / window, window, width).permute(0, 1, 3, 2, 4, 5);
            x = x.reshape(-1, window * window, width);
        }
        var qkv = dense[name + ".qkv"]
            .forward(x)
            .reshape(x.shape[0], x.shape[1], 3, stage.Heads, width / stage.Heads)
            .permute(2, 0, 3, 1, 4);
        var scores = qkv[0].Times(1 / Math.Sqrt(width / stage.Heads)).matmul(qkv[1].transpose(-2, -1));
        if (window > 0)
        {
            var size = window * window;
            var bias = own[name + ".bias"][tensor(Apart(window))].reshape(size, size, -1).permute(2, 0, 1);
            scores = scores.Plus(bias.unsqueeze(0));
            if (isMoved)
                scores = scores
                    .reshape(n, -1, stage.Heads, size, size)
                    .Plus(Strangers(side, window))
                    .reshape(-1, stage.Heads, size, size);
        }
        x = scores.softmax(-1).matmul(qkv[2]).transpose(1, 2).reshape(x.shape[0], x.shape[1], width);
        x = dense[name + ".proj"].forward(x);
        if (window == 0)
            return x;
        x = x.reshape(n, side / window, side / window, window, window, width).permute(0, 1, 3, 2, 4, 5);
        x = x.reshape(n, side, side, width);
        x = isMoved ? x.roll([half, half], [1, 2]) : x;
        return x.reshape(n, tokens, width);
    }
}
