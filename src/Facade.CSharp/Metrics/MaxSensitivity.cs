namespace Attribution;

/// <summary>Max-sensitivity, maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every number: how far a
/// change of the image that nobody sees moves the map. 0 or more; lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392; radius, noise and samples are Captum's. The explained class stays that of x. NaN
/// where the map is 0.</remarks>
public sealed class MaxSensitivity : ExplainingMetric
{
    private readonly double radius;
    private readonly int samples;
    private readonly long seed;

    /// <summary>The max-sensitivity of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="radius">The largest change, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="samples">How often each instance is changed and explained.</param>
    /// <param name="seed">Decides on the changes.</param>
    /// <exception cref="ArgumentOutOfRangeException">radius is not positive, or samples less than 1.</exception>
    public MaxSensitivity(
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
        return Interop.MaxSensitivity(
            changed => Explained(asked, Model, classes, passes, x.With(changed)),
            radius * x.Peak,
            samples,
            seed,
            asked.Maps,
            x.Core
        );
    }
}
