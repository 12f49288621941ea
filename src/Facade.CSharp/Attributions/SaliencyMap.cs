namespace Attribution;

/// <summary>Saliency maps, S(x) = x ⊙ ∇ₓ q(f(x)): how fast a class's score changes with each input.</summary>
/// <remarks>Simonyan, Vedaldi and Zisserman, arXiv 1312.6034.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained.</param>
public sealed class SaliencyMap(Model model, Quantity quantity)
{
    /// <summary>Saliency of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    public SaliencyMap(Model model, int? targetClass = null)
        : this(model, Quantity.OfTarget(targetClass)) { }

    /// <summary>The attributions of instances, of their shape.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="multiplyWithInput">Whether the gradient is multiplied with the input.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        bool multiplyWithInput = true,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        model.Map(
            x,
            quantity,
            Pass.Gradient,
            x.Count,
            (target, batch) => Saliency.attribute(multiplyWithInput, target, batch),
            batchSize,
            progress,
            cancellation
        );
}
