namespace Attribution;

/// <summary>How far changes of the image that nobody sees move the map: ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every
/// number. 0 or more; lower is better. The explained class stays that of x. NaN where the map is 0.</summary>
public abstract class SensitivityMetric : ExplainingMetric
{
    private readonly double radius;
    private readonly int samples;
    private readonly long seed;
    private readonly Formula formula;

    /// <summary>The scores of maps of instances, of how these are explained.</summary>
    private protected delegate Tensor Formula(
        Func<Core.Instances, Tensor> explain,
        double radius,
        int samples,
        long seed,
        Tensor attributions,
        Core.Instances instances
    );

    private protected SensitivityMetric(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass,
        double radius,
        int samples,
        long seed,
        Formula formula
    )
        : base(model, explain, targetClass)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        (this.radius, this.samples, this.seed, this.formula) = (radius, samples, seed, formula);
    }

    private protected override Tensor Score(MapsAsked asked)
    {
        var (x, passes) = (asked.X, asked.CountOfMaps(samples));
        var (classes, _) = Classes(asked);
        return formula(
            changed => Explained(asked, Model, classes, passes, x.With(changed)),
            radius * x.Peak,
            samples,
            seed,
            asked.Maps,
            x.Core
        );
    }
}

/// <summary>Max-sensitivity, maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every number: how far a
/// change of the image that nobody sees moves the map. 0 or more; lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392; radius, noise and samples are Captum's. The explained class stays that of x. NaN
/// where the map is 0.</remarks>
public sealed class MaxSensitivity : SensitivityMetric
{
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
        : base(model, explain, targetClass, radius, samples, seed, Interop.MaxSensitivity) { }
}

/// <summary>Average sensitivity, meanₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every number: how far a
/// change of the image that nobody sees moves the map, where <see cref="MaxSensitivity"/> takes the largest. 0 or more; lower is
/// better.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631; the changes and the distance are those of Yeh et al., arXiv 1901.09392. The
/// explained class stays that of x. NaN where the map is 0.</remarks>
public sealed class AverageSensitivity : SensitivityMetric
{
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
        : base(model, explain, targetClass, radius, samples, seed, Interop.AverageSensitivity) { }
}
