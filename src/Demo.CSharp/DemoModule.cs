using System.Collections.Generic;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>A VGG16 with few channels and, while it is trained, a batch normalisation after every convolution.</summary>
internal sealed class DemoModule : Module<Tensor, Tensor>
{
    private const float InputScale = 64;
    private static readonly (int Width, int Depth)[] Blocks = [(16, 2), (24, 2), (32, 3), (48, 3), (64, 3)];
    private static readonly long[] DenseWidths = [2 * 2 * 64, 128, 64, ConceptScenes.ClassNames.Count];

    private readonly List<(string Name, bool EndsBlock, Conv2d Convolution, BatchNorm2d Norm)> convolutions = [];
    private readonly List<(string Name, Linear Layer)> dense = [];
    private readonly Tensor mean;

    internal DemoModule()
        : base(nameof(DemoModule))
    {
        mean = tensor([123.68f, 116.779f, 103.939f]).reshape(1, 3, 1, 1);
        register_buffer(nameof(mean), mean);
        var channels = 3;
        for (var block = 0; block < Blocks.Length; block++)
        {
            var (width, depth) = Blocks[block];
            for (var layer = 1; layer <= depth; layer++)
            {
                var name = $"conv{block + 1}_{layer}";
                var convolution = Conv2d(channels, width, 3, padding: 1, bias: false);
                init.kaiming_normal_(
                    convolution.weight,
                    mode: init.FanInOut.FanOut,
                    nonlinearity: init.NonlinearityType.ReLU
                );
                var norm = BatchNorm2d(width);
                register_module(name, convolution);
                register_module(name + "_norm", norm);
                convolutions.Add((name, layer == depth, convolution, norm));
                channels = width;
            }
        }
        for (var layer = 0; layer < 3; layer++)
        {
            var linear = Linear(DenseWidths[layer], DenseWidths[layer + 1]);
            var name = $"fc{layer + 6}";
            register_module(name, linear);
            dense.Add((name, linear));
        }
    }

    /// <summary>Logits, N×14, of scenes, N×3×64×64, 0-255.</summary>
    public override Tensor forward(Tensor x) => Head(Dense(x));

    /// <summary>The first dense layer after its activation, N×128.</summary>
    internal Tensor Dense(Tensor x)
    {
        x = (x - mean) / InputScale;
        foreach (var (_, endsBlock, convolution, norm) in convolutions)
        {
            x = norm.forward(convolution.forward(x)).relu_();
            x = endsBlock ? functional.max_pool2d(x, 2) : x;
        }
        return dense[0].Layer.forward(x.permute(0, 2, 3, 1).flatten(1)).relu();
    }

    /// <summary>From the first dense layer to the logits.</summary>
    internal Tensor Head(Tensor units) => dense[2].Layer.forward(dense[1].Layer.forward(units).relu());

    /// <summary>
    /// The same function without normalisations, as the arrays of <c>vgg16_weights.npz</c>: with γ, β, μ and σ² of a convolution's
    /// normalisation, W' = W·γ/√(σ² + ε) and b' = β - μ·γ/√(σ² + ε); the first W' also divides by the input's scale.
    /// </summary>
    internal IReadOnlyDictionary<string, Tensor> Fold()
    {
        using var _ = no_grad();
        var arrays = new Dictionary<string, Tensor>();
        foreach (var (name, _, convolution, norm) in convolutions)
        {
            var gain = norm.weight! / (norm.running_var! + norm.eps).sqrt();
            var weight = convolution.weight.permute(2, 3, 1, 0) * gain / (arrays.Count == 0 ? InputScale : 1);
            arrays.Add(name + "_W", weight.contiguous());
            arrays.Add(name + "_b", norm.bias! - (norm.running_mean! * gain));
        }
        foreach (var (name, layer) in dense)
        {
            arrays.Add(name + "_W", layer.weight.t().contiguous());
            arrays.Add(name + "_b", layer.bias!.detach());
        }
        return arrays;
    }
}
