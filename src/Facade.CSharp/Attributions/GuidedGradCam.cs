using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Guided Grad-CAM: guided backpropagation ⊙ Grad-CAM, as fine as the one and as particular to the class as the
/// other.</summary>
/// <remarks>Selvaraju et al., arXiv 1610.02391.</remarks>
public sealed class GuidedGradCam
{
    private readonly Model model;
    private readonly Quantity quantity;

    /// <summary>Guided Grad-CAM for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no ReLU, no such layer, or none is named and it has no convolution.</exception>
    public GuidedGradCam(Model model, Quantity? quantity = null, string? layer = null)
    {
        this.model = ReluGradient.RequireRelus("Guided backpropagation", model);
        this.quantity = quantity ?? Quantity.Predicted;
        Layer = Cuts.Named(model, layer, this.quantity);
    }

    /// <summary>The layer that is looked at.</summary>
    public string Layer { get; }

    /// <summary>The attributions of instances, of their shape.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The layer has no positions, or the model's output is not finite, or lacks the class.
    /// </exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var target = x.TargetOf(quantity, model.Working(batchSize, 2L * x.Count, progress, cancellation));
        return x.Core.Map(target, Pass.Rules, batch => Core.GuidedGradCam.attribute(Layer, target, batch));
    }
}
