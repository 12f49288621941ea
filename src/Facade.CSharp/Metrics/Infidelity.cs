using System;
using System.Collections.Generic;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Infidelity, meanₖ (β Iₖᵀ A - (f_c(x) - f_c(x - Iₖ)))²: how badly a map foretells what perturbations Iₖ do to the score. 0 or
/// more; lower is better.
/// </summary>
/// <remarks>
/// Yeh et al., arXiv 1901.09392. β is the number that makes the score lowest, as in their experiments and Captum's
/// normalize, so that the map's unit does not matter; or 1, which is the definition itself. Attributions n×h×w count as
/// spread equally over the channels.
/// </remarks>
public sealed class Infidelity
{
    internal const int DefaultSamples = 50;

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Perturbation perturbation;
    private readonly int samples;
    private readonly bool scaled;
    private readonly Baseline? multipliedFrom;
    private readonly long seed;

    /// <summary>The infidelity of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="perturbation">What is taken off; null: noise of a tenth of the range.</param>
    /// <param name="samples">How many perturbations an instance gets.</param>
    /// <param name="scaled">Whether a map is multiplied with the number that suits it best.</param>
    /// <param name="multipliedFrom">The baseline b of maps that are multiplied with x - b, as those of integrated gradients
    /// are: A ⊘ (x - b) takes their place (A where x = b). Null for maps of what each unit of a number is worth.</param>
    /// <param name="seed">Decides on the perturbations.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is less than 1.</exception>
    public Infidelity(
        Model model,
        int? targetClass = null,
        Perturbation? perturbation = null,
        int samples = DefaultSamples,
        bool scaled = true,
        Baseline? multipliedFrom = null,
        long seed = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        (this.model, quantity, this.perturbation) = (
            model,
            Quantity.OfTarget(targetClass),
            perturbation ?? Perturbation.Noise()
        );
        (this.samples, this.scaled, this.multipliedFrom, this.seed) = (samples, scaled, multipliedFrom, seed);
    }

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
    )
    {
        Maps.RequireOneEach(attributions, x);
        var passes = (samples + 1L) * x.Count;
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        var draws = perturbation.For(x);
        var start = multipliedFrom?.For(x);
        var scores = x.Core.Collect(
            target,
            Pass.Forward,
            batch =>
            {
                var maps = batch.RowsOf(attributions);
                if (start is not null)
                    maps = Core.Infidelity.perUnit(start, batch, maps);
                return Maps.Numbers(Core.Infidelity.scores(draws, samples, seed, scaled, target, maps, batch));
            }
        );
        return Maps.Scored(attributions, scores);
    }
}
