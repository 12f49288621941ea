namespace Attribution;

/// <summary>How far apart a layer's values of two images are.</summary>
public enum LayerDistance
{
    /// <summary>1 - ⟨a, b⟩ / (‖a‖ ‖b‖): 0 where they point the same way, 1 where they have nothing in common. 1 where one of them is 0.</summary>
    Cosine,

    /// <summary>‖a - b‖.</summary>
    Euclidean,
}

/// <summary>An image of a set, and how near it is to another.</summary>
/// <param name="Position">Its position in the set.</param>
/// <param name="Distance">How far a layer's values of the two are apart.</param>
/// <param name="Class">The class that the model gives it.</param>
public sealed record Example(int Position, double Distance, int Class);

/// <summary>The examples that tell about an image.</summary>
/// <param name="Class">The class that the model gives it.</param>
/// <param name="Similar">The nearest that it gives the same class, the nearest first.</param>
/// <param name="Counterfactual">The nearest that it gives another class, the nearest first.</param>
public sealed record NearExamples(int Class, IReadOnlyList<Example> Similar, IReadOnlyList<Example> Counterfactual);

/// <summary>Examples by what a layer makes of them: the images of a set that are nearest to one by the layer's values, among those that the
/// model gives the same class (similar), and among those that it gives another (counterfactual). What has the very pixels of an image is
/// the image itself, and is left out.</summary>
/// <remarks>Nearest neighbours by a layer's values: Caruana et al., AMIA 1999; Papernot and McDaniel, arXiv 1803.04765.</remarks>
public sealed class Examples
{
    private readonly Model model;
    private readonly string layer;
    private readonly Units units;
    private readonly LayerDistance distance;

    /// <summary>Examples by a layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Whose values are compared; null: <see cref="Cuts.Default"/>.</param>
    /// <param name="units">What a unit of the layer is: of a channel its sum over positions, so that it does not count where something is.</param>
    /// <param name="distance">How far apart values are.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such distance.</exception>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public Examples(
        Model model,
        string? layer = null,
        Units units = Units.Auto,
        LayerDistance distance = LayerDistance.Cosine
    )
    {
        if (!Enum.IsDefined(distance))
            throw new ArgumentOutOfRangeException(nameof(distance), distance, "No such distance.");
        (this.model, this.layer, this.units) = (
            model,
            layer is null ? Cuts.Default(model) : model.RequireLayer(layer),
            units
        );
        this.distance = distance;
    }

    /// <summary>The layer whose values are compared.</summary>
    public string Layer => layer;

    /// <summary>The nearest that the model gives the same class, the nearest first, ties by position: as many as asked for, or as there
    /// are.</summary>
    /// <param name="x">n images, which are held in memory.</param>
    /// <param name="set">The images to choose from, which are read a batch at a time.</param>
    /// <param name="count">How many of them for each image.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is less than 1.</exception>
    /// <exception cref="AttributionException">The set holds nothing but the image itself, or images of another shape.</exception>
    public IReadOnlyList<IReadOnlyList<Example>> Similar(
        Instances x,
        Instances set,
        int count = 4,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => [.. Look(x, set, count, batchSize, progress, cancellation).Select(found => found.Similar)];

    /// <summary>The nearest that the model gives another class, the nearest first, ties by position.</summary>
    /// <inheritdoc cref="Similar" path="/param"/>
    /// <exception cref="ArgumentOutOfRangeException">count is less than 1.</exception>
    /// <exception cref="AttributionException">The set holds nothing but the image itself, or no image of another class, or images of another
    /// shape.</exception>
    public IReadOnlyList<IReadOnlyList<Example>> Counterfactual(
        Instances x,
        Instances set,
        int count = 4,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => [.. Find(x, set, count, batchSize, progress, cancellation).Select(found => found.Counterfactual)];

    /// <summary>Both, of one pass over the set.</summary>
    /// <inheritdoc cref="Counterfactual" path="/param | /exception"/>
    public IReadOnlyList<NearExamples> Find(
        Instances x,
        Instances set,
        int count = 4,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var found = Look(x, set, count, batchSize, progress, cancellation);
        if (found.FirstOrDefault(near => near.Counterfactual.Count == 0) is { } alone)
            throw new AttributionException(
                $"The model gives every image of the set class {alone.Class}, so that none is a counterfactual: give a set in which it sees other classes."
            );
        return found;
    }

    private NearExamples[] Look(
        Instances x,
        Instances set,
        int count,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var kind = distance == LayerDistance.Euclidean ? Core.LayerDistance.Euclidean : Core.LayerDistance.Cosine;
        var working = model.Working(batchSize, (long)x.Count + set.Count, progress, cancellation);
        var neighbours = Core.Examples.survey(kind, units.InCore(), layer, working, x.Core, set.Core);
        var (classes, among) = (Whole(neighbours.Classes), Whole(neighbours.Among));
        Example[][] Read((Tensor Positions, Tensor Distances) found)
        {
            var (positions, distances) = (Whole(found.Positions), Maps.Numbers(found.Distances));
            var length = positions.Length / classes.Length;
            return
            [
                .. positions
                    .Select((position, i) => (Position: (int)position, Distance: distances[i]))
                    .Chunk(length)
                    .Select(row =>
                        row.Where(one => one.Position >= 0)
                            .Select(one => new Example(one.Position, one.Distance, (int)among[one.Position]))
                            .ToArray()
                    ),
            ];
        }
        var similar = Read(Core.Examples.similar(count, neighbours).ToValueTuple());
        var others = Read(Core.Examples.counterfactual(count, neighbours).ToValueTuple());
        if (Enumerable.Range(0, classes.Length).Any(i => similar[i].Length + others[i].Length == 0))
            throw new AttributionException(
                "The set holds no image but the explained one itself: give a set of others to choose from."
            );
        return [.. classes.Select((k, i) => new NearExamples((int)k, similar[i], others[i]))];
    }

    private static long[] Whole(Tensor numbers) => TensorModule.toArray<long>(numbers);
}
