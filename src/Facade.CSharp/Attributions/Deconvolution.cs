namespace Attribution;

/// <summary>Deconvolution: a gradient that passes a ReLU where it is itself positive, whatever went forth there.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901. At any op but ReLU it is the gradient.</remarks>
public sealed class Deconvolution : ReluGradient
{
    /// <summary>What a class's score brings back.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="multiplyWithInput">Whether the result is multiplied with the input.</param>
    /// <exception cref="AttributionException">The model has no ReLU.</exception>
    public Deconvolution(Model model, int? targetClass = null, bool multiplyWithInput = false)
        : this(model, Quantity.OfTarget(targetClass), multiplyWithInput) { }

    /// <summary>What a quantity of interest brings back.</summary>
    /// <inheritdoc cref="Deconvolution(Model, int?, bool)"/>
    public Deconvolution(Model model, Quantity quantity, bool multiplyWithInput = false)
        : base(
            "Deconvolution",
            model,
            quantity,
            (target, batch) => Core.Deconvolution.attribute(multiplyWithInput, target, batch)
        ) { }
}
