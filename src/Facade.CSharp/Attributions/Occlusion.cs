namespace Attribution;

/// <summary>Occlusion: a pixel's attribution is what the quantity loses, q(f(x)) - q(f(x hidden in a window)), on average
/// over the windows of a sliding square that cover it.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901.</remarks>
public sealed class Occlusion : MapMethod
{
    /// <summary>Occlusion for a quantity of interest: maps n×h×w.</summary>
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
        : base(
            model,
            quantity,
            Pass.Forward,
            x => Core.Occlusion.count(windowSize, stride, x.Core) + 1,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, batch) => Core.Occlusion.attribute(windowSize, stride, hidden, target, batch);
            }
        ) => MethodSettings.RequireWindow(windowSize, stride);
}
