namespace Attribution;

/// <summary>Input invariance, ‖A_f'(x + s) - A_f(x)‖ / ‖A_f(x)‖, f' the model that takes s off, so that f'(x + s) = f(x): how far the
/// map of a network depends on where its numbers begin. 0 or more; lower is better, and 0 is invariance.</summary>
/// <remarks>Kindermans et al., The (un)reliability of saliency methods, arXiv 1711.00867. The explained class stays that of x, and a
/// method's baseline what it is: a black one, say, is 0 for both networks. NaN where the map is 0.</remarks>
public sealed class InputInvariance : ExplainingBatchMetric
{
    /// <summary>The input invariance of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="shift">s, as a share of white: of 255, or 1 for images in 0-1. -1 is the paper's.</param>
    /// <exception cref="ArgumentOutOfRangeException">shift is 0, or not finite.</exception>
    public InputInvariance(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double shift = -1
    )
        : base(
            model,
            explain,
            targetClass,
            5,
            (white, maps) =>
                (target, attributions, batch) =>
                    Core.InputInvariance.scores(shift * white, Interop.Curried(maps), target, attributions, batch)
        )
    {
        if (shift == 0 || !double.IsFinite(shift))
            throw new ArgumentOutOfRangeException(nameof(shift), shift, "A shift is a number other than 0.");
    }
}
