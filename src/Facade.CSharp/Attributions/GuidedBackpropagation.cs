using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Guided backpropagation: a gradient that passes a ReLU only where it, too, is positive.</summary>
/// <remarks>Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806. At any op but ReLU it is the gradient.</remarks>
public sealed class GuidedBackpropagation
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly bool multiplyWithInput;

    /// <summary>What a class's score brings back.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
    /// <exception cref="AttributionException">The model has no ReLU.</exception>
    public GuidedBackpropagation(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }

    /// <summary>What a quantity of interest brings back.</summary>
    /// <inheritdoc cref="GuidedBackpropagation(Model, int?, bool)"/>
    public GuidedBackpropagation(Model model, Quantity quantity, bool multiplyWithInput = false) =>
        (this.model, this.quantity, this.multiplyWithInput) = (RequireRelus(model), quantity, multiplyWithInput);

    internal static Model RequireRelus(Model model) =>
        model.Require("Guided backpropagation is about ReLUs", op => op is Op.Activation { Item.IsRelu: true });

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
        return x.Core.Map(
            target,
            Pass.Rules,
            batch => Core.GuidedBackpropagation.attribute(multiplyWithInput, target, batch)
        );
    }
}
