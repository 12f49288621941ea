using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
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

    /// <summary>The maps, with zeros in place of those that are not finite.</summary>
    public static Tensor Finite(Tensor attributions, MapStates states)
    {
        if (states.Positions(MapState.NotFinite) is not { Count: > 0 } wrong)
            return attributions;
        var rows = tensor(wrong.Select(i => (long)i).ToArray(), device: attributions.device);
        return attributions.index_fill(0, rows, 0);
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

    /// <summary>The class that each instance is explained for, of how many.</summary>
    public static (long[] Classes, int Count) Explained(
        Model model,
        int? targetClass,
        Instances x,
        int? batchSize,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        var logits = model.ClassScores(x, batchSize, null, cancellation);
        var count = (int)logits.shape[1];
        if (targetClass is not { } k)
            return (TensorModule.toArray<long>(logits.argmax(1)), count);
        if (k < 0 || k >= count)
            throw new AttributionException($"There is no class {k}: the model has {count} classes, 0 to {count - 1}.");
        return ([.. Enumerable.Repeat((long)k, x.Count)], count);
    }

    /// <summary>The progress of one of several equal parts of the work.</summary>
    public static IProgress<Progress>? Part(this IProgress<Progress>? whole, int part, int parts) =>
        whole is null ? null : new PartOf(whole, part, parts);

    private sealed class PartOf(IProgress<Progress> whole, int part, int parts) : IProgress<Progress>
    {
        public void Report(Progress progress) =>
            whole.Report(
                progress with
                {
                    Done = part * progress.Total + progress.Done,
                    Total = parts * progress.Total,
                }
            );
    }

    /// <summary>The first few of some numbers, for a message.</summary>
    public static string List(IReadOnlyCollection<int> numbers, int most = 20) =>
        string.Join(", ", numbers.Take(most)) + (numbers.Count > most ? $" and {numbers.Count - most} more" : "");
}
