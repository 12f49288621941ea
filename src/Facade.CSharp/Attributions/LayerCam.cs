using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// LayerCAM, ReLU(Σ_c ReLU(∂q/∂A_c) ⊙ A_c): each position of a layer's channels A weighed by its own gradient, which keeps early
/// layers' detail.
/// </summary>
/// <remarks>
/// Jiang, Zhang, Hou, Cheng and Wei, LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE Transactions on
/// Image Processing 30, 2021. Paths around the layer are held fixed.
/// </remarks>
public sealed class LayerCam
{
    private readonly ActivationMap map;

    /// <summary>LayerCam for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution.</exception>
    public LayerCam(Model model, Quantity? quantity = null, string? layer = null) =>
        map = new(model, quantity, layer, CamWeights.Positions);

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
