namespace Attribution;

/// <summary>DeepSHAP, (1/N) Σₖ (x - bₖ) ⊙ mₖ: DeepLIFT averaged over baselines bₖ that are drawn from a background. An instance's sum to
/// q(f(x)) less the mean of q over what was drawn for it.</summary>
/// <remarks>Lundberg and Lee, arXiv 1705.07874, section 4.2. An instance is left out of its own background.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="background">What baselines are drawn from; null: the set that the explained instances are of.</param>
/// <param name="samples">N, the draws for each instance.</param>
/// <param name="seed">Decides, with the instance's number, on what is drawn.</param>
/// <param name="maxPool">What a max pool hands on.</param>
/// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000.</exception>
/// <exception cref="AttributionException">The background is empty; or, when maps are asked for, its instances have another
/// shape than the explained ones.</exception>
public sealed class DeepShap(
    Model model,
    Quantity? quantity = null,
    Instances? background = null,
    int samples = DeepShap.DefaultSamples,
    long seed = 1,
    MaxPoolRule maxPool = MaxPoolRule.Rescale
)
    : MapMethod(
        model,
        quantity,
        Pass.Rules,
        _ => 2L * samples,
        Drawn.From(
            samples,
            background,
            (drawn, target, batch) => Core.DeepShap.attribute(maxPool.InCore(), samples, drawn, seed, target, batch)
        )
    )
{
    /// <summary>The draws for each instance where nobody says.</summary>
    public const int DefaultSamples = 20;
}
