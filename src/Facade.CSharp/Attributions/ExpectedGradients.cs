namespace Attribution;

/// <summary>Expected gradients, (1/N) Σₖ (x - bₖ) ⊙ ∇ₓ q(f(bₖ + αₖ(x - bₖ))): integrated gradients averaged over baselines
/// bₖ that are drawn from a background. Complete in expectation: an instance's attributions sum to q(f(x)) less the
/// background's mean q.</summary>
/// <remarks>Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670. The N pairs of αₖ and bₖ are a Latin hypercube:
/// each αₖ lies in another of N equal parts of [0, 1], and where N is a multiple of the background's size, each of its
/// instances is drawn equally often; so on a linear model the result is exact.</remarks>
public sealed class ExpectedGradients : MapMethod
{
    /// <summary>The draws for each instance where nobody says.</summary>
    public const int DefaultSamples = 100;

    /// <summary>Expected gradients of a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance, fixed along its
    /// paths.</param>
    /// <param name="background">What baselines are drawn from; null: the set that the explained instances are of.</param>
    /// <param name="samples">N, the draws for each instance.</param>
    /// <param name="seed">Decides, with the instance's number, on what is drawn.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000.</exception>
    /// <exception cref="AttributionException">The background is empty; or, when maps are asked for, its instances have another
    /// shape than the explained ones.</exception>
    public ExpectedGradients(
        Model model,
        Quantity? quantity = null,
        Instances? background = null,
        int samples = DefaultSamples,
        long seed = 1
    )
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => samples + 1L,
            x =>
                (target, batch) =>
                    Core.ExpectedGradients.attribute(samples, background?.Core ?? x.Whole, seed, target, batch)
        )
    {
        MethodSettings.RequireBackground(background);
        MethodSettings.RequireSamples(samples);
    }
}
