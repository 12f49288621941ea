using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Expected gradients, (1/N) Σₖ (x - bₖ) ⊙ ∇ₓ q(f(bₖ + αₖ(x - bₖ))): integrated gradients averaged over baselines bₖ that are
/// drawn from a background. Complete in expectation: an instance's attributions sum to q(f(x)) less the background's mean q.
/// </summary>
/// <remarks>
/// Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670. The N pairs of αₖ and bₖ are a Latin hypercube: each αₖ lies in
/// another of N equal parts of [0, 1], and where N is a multiple of the background's size, each of its instances is drawn
/// equally often; so on a linear model the result is exact.
/// </remarks>
public sealed class ExpectedGradients
{
    /// <summary>The draws for each instance where nobody says.</summary>
    public const int DefaultSamples = 100;

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Instances? background;
    private readonly int samples;
    private readonly long seed;

    /// <summary>Expected gradients of a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance, fixed along its
    /// paths.</param>
    /// <param name="background">What baselines are drawn from; null: the set that the explained instances are of.</param>
    /// <param name="samples">N, the draws for each instance.</param>
    /// <param name="seed">Decides, with the instance's number, on what is drawn.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000.</exception>
    /// <exception cref="AttributionException">The background is empty.</exception>
    public ExpectedGradients(
        Model model,
        Quantity? quantity = null,
        Instances? background = null,
        int samples = DefaultSamples,
        long seed = 1
    )
    {
        if (background is { Count: 0 })
            throw NoBackground;

        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
        (this.background, this.samples, this.seed) = (background, Samples.InRange(samples), seed);
    }

    internal static AttributionException NoBackground =>
        new("The background is empty: give it at least one instance to draw.");

    /// <summary>The attributions of instances, of their shape.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The background's instances have another shape, or the model's output is not
    /// finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var drawn = background?.Core ?? x.Whole;
        var passes = x.Count * (samples + 1L);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        return x.Core.Map(
            target,
            Pass.Gradient,
            batch => Core.ExpectedGradients.attribute(samples, drawn, seed, target, batch)
        );
    }
}
