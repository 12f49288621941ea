namespace Attribution;

internal static class Maps
{
    /// <summary>The rows of a tensor that belong to a batch's instances.</summary>
    public static Tensor RowsOf(this Batch batch, Tensor all) => all.index_select(0, batch.Rows);

    /// <summary>The maps, with zeros in place of those that are not finite.</summary>
    public static Tensor Finite(Tensor attributions, MapStates states)
    {
        if (states.Positions(MapState.NotFinite) is not { Count: > 0 } wrong)
            return attributions;
        var rows = tensor(wrong.Select(i => (long)i).ToArray(), device: attributions.device);
        return attributions.index_fill(0, rows, Number.Of(0));
    }

    /// <summary>Scores, and what the scored maps are.</summary>
    public static MapScores Scored(Tensor attributions, IReadOnlyList<double> scores, PixelSteps? steps = null) =>
        new(scores, MapStates.Of(attributions), steps);

    /// <summary>The numbers of a vector, which is freed.</summary>
    public static double[] Numbers(Tensor scores)
    {
        using (scores)
        using (var wide = scores.to(ScalarType.Float64))
            return TensorModule.toArray<double>(wide);
    }

    /// <summary>The first few of some numbers, for a message.</summary>
    public static string List(IReadOnlyCollection<int> numbers, int most = 20) =>
        string.Join(", ", numbers.Take(most)) + (numbers.Count > most ? $" and {numbers.Count - most} more" : "");
}
