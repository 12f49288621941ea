namespace Attribution;

/// <summary>Completeness gap, |Σ A - (f_c(x) - f_c(b))|: what is missing from the sum of the attributions to the change of
/// the score from a baseline. 0 or more; lower is better, and rounding leaves a little of it always.</summary>
/// <remarks>Completeness is an axiom of Sundararajan, Taly and Yan, arXiv 1703.01365. A map n×h×w must be the sum of its
/// channels, not their mean.</remarks>
public sealed class CompletenessGap : BatchMetric
{
    private readonly CompletenessGap relative;

    /// <summary>The gap of maps of a class's score, in the score's unit.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="baseline">b; null: <see cref="Baseline.Black"/>.</param>
    public CompletenessGap(Model model, int? targetClass = null, Baseline? baseline = null)
        : this(model, Quantity.OfTarget(targetClass), baseline, false) =>
        relative = new(model, Quantity.OfTarget(targetClass), baseline, true);

    private CompletenessGap(Model model, Quantity quantity, Baseline? baseline, bool isRelative)
        : base(
            model,
            quantity,
            (_, x) => 2L * x.Count,
            x =>
            {
                var start = Baseline.For(baseline, x);
                return (target, maps, batch) => Core.CompletenessGap.gaps(isRelative, start, target, maps, batch);
            }
        ) => relative = this;

    /// <summary>The gap of each instance as a share of |f_c(x) - f_c(b)|, as a tensor; NaN where that is 0.</summary>
    /// <inheritdoc cref="MapMetric.Scores"/>
    public Tensor RelativeScores(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => relative.Scores(attributions, x, batchSize, progress, cancellation);

    /// <summary>The same as numbers.</summary>
    /// <inheritdoc cref="MapMetric.Scores"/>
    public MapScores Relative(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => relative.Evaluate(attributions, x, batchSize, progress, cancellation);
}
