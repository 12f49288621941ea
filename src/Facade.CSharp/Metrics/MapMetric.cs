using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A metric of attribution maps, set up.</summary>
public abstract class MapMetric
{
    private protected MapMetric() { }

    /// <summary>The score of each instance: n, in 64-bit floats, NaN where it is undefined. Inside
    /// <see cref="Differentiation.Record"/> it is connected to the maps, to the images and to the model's parameters.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite, or it lacks the
    /// class.</exception>
    public abstract Tensor Scores(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    );

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
        var scores = Maps.Numbers(Scores(attributions, x, batchSize, progress, cancellation));
        return Maps.Scored(attributions, scores, StepsOf(attributions));
    }

    /// <summary>The steps in which pixels are removed or put back; null for a metric that does no such thing.</summary>
    internal virtual PixelSteps? StepsOf(Tensor attributions) => null;
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

    /// <inheritdoc/>
    public override Tensor Scores(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Maps.RequireOneEach(attributions, x);
        var core = model.Working(batchSize, passes(attributions, x), progress, cancellation);
        var target = x.TargetOf(quantity, core);
        var scoreOf = score(x);
        return x.Core.Score(target, batch => scoreOf(target, batch.RowsOf(attributions), batch));
    }
}

/// <summary>A metric of instances and of what a mask leaves of them.</summary>
public abstract class MaskedMetric : BatchMetric
{
    private protected MaskedMetric(
        Model model,
        int? targetClass,
        Scale scale,
        Mask mask,
        Relaxation? relaxation,
        Func<Core.Relaxation, Core.Mask, BatchScore> score
    )
        : this(model, Quantity.OfTarget(model, targetClass, scale), score(Relaxation.InCore(relaxation), mask.InCore()))
    { }

    private MaskedMetric(Model model, Quantity quantity, BatchScore score)
        : base(model, quantity, (_, x) => 2L * x.Count, _ => score) { }
}
