using Attribution.Core;

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
public sealed class GradCamPlusPlus : ActivationMap
{
    /// <summary>Grad-CAM++ for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
    /// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution.</exception>
    public GradCamPlusPlus(Model model, Quantity? quantity = null, string? layer = null)
        : base(model, quantity, layer, CamWeights.PlusPlus) { }
}
