using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A class activation map, by what weighs the layer's values.</summary>
internal sealed class ActivationMap(Model model, Quantity? quantity, string? layer, CamWeights weights)
{
    private readonly Quantity quantity = quantity ?? Quantity.Predicted;

    public string Layer { get; } = layer is null ? Cuts.LastConvolution(model) : model.RequireLayer(layer);

    public Tensor Attribute(
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation,
        bool isUpsampled
    )
    {
        var target = x.TargetOf(quantity, model.Working(batchSize, x.Count, progress, cancellation));
        return x.Core.Map(
            target,
            Pass.Gradient,
            batch =>
                isUpsampled
                    ? Core.GradCam.attribute(weights, Layer, target, batch)
                    : Core.GradCam.atLayer(weights, Layer, target, batch)
        );
    }
}
