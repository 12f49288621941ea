namespace Attribution;

/// <summary>A class activation map, upsampled bilinearly to the images' size, n×h×w: where a layer with positions holds what
/// raises a quantity. Paths around the layer are held fixed.</summary>
public abstract class ActivationMap : MapMethod
{
    private readonly Func<Instances, LayerMap> atLayer;

    /// <summary>The maps of a batch at a layer's own resolution.</summary>
    private protected delegate Tensor LayerMap(string layer, Target target, Batch batch);

    private protected ActivationMap(Model model, Quantity? quantity, string? layer, CamWeights weights)
        : this(model, quantity, layer, _ => (at, target, batch) => Core.GradCam.atLayer(weights, at, target, batch)) { }

    private protected ActivationMap(
        Model model,
        Quantity? quantity,
        string? layer,
        Func<Instances, LayerMap> atLayer,
        bool isByChannel = false
    )
        : this(atLayer, model, quantity, Cuts.Named(model, layer, quantity ?? Quantity.Predicted), isByChannel) { }

    private ActivationMap(
        Func<Instances, LayerMap> atLayer,
        Model model,
        Quantity? quantity,
        string layer,
        bool isByChannel
    )
        : base(
            model,
            quantity,
            isByChannel ? Pass.Forward : Pass.Gradient,
            x => isByChannel ? 2 + Cam.channels(layer, model.Core, x.Core) : 1,
            x =>
            {
                var map = atLayer(x);
                return (target, batch) => Cam.enlarge(batch.X, map(layer, target, batch));
            }
        ) => (this.atLayer, Layer) = (atLayer, layer);

    /// <summary>The layer that is looked at.</summary>
    public string Layer { get; }

    /// <summary>The maps at the layer's own resolution.</summary>
    /// <inheritdoc cref="MapMethod.Attribute"/>
    public Tensor AttributeLayer(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Run((t, batch) => atLayer(x)(Layer, t, batch), x, batchSize, progress, cancellation);
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

/// <summary>HiResCAM, ReLU(Σ_c ∂q/∂A_c ⊙ A_c): each position of a layer's channels A weighed by its own gradient, of either sign.
/// Where only dense layers follow, the sum before the ReLU is the quantity but for its bias.</summary>
/// <remarks>Draelos and Carin, arXiv 2011.08891. Paths around the layer are held fixed.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class HiResCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, CamWeights.HighResolution);

/// <summary>XGrad-CAM, ReLU(Σ_c w_c A_c) with w_c = Σ ∂q/∂A_c ⊙ A_c / Σ A_c: Grad-CAM in which a channel's weight follows from two
/// axioms, sensitivity and conservation.</summary>
/// <remarks>Fu et al., arXiv 2008.02312. A channel whose values sum to 0 has no weight. Paths around the layer are held fixed.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class XGradCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, CamWeights.Axiom);

/// <summary>Eigen-CAM, A v: a layer's values A (positions by channels) along their first right singular vector v. It is of no class, and
/// asks for no gradient.</summary>
/// <remarks>Muhammad and Yeasin, arXiv 2008.00299. The sign is the one that leaves more of it positive.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class EigenCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, _ => Core.EigenCam.atLayer);

/// <summary>Score-CAM, ReLU(Σ_c α_c A_c) with α the softmax over channels of q(f(b + H_c ⊙ (x - b))): a layer's channels A, weighed by what
/// the quantity is where each of them, enlarged and scaled to 0…1, lets the image be seen. It asks for no gradient.</summary>
/// <remarks>Wang et al., arXiv 1910.01279. It takes a pass a channel.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="layer">A layer with positions; null: <see cref="Cuts.LastConvolution"/>'s.</param>
/// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
/// <inheritdoc cref="GradCam" path="/exception"/>
public sealed class ScoreCam(Model model, Quantity? quantity = null, string? layer = null, Baseline? baseline = null)
    : ActivationMap(
        model,
        quantity,
        layer,
        x => (at, target, batch) => Core.ScoreCam.atLayer(Baseline.For(baseline, x), at, target, batch),
        isByChannel: true
    );

/// <summary>Ablation-CAM, ReLU(Σ_c w_c A_c) with w_c = q - q(A without channel c): a layer's channels A, weighed by what the quantity loses
/// without each. It asks for no gradient.</summary>
/// <remarks>Desai and Ramaswamy, IEEE Winter Conference on Applications of Computer Vision, 2020, but for the division by q, which scales a
/// whole map. It takes a pass a channel. Paths around the layer are held fixed.</remarks>
/// <inheritdoc cref="GradCam" path="/param|/exception"/>
public sealed class AblationCam(Model model, Quantity? quantity = null, string? layer = null)
    : ActivationMap(model, quantity, layer, _ => Core.AblationCam.atLayer, isByChannel: true);
