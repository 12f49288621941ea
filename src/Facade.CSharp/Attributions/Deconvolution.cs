using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Deconvolution: a gradient that passes a ReLU where it is itself positive, whatever went forth there.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901. At any op but ReLU it is the gradient.</remarks>
public sealed class Deconvolution
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly bool multiplyWithInput;

    /// <summary>What a class's score brings back.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
    /// <exception cref="AttributionException">The model has no ReLU.</exception>
    public Deconvolution(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }

    /// <summary>What a quantity of interest brings back.</summary>
    /// <inheritdoc cref="Deconvolution(Model, int?, bool)"/>
    public Deconvolution(Model model, Quantity quantity, bool multiplyWithInput = false) =>
        (this.model, this.quantity, this.multiplyWithInput) = (
            model.Require("Deconvolution is about ReLUs", op => op is Op.Activation { Item.IsRelu: true }),
            quantity,
            multiplyWithInput
        );

    /// <summary>The attributions of instances, of their shape.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var target = x.TargetOf(quantity, model.Working(batchSize, x.Count, progress, cancellation));
        return x.Core.Map(target, Pass.Rules, batch => Core.Deconvolution.attribute(multiplyWithInput, target, batch));
    }
}
