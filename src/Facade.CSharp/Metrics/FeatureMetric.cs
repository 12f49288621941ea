namespace Attribution;

/// <summary>A metric of features that are hidden one by one: steps of an image's pixels in the order of their attribution, all
/// channels of a pixel at once, ties by row-major position.</summary>
public abstract class FeatureMetric : BatchMetric
{
    private readonly int? pixelsPerStep;

    private protected FeatureMetric(
        Model model,
        Quantity quantity,
        int? pixelsPerStep,
        int samples,
        Func<Instances, int, BatchScore> score
    )
        : base(
            model,
            quantity,
            (maps, x) => (1 + samples * Count(pixelsPerStep, maps)) * x.Count,
            x => (target, maps, batch) => score(x, PixelSteps.Of(pixelsPerStep, maps).Pixels)(target, maps, batch)
        )
    {
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

/// <summary>Faithfulness estimate, corr_F (Σ_{p ∈ F} A_p, p_c(x) - p_c(x with F at the baseline)), Pearson's correlation over
/// the features F, each hidden alone. Between -1 and 1; higher is better, 1 a perfect line.</summary>
/// <remarks>Alvarez-Melis and Jaakkola, arXiv 1806.07538.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a feature is M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="scale">Whether the score is the class's probability or its logit.</param>
/// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
public sealed class FaithfulnessEstimate(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    Scale scale = Scale.Probabilities,
    Baseline? baseline = null
)
    : FeatureMetric(
        model,
        Quantity.OfTarget(model, targetClass, scale),
        pixelsPerStep,
        1,
        (x, step) =>
        {
            var hidden = Baseline.For(baseline, x);
            return (target, maps, batch) => Core.FaithfulnessEstimate.scores(step, hidden, target, maps, batch);
        }
    );

/// <summary>Monotonicity by correlation, ρ_F (|Σ_{p ∈ F} A_p|, E (f_c(x) - f_c(x_F))²), Spearman's correlation over the
/// features F, x_F drawing F evenly from the image's own range. Between -1 and 1; higher is better, 1 the same order.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a feature is M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="samples">How often each feature is drawn.</param>
/// <param name="seed">Decides on what is drawn.</param>
/// <param name="relaxation">How the ranks are computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep or samples is less than 1.</exception>
public sealed class MonotonicityCorrelation(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    int samples = 5,
    long seed = 1,
    Relaxation? relaxation = null
)
    : FeatureMetric(
        model,
        Quantity.OfTarget(targetClass),
        pixelsPerStep,
        samples,
        (_, step) =>
            (target, maps, batch) =>
                Core.MonotonicityCorrelation.scores(
                    Relaxation.InCore(relaxation),
                    step,
                    samples,
                    seed,
                    target,
                    maps,
                    batch
                )
    );

/// <summary>Non-sensitivity, Σ |F| over the features F of which either all attributions are 0 or f_c(x_F) = f_c(x) in every
/// draw, not both, x_F drawing F evenly from the image's own range: how many pixels the map is wrong about. Lower is
/// better.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584: with one pixel a step, whose features are pixels. What rounding leaves of
/// nothing counts as nothing.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a feature is M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="samples">How often each feature is drawn.</param>
/// <param name="seed">Decides on what is drawn.</param>
/// <param name="relaxation">How what is above nothing is told; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep or samples is less than 1.</exception>
public sealed class NonSensitivity(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    int samples = 5,
    long seed = 1,
    Relaxation? relaxation = null
)
    : FeatureMetric(
        model,
        Quantity.OfTarget(targetClass),
        pixelsPerStep,
        samples,
        (_, step) =>
            (target, maps, batch) =>
                Core.NonSensitivity.scores(Relaxation.InCore(relaxation), step, samples, seed, target, maps, batch)
    );
