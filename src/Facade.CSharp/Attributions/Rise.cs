namespace Attribution;

/// <summary>RISE, Σₖ q(f(b + Mₖ ⊙ (x - b))) Mₖ / Σₖ Mₖ - (1/N) Σₖ q(f(b + Mₖ ⊙ (x - b))): how much higher the quantity is
/// where a pixel is shown, over N random masks Mₖ. Asks nothing of the model but its scores.</summary>
/// <remarks>Petsiuk, Das and Saenko, arXiv 1806.07421. Masks are grids of cells, each shown with probability p, upsampled
/// bilinearly and shifted at random; every instance sees the same ones. Where the paper divides by N·p, this divides by Σₖ
/// Mₖ, what N·p is the expectation of: a score that no mask changes then leaves no trace of the draw. Its scores are
/// probabilities, and its maps nowhere negative; those of logits may lie anywhere, so here the mean score is taken off
/// unless asked not to, and a map's sign tells what raises the quantity.</remarks>
public sealed class Rise : MapMethod
{
    /// <summary>The masks where nobody says; the paper takes 4000 to 8000.</summary>
    public const int DefaultSamples = 1000;

    private const int MostCells = 256;

    /// <summary>RISE for a quantity of interest: maps n×h×w, 0 where no mask shows the pixel.</summary>
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
        : base(
            model,
            quantity,
            Pass.Forward,
            _ => samples + 1L,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, batch) =>
                    Core.Rise.attribute(samples, cells, probability, seed, centred, hidden, target, batch);
            }
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
        MethodSettings.RequireSamples(samples);
    }
}
