using System;
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
public sealed class RandomLogit : MapMetric
{
    private readonly Model model;
    private readonly Func<Model, Quantity, Explainer> explain;
    private readonly int? targetClass;
    private readonly long seed;
    private readonly Core.Relaxation relaxation;

    /// <summary>The test of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">c; null: the class predicted for each instance.</param>
    /// <param name="seed">Decides on k, instance by instance.</param>
    /// <param name="relaxation">How ranks are computed; null: exactly.</param>
    public RandomLogit(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        long seed = 1,
        Relaxation? relaxation = null
    )
    {
        (this.model, this.explain, this.targetClass) = (model, explain, targetClass);
        (this.seed, this.relaxation) = (seed, Relaxation.InCore(relaxation));
    }

    /// <summary>The score of each instance; NaN where a map is constant.</summary>
    /// <inheritdoc/>
    /// <exception cref="AttributionException">The model has a single logit, or one class.</exception>
    public override Tensor Scores(
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
        using var maps = explain(model, Quantity.TrueClass(others))(x, batchSize, progress, cancellation);
        return Core.RandomLogit.scores(relaxation, attributions, maps);
    }
}
