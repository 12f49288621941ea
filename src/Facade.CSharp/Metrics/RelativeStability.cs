namespace Attribution;

/// <summary>Relative input stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖(x' - x) / x‖, ε) over uniform noise |x' - x| ≤ radius that
/// leaves the class: how many per cent the map changes for a per cent of change in the image. 0 or more; lower is better.</summary>
/// <remarks>Agarwal et al., arXiv 2203.06877, with Euclidean norms and ε = 10⁻⁶. Numbers are divided one by one, each by at least a
/// thousandth of the largest magnitude of its map or image. The explained class stays that of x. NaN where the map is 0, or no x' is of
/// the class that the model predicts for x.</remarks>
public sealed class RelativeInputStability : ExplainingBatchMetric
{
    /// <summary>The stability of a method's maps of a class's score.</summary>
    /// <inheritdoc cref="MaxSensitivity(Model, Func{Model, Quantity, Explainer}, int?, double, int, long)"/>
    public RelativeInputStability(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int samples = 10,
        long seed = 1
    )
        : base(
            model,
            explain,
            targetClass,
            2 + 4.0 * samples,
            (white, maps) =>
                (target, attributions, batch) =>
                    RelativeStability.ofInput(radius * white, samples, seed, maps, target, attributions, batch)
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
    }
}

/// <summary>Relative output stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖f(x') - f(x)‖, ε) over uniform noise |x' - x| ≤ radius that
/// leaves the class: how many per cent the map changes for a change of the logits. 0 or more; lower is better.</summary>
/// <inheritdoc cref="RelativeInputStability" path="/remarks"/>
public sealed class RelativeOutputStability : ExplainingBatchMetric
{
    /// <summary>The stability of a method's maps of a class's score.</summary>
    /// <inheritdoc cref="MaxSensitivity(Model, Func{Model, Quantity, Explainer}, int?, double, int, long)"/>
    public RelativeOutputStability(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int samples = 10,
        long seed = 1
    )
        : base(
            model,
            explain,
            targetClass,
            2 + 4.0 * samples,
            (white, maps) =>
                (target, attributions, batch) =>
                    RelativeStability.ofOutput(radius * white, samples, seed, maps, target, attributions, batch)
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
    }
}

/// <summary>Relative representation stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖(L(x') - L(x)) / L(x)‖, ε), L the values of a layer,
/// over uniform noise |x' - x| ≤ radius that leaves the class: how many per cent the map changes for a per cent of change in what the
/// network makes of the image. 0 or more; lower is better.</summary>
/// <inheritdoc cref="RelativeInputStability" path="/remarks"/>
public sealed class RelativeRepresentationStability : ExplainingBatchMetric
{
    /// <summary>The stability of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="layer">L; null: where class activation maps look, or of a model where none can the last layer before the
    /// logits.</param>
    /// <param name="radius">The largest change, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="samples">How often each instance is changed and explained.</param>
    /// <param name="seed">Decides on the changes.</param>
    /// <exception cref="ArgumentOutOfRangeException">radius is not positive, or samples less than 1.</exception>
    public RelativeRepresentationStability(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        string? layer = null,
        double radius = 0.02,
        int samples = 10,
        long seed = 1
    )
        : base(
            model,
            explain,
            targetClass,
            3 + 5.0 * samples,
            (white, maps) =>
                (target, attributions, batch) =>
                    RelativeStability.ofRepresentation(
                        layer ?? RelativeStability.layer(target),
                        radius * white,
                        samples,
                        seed,
                        maps,
                        target,
                        attributions,
                        batch
                    )
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
    }
}
