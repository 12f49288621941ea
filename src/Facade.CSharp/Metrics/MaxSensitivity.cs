using System;
using System.Collections.Generic;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Max-sensitivity, maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖ over uniform noise |ε| ≤ radius on every number: how far a change of the
/// image that nobody sees moves the map. 0 or more; lower is better.
/// </summary>
/// <remarks>Yeh et al., arXiv 1901.09392; radius, noise and samples are Captum's. The explained class stays that of x.</remarks>
public sealed class MaxSensitivity
{
    internal const int DefaultSamples = 10;

    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly int? targetClass;
    private readonly double radius;
    private readonly int samples;
    private readonly long seed;

    /// <summary>The max-sensitivity of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="radius">The largest change, as a share of white: of 255, or 1 for images in 0-1.</param>
    /// <param name="samples">How often each instance is changed and explained.</param>
    /// <param name="seed">Decides on the changes.</param>
    /// <exception cref="ArgumentOutOfRangeException">radius is not positive, or samples less than 1.</exception>
    public MaxSensitivity(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        double radius = 0.02,
        int samples = DefaultSamples,
        long seed = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        (this.model, this.explain, this.targetClass) = (model, explain, targetClass);
        (this.radius, this.samples, this.seed) = (radius, samples, seed);
    }

    /// <summary>The score of each instance; NaN where the map is 0.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public MapScores Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Maps.RequireOneEach(attributions, x);
        var (classes, _) = Maps.Explained(model, targetClass, x, batchSize, cancellation);
        var explainer = explain(model, Quantity.TrueClass(classes));
        var done = 0;
        var scores = Maps.Numbers(
            Interop.MaxSensitivity(
                changed => explainer(x.With(changed), batchSize, progress.Part(done++, samples), cancellation),
                radius * x.Peak,
                samples,
                seed,
                attributions,
                x.Core
            )
        );
        return Maps.Scored(attributions, scores);
    }
}
