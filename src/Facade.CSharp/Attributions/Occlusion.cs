using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Occlusion: a pixel's attribution is what the quantity loses, q(f(x)) - q(f(x hidden in a window)), on average over the windows
/// of a sliding square that cover it.
/// </summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901.</remarks>
public sealed class Occlusion
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Baseline baseline;
    private readonly int? windowSize;
    private readonly int? stride;

    /// <summary>Occlusion for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="windowSize">The window's side in pixels; null: an eighth of the image's height and width.</param>
    /// <param name="stride">The pixels from a window to the next, a window's side at most; null: half of it. The last window in a
    /// row or column is cut off by the image's edge where it overhangs.</param>
    /// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">windowSize or stride is less than 1, or stride more than windowSize.
    /// </exception>
    public Occlusion(
        Model model,
        Quantity? quantity = null,
        int? windowSize = null,
        int? stride = null,
        Baseline? baseline = null
    )
    {
        RequireWindow(windowSize, stride);
        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
        (this.windowSize, this.stride, this.baseline) = (windowSize, stride, baseline ?? Baseline.Black);
    }

    internal static void RequireWindow(int? windowSize, int? stride)
    {
        if (windowSize < 1)
            throw new ArgumentOutOfRangeException(nameof(windowSize), windowSize, "A window has at least 1 pixel.");
        if (stride < 1 || stride > windowSize)
            throw new ArgumentOutOfRangeException(
                nameof(stride),
                stride,
                "A stride is 1 pixel at least, and a window at most, so that windows cover every pixel."
            );
    }

    /// <summary>The attributions of images: n×h×w.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The images have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var passes = x.Count * (Core.Occlusion.count(windowSize, stride, x.Core) + 1);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        var hidden = baseline.For(x);
        return x.Core.Map(
            target,
            Pass.Forward,
            batch => Core.Occlusion.attribute(windowSize, stride, hidden, target, batch)
        );
    }
}
