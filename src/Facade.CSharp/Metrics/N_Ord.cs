using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>The score of an instance while its pixels are removed.</summary>
/// <param name="Removed">Pixels removed, largest attribution first.</param>
/// <param name="Scores">max(f_c - f_c(0), 0) after each removal.</param>
public sealed record RemovalCurve(IReadOnlyList<long> Removed, IReadOnlyList<double> Scores);

/// <summary>
/// Necessity ordering, N_o = 1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) the image without the first i of its N pixels of
/// positive attribution, largest first. Lower means that what the map ranks first is needed. 0 where none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, Eq. 5, in steps of several pixels.</remarks>
public sealed class N_Ord
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly int pixelsPerStep;

    /// <summary>The necessity ordering of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels and weighs as much; 1 is the definition exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
    public N_Ord(Model model, int? targetClass = null, int pixelsPerStep = 1000)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pixelsPerStep, 1);
        (this.model, quantity, this.pixelsPerStep) = (model, Quantity.OfTarget(targetClass), pixelsPerStep);
    }

    /// <summary>The score of each instance.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite.</exception>
    public IReadOnlyList<double> Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => [.. CoreCurves(attributions, x, batchSize, progress, cancellation).Select(NecessityOrdering.score)];

    /// <summary>The curve of each instance, of which <see cref="Evaluate"/> gives the weighted mean.</summary>
    /// <inheritdoc cref="Evaluate"/>
    public IReadOnlyList<RemovalCurve> Curves(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        [
            .. CoreCurves(attributions, x, batchSize, progress, cancellation)
                .Select(curve => new RemovalCurve(curve.Removed, curve.Scores)),
        ];

    private NecessityOrdering.Curve[] CoreCurves(
        Tensor attributions,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        Maps.RequireOneEach(attributions, x);
        var passes = x.Count + NecessityOrdering.steps(pixelsPerStep, attributions);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        return x.Core.Collect(
            target,
            Pass.Forward,
            batch => NecessityOrdering.curves(pixelsPerStep, target, batch.RowsOf(attributions), batch)
        );
    }
}
