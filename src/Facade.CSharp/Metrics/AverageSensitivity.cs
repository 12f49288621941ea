namespace Attribution;

/// <summary>Average sensitivity, meanₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every number: how far a
/// change of the image that nobody sees moves the map, where <see cref="MaxSensitivity"/> takes the largest. 0 or more; lower is
/// better.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631; the changes and the distance are those of Yeh et al., arXiv 1901.09392. The
/// explained class stays that of x. NaN where the map is 0.</remarks>
public sealed class AverageSensitivity : ExplainingMetric
{
    private readonly double radius;
    private readonly int samples;
    private readonly long seed;

    /// <summary>The average sensitivity of a method's maps of a class's score.</summary>
    /// <inheritdoc cref="MaxSensitivity(Model, Func{Model, Quantity, Explainer}, int?, double, int, long)"/>
    public AverageSensitivity(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int samples = 10,
        long seed = 1
    )
        : base(model, explain, targetClass)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        (this.radius, this.samples, this.seed) = (radius, samples, seed);
    }

    private protected override Tensor Score(MapsAsked asked)
    {
        var (x, passes) = (asked.X, asked.CountOfMaps(samples));
        var (classes, _) = Classes(asked);
        return Interop.AverageSensitivity(
            changed => Explained(asked, Model, classes, passes, x.With(changed)),
            radius * x.Peak,
            samples,
            seed,
            asked.Maps,
            x.Core
        );
    }
}
