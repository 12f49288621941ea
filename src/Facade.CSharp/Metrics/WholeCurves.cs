namespace Attribution;

/// <summary>A metric of the curve of a class's score while all pixels are removed, or put in.</summary>
public abstract class WholeCurveMetric : CurveMetric<PixelCurve>
{
    private protected WholeCurveMetric(
        Model model,
        int? targetClass,
        int? pixelsPerStep,
        Scale scale,
        Baseline? baseline,
        Relaxation? relaxation,
        Func<int, Core.Baseline, PixelPath> path,
        Func<Core.PixelCurve, Tensor> score
    )
        : base(
            model,
            Quantity.OfTarget(model, targetClass, scale),
            pixelsPerStep,
            relaxation,
            x => [path(1, Baseline.For(baseline, x))],
            curves => score(curves[0]),
            curves => curves.OverPixels()
        ) { }
}

/// <summary>
/// Deletion, ∫₀¹ f_c(x without the first p·H·W pixels) dp: the area under the score while all pixels are removed, the
/// largest attribution first, those of negative attribution last. Lower is better; between 0 and 1 for probabilities.
/// </summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421. By the trapezoid rule, from the whole image to the baseline.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="scale">Whether the score is the class's probability or its logit.</param>
/// <param name="baseline">What a pixel that is not there is; null: black.</param>
/// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
public sealed class Deletion(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    Scale scale = Scale.Probabilities,
    Baseline? baseline = null,
    Relaxation? relaxation = null
)
    : WholeCurveMetric(
        model,
        targetClass,
        pixelsPerStep,
        scale,
        baseline,
        relaxation,
        Core.Deletion.path,
        Core.Deletion.ofCurve
    );

/// <summary>Insertion, ∫₀¹ f_c(the baseline with the first p·H·W pixels of x) dp: the area under the score while all pixels
/// are put into the baseline, the largest attribution first, those of negative attribution last. Higher is better; between
/// 0 and 1 for probabilities.</summary>
/// <remarks>Petsiuk, Das and Saenko, RISE, arXiv 1806.07421, who begin from the blurred image: pass it as the baseline. By
/// the trapezoid rule, from the baseline to the whole image.</remarks>
/// <inheritdoc cref="Deletion" path="/param|/exception"/>
public sealed class Insertion(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    Scale scale = Scale.Probabilities,
    Baseline? baseline = null,
    Relaxation? relaxation = null
)
    : WholeCurveMetric(
        model,
        targetClass,
        pixelsPerStep,
        scale,
        baseline,
        relaxation,
        Core.Insertion.path,
        Core.Insertion.ofCurve
    );

/// <summary>Pixel flipping, AOPC = 1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ the image without its first k·M pixels:
/// how much of the score is lost on average while all pixels are removed, the largest attribution first. Higher is better.
/// Every score weighs the same.</summary>
/// <remarks>Bach et al., PLoS ONE 10(7), 2015; the area over the perturbation curve of Samek et al., arXiv 1509.06321,
/// whose regions are single pixels here, all channels at once.</remarks>
/// <inheritdoc cref="Deletion" path="/param|/exception"/>
public sealed class PixelFlipping(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    Scale scale = Scale.Logits,
    Baseline? baseline = null,
    Relaxation? relaxation = null
)
    : WholeCurveMetric(
        model,
        targetClass,
        pixelsPerStep,
        scale,
        baseline,
        relaxation,
        Core.PixelFlipping.path,
        Core.PixelFlipping.ofCurve
    );
