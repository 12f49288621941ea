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
public sealed class AverageGain : MaskedMetric
{
    /// <summary>The average gain of a class's probability.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
    /// <param name="mask">What is kept of the pixels.</param>
    /// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mask.</exception>
    public AverageGain(Model model, int? targetClass = null, Mask mask = Mask.Hard, Relaxation? relaxation = null)
        : base(
            model,
            targetClass,
            Scale.Probabilities,
            mask,
            relaxation,
            (relaxed, kept) => (target, maps, batch) => Core.AverageGain.scores(relaxed, kept, target, maps, batch)
        ) { }
}
