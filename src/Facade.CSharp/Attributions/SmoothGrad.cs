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
public sealed class SmoothGrad : MapMethod
{
    /// <summary>The copies of each instance where nobody says: the paper's.</summary>
    public const int DefaultSamples = 50;

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
        : this(InCore(kind), model, quantity, samples, noise, seed, multiplyWithInput)
    {
        MethodSettings.RequireNoise(noise);
        MethodSettings.RequireSamples(samples);
    }

    private SmoothGrad(
        Core.SmoothGradKind kind,
        Model model,
        Quantity? quantity,
        int samples,
        double noise,
        long seed,
        bool multiply
    )
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => samples + 1L,
            _ => (target, batch) => Core.SmoothGrad.attribute(kind, samples, noise, seed, multiply, target, batch)
        ) { }

    private static Core.SmoothGradKind InCore(SmoothGradKind kind) =>
        kind switch
        {
            SmoothGradKind.Mean => Core.SmoothGradKind.Mean,
            SmoothGradKind.Squared => Core.SmoothGradKind.Squared,
            SmoothGradKind.Variance => Core.SmoothGradKind.Variance,
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such kind."),
        };
}
