using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// The random logit test, ρ(A_c, A_k), k ≠ c a random class: how alike a map is to that of another class. Between -1 and 1; lower
/// means that the map tells classes apart.
/// </summary>
/// <remarks>Sixt, Granz and Landgraf, When explanations lie, arXiv 1912.09818, with Spearman's rank correlation of the pixels
/// for their structural similarity.</remarks>
public sealed class RandomLogit
{
    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly int? targetClass;
    private readonly long seed;

    /// <summary>The test of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">c; null: the class predicted for each instance.</param>
    /// <param name="seed">Decides on k, instance by instance.</param>
    public RandomLogit(Model model, Func<Model, Quantity, Explainer> explain, int? targetClass = null, long seed = 1) =>
        (this.model, this.explain, this.targetClass, this.seed) = (model, explain, targetClass, seed);

    /// <summary>The score of each instance; NaN where a map is constant.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, lacks the class, or has no other; or it has a
    /// single logit.</exception>
    public MapScores Evaluate(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Maps.RequireOneEach(attributions, x);
        var (classes, count) = Maps.Explained(model, targetClass, x, batchSize, cancellation);
        if (model.IsBinary)
            throw new AttributionException(
                "The random logit test compares a class's map with another's, but of a single logit the two are each other's negative: measure this model otherwise."
            );
        if (count < 2)
            throw new AttributionException(
                "The random logit test compares classes, but the model has one: measure this model otherwise."
            );
        var numbers = Enumerable.Range(0, x.Count).Select(i => x.Core.Id.Invoke(i)).ToArray();
        var others = Core.RandomLogit.others(seed, count, numbers, classes);
        using var scope = NewDisposeScope();
        var maps = explain(model, Quantity.TrueClass(others))(x, batchSize, progress, cancellation);
        return Maps.Scored(attributions, Core.RandomLogit.scores(attributions, maps));
    }
}
