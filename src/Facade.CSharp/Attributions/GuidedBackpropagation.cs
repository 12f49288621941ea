namespace Attribution;

/// <summary>Guided backpropagation: a gradient that passes a ReLU only where it, too, is positive.</summary>
/// <remarks>Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806. At any op but ReLU it is the gradient.</remarks>
public sealed class GuidedBackpropagation : ReluGradient
{
    /// <summary>What a class's score brings back.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
    /// <exception cref="AttributionException">The model has no ReLU.</exception>
    public GuidedBackpropagation(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }

    /// <summary>What a quantity of interest brings back.</summary>
    /// <inheritdoc cref="GuidedBackpropagation(Model, int?, bool)"/>
    public GuidedBackpropagation(Model model, Quantity quantity, bool multiplyWithInput = false)
        : base(
            "Guided backpropagation",
            model,
            quantity,
            (target, batch) => Core.GuidedBackpropagation.attribute(multiplyWithInput, target, batch)
        ) { }
}
