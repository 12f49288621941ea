using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Attribution;
using Attribution.Core;
using Expecto;
using Expecto.CSharp;
using Facade.Tests;
using TorchSharp;
using static TorchSharp.torch;
using AttentionRollout = Attribution.AttentionRollout;
using Model = Attribution.Model;
using Quantity = Attribution.Quantity;

namespace Demo.Tests;

public static class TransformerTests
{
    private static readonly TransformerShape plain = new(8, [], true, [new(24, 2, 3, 0)]);
    private static readonly TransformerShape windows = new(8, [], false, [new(24, 2, 3, 4), new(48, 2, 3, 4)]);
    private static readonly TransformerShape stem = new(8, [8, 12], false, [new(24, 2, 3, 4)]);

    public static Test Tests { get; } =
        Runner.TestList(
            "Transformers",
            [
                .. new[] { ("plain", plain), ("of windows", windows), ("with a stem", stem) }.Select(pair =>
                    Check.InFolder(
                        $"the file of one {pair.Item1} is its module, and tells the grid of every block",
                        folder => IsModule(pair.Item2, folder)
                    )
                ),
                Check.InFolder(
                    "one of convolutions, gates, windows and grids of tokens is seen through, and explained by every method",
                    Mixed
                ),
                Check.InFolder("the file of a segmentation is its module", Segments),
                Check.InFolder(
                    "rollout over windows that move and patches that merge is the matrices' product",
                    Rollout
                ),
                .. Enum.GetValues<SceneNetwork>()
                    .Select(transformer =>
                        Runner.TestCase(
                            $"the shipped {transformer} tells the scenes' classes apart",
                            () =>
                            {
                                using var model = Model.LoadOnnx(DemoNetworks.ModelPath(transformer));
                                using var scenes = ConceptScenes.Draw(280, seed: 4242);
                                Expect.isGreaterThan(DemoNetwork.Evaluate(model, scenes).Overall, 0.8, "accuracy");
                            }
                        )
                    ),
            ]
        );

