namespace Attribution;

/// <summary>Infidelity, meanₖ (β Iₖᵀ A - (f_c(x) - f_c(x - Iₖ)))²: how badly a map foretells what perturbations Iₖ do to
/// the score. 0 or more; lower is better.</summary>
/// <remarks>Yeh et al., arXiv 1901.09392. β is the number that makes the score lowest, as in their experiments and Captum's
/// normalize, so that the map's unit does not matter; or 1, which is the definition itself. Attributions n×h×w count as
/// spread equally over the channels.</remarks>
public sealed class Infidelity : BatchMetric
{
    /// <summary>The infidelity of maps of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="perturbation">What is taken off; null: noise of a tenth of the range.</param>
    /// <param name="samples">How many perturbations an instance gets.</param>
    /// <param name="scaled">Whether a map is multiplied with the number that suits it best.</param>
    /// <param name="multipliedFrom">The baseline b of maps that are multiplied with x - b, as those of integrated gradients
    /// are: A ⊘ (x - b) takes their place (A where x = b). Null for maps of what each unit of a number is worth.</param>
    /// <param name="seed">Decides on the perturbations.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is less than 1.</exception>
    public Infidelity(
        Model model,
        int? targetClass = null,
        Perturbation? perturbation = null,
        int samples = 50,
        bool scaled = true,
        Baseline? multipliedFrom = null,
        long seed = 1
    )
        : base(
            model,
            Quantity.OfTarget(targetClass),
            (_, x) => (samples + 1L) * x.Count,
            x =>
            {
                var draws = (perturbation ?? Perturbation.Noise()).For(x);
                var start = multipliedFrom?.For(x);
                return (target, maps, batch) =>
                    Core.Infidelity.scores(
                        draws,
                        samples,
                        seed,
                        scaled,
                        target,
                        start is null ? maps : Core.Infidelity.perUnit(start, batch, maps),
                        batch
                    );
            }
        ) => ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
}
