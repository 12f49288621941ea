namespace Attribution;

/// <summary>What a mask M(x) keeps of an image's pixels.</summary>
public enum Mask
{
    /// <summary>Those of positive attribution, whole; the others become black.</summary>
    Hard,

    /// <summary>Each in proportion to its positive attribution, x ⊙ max(A, 0) / max A: the image's largest is kept whole.</summary>
    Soft,
}

/// <summary>A metric of instances and of what a mask leaves of them.</summary>
public abstract class MaskedMetric : BatchMetric
{
    private protected MaskedMetric(
        Model model,
        int? targetClass,
        Scale scale,
        Mask mask,
        Relaxation? relaxation,
        MaskScore score
    )
        : this(model, Quantity.OfTarget(model, targetClass, scale), InCore(mask), Relaxation.InCore(relaxation), score)
    { }

    private MaskedMetric(Model model, Quantity quantity, Core.Mask mask, Core.Relaxation relaxation, MaskScore score)
        : base(
            model,
            quantity,
            (_, x) => 2L * x.Count,
            _ => (target, maps, batch) => score(relaxation, mask, target, maps, batch)
        ) { }

    private protected delegate Tensor MaskScore(
        Core.Relaxation relaxation,
        Core.Mask mask,
        Target target,
        Tensor attributions,
        Batch batch
    );

    private static Core.Mask InCore(Mask mask) =>
        mask switch
        {
            Mask.Hard => Core.Mask.Hard,
            Mask.Soft => Core.Mask.Soft,
            _ => throw new ArgumentOutOfRangeException(nameof(mask), mask, "There is no such mask."),
        };
}

/// <summary>What <see cref="AverageDrop"/> does where a score is not positive, so that a drop in percent is undefined.</summary>
public enum NonPositive
{
    /// <summary>An error lists the instances.</summary>
    Throw,

    /// <summary>They are left out, and the result lists them.</summary>
    Skip,
}

/// <summary>The result of <see cref="AverageDrop.Evaluate"/>.</summary>
/// <param name="Score">The mean drop in percent over the instances that were not skipped.</param>
/// <param name="Drops">Each instance's drop in percent; NaN where it was skipped.</param>
/// <param name="Skipped">Positions of the instances whose score is not positive.</param>
/// <param name="Maps">What each instance's map is: one that is not sound keeps its drop, but wins nothing by it.</param>
public sealed record AverageDropResult(
    double Score,
    IReadOnlyList<double> Drops,
    IReadOnlyList<int> Skipped,
    MapStates Maps
);

/// <summary>
/// Average drop %, 100/n · Σ max(f_c(x) - f_c(M(x)), 0) / f_c(x): how much of the score is lost when only what a mask M keeps is
/// seen. Lower means that what the map keeps suffices.
/// </summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, whose own is the soft mask and probabilities.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
/// <param name="onNonPositive">What to do where the score is not positive.</param>
/// <param name="mask">What is kept of the pixels.</param>
/// <param name="scale">Whether the score is the class's logit or its probability.</param>
/// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">There is no such mask, or no score on that scale.</exception>
public sealed class AverageDrop(
    Model model,
    int? targetClass = null,
    NonPositive onNonPositive = NonPositive.Throw,
    Mask mask = Mask.Hard,
    Scale scale = Scale.Logits,
    Relaxation? relaxation = null
) : MaskedMetric(model, targetClass, scale, mask, relaxation, Core.AverageDrop.scores)
{
    /// <summary>The drop for the given attributions of instances. <see cref="MapMetric.Scores"/> has each instance's as a
    /// tensor, NaN where its score is not positive.</summary>
    /// <inheritdoc cref="MapMetric.Scores" path="/param"/>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">A score is not positive and such are not skipped, or all are.</exception>
    public new AverageDropResult Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var drops = Drops(attributions, x, batchSize, progress, cancellation);
        int[] skipped = [.. Enumerable.Range(0, drops.Length).Where(i => double.IsNaN(drops[i]))];

        if (skipped.Length > 0 && onNonPositive == NonPositive.Throw)
            throw new AttributionException(
                $"Average drop is undefined where the score is not positive, as for the instances {Maps.List(skipped)}: leave them out, or ask to skip them."
            );

        if (skipped.Length == drops.Length)
            throw new AttributionException("Average drop is undefined: no instance has a positive score.");

        return new(drops.Where(drop => !double.IsNaN(drop)).Average(), drops, skipped, MapStates.Of(attributions));
    }

    /// <summary>Each instance's drop in percent; NaN where its score is not positive, whatever is to be done with such.</summary>
    /// <inheritdoc cref="MapMetric.Scores" path="/param|/exception"/>
    public double[] Drops(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Maps.Numbers(Scores(attributions, x, batchSize, progress, cancellation));
}

/// <summary>
/// Average gain %, 100 · max(p_c(M(x)) - p_c(x), 0) / (1 - p_c(x)): how much of what a class's probability lacks to 1 is
/// gained when only what a mask M keeps is seen. Between 0 and 100; higher is better. 0 where p_c(x) = 1, which leaves
/// nothing to gain.
/// </summary>
/// <remarks>Zhang et al., Opti-CAM, arXiv 2301.07002, whose own is the soft mask.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
/// <param name="mask">What is kept of the pixels.</param>
/// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">There is no such mask.</exception>
public sealed class AverageGain(
    Model model,
    int? targetClass = null,
    Mask mask = Mask.Hard,
    Relaxation? relaxation = null
) : MaskedMetric(model, targetClass, Scale.Probabilities, mask, relaxation, Core.AverageGain.scores);

/// <summary>
/// Average increase %, or rate of increase in confidence, 100 · [f_c(M(x)) > f_c(x)]: on how many instances the score is higher
/// when only what a mask M keeps is seen. Each instance's score is 100 or 0. Higher is better.
/// </summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, whose own is the soft mask and probabilities; the defaults are those of
/// <see cref="AverageDrop"/>, beside which it is read.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
/// <param name="mask">What is kept of the pixels.</param>
/// <param name="scale">Whether the score is the class's logit or its probability.</param>
/// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">There is no such mask, or no score on that scale.</exception>
public sealed class AverageIncrease(
    Model model,
    int? targetClass = null,
    Mask mask = Mask.Hard,
    Scale scale = Scale.Logits,
    Relaxation? relaxation = null
) : MaskedMetric(model, targetClass, scale, mask, relaxation, Core.AverageIncrease.scores);
