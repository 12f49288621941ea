namespace Attribution;

/// <summary>A metric of attribution maps, set up.</summary>
public abstract class MapMetric
{
    private protected MapMetric() { }

    /// <summary>The score of each instance: n, in 64-bit floats, NaN where it is undefined. Inside
    /// <see cref="Differentiation.Record"/> it is connected to the maps, to the images and to the model's parameters.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite, or it lacks the
    /// class.</exception>
    public Tensor Scores(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Score(new(attributions, x, batchSize, progress, cancellation));

    /// <summary>The same as numbers, and what each map is.</summary>
    /// <inheritdoc cref="Scores"/>
    public MapScores Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        MapsAsked asked = new(attributions, x, batchSize, progress, cancellation);
        return Maps.Scored(asked.Maps, Maps.Numbers(Score(asked)), StepsOf(asked.Maps));
    }

    private protected abstract Tensor Score(MapsAsked asked);

    /// <summary>The steps in which pixels are removed or put back; null for a metric that does no such thing.</summary>
    internal virtual PixelSteps? StepsOf(Tensor attributions) => null;
}

/// <summary>Maps that are to be scored, one for each instance.</summary>
internal sealed class MapsAsked(
    Tensor attributions,
    Instances x,
    int? batchSize,
    IProgress<Progress>? progress,
    CancellationToken cancellation
)
{
    // In passes, what an explanation is taken for: a row's count of them is by this too.
    private const int Explanation = 3;

    // The shape of one that is no image, but a row of a table, a signal or a volume; null for images.
    private readonly long[]? other = OtherThanImage(x);

    /// <summary>One for each instance, as of images.</summary>
    public Tensor Maps =>
        attributions.ndim > 0 && attributions.shape[0] == x.Count
            ? other is null
                ? attributions
                : Images.layMaps(other, attributions)
            : throw new ArgumentException(
                $"There must be one attribution for each of the {x.Count} instances, but their shape is [{string.Join("; ", attributions.shape)}].",
                nameof(attributions)
            );

    /// <summary>The instances, laid out as images where they are none.</summary>
    public Instances X => other is null ? x : x.With(Images.instances(x.Core));

    public int? BatchSize => batchSize;

    /// <summary>Masks of the set that the instances are of, as of images.</summary>
    /// <exception cref="AttributionException">They are not one for each, of its size.</exception>
    public Tensor Masks(Tensor masks, long[] size)
    {
        var count = x.Whole.Count;
        long[] given = [.. masks.shape.Skip(1)];
        // Of what is no image, the positions may be as they are there.
        var fits =
            given.SequenceEqual(size)
            || other is not null && given.SequenceEqual(other.Length == 1 ? other : other.Skip(1));
        if (masks.dtype != ScalarType.Bool || !fits || masks.shape[0] != count && masks.shape[0] != 1)
            throw new AttributionException(
                $"The masks have the shape {string.Join('×', masks.shape)}, of {masks.dtype}, but there {(count == 1 ? "is" : "are")} {Words.Count(count, "image")} of {string.Join('×', other ?? size)}: give booleans, one mask for each image, of its size."
            );
        return masks.reshape([masks.shape[0], .. size]);
    }

    private static long[]? OtherThanImage(Instances x)
    {
        if (x.Count == 0)
            return null;
        using var scope = NewDisposeScope();
        long[] shape = [.. x.Core.Read.Invoke(0).Invoke(1).shape.Skip(1)];
        return Images.shape(shape) is null ? null : shape;
    }

    /// <summary>A model of the instances, laid out as they are.</summary>
    public Model Seen(Model model) => other is null ? model : model.At(Images.model(other, model.Now));

    /// <summary>A count of passes, told on to whoever asked.</summary>
    public Passes Count(double passes) => new((long)Math.Ceiling(passes), progress, cancellation);

    /// <summary>A quantity of the instances, by a model that makes so many passes.</summary>
    public Target Target(Model model, Quantity quantity, long passes) => Target(model, quantity, Count(passes));

    /// <inheritdoc cref="Target(Model, Quantity, long)"/>
    public Target Target(Model model, Quantity quantity, Passes passes)
    {
        var target = x.TargetOf(quantity, model.Working(batchSize, passes));
        return other is null ? target : Images.target(other, target);
    }

    /// <summary>The count of passes of so many explanations of the instances.</summary>
    public Passes CountOfMaps(int explanations) => Count((double)Explanation * explanations * x.Count);

    /// <summary>Maps of these instances, or of others in their place.</summary>
    public Tensor Explained(Explainer explain, Instances instances, int? batchSize, Passes passes) =>
        explain(instances, batchSize, passes.Next(Explanation * instances.Count), cancellation);

    /// <summary>How maps are made, by the core: of a target, and of instances in the place of these.</summary>
    public Func<Target, Batch, Tensor> Explaining(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        Passes passes
    ) =>
        (of, batch) =>
            Explained(
                explain(model.At(of.Model), new Quantity(of.Quantity.Among(batch.Rows))),
                x.With(InstancesModule.ofBatch(batch)),
                null,
                passes
            );

    /// <summary>The class that each instance is explained for, of how many.</summary>
    public (long[] Classes, int Count) Classes(Model model, int? targetClass)
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
}

/// <summary>A metric that makes maps of its own, as those that it is given were made.</summary>
public abstract class ExplainingMetric : MapMetric
{
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly int? targetClass;

    private protected ExplainingMetric(Model model, Func<Model, Quantity, Explainer> explain, int? targetClass) =>
        (Model, this.explain, this.targetClass) = (model, explain, targetClass);

    private protected Model Model { get; }

    /// <summary>The class that each instance is explained for, of how many.</summary>
    private protected (long[] Classes, int Count) Classes(MapsAsked asked) => asked.Classes(Model, targetClass);

    /// <summary>Maps of a class each, of instances or others in their place.</summary>
    private protected Tensor Explained(
        MapsAsked asked,
        Model model,
        IEnumerable<long> classes,
        Passes passes,
        Instances? instead = null
    ) =>
        asked.Explained(
            explain(asked.Seen(model), Quantity.TrueClass(classes)),
            instead ?? asked.X,
            asked.BatchSize,
            passes
        );
}

/// <summary>The scores of a batch's maps.</summary>
internal delegate Tensor BatchScore(Target target, Tensor attributions, Batch batch);

/// <summary>A metric of what a model makes of instances, batch by batch.</summary>
public abstract class BatchMetric : MapMetric
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Func<Tensor, Instances, long> passes;
    private readonly Func<Instances, BatchScore> score;

    private protected BatchMetric(
        Model model,
        Quantity quantity,
        Func<Tensor, Instances, long> passes,
        Func<Instances, BatchScore> score
    ) => (this.model, this.quantity, this.passes, this.score) = (model, quantity, passes, score);

    private protected override Tensor Score(MapsAsked asked)
    {
        var target = asked.Target(model, quantity, passes(asked.Maps, asked.X));
        var scoreOf = score(asked.X);
        return asked.X.Core.Score(target, batch => scoreOf(target, batch.RowsOf(asked.Maps), batch));
    }
}
