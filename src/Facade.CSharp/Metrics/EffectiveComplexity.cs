namespace Attribution;

/// <summary>Effective complexity, |{p : |A_p| > threshold · max |A|}|: the number of pixels whose magnitude is above a
/// share of the largest. Lower means a simpler map.</summary>
/// <remarks>After Nguyen and Martínez, arXiv 2007.07584, as Quantus counts it (there with a threshold of 0.00001). The
/// map's own maximum is the unit, so that the scale of the map does not matter.</remarks>
public static class EffectiveComplexity
{
    /// <summary>The score of each map, in pixels; NaN where all of it is 0.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="threshold">The share of the largest magnitude.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is negative, or 1 or more.</exception>
    /// <exception cref="AttributionException">An attribution is not finite, or there is none.</exception>
    public static MapScores Evaluate(Tensor attributions, double threshold = 0.01) =>
        Maps.Scored(attributions, Maps.Numbers(Scores(attributions, threshold)));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="threshold">The share of the largest magnitude.</param>
    /// <param name="relaxation">How what is above the threshold is counted; null: exactly.</param>
    /// <inheritdoc cref="Evaluate" path="/exception"/>
    public static Tensor Scores(Tensor attributions, double threshold = 0.01, Relaxation? relaxation = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threshold);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(threshold, 1);
        return Core.EffectiveComplexity.byMagnitude(Relaxation.InCore(relaxation), threshold, attributions);
    }
}

/// <summary>Effective complexity by loss, min k with E (f_c(x) - f_c(x_k))² ≤ ε · E (f_c(x) - f_c(x_0))², x_k keeping the k
/// pixels of largest |A|, the others drawn from the image's own: how many pixels the score needs. Lower means a simpler
/// map; NaN where all of it is 0.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584, in steps of several pixels.</remarks>
public sealed class EffectiveComplexityByLoss : BatchMetric
{
    private readonly int? pixelsPerStep;

    /// <summary>The effective complexity of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="bound">ε, the share of the loss without any pixel that may remain.</param>
    /// <param name="pixelsPerStep">M: k is 0, M, 2M, …; null: chosen by the images' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="samples">How often the other pixels are drawn.</param>
    /// <param name="seed">Decides on what is drawn.</param>
    /// <param name="relaxation">How the order and the bound are computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">bound is not between 0 and 1, or pixelsPerStep or samples less than 1.
    /// </exception>
    public EffectiveComplexityByLoss(
        Model model,
        int? targetClass = null,
        double bound = 0.1,
        int? pixelsPerStep = null,
        int samples = 5,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            (maps, x) => (1 + samples * (1 + Count(pixelsPerStep, maps))) * x.Count,
            _ =>
                (target, maps, batch) =>
                    Core.EffectiveComplexity.byLoss(
                        Relaxation.InCore(relaxation),
                        bound,
                        PixelSteps.Of(pixelsPerStep, maps).Pixels,
                        samples,
                        seed,
                        target,
                        maps,
                        batch
                    )
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(bound, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        this.pixelsPerStep = PixelSteps.Required(pixelsPerStep);
    }

    internal override PixelSteps? StepsOf(Tensor attributions) =>
        new(PixelSteps.Of(pixelsPerStep, attributions).Pixels);

    private static long Count(int? pixelsPerStep, Tensor maps)
    {
        var step = PixelSteps.Of(pixelsPerStep, maps).Pixels;
        return (PixelSteps.PixelsOf(maps) + step - 1) / step;
    }
}
