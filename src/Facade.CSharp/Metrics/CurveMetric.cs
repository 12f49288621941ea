using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>The score of an instance while its pixels are removed, or put into a blank image.</summary>
/// <param name="Pixels">How many pixels have changed, from 0 on.</param>
/// <param name="Axis">How far along the metric's axis that is, from 0 to 1.</param>
/// <param name="Scores">The score of the image with those pixels changed.</param>
public sealed record PixelCurve(IReadOnlyList<long> Pixels, IReadOnlyList<double> Axis, IReadOnlyList<double> Scores);

/// <summary>
/// A metric of what becomes of a class's score while an instance's pixels are removed or put back in the order of their
/// attribution, all channels of a pixel at once, ties by row-major position.
/// </summary>
/// <typeparam name="TCurve">What there is to plot of an instance.</typeparam>
public abstract class CurveMetric<TCurve>
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly int? pixelsPerStep;
    private readonly Func<Instances, PixelPath[]> paths;
    private readonly Func<Core.PixelCurve[], (double Score, TCurve Curve)> read;

    /// <param name="model">The classifier.</param>
    /// <param name="quantity">The score.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size.</param>
    /// <param name="paths">The order of the pixels, and what happens to them, in whatever steps.</param>
    /// <param name="read">The score of an instance, and what there is to plot, of its curve on each path.</param>
    private protected CurveMetric(
        Model model,
        Quantity quantity,
        int? pixelsPerStep,
        Func<Instances, PixelPath[]> paths,
        Func<Core.PixelCurve[], (double Score, TCurve Curve)> read
    )
    {
        (this.model, this.quantity, this.pixelsPerStep) = (model, quantity, PixelSteps.Required(pixelsPerStep));
        (this.paths, this.read) = (paths, read);
    }

    /// <summary>The steps in which the pixels of images of a size change.</summary>
    /// <param name="height">Their height in pixels.</param>
    /// <param name="width">Their width in pixels.</param>
    public PixelSteps Steps(long height, long width) => PixelSteps.For(pixelsPerStep, height * width);

    /// <summary>The score of each instance.</summary>
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
    ) =>
        Maps.Scored(
            attributions,
            [.. Read(attributions, x, batchSize, progress, cancellation).Select(instance => instance.Score)],
            StepsOf(attributions)
        );

    /// <summary>The curve of each instance, of which <see cref="Evaluate"/> gives the score.</summary>
    /// <inheritdoc cref="Evaluate"/>
    public IReadOnlyList<TCurve> Curves(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => [.. Read(attributions, x, batchSize, progress, cancellation).Select(instance => instance.Curve)];

    // What has no height and width is refused where it is measured.
    private PixelSteps StepsOf(Tensor attributions) =>
        attributions.ndim < 2 ? new(1) : Steps(attributions.shape[^2], attributions.shape[^1]);

    private (double Score, TCurve Curve)[] Read(
        Tensor attributions,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        Maps.RequireOneEach(attributions, x);
        var steps = StepsOf(attributions);
        PixelPath[] paths = [.. this.paths(x).Select(path => PixelCurves.inSteps(steps.Pixels, steps.Fewest, path))];
        var passes = x.Count + paths.Sum(path => PixelCurves.passes(path, attributions));
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        return x.Core.Collect(
            target,
            Pass.Forward,
            batch => PixelCurves.curves(paths, target, batch.RowsOf(attributions), batch).Select(read)
        );
    }
}

internal static class CurveReading
{
    /// <summary>The curve itself, or of a score divided by the whole instance's.</summary>
    public static Core.PixelCurve Normalised(this Core.PixelCurve curve, bool isNormalised) =>
        isNormalised ? PixelCurves.normalised(curve) : curve;

    /// <summary>The curve over the share of the pixels that have changed.</summary>
    public static PixelCurve OverPixels(this Core.PixelCurve curve) =>
        new(curve.Pixels, PixelCurves.shareOfPixels(curve), curve.Scores);
}
