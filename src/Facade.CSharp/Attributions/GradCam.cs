using Attribution.Core;

namespace Attribution;

/// <summary>
/// Grad-CAM, ReLU(Σ_c w_c A_c) with w_c the mean of ∂q/∂A_c over its positions: which positions of a layer's channels A raise the
/// quantity.
/// </summary>
/// <remarks>
/// Selvaraju et al., arXiv 1610.02391. Paths around the layer are held fixed.
/// </remarks>
public sealed class GradCam : ActivationMap
{
    /// <summary>Grad-CAM for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution.</exception>
    public GradCam(Model model, Quantity? quantity = null, string? layer = null)
        : base(model, quantity, layer, CamWeights.Mean) { }
}
