namespace Attribution;

/// <summary>The score of an instance while its pixels are removed, or put into a blank image.</summary>
/// <param name="Pixels">How many pixels have changed, from 0 on.</param>
/// <param name="Axis">How far along the metric's axis that is, from 0 to 1.</param>
/// <param name="Scores">The score of the image with those pixels changed.</param>
public sealed record PixelCurve(IReadOnlyList<long> Pixels, IReadOnlyList<double> Axis, IReadOnlyList<double> Scores);

/// <summary>A metric of what becomes of a class's score while an instance's pixels are removed or put back in the order of
/// their attribution, all channels of a pixel at once, ties by row-major position.</summary>
/// <typeparam name="TCurve">What there is to plot of an instance.</typeparam>
public abstract class CurveMetric<TCurve> : MapMetric
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly int? pixelsPerStep;
    private readonly Core.Relaxation relaxation;
    private readonly Func<Instances, IEnumerable<PixelPath>> paths;
    private readonly Func<Core.PixelCurve[], Tensor> score;
    private readonly Func<Core.PixelCurve[], IEnumerable<TCurve>> plot;

    /// <param name="model">The classifier.</param>
    /// <param name="quantity">The score.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size.</param>
    /// <param name="relaxation">How the order is computed; null: exactly.</param>
    /// <param name="paths">The order of the pixels, and what happens to them, in whatever steps.</param>
    /// <param name="score">The score of each instance (n), of their curves on each path.</param>
    /// <param name="plot">What there is to plot of each.</param>
    /// <param name="normalised">Whether curves are divided by the whole instance's score.</param>
    private protected CurveMetric(
        Model model,
        Quantity quantity,
        int? pixelsPerStep,
        Relaxation? relaxation,
        Func<Instances, IEnumerable<PixelPath>> paths,
        Func<Core.PixelCurve[], Tensor> score,
        Func<Core.PixelCurve[], IEnumerable<TCurve>> plot,
        bool normalised = false
    )
    {
        Core.PixelCurve[] Read(Core.PixelCurve[] curves) =>
            normalised ? [.. curves.Select(PixelCurves.normalised)] : curves;

        (this.model, this.quantity, this.pixelsPerStep) = (model, quantity, PixelSteps.Required(pixelsPerStep));
        (this.relaxation, this.paths) = (Relaxation.InCore(relaxation), paths);
        (this.score, this.plot) = (curves => score(Read(curves)), curves => plot(Read(curves)));
    }

    /// <summary>The steps in which the pixels of images of a size change.</summary>
    /// <param name="height">Their height in pixels.</param>
    /// <param name="width">Their width in pixels.</param>
    public PixelSteps Steps(long height, long width) => PixelSteps.For(pixelsPerStep, height * width);

    private protected override Tensor Score(MapsAsked asked)
    {
        var (target, curves) = Curved(asked);
        return asked.X.Core.Score(target, batch => score(curves(batch)));
    }

    /// <summary>The curve of each instance, of which <see cref="MapMetric.Scores"/> gives the score.</summary>
    /// <inheritdoc cref="MapMetric.Scores"/>
    public IReadOnlyList<TCurve> Curves(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var (target, curves) = Curved(new(attributions, x, batchSize, progress, cancellation));
        return x.Core.Collect(target, Pass.Forward, batch => plot(curves(batch)));
    }

    internal override PixelSteps? StepsOf(Tensor attributions) => PixelSteps.Of(pixelsPerStep, attributions);

    private (Target, Func<Batch, Core.PixelCurve[]>) Curved(MapsAsked asked)
    {
        var (maps, x) = (asked.Maps, asked.X);
        var steps = PixelSteps.Of(pixelsPerStep, maps);
        PixelPath[] paths = [.. this.paths(x).Select(path => PixelCurves.inSteps(steps.Pixels, steps.Fewest, path))];
        var passes = x.Count + paths.Sum(path => PixelCurves.passes(path, maps));
        var target = asked.Target(model, quantity, passes);
        return (target, batch => [.. Interop.Curves(relaxation, paths, target, batch.RowsOf(maps), batch)]);
    }
}

internal static class CurveReading
{
    /// <summary>The curve of each instance over an axis (n×K).</summary>
    public static IEnumerable<PixelCurve> Over(this Core.PixelCurve curve, Tensor axis)
    {
        double[][] Rows(Tensor t) => [.. TensorModule.toArray<double>(t).Chunk((int)t.shape[1])];
        var (pixels, axes, scores) = (Rows(curve.Pixels), Rows(axis), Rows(curve.Scores));
        return curve.Lengths.Select(
            (length, i) =>
                new PixelCurve(
                    [.. pixels[i].Take((int)length).Select(count => (long)count)],
                    axes[i][..(int)length],
                    scores[i][..(int)length]
                )
        );
    }

    /// <summary>The same over the share of the pixels that have changed.</summary>
    public static IEnumerable<PixelCurve> OverPixels(this Core.PixelCurve[] curves) =>
        curves[0].Over(PixelCurves.shareOfPixels(curves[0]));
}
