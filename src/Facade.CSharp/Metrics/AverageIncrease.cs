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
public sealed class AverageIncrease : MaskedMetric
{
    /// <summary>The average increase of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
    /// <param name="mask">What is kept of the pixels.</param>
    /// <param name="scale">Whether the score is the class's logit or its probability.</param>
    /// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mask, or no score on that scale.</exception>
    public AverageIncrease(
        Model model,
        int? targetClass = null,
        Mask mask = Mask.Hard,
        Scale scale = Scale.Logits,
        Relaxation? relaxation = null
    )
        : base(
            model,
            targetClass,
            scale,
            mask,
            relaxation,
            (relaxed, kept) => (target, maps, batch) => Core.AverageIncrease.scores(relaxed, kept, target, maps, batch)
        ) { }
}
