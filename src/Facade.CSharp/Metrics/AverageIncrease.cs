using System;
using System.Collections.Generic;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Average increase %, or rate of increase in confidence, 100 · [f_c(M(x)) > f_c(x)]: on how many instances the score is higher
/// when only what a mask M keeps is seen. Each instance's score is 100 or 0. Higher is better.
/// </summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, whose own is the soft mask and probabilities; the defaults are those of
/// <see cref="AverageDrop"/>, beside which it is read.</remarks>
public sealed class AverageIncrease
{
    private readonly MaskedMetric masked;

    /// <summary>The average increase of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
    /// <param name="mask">What is kept of the pixels.</param>
    /// <param name="scale">Whether the score is the class's logit or its probability.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mask, or no score on that scale.</exception>
    public AverageIncrease(Model model, int? targetClass = null, Mask mask = Mask.Hard, Scale scale = Scale.Logits) =>
        masked = new(model, Quantity.OfTarget(model, targetClass, scale), mask, Core.AverageIncrease.increases);

    /// <summary>The score of each instance in percent, of which the mean is the average increase of a class's score.</summary>
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
