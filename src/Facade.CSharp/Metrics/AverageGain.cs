using System;
using System.Collections.Generic;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Average gain %, 100 · max(p_c(M(x)) - p_c(x), 0) / (1 - p_c(x)): how much of what a class's probability lacks to 1 is
/// gained when only what a mask M keeps is seen. Between 0 and 100; higher is better. 0 where p_c(x) = 1, which leaves
/// nothing to gain.
/// </summary>
/// <remarks>Zhang et al., Opti-CAM, arXiv 2301.07002, whose own is the soft mask.</remarks>
public sealed class AverageGain
{
    private readonly MaskedMetric masked;

    /// <summary>The average gain of a class's probability.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
    /// <param name="mask">What is kept of the pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mask.</exception>
    public AverageGain(Model model, int? targetClass = null, Mask mask = Mask.Hard) =>
        masked = new(model, Quantity.OfTarget(model, targetClass, Scale.Probabilities), mask, Core.AverageGain.gains);

    /// <summary>The score of each instance in percent, of which the mean is the average gain of a class's probability.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result does not depend on it.</param>
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
    ) => Maps.Scored(attributions, masked.Of(attributions, x, batchSize, progress, cancellation));
}
