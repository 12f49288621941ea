namespace Attribution;

/// <summary>The efficient model parameter randomisation test, (ξ(A_f') - ξ(A_f)) / ξ(A_f), ξ the entropy of the histogram of a map's
/// pixels, f' the model with random weights in every layer: how much more complex the map becomes. -1 or more; higher means that
/// the map depends on what the network has learnt.</summary>
/// <remarks>Hedström et al., Sanity checks revisited, arXiv 2401.06465. A histogram's bins are of equal width, from the map's least
/// number to its largest. Random weights are those of <see cref="Model.Randomised"/>; the explained class stays the one that the trained
/// model predicts. NaN where the map is constant. A model without weights is refused when maps are scored.</remarks>
public sealed class EfficientParameterRandomisation : ExplainingBatchMetric
{
    /// <summary>The test of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier, with layers that have weights: not one made of functions.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="bins">How many bins a histogram has.</param>
    /// <param name="seed">Decides on the weights.</param>
    /// <param name="relaxation">How numbers are counted; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">bins is less than 2.</exception>
    public EfficientParameterRandomisation(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        int bins = 100,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : base(
            model,
            explain,
            targetClass,
            4,
            (_, maps) =>
                (target, attributions, batch) =>
                    Core.EfficientParameterRandomisation.scores(
                        Relaxation.InCore(relaxation),
                        bins,
                        seed,
                        Interop.Curried(maps),
                        target,
                        attributions,
                        batch
                    )
        ) => ArgumentOutOfRangeException.ThrowIfLessThan(bins, 2);
}
