namespace Attribution;

/// <summary>Complexity, the entropy of a map in nats: -Σₚ P_p ln P_p, P_p = |A_p| / Σ |A| the share of a pixel. 0 where one
/// has all, ln d where d pixels have the same: lower means that fewer pixels carry the map.</summary>
/// <remarks>Bhatt, Weller and Moura, arXiv 2005.00631.</remarks>
public static class Complexity
{
    /// <summary>The score of each map; NaN where all of it is 0.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    /// <exception cref="AttributionException">An attribution is not finite, or there is none.</exception>
    public static MapScores Evaluate(Tensor attributions) =>
        Maps.Scored(attributions, Maps.Numbers(Scores(attributions)));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.</summary>
    /// <inheritdoc cref="Evaluate" path="/param|/exception"/>
    public static Tensor Scores(Tensor attributions) => Core.Complexity.scores(attributions);
}
