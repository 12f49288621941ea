using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// DeepLIFT by the rescale rule: (x - b) ⊙ multipliers, each op handing on the slope of the line between what it did for the
/// instance and what it did for a baseline. Complete: the attributions of an instance sum to q(f(x)) - q(f(b)), for a
/// quantity that is linear in the logits.
/// </summary>
/// <remarks>Shrikumar, Greenside and Kundaje, arXiv 1704.02685. An op that the paper has no rule for is rescaled as integrated
/// gradients of that op alone: a product at the midpoint, any other by eight nodes.</remarks>
public sealed class DeepLift
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Baseline baseline;
    private readonly bool multiplyWithInput;

    /// <summary>DeepLIFT of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="baseline">What the instance is compared with; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="multiplyWithInput">Whether the multipliers are multiplied with x - b.</param>
    public DeepLift(Model model, int? targetClass = null, Baseline? baseline = null, bool multiplyWithInput = true)
        : this(model, Quantity.OfTarget(targetClass), baseline, multiplyWithInput) { }

    /// <summary>DeepLIFT of a quantity of interest.</summary>
    /// <inheritdoc cref="DeepLift(Model, int?, Baseline, bool)"/>
    public DeepLift(Model model, Quantity quantity, Baseline? baseline = null, bool multiplyWithInput = true) =>
        (this.model, this.quantity, this.baseline, this.multiplyWithInput) = (
            model,
            quantity,
            baseline ?? Baseline.Black,
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
        var target = x.TargetOf(quantity, model.Working(batchSize, 2L * x.Count, progress, cancellation));
        var start = baseline.For(x);
        return x.Core.Map(
            target,
            Pass.Rules,
            batch => Core.DeepLift.attribute(start, multiplyWithInput, target, batch)
        );
    }
}
