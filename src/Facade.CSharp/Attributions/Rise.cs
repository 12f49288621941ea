using System;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// RISE, Σₖ q(f(b + Mₖ ⊙ (x - b))) Mₖ / Σₖ Mₖ - (1/N) Σₖ q(f(b + Mₖ ⊙ (x - b))): how much higher the quantity is where a pixel is
/// shown, over N random masks Mₖ. Asks nothing of the model but its scores.
/// </summary>
/// <remarks>
/// Petsiuk, Das and Saenko, arXiv 1806.07421. Masks are grids of cells, each shown with probability p, upsampled bilinearly and
/// shifted at random; every instance sees the same ones. Where the paper divides by N·p, this divides by Σₖ Mₖ, what N·p is the
/// expectation of: a score that no mask changes then leaves no trace of the draw. Its scores are probabilities, and its maps
/// nowhere negative; those of logits may lie anywhere, so here the mean score is taken off unless asked not to, and a map's
/// sign tells what raises the quantity.
/// </remarks>
public sealed class Rise
{
    /// <summary>The masks where nobody says; the paper takes 4000 to 8000.</summary>
    public const int DefaultSamples = 1000;

    private const int MostCells = 256;

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly int samples;
    private readonly int cells;
    private readonly double probability;
    private readonly long seed;
    private readonly bool centred;
    private readonly Baseline baseline;

    /// <summary>RISE for a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance. The paper's is a
    /// probability: <see cref="Quantity.Of"/> with a softmax.</param>
    /// <param name="samples">N, the masks.</param>
    /// <param name="cells">The cells along each side of a mask's grid, 1 to 256.</param>
    /// <param name="probability">p, that a cell is shown: between 0 and 1.</param>
    /// <param name="seed">Decides on the masks.</param>
    /// <param name="centred">Whether the mean score is taken off.</param>
    /// <param name="baseline">What hidden pixels become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000, cells is not in its range, or probability not between
    /// 0 and 1.</exception>
    public Rise(
        Model model,
        Quantity? quantity = null,
        int samples = DefaultSamples,
        int cells = 8,
        double probability = 0.5,
        long seed = 1,
        bool centred = true,
        Baseline? baseline = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cells, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cells, MostCells);
        if (probability is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(
                nameof(probability),
                probability,
                "A cell's probability lies between 0 and 1."
            );

        (this.model, this.quantity) = (model, quantity ?? Quantity.Predicted);
        (this.samples, this.cells, this.probability) = (Samples.InRange(samples), cells, probability);
        (this.seed, this.centred, this.baseline) = (seed, centred, baseline ?? Baseline.Black);
    }

    /// <summary>The attributions of images: n×h×w; 0 where no mask shows the pixel.</summary>
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
        var passes = x.Count * (samples + 1L);
        var target = x.TargetOf(quantity, model.Working(batchSize, passes, progress, cancellation));
        var hidden = baseline.For(x);
        return x.Core.Map(
            target,
            Pass.Forward,
            batch => Core.Rise.attribute(samples, cells, probability, seed, centred, hidden, target, batch)
        );
    }
}
