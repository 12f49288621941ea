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
public sealed class MaxSensitivity : MapMetric
{
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
        int samples = 10,
        long seed = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        (this.model, this.explain, this.targetClass) = (model, explain, targetClass);
        (this.radius, this.samples, this.seed) = (radius, samples, seed);
    }

    /// <summary>The score of each instance; NaN where the map is 0.</summary>
    /// <inheritdoc/>
    public override Tensor Scores(
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
        return Interop.MaxSensitivity(
            changed => explainer(x.With(changed), batchSize, progress.Part(done++, samples), cancellation),
            radius * x.Peak,
            samples,
            seed,
            attributions,
            x.Core
        );
    }
}
