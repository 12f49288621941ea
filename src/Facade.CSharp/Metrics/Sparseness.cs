namespace Attribution;

/// <summary>Sparseness, the Gini index of a map: 1 - 2 Σₖ v₍ₖ₎ / ‖v‖₁ · (d - k + ½) / d, v₍₁₎ ≤ … ≤ v₍d₎ the magnitudes of
/// its d pixels. 0 where all are equal, 1 - 1/d where one has all: higher means that fewer pixels carry the map.</summary>
/// <remarks>Chalasani et al., arXiv 1810.06583.</remarks>
public static class Sparseness
{
    /// <summary>The score of each map; NaN where all of it is 0.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    /// <exception cref="AttributionException">An attribution is not finite, or there is none.</exception>
    public static MapScores Evaluate(Tensor attributions) =>
        Maps.Scored(attributions, Maps.Numbers(Scores(attributions)));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.</summary>
    /// <inheritdoc cref="Evaluate" path="/param|/exception"/>
    public static Tensor Scores(Tensor attributions) => Core.Sparseness.scores(attributions);
}
