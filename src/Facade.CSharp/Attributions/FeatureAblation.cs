using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Feature ablation: a feature's attribution is what the quantity loses, q(f(x)) - q(f(x without its group)), when the features
/// of its group take the baseline's values.
/// </summary>
public sealed class FeatureAblation
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Baseline baseline;
    private readonly Tensor? groups;
    private readonly long? count;

    /// <summary>Feature ablation for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="groups">The group that each feature belongs to, by any whole numbers: of an instance's shape, or 1×h×w for
    /// images whose channels are hidden together; it stays the caller's and is copied. null: each feature is a group, which for
    /// an image takes c·h·w passes.</param>
    /// <param name="baseline">What hidden features become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentException">groups holds no whole numbers.</exception>
    public FeatureAblation(Model model, Quantity? quantity = null, Tensor? groups = null, Baseline? baseline = null)
    {
        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
        this.baseline = baseline ?? Baseline.Black;
        if (groups is null)
            return;
        if (groups.numel() == 0 || groups.is_floating_point() || groups.is_complex())
            throw new ArgumentException($"Groups are whole numbers, but these are {groups.dtype}.", nameof(groups));

        using var scope = NewDisposeScope();
        var (numbers, places, _) = groups.cpu().to(int64).unique(return_inverse: true);
        (this.groups, count) = (places!.DetachFromDisposeScope(), numbers.numel());
    }

    /// <summary>The attributions of instances, of their shape; the features of a group have the same.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take, or the groups another.
    /// </exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var passes = x.Count * ((count ?? Core.FeatureAblation.count(x.Core)) + 1);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        var hidden = baseline.For(x);
        return x.Core.Map(target, Pass.Forward, batch => Core.FeatureAblation.attribute(groups, hidden, target, batch));
    }
}
