using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Sensitivity-n, corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x with S at the baseline)), Pearson's correlation over random sets S of n
/// pixels; the mean over several n. Between -1 and 1; higher is better, 1 a perfect line.
/// </summary>
/// <remarks>Ancona et al., arXiv 1711.06104.</remarks>
public sealed class SensitivityN
{
    internal const int DefaultSubsets = 100;

    private static readonly double[] defaultShares = [0.01, 0.1, 0.5];

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly double[] shares;
    private readonly int subsets;
    private readonly Baseline baseline;
    private readonly long seed;

    /// <summary>The sensitivity-n of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="shares">Each n as a share of the pixels, of which one is the fewest; null: 1, 10 and 50 %.</param>
    /// <param name="subsets">How many sets of each size an instance gets.</param>
    /// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="seed">Decides on the sets.</param>
    /// <exception cref="ArgumentOutOfRangeException">A share is not between 0 and 1, or there are less than 2 subsets.</exception>
    public SensitivityN(
        Model model,
        int? targetClass = null,
        IEnumerable<double>? shares = null,
        int subsets = DefaultSubsets,
        Baseline? baseline = null,
        long seed = 1
    )
    {
        this.shares = shares?.ToArray() ?? defaultShares;
        ArgumentOutOfRangeException.ThrowIfZero(this.shares.Length, nameof(shares));
        foreach (var share in this.shares)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share, nameof(shares));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1, nameof(shares));
        }
        ArgumentOutOfRangeException.ThrowIfLessThan(subsets, 2);
        (this.model, quantity, this.baseline) = (model, Quantity.OfTarget(targetClass), baseline ?? Baseline.Black);
        (this.subsets, this.seed) = (subsets, seed);
    }

    /// <summary>The score of each instance; NaN where its map, or its score without any of the sets, is constant.</summary>
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
        var passes = (1 + (long)shares.Length * subsets) * x.Count;
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        var start = baseline.For(x);
        var scores = x.Core.Collect(
            target,
            Pass.Forward,
            batch => Core.SensitivityN.scores(shares, subsets, seed, start, target, batch.RowsOf(attributions), batch)
        );
        return Maps.Scored(attributions, scores);
    }
}
