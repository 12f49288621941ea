namespace Attribution;

/// <summary>
/// The random logit test, ρ(A_c, A_k), k ≠ c a random class: how alike a map is to that of another class. Between -1 and 1; lower
/// means that the map tells classes apart.
/// </summary>
/// <remarks>Sixt, Granz and Landgraf, When explanations lie, arXiv 1912.09818, with Spearman's rank correlation of the pixels
/// for their structural similarity. NaN where a map is constant.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="explain">How the maps are made of a model's quantity.</param>
/// <param name="targetClass">c; null: the class predicted for each instance.</param>
/// <param name="seed">Decides on k, instance by instance.</param>
/// <param name="relaxation">How ranks are computed; null: exactly.</param>
/// <exception cref="AttributionException">When maps are scored: the model has a single logit, or one class.</exception>
public sealed class RandomLogit(
    Model model,
    Func<Model, Quantity, Explainer> explain,
    int? targetClass = null,
    long seed = 1,
    Relaxation? relaxation = null
) : ExplainingMetric(model, explain, targetClass)
{
    private protected override Tensor Score(MapsAsked asked)
    {
        var (classes, count) = Classes(asked);
        if (Model.IsBinary)
            throw new AttributionException(
                "The random logit test compares a class's map with another's, but of a single logit the two are each other's negative: measure this model otherwise."
            );
        if (count < 2)
            throw new AttributionException(
                "The random logit test compares classes, but the model has one: measure this model otherwise."
            );
        var numbers = Enumerable.Range(0, asked.X.Count).Select(i => asked.X.Core.Id.Invoke(i)).ToArray();
        var others = Core.RandomLogit.others(seed, count, numbers, classes);
        using var maps = Explained(asked, Model, others, asked.CountOfMaps(1));
        return Core.RandomLogit.scores(Relaxation.InCore(relaxation), asked.Maps, maps);
    }
}
