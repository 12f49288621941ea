using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Grad-CAM++, ReLU(Σ_c w_c A_c) with w_c = Σ α ⊙ ReLU(g), g = ∂q/∂A_c and α = g² / (2 g² + g³ Σ A_c): Grad-CAM in which an object's
/// every part weighs, however small.
/// </summary>
/// <remarks>
/// Chattopadhay et al., arXiv 1710.11063, whose second and third derivatives are those of exp(q) where the network is piecewise
/// linear: exp(q) g² and exp(q) g³, so that exp(q) cancels in α. Its last factor, of w_c, is left out: it scales a whole map. Made
/// for values that are not negative: a layer after its ReLU. Paths around the layer are held fixed.
/// </remarks>
public sealed class GradCamPlusPlus
{
    private readonly ActivationMap map;

    /// <summary>GradCamPlusPlus for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution.</exception>
    public GradCamPlusPlus(Model model, Quantity? quantity = null, string? layer = null) =>
        map = new(model, quantity, layer, CamWeights.PlusPlus);

    /// <summary>The layer that is looked at.</summary>
    public string Layer => map.Layer;

    /// <summary>The maps of images, upsampled bilinearly to their size: n×h×w.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The images have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The layer has no positions, or the model's output is not finite, or lacks the class.
    /// </exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => map.Attribute(x, batchSize, progress, cancellation, isUpsampled: true);

    /// <summary>The maps at the layer's own resolution.</summary>
    /// <inheritdoc cref="Attribute"/>
    public Tensor AttributeLayer(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => map.Attribute(x, batchSize, progress, cancellation, isUpsampled: false);
}
