namespace Attribution;

/// <summary>Region perturbation, AOPC = 1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ the image of which k square regions of a
/// grid, those of the largest summed attribution, are drawn evenly from the image's own range: how much of the score is lost
/// on average. Higher is better.</summary>
/// <remarks>Samek et al., arXiv 1509.06321, who replace 100 regions of 9×9 pixels, 16 % of 227×227.</remarks>
public sealed class RegionPerturbation : BatchMetric
{
    /// <summary>The region perturbation of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="side">The side of a region in pixels; null: as large a share of the image's as 9 of 224.</param>
    /// <param name="share">L as a share of the regions, of which one is the fewest.</param>
    /// <param name="samples">How often the regions are drawn.</param>
    /// <param name="seed">Decides on what is drawn.</param>
    /// <param name="relaxation">How the order of the regions is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">side or samples is less than 1, or share is not above 0 and 1 at the
    /// most.</exception>
    public RegionPerturbation(
        Model model,
        int? targetClass = null,
        int? side = null,
        double share = 0.16,
        int samples = 3,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            (maps, x) =>
                (1 + samples * Core.RegionPerturbation.steps(share, Squares.Count(Side(side, maps), maps))) * x.Count,
            _ =>
                (target, maps, batch) =>
                    Core.RegionPerturbation.scores(
                        Relaxation.InCore(relaxation),
                        Side(side, maps),
                        share,
                        samples,
                        seed,
                        target,
                        maps,
                        batch
                    )
        )
    {
        Squares.Required(side);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
    }

    private static long Side(int? asked, Tensor maps) =>
        asked ?? Core.RegionPerturbation.chosenSide(PixelSteps.PixelsOf(maps));
}

/// <summary>Selectivity, ∫₀¹ f_c(x without the share p of its square regions) dp: the area under the score while the regions of
/// a grid are removed, the largest summed attribution first. Lower is better.</summary>
/// <remarks>Montavon, Samek and Müller, Digital Signal Processing 73, 2018, who remove squares of 4×4 pixels of 28×28. By the
/// trapezoid rule, from the whole image to the baseline.</remarks>
public sealed class RegionSelectivity : BatchMetric
{
    /// <summary>The selectivity of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="side">The side of a region in pixels; null: as large a share of the image's as 4 of 28.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="baseline">What removed pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="relaxation">How the order of the regions is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">side is less than 1, or there is no score on that scale.</exception>
    public RegionSelectivity(
        Model model,
        int? targetClass = null,
        int? side = null,
        Scale scale = Scale.Logits,
        Baseline? baseline = null,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(model, targetClass, scale),
            (maps, x) => (1 + Squares.Count(Side(side, maps), maps)) * x.Count,
            x =>
            {
                var blank = Baseline.For(baseline, x);
                return (target, maps, batch) =>
                    Core.Selectivity.scores(
                        Relaxation.InCore(relaxation),
                        Side(side, maps),
                        blank,
                        target,
                        maps,
                        batch
                    );
            }
        ) => Squares.Required(side);

    private static long Side(int? asked, Tensor maps) =>
        asked ?? Core.Selectivity.chosenSide(PixelSteps.PixelsOf(maps));
}

/// <summary>The squares of a grid that maps are cut into.</summary>
internal static class Squares
{
    /// <summary>How many there are, those at the edges cut.</summary>
    public static long Count(long side, Tensor maps) =>
        maps.ndim < 2 ? 1 : ((maps.shape[^2] + side - 1) / side) * ((maps.shape[^1] + side - 1) / side);

    public static void Required(int? side)
    {
        if (side is { } asked)
            ArgumentOutOfRangeException.ThrowIfLessThan(asked, 1, nameof(side));
    }
}
