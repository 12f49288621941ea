namespace Attribution;

/// <summary>The local Lipschitz estimate, maxₖ (‖A(x + εₖ) - A(x)‖ / ‖A(x)‖) / ‖εₖ‖ over uniform noise |ε| ≤ radius on every
/// number: how steeply the map changes with the image near it. 0 or more; lower is better.</summary>
/// <remarks>Alvarez-Melis and Jaakkola, arXiv 1806.08049, whose ‖A(x + εₖ) - A(x)‖ / ‖εₖ‖ compares no methods of different units: so
/// maps are shares of ‖A(x)‖, and ε is in units of white, unless scaled is false. The explained class stays that of x. NaN where
/// the map is 0, if it is scaled.</remarks>
public sealed class LocalLipschitz : ExplainingBatchMetric
{
    /// <summary>The estimate for a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="radius">The largest change, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="samples">How often each instance is changed and explained.</param>
    /// <param name="scaled">Whether maps are relative to their own norm, and changes to white; false: the definition itself, in the
    /// units of both.</param>
    /// <param name="seed">Decides on the changes.</param>
    /// <exception cref="ArgumentOutOfRangeException">radius is not positive, or samples less than 1.</exception>
    public LocalLipschitz(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int samples = 10,
        bool scaled = true,
        long seed = 1
    )
        : base(
            model,
            explain,
            targetClass,
            1 + 3.0 * samples,
            (white, maps) =>
                (target, attributions, batch) =>
                    Core.LocalLipschitz.scores(
                        scaled,
                        white,
                        radius,
                        samples,
                        seed,
                        Interop.Curried(maps),
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
