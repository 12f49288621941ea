using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A class activation map: where a layer with positions holds what raises a quantity. Paths around the layer are held
/// fixed.</summary>
public abstract class ActivationMap
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly CamWeights weights;

    private protected ActivationMap(Model model, Quantity? quantity, string? layer, CamWeights weights)
    {
        (this.model, this.quantity, this.weights) = (model, quantity ?? Quantity.Predicted, weights);
        Layer = Cuts.Named(model, layer, this.quantity);
    }

    /// <summary>The layer that is looked at.</summary>
    public string Layer { get; }

    /// <summary>The maps of images, upsampled bilinearly to their size: n×h×w.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The images have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The layer has no positions, or the model's output is not finite, or lacks the class.
    /// </exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Map(x, batchSize, progress, cancellation, (t, batch) => Core.GradCam.attribute(weights, Layer, t, batch));

    /// <summary>The maps at the layer's own resolution.</summary>
    /// <inheritdoc cref="Attribute"/>
    public Tensor AttributeLayer(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Map(x, batchSize, progress, cancellation, (t, batch) => Core.GradCam.atLayer(weights, Layer, t, batch));

    private Tensor Map(
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation,
        Func<Target, Batch, Tensor> map
    )
    {
        var target = x.TargetOf(quantity, model.Working(batchSize, x.Count, progress, cancellation));
        return x.Core.Map(target, Pass.Gradient, batch => map(target, batch));
    }
}
