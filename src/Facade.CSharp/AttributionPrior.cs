namespace Attribution;

/// <summary>Losses of maps, for training: added to the loss of the classes, they are what a network knows beforehand about
/// where the evidence lies, or how an explanation looks. Each gives one number a map (n, in 64-bit floats), connected to the maps inside
/// <see cref="Differentiation.Record"/>.</summary>
/// <remarks>They are in the units of the maps: choose the weight of a loss so that it is about as large as the loss of the classes
/// when the training begins.
/// <code>
/// using (Differentiation.Record())
/// {
///     optimizer.zero_grad();
///     var maps = new ExpectedGradients(model, Quantity.TrueClass(labels), samples: 1, seed: step).Attribute(images);
///     (cross_entropy(module.forward(images), classes) + 20 * AttributionPrior.Outside(masks, maps).mean()).backward();
///     optimizer.step();
/// }
/// </code></remarks>
public static class AttributionPrior
{
    /// <summary>Σ_{p ∉ mask} A_p² of each map, over all channels: what it holds outside of the pixels that may matter.</summary>
    /// <remarks>Ross, Hughes and Doshi-Velez, Right for the right reasons, arXiv 1703.03717. A gradient is 0 too where the network
    /// is saturated, and still is wrong; expected gradients with one sample a step are not fooled so.</remarks>
    /// <param name="masks">The pixels that may matter: n×h×w of booleans.</param>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    public static Tensor Outside(Tensor masks, Tensor attributions) =>
        Prior.outside(Localisation.Fitting(masks, attributions), attributions);

    /// <summary>Σ |A_{i+1,j} - A_{i,j}| + |A_{i,j+1} - A_{i,j}| of each map, over all channels: its total variation, which a smooth
    /// map has little of.</summary>
    /// <remarks>The prior on pixels of Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670, there of expected
    /// gradients.</remarks>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    public static Tensor TotalVariation(Tensor attributions) => Prior.totalVariation(attributions);

    /// <summary>1 less the Gini index of each map, see <see cref="Sparseness"/>: 0 where one pixel has all, 1 where all have the same.
    /// NaN where all of it is 0.</summary>
    /// <remarks>The prior on sparsity of Erion et al., arXiv 1906.10670.</remarks>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    /// <exception cref="AttributionException">An attribution is not finite, or there is none.</exception>
    public static Tensor Density(Tensor attributions) => Prior.density(attributions);
}
