namespace Attribution;

/// <summary>The smooth model parameter randomisation test, the mean over layers l of ρ(|Ā_f|, |Ā_f'|), Ā the mean of the maps of noisy
/// copies of x, f' the model with random weights from the logits down to l: <see cref="ParameterRandomisation"/> in which less of a
/// map's own noise counts as change. Between -1 and 1; lower means that the map depends on what the network has learnt.</summary>
/// <remarks>Hedström et al., Sanity checks revisited, arXiv 2401.06465. Both maps are means; of the maps that are scored it asks only
/// whether there are any: NaN where one is 0. Layers, weights, ρ, and what becomes of constant maps, as in
/// <see cref="ParameterRandomisation"/>.</remarks>
public sealed class SmoothParameterRandomisation : ExplainingBatchMetric
{
    /// <summary>The test of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier, with layers that have weights: not one made of functions.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="noise">The standard deviation of the noise, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="samples">How many copies a map is the mean of.</param>
    /// <param name="steps">At how many of the layers with weights the maps are compared, evenly; all, where there are no
    /// more.</param>
    /// <param name="seed">Decides on the noise, and on the weights.</param>
    /// <param name="relaxation">How ranks are computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">noise is negative, or samples or steps less than 1.</exception>
    public SmoothParameterRandomisation(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double noise = 0.1,
        int samples = 10,
        int steps = 10,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : base(
            model,
            explain,
            targetClass,
            1 + 3.0 * samples * (steps + 1.0),
            (white, maps) =>
                (target, attributions, batch) =>
                    Core.SmoothParameterRandomisation.scores(
                        Relaxation.InCore(relaxation),
                        noise * white,
                        samples,
                        steps,
                        seed,
                        Interop.Curried(maps),
                        target,
                        attributions,
                        batch
                    )
        )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(noise);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
    }
}
