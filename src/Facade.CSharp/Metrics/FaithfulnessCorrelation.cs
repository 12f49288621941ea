namespace Attribution;

/// <summary>Faithfulness correlation, corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x with S at the baseline)), Pearson's correlation
/// over random sets S of one size. Between -1 and 1; higher is better, 1 a perfect line.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631. <see cref="SensitivityN"/> is its mean over several sizes.</remarks>
public sealed class FaithfulnessCorrelation : BatchMetric
{
    /// <summary>The faithfulness correlation of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="share">The size of a set as a share of the pixels, of which one is the fewest.</param>
    /// <param name="subsets">How many sets an instance gets.</param>
    /// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="seed">Decides on the sets.</param>
    /// <exception cref="ArgumentOutOfRangeException">share is not between 0 and 1, or there are less than 2 subsets.</exception>
    public FaithfulnessCorrelation(
        Model model,
        int? targetClass = null,
        double share = 0.2,
        int subsets = 100,
        Baseline? baseline = null,
        long seed = 1
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            (_, x) => (1L + subsets) * x.Count,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, maps, batch) =>
                    Core.FaithfulnessCorrelation.scores(share, subsets, seed, hidden, target, maps, batch);
            }
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(subsets, 2);
    }
}
