using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What <see cref="AverageDrop"/> does where a score is not positive, so that a drop in percent is undefined.</summary>
public enum NonPositive
{
    /// <summary>An error lists the instances.</summary>
    Throw,

    /// <summary>They are left out, and the result lists them.</summary>
    Skip,
}

/// <summary>The result of <see cref="AverageDrop.Evaluate"/>.</summary>
/// <param name="Score">The mean drop in percent over the instances that were not skipped.</param>
/// <param name="Drops">Each instance's drop in percent; NaN where it was skipped.</param>
/// <param name="Skipped">Positions of the instances whose score is not positive.</param>
/// <param name="Maps">What each instance's map is: one that is not sound keeps its drop, but wins nothing by it.</param>
public sealed record AverageDropResult(
    double Score,
    IReadOnlyList<double> Drops,
    IReadOnlyList<int> Skipped,
    MapStates Maps
);

/// <summary>
/// Average drop %, 100/n · Σ max(f_c(x) - f_c(M(x)), 0) / f_c(x): how much of the score is lost when only what a mask M keeps is
/// seen. Lower means that what the map keeps suffices.
/// </summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, whose own is the soft mask and probabilities.</remarks>
public sealed class AverageDrop : MaskedMetric
{
    private readonly NonPositive onNonPositive;

    /// <summary>The drop of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each unmasked instance.</param>
    /// <param name="onNonPositive">What to do where the score is not positive.</param>
    /// <param name="mask">What is kept of the pixels.</param>
    /// <param name="scale">Whether the score is the class's logit or its probability.</param>
    /// <param name="relaxation">How what it decides by a threshold or an order is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mask, or no score on that scale.</exception>
    public AverageDrop(
        Model model,
        int? targetClass = null,
        NonPositive onNonPositive = NonPositive.Throw,
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
            (relaxed, kept) => (target, maps, batch) => Core.AverageDrop.scores(relaxed, kept, target, maps, batch)
        ) => this.onNonPositive = onNonPositive;

    /// <summary>The drop for the given attributions of instances. <see cref="MapMetric.Scores"/> has each instance's as a
    /// tensor, NaN where its score is not positive.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">A score is not positive and such are not skipped, or all are.</exception>
    public new AverageDropResult Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var drops = Drops(attributions, x, batchSize, progress, cancellation);
        int[] skipped = [.. Enumerable.Range(0, drops.Length).Where(i => double.IsNaN(drops[i]))];

        if (skipped.Length > 0 && onNonPositive == NonPositive.Throw)
            throw new AttributionException(
                $"Average drop is undefined where the score is not positive, as for the instances {Maps.List(skipped)}: leave them out, or ask to skip them."
            );

        if (skipped.Length == drops.Length)
            throw new AttributionException("Average drop is undefined: no instance has a positive score.");

        return new(drops.Where(drop => !double.IsNaN(drop)).Average(), drops, skipped, MapStates.Of(attributions));
    }

    /// <summary>Each instance's drop in percent; NaN where its score is not positive, whatever is to be done with such.</summary>
    /// <inheritdoc cref="Evaluate" path="/param"/>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">An attribution or the model's output is not finite.</exception>
    public double[] Drops(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Maps.Numbers(Scores(attributions, x, batchSize, progress, cancellation));
}
