namespace Attribution;

/// <summary>Sensitivity-n, corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x with S at the baseline)), Pearson's correlation over
/// random sets S of n pixels; the mean over several n. Between -1 and 1; higher is better, 1 a perfect line.</summary>
/// <remarks>Ancona et al., arXiv 1711.06104.</remarks>
public sealed class SensitivityN : BatchMetric
{
    private static readonly double[] defaultShares = [0.01, 0.1, 0.5];

    /// <summary>The sensitivity-n of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="shares">Each n as a share of the pixels, of which one is the fewest; null: 1, 10 and 50 %.</param>
    /// <param name="subsets">How many sets of each size an instance gets.</param>
    /// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="seed">Decides on the sets.</param>
    /// <exception cref="ArgumentOutOfRangeException">A share is not between 0 and 1, or there are less than 2 subsets.</exception>
    public SensitivityN(
        Model model,
        int? targetClass = null,
        IEnumerable<double>? shares = null,
        int subsets = 100,
        Baseline? baseline = null,
        long seed = 1
    )
        : this(model, Quantity.OfTarget(targetClass), Required(shares), subsets, baseline, seed) =>
        ArgumentOutOfRangeException.ThrowIfLessThan(subsets, 2);

    private SensitivityN(Model model, Quantity quantity, double[] shares, int subsets, Baseline? baseline, long seed)
        : base(
            model,
            quantity,
            (_, x) => (1 + (long)shares.Length * subsets) * x.Count,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, maps, batch) =>
                    Core.SensitivityN.scores(shares, subsets, seed, hidden, target, maps, batch);
            }
        ) { }

    private static double[] Required(IEnumerable<double>? shares)
    {
        double[] all = shares?.ToArray() ?? defaultShares;
        ArgumentOutOfRangeException.ThrowIfZero(all.Length, nameof(shares));
        foreach (var share in all)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share, nameof(shares));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1, nameof(shares));
        }
        return all;
    }
}
