using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What <see cref="SmoothGrad"/> takes of the gradients gₖ at an instance's N noisy copies.</summary>
public enum SmoothGradKind
{
    /// <summary>SmoothGrad, (1/N) Σ gₖ: Smilkov et al., arXiv 1706.03825.</summary>
    Mean,

    /// <summary>SmoothGrad-Squared, (1/N) Σ gₖ²: Hooker et al., arXiv 1806.10758.</summary>
    Squared,

    /// <summary>VarGrad, (1/N) Σ gₖ² - ((1/N) Σ gₖ)²: Adebayo et al., arXiv 1810.03307.</summary>
    Variance,
}

/// <summary>SmoothGrad, (1/N) Σₖ ∇ₓ q(f(x + εₖ)) with εₖ ~ N(0, σ²): gradients averaged over noisy copies of each instance.</summary>
/// <remarks>Smilkov, Thorat, Kim, Viégas and Wattenberg, arXiv 1706.03825.</remarks>
public sealed class SmoothGrad
{
    /// <summary>The copies of each instance where nobody says: the paper's.</summary>
    public const int DefaultSamples = 50;

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Core.SmoothGradKind kind;
    private readonly int samples;
    private readonly double noise;
    private readonly long seed;
    private readonly bool multiplyWithInput;

    /// <summary>SmoothGrad of a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance, which its copies
    /// share.</param>
    /// <param name="kind">What is taken of the gradients.</param>
    /// <param name="samples">N, the copies of each instance.</param>
    /// <param name="noise">σ as a share of the instance's own range, max x - min x; the paper finds 0.1 to 0.2 clearest.</param>
    /// <param name="seed">Decides, with the instance's number, on the noise.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with x; the paper's is not.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such kind, samples is not 1 to 100 000, or noise is negative or not
    /// finite.</exception>
    public SmoothGrad(
        Model model,
        Quantity? quantity = null,
        SmoothGradKind kind = SmoothGradKind.Mean,
        int samples = DefaultSamples,
        double noise = 0.15,
        long seed = 1,
        bool multiplyWithInput = false
    )
    {
        RequireNoise(noise);
        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
        (this.samples, this.noise, this.seed) = (Samples.InRange(samples), noise, seed);
        (this.kind, this.multiplyWithInput) = (InCore(kind), multiplyWithInput);
    }

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
        var passes = x.Count * (samples + 1L);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        return x.Core.Map(
            target,
            Pass.Gradient,
            batch => Core.SmoothGrad.attribute(kind, samples, noise, seed, multiplyWithInput, target, batch)
        );
    }

    internal static void RequireNoise(double noise)
    {
        if (!double.IsFinite(noise) || noise < 0)
            throw new ArgumentOutOfRangeException(nameof(noise), noise, "A standard deviation is 0 or more.");
    }

    private static Core.SmoothGradKind InCore(SmoothGradKind kind) =>
        kind switch
        {
            SmoothGradKind.Mean => Core.SmoothGradKind.Mean,
            SmoothGradKind.Squared => Core.SmoothGradKind.Squared,
            SmoothGradKind.Variance => Core.SmoothGradKind.Variance,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such kind."),
        };
}
