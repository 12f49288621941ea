using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A gradient that ReLUs change on its way back; at any other op it is the gradient.</summary>
public abstract class ReluGradient
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Func<Target, Batch, Tensor> attribute;

    private protected ReluGradient(
        string name,
        Model model,
        Quantity quantity,
        Func<Target, Batch, Tensor> attribute
    ) => (this.model, this.quantity, this.attribute) = (RequireRelus(name, model), quantity, attribute);

    internal static Model RequireRelus(string name, Model model) =>
        model.Require(
            $"{name} is about ReLUs",
            op => op is Op.Activation { Item: { IsRelu: true } or { IsClippedRelu: true } }
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
        return x.Core.Map(target, Pass.Rules, batch => attribute(target, batch));
    }
}
