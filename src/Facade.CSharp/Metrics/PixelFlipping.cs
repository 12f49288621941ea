using System;
using Attribution.Core;

namespace Attribution;

/// <summary>
/// Pixel flipping, AOPC = 1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ the image without its first k·M pixels: how much of
/// the score is lost on average while all pixels are removed, the largest attribution first. Higher is better.
/// </summary>
/// <remarks>Bach et al., PLoS ONE 10(7), 2015; the area over the perturbation curve of Samek et al., arXiv 1509.06321, whose
/// regions are single pixels here, all channels at once.</remarks>
public sealed class PixelFlipping : CurveMetric<PixelCurve>
{
    /// <summary>The pixel flipping of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
    /// <param name="pixelsPerStep">M: a score is taken after every M pixels, and every score weighs the same;
    /// null: chosen by the images\' size, see <see cref="PixelSteps.For"/>.</param>
    /// <param name="scale">Whether the score is the class's probability or its logit.</param>
    /// <param name="baseline">What a removed pixel becomes; null: black.</param>
    /// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1, or there is no score on that scale.</exception>
    public PixelFlipping(
        Model model,
        int? targetClass = null,
        int? pixelsPerStep = null,
        Scale scale = Scale.Logits,
        Baseline? baseline = null,
        Relaxation? relaxation = null
    )
        : base(
            model,
            Quantity.OfTarget(model, targetClass, scale),
            pixelsPerStep,
            relaxation,
            x => [Core.PixelFlipping.path(1, (baseline ?? Baseline.Black).For(x))],
            curves => Core.PixelFlipping.ofCurve(curves[0]),
            curves => curves.OverPixels()
        ) { }
}
