namespace Attribution;

/// <summary>A class activation map, upsampled bilinearly to the images' size, n×h×w: where a layer with positions holds what
/// raises a quantity. Paths around the layer are held fixed.</summary>
public abstract class ActivationMap : MapMethod
{
    private readonly CamWeights weights;

    private protected ActivationMap(Model model, Quantity? quantity, string? layer, CamWeights weights)
        : this(weights, model, quantity, Cuts.Named(model, layer, quantity ?? Quantity.Predicted)) { }

    private ActivationMap(CamWeights weights, Model model, Quantity? quantity, string layer)
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => 1,
            _ => (target, batch) => Core.GradCam.attribute(weights, layer, target, batch)
        ) => (this.weights, Layer) = (weights, layer);

    /// <summary>The layer that is looked at.</summary>
    public string Layer { get; }

    /// <summary>The maps at the layer's own resolution.</summary>
    /// <inheritdoc cref="MapMethod.Attribute"/>
    public Tensor AttributeLayer(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Run((t, batch) => Core.GradCam.atLayer(weights, Layer, t, batch), x, batchSize, progress, cancellation);
}

/// <summary>
/// Grad-CAM, ReLU(Σ_c w_c A_c) with w_c the mean of ∂q/∂A_c over its positions: which positions of a layer's channels A raise the
/// quantity.
/// </summary>
/// <remarks>Selvaraju et al., arXiv 1610.02391. Paths around the layer are held fixed.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
/// <exception cref="AttributionException">The model has no such layer, or none is named and it has no convolution; or, when
/// maps are asked for, the layer has no positions.</exception>
public sealed class GradCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, CamWeights.Mean);

/// <summary>Grad-CAM++, ReLU(Σ_c w_c A_c) with w_c = Σ α ⊙ ReLU(g), g = ∂q/∂A_c and α = g² / (2 g² + g³ Σ A_c): Grad-CAM in
/// which an object's every part weighs, however small.</summary>
/// <remarks>Chattopadhay et al., arXiv 1710.11063, whose second and third derivatives are those of exp(q) where the network
/// is piecewise linear: exp(q) g² and exp(q) g³, so that exp(q) cancels in α. Its last factor, of w_c, is left out: it
/// scales a whole map. Made for values that are not negative: a layer after its ReLU. Paths around the layer are held
/// fixed.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class GradCamPlusPlus(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, CamWeights.PlusPlus);

/// <summary>LayerCAM, ReLU(Σ_c ReLU(∂q/∂A_c) ⊙ A_c): each position of a layer's channels A weighed by its own gradient,
/// which keeps early layers' detail.</summary>
/// <remarks>Jiang, Zhang, Hou, Cheng and Wei, LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE
/// Transactions on Image Processing 30, 2021. Paths around the layer are held fixed.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class LayerCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, CamWeights.Positions);
