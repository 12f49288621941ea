namespace Attribution;

/// <summary>How many per cent a map changes for a change near the image: max ‖(A(x') - A(x)) / A(x)‖ / max(‖change‖, ε) over uniform noise
/// |x' - x| ≤ radius that leaves the class. 0 or more; lower is better.</summary>
/// <remarks>Agarwal et al., arXiv 2203.06877, with Euclidean norms and ε = 10⁻⁶. Numbers are divided one by one, each by at least a
/// thousandth of the largest magnitude of its map or image. The explained class stays that of x. NaN where the map is 0, or no x' is of
/// the class that the model predicts for x.</remarks>
public abstract class RelativeStabilityMetric : ExplainingBatchMetric
{
    private protected delegate Tensor Formula(
        double radius,
        Func<Target, Batch, Tensor> explain,
        Target target,
        Tensor attributions,
        Batch batch
    );

    private protected RelativeStabilityMetric(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass,
        double radius,
        int samples,
        double look,
        Formula formula
    )
        : base(
            model,
            explain,
            targetClass,
            1 + look + (3.0 + look) * samples,
            (white, maps) => (target, attributions, batch) => formula(radius * white, maps, target, attributions, batch)
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
    }
}

/// <summary>Relative input stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖(x' - x) / x‖, ε): how many per cent the map changes for a per cent
/// of change in the image. 0 or more; lower is better.</summary>
/// <inheritdoc cref="RelativeStabilityMetric" path="/remarks"/>
/// <inheritdoc cref="MaxSensitivity(Model, Func{Model, Quantity, Explainer}, int?, double, int, long)" path="/param|/exception"/>
public sealed class RelativeInputStability(
    Model model,
    Func<Model, Quantity, Explainer> explain,
    int? targetClass = null,
    double radius = 0.02,
    int samples = 10,
    long seed = 1
)
    : RelativeStabilityMetric(
        model,
        explain,
        targetClass,
        radius,
        samples,
        1,
        (radius, maps, target, attributions, batch) =>
            RelativeStability.ofInput(radius, samples, seed, Interop.Curried(maps), target, attributions, batch)
    );

/// <summary>Relative output stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖f(x') - f(x)‖, ε): how many per cent the map changes for a change
/// of the logits. 0 or more; lower is better.</summary>
/// <inheritdoc cref="RelativeStabilityMetric" path="/remarks"/>
/// <inheritdoc cref="MaxSensitivity(Model, Func{Model, Quantity, Explainer}, int?, double, int, long)" path="/param|/exception"/>
public sealed class RelativeOutputStability(
    Model model,
    Func<Model, Quantity, Explainer> explain,
    int? targetClass = null,
    double radius = 0.02,
    int samples = 10,
    long seed = 1
)
    : RelativeStabilityMetric(
        model,
        explain,
        targetClass,
        radius,
        samples,
        1,
        (radius, maps, target, attributions, batch) =>
            RelativeStability.ofOutput(radius, samples, seed, Interop.Curried(maps), target, attributions, batch)
    );

/// <summary>Relative representation stability, max ‖(A(x') - A(x)) / A(x)‖ / max(‖(L(x') - L(x)) / L(x)‖, ε), L the values of a layer: how
/// many per cent the map changes for a per cent of change in what the network makes of the image. 0 or more; lower is better.</summary>
/// <inheritdoc cref="RelativeStabilityMetric" path="/remarks"/>
/// <param name="model">The classifier.</param>
/// <param name="explain">How the maps are made of a model's quantity.</param>
/// <param name="targetClass">The class; null: the one predicted for each instance.</param>
/// <param name="layer">L; null: where class activation maps look, or of a model where none can the last layer before the
/// logits.</param>
/// <param name="radius">The largest change, as a share of white: of 255, or 1 for images in 0-1.</param>
/// <param name="samples">How often each instance is changed and explained.</param>
/// <param name="seed">Decides on the changes.</param>
/// <exception cref="ArgumentOutOfRangeException">radius is not positive, or samples less than 1.</exception>
public sealed class RelativeRepresentationStability(
    Model model,
    Func<Model, Quantity, Explainer> explain,
    int? targetClass = null,
    string? layer = null,
    double radius = 0.02,
    int samples = 10,
    long seed = 1
)
    : RelativeStabilityMetric(
        model,
        explain,
        targetClass,
        radius,
        samples,
        2,
        (radius, maps, target, attributions, batch) =>
            RelativeStability.ofRepresentation(
                layer ?? RelativeStability.layer(target),
                radius,
                samples,
                seed,
                Interop.Curried(maps),
                target,
                attributions,
                batch
            )
    );
