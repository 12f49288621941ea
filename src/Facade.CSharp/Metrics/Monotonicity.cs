namespace Attribution;

/// <summary>Monotonicity, meanₖ [p_c(x⁽ᵏ⁾) ≥ p_c(x⁽ᵏ⁻¹⁾)], x⁽ᵏ⁾ the baseline with the first k·M pixels of the image, the smallest
/// magnitude of attribution first: the share of the steps at which the score does not fall. Between 0 and 1; higher is
/// better.</summary>
/// <remarks>Arya et al., arXiv 1909.03012, whose metric (strict) is 1 where this is, and 0 elsewhere. A fall
/// that rounding may explain is none.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="strict">Whether the score is 1 where no step falls, and 0 elsewhere.</param>
/// <param name="scale">Whether the score is the class's probability or its logit.</param>
/// <param name="baseline">What a pixel that is not there is; null: black.</param>
/// <param name="relaxation">How the order of the pixels, and what falls, are computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
public sealed class Monotonicity(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    bool strict = false,
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
        Core.Monotonicity.path,
        curve =>
            strict
                ? Core.Monotonicity.always(Relaxation.InCore(relaxation), curve)
                : Core.Monotonicity.ofCurve(Relaxation.InCore(relaxation), curve)
    );