    private static void Segments(string folder)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(4);
        using SegmentationModule module = new();
        var path = Path.Combine(folder, "segmentation.onnx");
        File.WriteAllBytes(path, module.File());
        using var model = Model.LoadOnnx(path);
        Check.Same(model.Regions!.Shape, 15, 64, 64);
        var x = rand(3, 3, 64, 64) * 255;
        using var _ = no_grad();
        Check.Near(model.Logits(x).to(float64), module.forward(x).mean([2L, 3L]).to(float64), 1e-4);
    }

    /// <summary>A block as MaxViT has them (Tu et al., arXiv 2204.01697): an inverted bottleneck with a gate on its channels, attention
    /// within windows, and attention among tokens that lie a stride apart.</summary>
    private static void Mixed(string folder)
    {
        using var scope = NewDisposeScope();
        random.manual_seed(6);
        const int width = 8;
        OnnxWriter file = new(17, 3, 16, 16);
        string Weights(string name, params long[] shape) => file.Numbers(name, randn(shape) * 0.3f);
        string Conv(string name, string x, int from, int to, int kernel, int step = 1, int groups = 1) =>
            file.Node(
                "Conv",
                name,
                [x, Weights(name + ".w", to, from / groups, kernel, kernel), Weights(name + ".b", to)],
                ("strides", new long[] { step, step }),
                ("pads", Enumerable.Repeat((long)(kernel / 2), 4).ToArray()),
                ("group", (long)groups)
            );
        string Silu(string name, string x) => file.Node("Mul", name, [x, file.Node("Sigmoid", name + ".s", [x])]);
        string Reshape(string name, string x, params long[] sizes) =>
            file.Node("Reshape", name, [x, file.Whole(name + ".shape", sizes)]);
        string Permute(string name, string x, params long[] order) =>
            file.Node("Transpose", name, [x], ("perm", order));

        var x = Conv("stem", "images", 3, width, 3, 2);
        var wide = Silu("wide.bent", Conv("wide", x, width, 2 * width, 1));
        var deep = Silu("deep.bent", Conv("deep", wide, 2 * width, 2 * width, 3, 1, 2 * width));
        var gate = Silu(
            "squeeze.bent",
            Conv("squeeze", file.Node("GlobalAveragePool", "mean", [deep]), 2 * width, 4, 1)
        );
        gate = file.Node("Sigmoid", "gate", [Conv("excite", gate, 4, 2 * width, 1)]);
        x = file.Node(
            "Add",
            "bottleneck",
            [x, Conv("narrow", file.Node("Mul", "gated", [deep, gate]), 2 * width, width, 1)]
        );

        // Of 8×8 tokens four windows of 4×4, or four times the 4×4 tokens that lie two apart.
        foreach (
            var (name, order, back) in new[]
            {
                ("window", new long[] { 0, 2, 4, 3, 5, 1 }, new long[] { 0, 5, 1, 3, 2, 4 }),
                ("grid", [0, 3, 5, 2, 4, 1], [0, 5, 3, 1, 4, 2]),
            }
        )
        {
            long[] cut = name == "window" ? [-1, width, 2, 4, 2, 4] : [-1, width, 4, 2, 4, 2];
            long[] parts = [-1, 2, 2, 4, 4, width];
            var tokens = Reshape(
                name + ".tokens",
                Permute(name + ".parted", Reshape(name + ".cut", x, cut), order),
                -1,
                16,
                width
            );
            var normal = file.Node(
                "LayerNormalization",
                name + ".norm",
                [tokens, Weights(name + ".n.w", width), Weights(name + ".n.b", width)],
                ("axis", -1L)
            );
            string By(string part, params long[] turned)
            {
                var made = file.Node("MatMul", $"{name}.{part}", [normal, Weights($"{name}.{part}.w", width, width)]);
                return Permute(
                    $"{name}.{part}.heads",
                    Reshape($"{name}.{part}.apart", made, -1, 16, 2, width / 2),
                    turned
                );
            }
            var scores = file.Node("MatMul", name + ".scores", [By("q", 0, 2, 1, 3), By("k", 0, 2, 3, 1)]);
            var attention = file.Node("Softmax", name + ".attention", [scores], ("axis", -1L));
            var heard = file.Node("MatMul", name + ".heard", [attention, By("v", 0, 2, 1, 3)]);
            heard = Reshape(name + ".joined", Permute(name + ".by.token", heard, 0, 2, 1, 3), -1, 16, width);
            var sum = file.Node("Add", name + ".sum", [tokens, heard]);
            x = Reshape(name, Permute(name + ".back", Reshape(name + ".apart", sum, parts), back), -1, width, 8, 8);
        }
        var path = Path.Combine(folder, "mixed.onnx");
        var flat = file.Node("Flatten", "flat", [file.Node("GlobalAveragePool", "pool", [x])]);
        File.WriteAllBytes(path, file.File(file.Node("MatMul", "scores", [flat, Weights("head", width, 5)]), 5));

        using var model = Model.LoadOnnx(path);
        var images = rand(2, 3, 16, 16) * 255;
        var layers = model.Describe().ToDictionary(layer => layer.Name);
        foreach (var layer in new[] { "stem", "bottleneck", "window", "grid" })
            Expect.equal(layers[layer].Positions, "8×8", layer);
        Expect.equal(AttentionModule.find(model.Core.Graph).Length, 2, "both attentions");
        foreach (var method in AttributionMethod.All)
        {
            if (!method.AppliesTo(model))
            {
                Check.Refuses(() => method.Create(model, new()), "is about");
                continue;
            }
            var maps = method.Create(
                model,
                new()
                {
                    Samples = 4,
                    Steps = 4,
                    Iterations = 2,
                    Background = images,
                }
            )(images);
            Expect.isTrue(maps.isfinite().all().ToBoolean() && maps.abs().sum().ToDouble() > 0, method.Name);
        }
        Check.Near(
            new AttentionRollout(model).Attribute(images).to(float64).sum([1L, 2L, 3L]),
            ones(2, dtype: float64),
            1e-6
        );
    }

    private static (TransformerModule, string) Made(TransformerShape shape, string folder)
    {
        random.manual_seed(4);
        TransformerModule module = new(shape);
        using (no_grad())
            // Biases and class tokens begin near 0, where none is told from another.
            foreach (var parameter in module.parameters())
                parameter.add_(randn_like(parameter) * 0.2f);
        var path = Path.Combine(folder, "transformer.onnx");
        File.WriteAllBytes(path, TransformerFile.Of(module, shape));
        return (module, path);
    }

    private static void IsModule(TransformerShape shape, string folder)
    {
        using var scope = NewDisposeScope();
        var (module, path) = Made(shape, folder);
        using var owned = module;
        using var model = Model.LoadOnnx(path);
        var x = rand(3, 3, 64, 64) * 255;
        using var _ = no_grad();
        var expected = module.forward(x);
        Check.Near(model.Logits(x).to(float64), expected.to(float64), 1e-4);
        var layers = model.Describe().ToDictionary(layer => layer.Name);
        foreach (var (stage, name, side, _) in shape.Blocks)
        {
            var beside = shape.HasToken ? " and 1 beside" : "";
            Expect.equal(layers[name].Positions, $"{side}×{side}{beside}", name);
            Expect.equal(layers[name].Units, stage.Width, name);
        }
        Expect.equal(AttentionModule.find(model.Core.Graph).Length, shape.Blocks.Count(), "attentions");
        foreach (var (stage, name, _, _) in shape.Blocks)
        {
            Expect.stringContains(layers[name + ".heads"].Note, $"{stage.Heads} heads", "a layer of heads");
            Expect.equal(layers[name + ".heads"].Units, stage.Heads, "whose units they are");
            var influence = new InflDirected(model, name + ".heads", Quantity.Predicted).Influence(x);
            Check.Same(influence.shape, stage.Heads);
        }
        Expect.equal(
            Cuts.LastConvolution(model),
            shape.HasToken ? shape.Blocks.Last().Name + ".norm1" : "norm",
            "where class activation maps look"
        );
    }

    // Which token of the image each token of each window is.
    private static Tensor Places(int side, int window, bool isMoved)
    {
        var places = arange(side * side).reshape(1, side, side, 1);
        places = isMoved ? places.roll([-window / 2, -window / 2], [1, 2]) : places;
        return places
            .reshape(side / window, window, side / window, window)
            .permute(0, 2, 1, 3)
            .reshape(-1, window * window);
    }

    private static void Rollout(string folder)
    {
        using var scope = NewDisposeScope();
        var (module, path) = Made(windows, folder);
        using var owned = module;
        using var model = Model.LoadOnnx(path);
        var x = rand(2, 3, 64, 64) * 255;
        var found = new AttentionRollout(model).Attribute(x).to(float64).sum(1);
        Tensor[] rows =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(image =>
                {
                    var side = windows.Side >> (windows.Stages.Count - 1);
                    var row = ones(1, side * side, dtype: float64) / (side * side);
                    foreach (var (stage, name, here, isMoved) in windows.Blocks.Reverse())
                    {
                        if (here != side)
                        {
                            row = row.reshape(1, side, side).repeat_interleave(2, 1).repeat_interleave(2, 2) / 4;
                            (row, side) = (row.reshape(1, -1), here);
                        }
                        var weights = ModelModule
                            .value(name + ".attention", model.Core, x[image..(image + 1)])
                            .to(float64)
                            .reshape(-1, stage.Heads, stage.Window * stage.Window, stage.Window * stage.Window)
                            .mean([1L]);
                        var places = Places(side, stage.Window, isMoved);
                        var whole = zeros(side * side, side * side, dtype: float64);
                        for (var w = 0; w < places.shape[0]; w++)
                            whole[places[w].unsqueeze(1), places[w].unsqueeze(0)] = weights[w];
                        row = row.matmul((whole + eye(side * side, dtype: float64)) / 2);
                    }
                    return row.reshape(side, side);
                }),
        ];
        var enlarged = nn
            .functional.interpolate(stack(rows).unsqueeze(1), [64, 64], mode: InterpolationMode.Bilinear)
            .squeeze(1);
        Check.Near(found, enlarged / 64, 1e-6);
        Check.Near(found.sum([1L, 2L]), ones(2, dtype: float64), 1e-6);
    }
}
