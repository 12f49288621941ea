namespace Attribution;

/// <summary>ROAD, the mean over shares s of p_c(x without the share s of its pixels of the smallest attribution) - p_c(x without
/// those of the largest), pixels filled in from their neighbours. Between -1 and 1; higher is better.</summary>
/// <remarks>Rong et al., arXiv 2202.00449: least relevant first less most relevant first. A missing pixel is the mean of its eight
/// neighbours, those beside it weighing 1/6 and those across a corner 1/12, and noise.</remarks>
public sealed class Road : BatchMetric
{
    private static readonly double[] defaultShares = [.. Core.Road.shares];

    /// <summary>ROAD of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="shares">s; null: 10, 20, …, 90 %.</param>
    /// <param name="noise">The standard deviation of the noise, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="seed">Decides on the noise.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no share, or one that is not between 0 and 1; noise is negative; or
    /// there is no score on that scale.</exception>
    public Road(
        Model model,
        int? targetClass = null,
        IEnumerable<double>? shares = null,
        double noise = 0.01,
        Scale scale = Scale.Probabilities,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : this(model, Quantity.OfTarget(model, targetClass, scale), Required(shares), noise, seed, relaxation) =>
        ArgumentOutOfRangeException.ThrowIfNegative(noise);

    private Road(Model model, Quantity quantity, double[] shares, double noise, long seed, Relaxation? relaxation)
        : base(
            model,
            quantity,
            (_, x) => (1 + 2L * shares.Length) * x.Count,
            x =>
                (target, maps, batch) =>
                    Core.Road.scores(Relaxation.InCore(relaxation), shares, noise * x.Peak, seed, target, maps, batch)
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
