using System.Collections;

namespace Attribution;

/// <summary>The scores that a metric gives to maps, one an instance, NaN where it is undefined; and what each map is, since a
/// map that is not sound keeps its score by definition but wins nothing by it.</summary>
public sealed class MapScores : IReadOnlyList<double>
{
    private readonly IReadOnlyList<double> each;

    /// <summary>Scores.</summary>
    /// <param name="each">One an instance.</param>
    /// <param name="maps">What the instances' maps are.</param>
    /// <param name="steps">The steps that they were taken in; null for a metric without.</param>
    /// <exception cref="ArgumentException">There are as many scores as maps, or else it is wrong.</exception>
    public MapScores(IReadOnlyList<double> each, MapStates maps, PixelSteps? steps = null)
    {
        if (each.Count != maps.Count)
            throw new ArgumentException($"There are {each.Count} scores of {maps.Count} maps.", nameof(maps));
        (this.each, Maps, Steps) = (each, maps, steps);
    }

    /// <summary>What each map is.</summary>
    public MapStates Maps { get; }

    /// <summary>The steps in which pixels were removed or put back; null for a metric that does no such thing.</summary>
    public PixelSteps? Steps { get; }

    /// <summary>The scores of the maps that are sound, NaN for the others: what methods are compared by.</summary>
    public IReadOnlyList<double> OfSound =>
        [.. each.Zip(Maps, (score, map) => map == MapState.Sound ? score : double.NaN)];

    /// <summary>The number of instances.</summary>
    public int Count => each.Count;

    /// <summary>The i-th instance's score.</summary>
    public double this[int index] => each[index];

    /// <summary>Scores maps of which some may hold a NaN or an infinity, which for the metric itself is an error: their score is
    /// NaN, and the others' what the metric gives.</summary>
    /// <param name="scorer">The metric.</param>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The metric's.</exception>
    public static MapScores Of(
        Scorer scorer,
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        var maps = MapStates.Of(attributions);
        var found = scorer(Attribution.Maps.Finite(attributions, maps), x, batchSize, progress, cancellation);
        return new(
            [.. found.Zip(maps, (score, map) => map == MapState.NotFinite ? double.NaN : score)],
            maps,
            (found as MapScores)?.Steps
        );
    }

    /// <inheritdoc/>
    public IEnumerator<double> GetEnumerator() => each.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
