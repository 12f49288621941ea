using System;
using System.Collections.Generic;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Completeness gap, |Σ A - (f_c(x) - f_c(b))|: what is missing from the sum of the attributions to the change of the score from
/// a baseline. 0 or more; lower is better, and rounding leaves a little of it always.
/// </summary>
/// <remarks>
/// Completeness is an axiom of Sundararajan, Taly and Yan, arXiv 1703.01365. A map n×h×w must be the sum of its channels, not
/// their mean.
/// </remarks>
public sealed class CompletenessGap
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Baseline baseline;

    /// <summary>The gap of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="baseline">b; null: <see cref="Baseline.Black"/>.</param>
    public CompletenessGap(Model model, int? targetClass = null, Baseline? baseline = null) =>
        (this.model, quantity, this.baseline) = (model, Quantity.OfTarget(targetClass), baseline ?? Baseline.Black);

    /// <summary>The gap of each instance, in the score's unit.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite.</exception>
    public MapScores Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Gaps(false, attributions, x, batchSize, progress, cancellation);

    /// <summary>The gap of each instance as a share of |f_c(x) - f_c(b)|; NaN where that is 0.</summary>
    /// <inheritdoc cref="Evaluate"/>
    public MapScores Relative(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Gaps(true, attributions, x, batchSize, progress, cancellation);

    private MapScores Gaps(
        bool isRelative,
        Tensor attributions,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        Maps.RequireOneEach(attributions, x);
        var target = x.TargetOf(quantity, model.Working(batchSize, 2L * x.Count, progress, cancellation));
        var start = baseline.For(x);
        var gaps = x.Core.Collect(
            target,
            Pass.Forward,
            batch =>
                Maps.Numbers(Core.CompletenessGap.gaps(isRelative, start, target, batch.RowsOf(attributions), batch))
        );
        return Maps.Scored(attributions, gaps);
    }
}
