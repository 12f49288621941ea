namespace Attribution;

/// <summary>The score of an instance while its pixels are removed.</summary>
/// <param name="Removed">Pixels removed, largest attribution first.</param>
/// <param name="Scores">max(f_c - f_c(0), 0) after each removal.</param>
public sealed record RemovalCurve(IReadOnlyList<long> Removed, IReadOnlyList<double> Scores);

/// <summary>
/// Necessity ordering, N_o = 1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) the image without the first i of its N pixels of
/// positive attribution, largest first. Lower means that what the map ranks first is needed. 0 where none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, Eq. 5, in steps of several pixels.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a score is taken after every M pixels and weighs as much; 1 is the definition exactly;
/// null: chosen by the images' size, see <see cref="PixelSteps.For"/>.</param>
/// <param name="normalised">Whether scores are divided by max(f_c(x) - f_c(0), 0), so that images compare; NaN where that
/// is 0.</param>
/// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
public sealed class N_Ord(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    bool normalised = false,
    Relaxation? relaxation = null
)
    : CurveMetric<RemovalCurve>(
        model,
        Quantity.OfTarget(targetClass),
        pixelsPerStep,
        relaxation,
        _ => [NecessityOrdering.path(1)],
        curves => NecessityOrdering.ofCurve(curves[0]),
        curves => curves.OverPixels().Select(c => new RemovalCurve([.. c.Pixels.Skip(1)], [.. c.Scores.Skip(1)])),
        normalised
    );

/// <summary>Sufficiency ordering, S_o = 1/(N+1) · Σᵢ max(f_c(R⁺(i)) - f_c(0), 0), R⁺(i) the black image with the first i of
/// the image's N pixels of positive attribution put back, largest first. Higher means that what the map ranks first
/// suffices. 0 where none is positive.</summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985, in steps of several pixels; over logits. The axis of
/// its curves is the share of the N pixels.</remarks>
/// <inheritdoc cref="N_Ord" path="/param|/exception"/>
public sealed class S_Ord(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    bool normalised = false,
    Relaxation? relaxation = null
)
    : CurveMetric<PixelCurve>(
        model,
        Quantity.OfTarget(targetClass),
        pixelsPerStep,
        relaxation,
        _ => [SufficiencyOrdering.path(1)],
        curves => SufficiencyOrdering.ofCurve(curves[0]),
        curves => curves.OverPixels(),
        normalised
    );

/// <summary>The two curves of <see cref="TPN"/> or <see cref="TPS"/>, whose axis is the share of the positive attribution that
/// has changed.</summary>
/// <param name="Descending">↓: the largest attribution first.</param>
/// <param name="Ascending">↑: the smallest first.</param>
public sealed record ProportionalityCurves(PixelCurve Descending, PixelCurve Ascending);

/// <summary>The area between the curves of both orders.</summary>
public abstract class ProportionalityMetric : CurveMetric<ProportionalityCurves>
{
    private protected ProportionalityMetric(
        Model model,
        int? targetClass,
        int? pixelsPerStep,
        bool normalised,
        Relaxation? relaxation,
        PixelChange change
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            pixelsPerStep,
            relaxation,
            _ => Proportionality.paths(change, 1),
            curves => Proportionality.area(curves[0], curves[1]),
            curves => Plots(curves[0]).Zip(Plots(curves[1]), (down, up) => new ProportionalityCurves(down, up)),
            normalised
        ) { }

    private static IEnumerable<PixelCurve> Plots(Core.PixelCurve curve) => curve.Over(Proportionality.shares(curve));
}

/// <summary>
/// Total proportionality for necessity, TPN = ∫₀¹ |↓(p) - ↑(p)| dp: the area between the scores max(f_c(·) - f_c(0), 0) of the
/// image whose pixels of positive attribution are removed in decreasing (↓) and in increasing (↑)
/// order, over the share p of their attribution. 0 when the impact of pixels is proportional to their attribution; lower is
/// better. NaN where none is positive.
/// </summary>
/// <remarks>Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985; by the trapezoid rule on the points of both curves, taken
/// every several pixels; over logits.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="targetClass">The class; null: the one predicted for each whole instance.</param>
/// <param name="pixelsPerStep">M: a score is taken after every M pixels; null: chosen by the images' size, see
/// <see cref="PixelSteps.For"/>.</param>
/// <param name="normalised">Whether scores are divided by max(f_c(x) - f_c(0), 0), as defined; NaN where that is 0.</param>
/// <param name="relaxation">How the order of the pixels is computed; null: exactly.</param>
/// <exception cref="ArgumentOutOfRangeException">pixelsPerStep is less than 1.</exception>
public sealed class TPN(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    bool normalised = true,
    Relaxation? relaxation = null
) : ProportionalityMetric(model, targetClass, pixelsPerStep, normalised, relaxation, PixelChange.Remove);

/// <summary>Total proportionality for sufficiency, TPS = ∫₀¹ |↓(p) - ↑(p)| dp: the area between the scores max(f_c(·) -
/// f_c(0), 0) of the black image into which the pixels of positive attribution are put back in decreasing (↓) and in
/// increasing (↑) order, over the share p of their attribution. 0 when the impact of pixels is proportional to their
/// attribution; lower is better. NaN where none is positive.</summary>
/// <inheritdoc cref="TPN" path="/remarks|/param|/exception"/>
public sealed class TPS(
    Model model,
    int? targetClass = null,
    int? pixelsPerStep = null,
    bool normalised = true,
    Relaxation? relaxation = null
) : ProportionalityMetric(model, targetClass, pixelsPerStep, normalised, relaxation, PixelChange.Insert);
