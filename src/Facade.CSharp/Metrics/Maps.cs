using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

internal static class Maps
{
    /// <summary>The rows of a tensor that belong to a batch's instances.</summary>
    public static Tensor RowsOf(this Batch batch, Tensor all) => all.index_select(0, batch.Rows);

    public static void RequireOneEach(Tensor attributions, Instances x)
    {
        if (attributions.ndim == 0 || attributions.shape[0] != x.Count)
            throw new ArgumentException(
                $"There must be one attribution for each of the {x.Count} instances, but their shape is [{string.Join("; ", attributions.shape)}].",
                nameof(attributions)
            );
    }

    /// <summary>The first few of some numbers, for a message.</summary>
    public static string List(IReadOnlyCollection<int> numbers, int most = 20) =>
        string.Join(", ", numbers.Take(most)) + (numbers.Count > most ? $" and {numbers.Count - most} more" : "");
}
