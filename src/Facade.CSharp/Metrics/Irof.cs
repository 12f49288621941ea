namespace Attribution;

/// <summary>IROF, 1 - ∫₀¹ p_c(x⁽ᵖ⁾) / p_c(x) dp, x⁽ᵖ⁾ the image with the share p of its superpixels in its mean colour, the largest
/// mean attribution first: how much of the score is lost on average. 1 at the most; higher is better. NaN where p_c(x) is not
/// positive.</summary>
/// <remarks>Rieger and Hansen, arXiv 2003.08747. By the trapezoid rule; superpixels by simple linear iterative clustering.</remarks>
public sealed class Irof : BatchMetric
{
    /// <summary>The IROF of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="superpixels">How many an image is cut into, about; null: one for ten pixels, and 300 at the most.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="relaxation">How the order of the superpixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">superpixels is less than 1, or there is no score on that scale.</exception>
    public Irof(
        Model model,
        int? targetClass = null,
        int? superpixels = null,
        Scale scale = Scale.Probabilities,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(model, targetClass, scale),
            (maps, x) => (1L + Count(superpixels, maps)) * x.Count,
            _ =>
                (target, maps, batch) =>
                    Core.Irof.scores(Relaxation.InCore(relaxation), Count(superpixels, maps), target, maps, batch)
        )
    {
        if (superpixels is { } asked)
            ArgumentOutOfRangeException.ThrowIfLessThan(asked, 1, nameof(superpixels));
    }

    private static int Count(int? asked, Tensor maps) => asked ?? Core.Irof.chosenCount(PixelSteps.PixelsOf(maps));
}
