namespace Attribution;

/// <summary>A gradient that ReLUs change on its way back; at any other op it is the gradient.</summary>
public abstract class ReluGradient : MapMethod
{
    private protected ReluGradient(
        string name,
        Model model,
        Quantity quantity,
        bool multiply,
        Func<bool, Target, Batch, Tensor> map
    )
        : base(
            RequireRelus(name, model),
            quantity,
            Pass.Rules,
            _ => 1,
            _ => (target, batch) => map(multiply, target, batch)
        ) { }

    internal static Model RequireRelus(string name, Model model) =>
        model.Require(
            $"{name} is about ReLUs",
            graph =>
                graph.Nodes.Any(node => node.Op is Op.Activation { Item: { IsRelu: true } or { IsClippedRelu: true } })
        );
}

/// <summary>Guided backpropagation: a gradient that passes a ReLU only where it, too, is positive.</summary>
/// <remarks>Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806. At any op but ReLU it is the gradient.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is brought back.</param>
/// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
/// <exception cref="AttributionException">The model has no ReLU.</exception>
public sealed class GuidedBackpropagation(Model model, Quantity quantity, bool multiplyWithInput = false)
    : ReluGradient("Guided backpropagation", model, quantity, multiplyWithInput, Core.GuidedBackpropagation.attribute)
{
    /// <summary>What a class's score brings back.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
    /// <exception cref="AttributionException">The model has no ReLU.</exception>
    public GuidedBackpropagation(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }
}

/// <summary>Deconvolution: a gradient that passes a ReLU where it is itself positive, whatever went forth there.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901. At any op but ReLU it is the gradient.</remarks>
/// <inheritdoc cref="GuidedBackpropagation" path="/param|/exception"/>
public sealed class Deconvolution(Model model, Quantity quantity, bool multiplyWithInput = false)
    : ReluGradient("Deconvolution", model, quantity, multiplyWithInput, Core.Deconvolution.attribute)
{
    /// <inheritdoc cref="GuidedBackpropagation(Model, int?, bool)"/>
    public Deconvolution(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }
}

/// <summary>Guided Grad-CAM: guided backpropagation ⊙ Grad-CAM, as fine as the one and as particular to the class as the
/// other.</summary>
/// <remarks>Selvaraju et al., arXiv 1610.02391.</remarks>
public sealed class GuidedGradCam : MapMethod
{
    /// <summary>Guided Grad-CAM for a quantity of interest.</summary>
    /// <inheritdoc cref="GradCam" path="/param"/>
    /// <exception cref="AttributionException">The model has no ReLU, no such layer, or none is named and it has no convolution;
    /// or, when maps are asked for, the layer has no positions.</exception>
    public GuidedGradCam(Model model, Quantity? quantity = null, string? layer = null)
        : this(
            Cuts.Named(
                ReluGradient.RequireRelus("Guided backpropagation", model),
                layer,
                quantity ?? Quantity.Predicted
            ),
            model,
            quantity
        ) { }

    private GuidedGradCam(string layer, Model model, Quantity? quantity)
        : base(
            model,
            quantity,
            Pass.Rules,
            _ => 2,
            _ => (target, batch) => Interop.GuidedGradCam([layer], target, batch)
        ) => Layer = layer;

    /// <summary>The layer that is looked at.</summary>
    public string Layer { get; }
}
