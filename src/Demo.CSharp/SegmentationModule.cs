using System;
using System.Collections.Generic;
using System.Linq;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>A small segmentation while it is trained: five convolutions, the last two of them dilated, a score of each class and of the
/// background at 16×16 positions, enlarged to the scene.</summary>
internal sealed class SegmentationModule : Module<Tensor, Tensor>
{
    // Channels to, step, dilation.
    private static readonly (int To, int Step, int Dilation)[] layers =
    [
        (16, 2, 1),
        (32, 2, 1),
        (48, 1, 1),
        (48, 1, 2),
        (48, 1, 4),
    ];

    // Most of a scene is background.
    private const float WeightOfBackground = 0.3f;

    private readonly List<Conv2d> convolutions = [];
    private readonly Conv2d head;
    private readonly Tensor mean;
    private readonly Tensor weights;

    /// <summary>The number of the background among the classes: the last.</summary>
    public static int Background => ConceptScenes.ClassNames.Count;

    public SegmentationModule()
        : base(nameof(SegmentationModule))
    {
        mean = tensor([123.68f, 116.779f, 103.939f]).reshape(1, 3, 1, 1);
        weights = ones(Background + 1);
        weights[Background] = WeightOfBackground;
        var from = 3;
        foreach (var (to, step, dilation) in layers)
        {
            convolutions.Add(Conv2d(from, to, 3, stride: step, padding: dilation, dilation: dilation));
            from = to;
        }
        head = Conv2d(from, Background + 1, 1);
        RegisterComponents();
        for (var i = 0; i < convolutions.Count; i++)
            register_module($"conv{i + 1}", convolutions[i]);
    }

    /// <summary>Scores, N×15×64×64, of scenes, N×3×64×64, 0-255.</summary>
    public override Tensor forward(Tensor x)
    {
        x = (x - mean).Times(1.0 / 64);
        foreach (var convolution in convolutions)
            x = convolution.forward(x).relu();
        return functional.interpolate(
            head.forward(x),
            [ConceptScenes.Size, ConceptScenes.Size],
            mode: InterpolationMode.Bilinear,
            align_corners: false
        );
    }

    /// <summary>How far the scores are from the object's class inside of it, and the background outside.</summary>
    public Tensor Loss(SceneBatch batch)
    {
        var classes = batch.Labels.reshape(-1, 1, 1).expand_as(batch.ObjectMasks);
        var truth = where(batch.ObjectMasks, classes, full_like(classes, Background));
        return functional.cross_entropy(forward(batch.X), truth, weights);
    }

    /// <summary>The bytes of its ONNX file.</summary>
    public byte[] File()
    {
        using var scope = NewDisposeScope();
        OnnxWriter file = new(17, 3, ConceptScenes.Size, ConceptScenes.Size);
        var x = file.Node("Sub", "centred", ["images", file.Numbers("mean", mean)]);
        x = file.Node("Mul", "scaled", [x, file.Numbers("scale", tensor(1f / 64))]);
        foreach (var (convolution, i) in convolutions.Append(head).Select((layer, i) => (layer, i)))
        {
            var isHead = i == layers.Length;
            var name = isHead ? "classifier" : $"conv{i + 1}";
            var (step, dilation) = isHead ? (1, 1) : (layers[i].Step, layers[i].Dilation);
            x = file.Node(
                "Conv",
                name,
                [
                    x,
                    file.Numbers(name + ".weight", convolution.weight),
                    file.Numbers(name + ".bias", convolution.bias!),
                ],
                ("strides", new long[] { step, step }),
                ("dilations", new long[] { dilation, dilation }),
                ("pads", Enumerable.Repeat(isHead ? 0L : dilation, 4).ToArray())
            );
            x = isHead ? x : file.Node("Relu", name + ".relu", [x]);
        }
        var enlarged = file.Node(
            "Resize",
            "out",
            [x, "", file.Numbers("scales", tensor([1f, 1f, 4f, 4f]))],
            ("mode", "linear")
        );
        return file.File(enlarged, Background + 1, ConceptScenes.Size, ConceptScenes.Size);
    }
}
