using Attribution.Core;

namespace Attribution;

/// <summary>
/// LayerCAM, ReLU(Σ_c ReLU(∂q/∂A_c) ⊙ A_c): each position of a layer's channels A weighed by its own gradient, which keeps early
/// layers' detail.
/// </summary>
/// <remarks>
/// Jiang, Zhang, Hou, Cheng and Wei, LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE Transactions on
/// Image Processing 30, 2021. Paths around the layer are held fixed.
/// </remarks>
public sealed class LayerCam : ActivationMap
{
    /// <summary>LayerCAM for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution.</exception>
    public LayerCam(Model model, Quantity? quantity = null, string? layer = null)
        : base(model, quantity, layer, CamWeights.Positions) { }
}
