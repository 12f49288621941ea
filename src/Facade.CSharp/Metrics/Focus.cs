namespace Attribution;

/// <summary>Mosaics of 2×2 images each, two of a class and two of others, of one image's size.</summary>
public sealed class FocusMosaics : IDisposable
{
    private const int Pieces = 4;

    private FocusMosaics(ImageSet images, long[] classes, bool[] areOfClass, int[] sources)
    {
        (Images, Classes) = (images, classes);
        AreOfClass = tensor(areOfClass).reshape(-1, Pieces).DetachFromDisposeScope();
        Sources = [.. sources.Chunk(Pieces)];
    }

    /// <summary>The mosaics, of the class that two of each one's images have.</summary>
    public ImageSet Images { get; }

    /// <summary>That class of each mosaic.</summary>
    public IReadOnlyList<long> Classes { get; }

    /// <summary>The images that each mosaic is made of, by their positions in the set, in the order of reading.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Sources { get; }

    /// <summary>Which of them are of the class: n×4 of booleans.</summary>
    public Tensor AreOfClass { get; }

    /// <summary>Makes mosaics of a set's images: the classes of two images or more take turns, and which images of a class and of
    /// others stand where is drawn at random.</summary>
    /// <param name="images">The images, with their true classes.</param>
    /// <param name="count">How many mosaics.</param>
    /// <param name="seed">Decides on what is drawn.</param>
    /// <exception cref="ArgumentOutOfRangeException">count is less than 1.</exception>
    /// <exception cref="AttributionException">The true classes are not known, or no class has two images while others have two
    /// more; or an image is a single pixel high or wide.</exception>
    public static FocusMosaics Of(ImageSet images, int count, int seed = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var all = images.TrueClasses;
        long[] classes =
        [
            .. all.GroupBy(k => k)
                .Where(of => of.Count() > 1 && all.Count - of.Count() > 1)
                .Select(of => of.Key)
                .Order(),
        ];
        if (classes.Length == 0)
            throw new AttributionException(
                "A mosaic is of two images of a class and two of others: give a set that has them."
            );
        if (images.Height < 2 || images.Width < 2)
            throw new AttributionException("A mosaic halves its images' sides: give images of 2×2 pixels or more.");
        Random random = new(seed);
        random.Shuffle(classes);
        int[] Two(Func<long, bool> isAsked)
        {
            int[] some = [.. all.Index().Where(image => isAsked(image.Item)).Select(image => image.Index)];
            random.Shuffle(some);
            return some[..2];
        }
        long[] chosen = [.. Enumerable.Range(0, count).Select(i => classes[i % classes.Length])];
        int[] sources =
        [
            .. chosen.SelectMany(k =>
            {
                int[] pieces = [.. Two(other => other == k), .. Two(other => other != k)];
                random.Shuffle(pieces);
                return pieces;
            }),
        ];
        bool[] areOfClass = [.. sources.Select((row, i) => all[row] == chosen[i / Pieces])];
        using var scope = NewDisposeScope();
        var mosaics = chosen.Select((_, i) => Mosaic(images, sources[(Pieces * i)..(Pieces * (i + 1))])).ToArray();
        return new(ImageSet.FromTensor(cat(mosaics), trueClasses: chosen), chosen, areOfClass, sources);
    }

    private static Tensor Mosaic(ImageSet images, int[] rows)
    {
        using var scope = NewDisposeScope();
        return Core.Focus.mosaics(images.Take(rows).Images().unsqueeze(0)).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the mosaics.</summary>
    public void Dispose()
    {
        Images.Dispose();
        AreOfClass.Dispose();
    }
}

/// <summary>Focus: in a mosaic of two images of a class and two of others, the share of the positive attribution of that class's
/// score that lies on the images of the class. Between 0 and 1, higher is better; a map that knows nothing scores ½.</summary>
/// <remarks>Arias-Duart, Parés, Garcia-Gasulla and Giménez-Ábalos, arXiv 2109.15035. The paper's mosaics have twice an image's
/// sides; here the images have half of them, so that a model of one size takes the mosaic.</remarks>
public sealed class Focus
{
    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;

    /// <summary>Focus of a way to make maps.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How maps are made of a model's quantity.</param>
    public Focus(Model model, Func<Model, Quantity, Explainer> explain) =>
        (this.model, this.explain) = (model, explain);

    /// <summary>The score of each mosaic's map, and what each map is.</summary>
    /// <param name="mosaics">The mosaics.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite, or the model lacks a
    /// class.</exception>
    public MapScores Evaluate(
        FocusMosaics mosaics,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        var maps = explain(model, Quantity.TrueClass(mosaics.Classes))(
            mosaics.Images,
            batchSize,
            progress,
            cancellation
        );
        return Maps.Scored(maps, Maps.Numbers(Scores(mosaics, maps)));
    }

    /// <summary>The scores of maps of the mosaics: n, in 64-bit floats, NaN where no attribution is positive; connected to the maps
    /// inside <see cref="Differentiation.Record"/>.</summary>
    /// <param name="mosaics">The mosaics.</param>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">There is not one map for each mosaic, of its size.</exception>
    public static Tensor Scores(FocusMosaics mosaics, Tensor attributions)
    {
        long[] size = [mosaics.Classes.Count, mosaics.Images.Height, mosaics.Images.Width];
        long[] expected = attributions.ndim == 4 ? [size[0], attributions.shape[1], .. size[1..]] : size;
        TensorModule.requireShape("attributions", expected, attributions);
        using var scope = NewDisposeScope();
        return Core.Focus.scores(mosaics.AreOfClass.to(attributions.device), attributions).MoveToOuterDisposeScope();
    }
}
