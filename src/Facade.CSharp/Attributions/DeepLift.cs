namespace Attribution;

/// <summary>What a max pool hands on in DeepLIFT, where the paper leaves a choice.</summary>
public enum MaxPoolRule
{
    /// <summary>The change of a window's maximum goes to the one number that made it: the instance's largest where the
    /// maximum grew, the baseline's where it fell. Complete.</summary>
    Rescale,

    /// <summary>The same, but of the windows that overlap at a number only the last one counts for it, as in Captum. Complete
    /// where windows do not overlap.</summary>
    LastWindow,

    /// <summary>The derivative at the instance: all goes to the instance's largest, as in the authors' own program. Not
    /// complete.</summary>
    Gradient,
}

internal static class MaxPoolRuleExtensions
{
    internal static MaximumRule InCore(this MaxPoolRule rule) =>
        rule switch
        {
            MaxPoolRule.Gradient => MaximumRule.Gradient,
            MaxPoolRule.LastWindow => MaximumRule.LastWindow,
            _ => MaximumRule.Rescale,
        };
}

/// <summary>Attributions, and how far they are from complete.</summary>
/// <param name="Attributions">Of the instances' shape.</param>
/// <param name="Gaps">For each instance, what is missing as a share of what the attributions should sum to.</param>
public sealed record DeepLiftAttributions(Tensor Attributions, IReadOnlyList<double> Gaps);

/// <summary>DeepLIFT by the rescale rule: (x - b) ⊙ multipliers, each op handing on the slope of the line between what it
/// did for the instance and what it did for a baseline. Complete: the attributions of an instance sum to q(f(x)) - q(f(b)),
/// for a quantity that is linear in the logits.</summary>
/// <remarks>Shrikumar, Greenside and Kundaje, arXiv 1704.02685. An op that the paper has no rule for is rescaled as
/// integrated gradients of that op alone: products and quotients in closed form, any other by as many nodes as leave less
/// than a thousandth of its change out.</remarks>
public sealed class DeepLift : MapMethod
{
    private readonly Func<Instances, Action<double, double>, BatchMap> map;

    /// <summary>DeepLIFT of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="baseline">What the instance is compared with; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="multiplyWithInput">Whether the multipliers are multiplied with x - b.</param>
    /// <param name="maxPool">What a max pool hands on.</param>
    public DeepLift(
        Model model,
        int? targetClass = null,
        Baseline? baseline = null,
        bool multiplyWithInput = true,
        MaxPoolRule maxPool = MaxPoolRule.Rescale
    )
        : this(model, Quantity.OfTarget(targetClass), baseline, multiplyWithInput, maxPool) { }

    /// <summary>DeepLIFT of a quantity of interest.</summary>
    /// <inheritdoc cref="DeepLift(Model, int?, Baseline, bool, MaxPoolRule)"/>
    public DeepLift(
        Model model,
        Quantity quantity,
        Baseline? baseline = null,
        bool multiplyWithInput = true,
        MaxPoolRule maxPool = MaxPoolRule.Rescale
    )
        : this(
            model,
            quantity,
            (x, observe) =>
            {
                var start = Baseline.For(baseline, x);
                return (target, batch) =>
                    Interop.DeepLift(maxPool.InCore(), observe, start, multiplyWithInput, target, batch);
            }
        ) { }

    private DeepLift(Model model, Quantity quantity, Func<Instances, Action<double, double>, BatchMap> map)
        : base(model, quantity, Pass.Rules, _ => 2, x => map(x, (_, _) => { })) => this.map = map;

    /// <summary>The attributions, and how far each instance's are from complete: what is missing from their sum to
    /// q(f(x)) - q(f(b)) as a share of it, to first order in the logits.</summary>
    /// <inheritdoc cref="MapMethod.Attribute"/>
    public DeepLiftAttributions AttributeWithGaps(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var gaps = new List<double>();
        void Observe(double sum, double change) =>
            gaps.Add(sum == change ? 0 : Math.Abs(sum - change) / Math.Abs(change));
        return new(Run(map(x, Observe), x, batchSize, progress, cancellation), gaps);
    }
}
