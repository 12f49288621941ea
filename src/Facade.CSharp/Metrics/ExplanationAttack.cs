namespace Attribution;

/// <summary>What an attack on explanations found, instance by instance.</summary>
/// <param name="Images">The attacked images: n×c×h×w. Where no step kept the prediction, the image itself.</param>
/// <param name="Before">The maps of the images.</param>
/// <param name="After">The maps of the attacked images.</param>
/// <param name="Changes">‖A(x') - A(x)‖ / ‖A(x)‖; NaN where the map is 0.</param>
/// <param name="Moves">The largest change of a logit, as a share of the spread of the image's own.</param>
/// <param name="Correlations">Spearman's rank correlation of the pixels of both maps; NaN where one is constant.</param>
/// <param name="Overlaps">The share of the tenth of the pixels of largest attribution that both maps have in common.</param>
public sealed record AttackResult(
    Tensor Images,
    Tensor Before,
    Tensor After,
    IReadOnlyList<double> Changes,
    IReadOnlyList<double> Moves,
    IReadOnlyList<double> Correlations,
    IReadOnlyList<double> Overlaps
);

/// <summary>
/// An attack on explanations: the change of an image that nobody sees, |x' - x| ≤ ε a number, that changes its map most, while the
/// predicted class stays and no logit moves by more than a share of their spread. Found by ascent: a lower bound of what there is.
/// </summary>
/// <remarks>Ghorbani, Abid and Zou, arXiv 1710.10547; where a network of ReLUs has no second derivative the slope is that of
/// <see cref="Model.Smooth"/>, Dombrowski et al., arXiv 1906.07983. The map itself is the network's own.</remarks>
public sealed class ExplanationAttack
{
    private const double TopShare = 0.1;

    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly Quantity quantity;
    private readonly AttackSettings settings;

    /// <summary>An attack on a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="radius">ε as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="steps">The steps of ascent: the derivative of a map each.</param>
    /// <param name="beta">β of softplus(βx)/β in place of ReLUs, for the slope alone.</param>
    /// <param name="tolerance">The largest change of a logit, as a share of the spread of the image's own.</param>
    /// <param name="seed">Decides on the first step.</param>
    /// <exception cref="ArgumentOutOfRangeException">radius, beta or tolerance is not positive, or steps is less than 1.</exception>
    public ExplanationAttack(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int steps = 10,
        double beta = 10,
        double tolerance = 0.1,
        long seed = 1
    )
    {
        foreach (var (name, value) in new[] { ("radius", radius), ("beta", beta), ("tolerance", tolerance) })
            if (!(value > 0 && double.IsFinite(value)))
                throw new ArgumentOutOfRangeException(name, value, "It is a positive number.");
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        (this.model, this.explain, quantity) = (model, explain, Quantity.OfTarget(targetClass));
        settings = new(radius, steps, beta, tolerance, seed);
    }

    /// <summary>Attacks the maps of instances.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public AttackResult Run(Instances x, IProgress<Progress>? progress = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var before = explain(model, quantity)(x, cancellation: cancellation);
        MapsAsked asked = new(before, x, null, progress, cancellation);
        var found = Found(asked);
        var correlations = Attack.correlations(before, found.Maps);
        return new(
            found.Images.MoveToOuterDisposeScope(),
            before.MoveToOuterDisposeScope(),
            found.Maps.MoveToOuterDisposeScope(),
            Maps.Numbers(found.Changes),
            Maps.Numbers(found.Moves),
            Maps.Numbers(correlations),
            Maps.Numbers(Attack.overlaps(TopShare, before, found.Maps))
        );
    }

    private Attacked Found(MapsAsked asked)
    {
        var passes = asked.CountOfMaps(3 * settings.Steps);
        var target = asked.Target(model, quantity, passes);
        return asked.X.Core.Attacked(
            target,
            settings,
            asked.X.Peak,
            asked.Maps,
            asked.Explaining(model, explain, passes)
        );
    }

    /// <summary>The largest changes alone, connected to what they depend on inside <see cref="Differentiation.Record"/>.</summary>
    internal Tensor Changes(MapsAsked asked)
    {
        using var scope = NewDisposeScope();
        return Found(asked).Changes.MoveToOuterDisposeScope();
    }
}

/// <summary>Attack sensitivity, max ‖A(x') - A(x)‖ / ‖A(x)‖ over changes |x' - x| ≤ ε that leave the prediction: how far an
/// <see cref="ExplanationAttack"/> moves the map. 0 or more; lower is better.</summary>
/// <remarks>Ghorbani, Abid and Zou, arXiv 1710.10547; Dombrowski et al., arXiv 1906.07983. 0 where no step kept the prediction; NaN where the
/// map is 0.</remarks>
public sealed class AttackSensitivity : MapMetric
{
    private readonly ExplanationAttack attack;

    /// <summary>The attack sensitivity of a method's maps of a class's score.</summary>
    /// <inheritdoc cref="ExplanationAttack(Model, Func{Model, Quantity, Explainer}, int?, double, int, double, double, long)"/>
    public AttackSensitivity(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int steps = 10,
        double beta = 10,
        double tolerance = 0.1,
        long seed = 1
    ) => attack = new(model, explain, targetClass, radius, steps, beta, tolerance, seed);

    private protected override Tensor Score(MapsAsked asked) => attack.Changes(asked);
}
