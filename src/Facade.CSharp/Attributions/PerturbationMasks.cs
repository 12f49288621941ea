namespace Attribution;

/// <summary>Meaningful perturbation: 1 - m of the smooth mask m that destroys the score at the least price, the minimum of
/// t(b + m ⊙ (x - b)) / |t(x) - t(b)| + 10 mean(1 - m) + 2 mean ‖∇m‖³, t = q ∘ f. From 0 to 1 a pixel.</summary>
/// <remarks>Fong and Vedaldi, arXiv 1704.03296; the scale of the score and the prices are chosen here. The mask is the bilinear enlargement
/// of at most 12×12 cells.</remarks>
public sealed class MeaningfulPerturbation : MapMethod
{
    /// <summary>Meaningful perturbation of a quantity of interest: maps n×h×w.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="baseline">b, what hidden pixels become; null: <see cref="Baseline.Black"/>. The paper's is blurred.</param>
    /// <param name="iterations">The steps of the descent: a gradient each.</param>
    /// <exception cref="ArgumentOutOfRangeException">iterations is not 1 to 100 000.</exception>
    public MeaningfulPerturbation(
        Model model,
        Quantity? quantity = null,
        Baseline? baseline = null,
        int iterations = 50
    )
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => iterations + 1L,
            x =>
                (target, batch) =>
                    Core.PerturbationMasks.meaningful(iterations, Baseline.For(baseline, x), target, batch)
        ) => MethodSettings.RequireIterations(iterations);
}

/// <summary>What the mask of an <see cref="ExtremalPerturbation"/> does.</summary>
public enum PerturbationGoal
{
    /// <summary>It shows what keeps the score, and hides the rest.</summary>
    Preserve,

    /// <summary>It hides what destroys the score, and shows the rest.</summary>
    Delete,
}

/// <summary>Extremal perturbation: m - ½ of the smooth mask m of area a that preserves q(f(b + m ⊙ (x - b))) best, or deletes
/// q(f(b + (1 - m) ⊙ (x - b))) best. Positive in the share a of the pixels.</summary>
/// <remarks>Fong, Patrick and Vedaldi, arXiv 1910.08485. Where the paper pays for an area that is not a, the area holds here by
/// construction: m is a soft threshold of a smooth field, which is found.</remarks>
public sealed class ExtremalPerturbation : MapMethod
{
    /// <summary>Extremal perturbation of a quantity of interest: maps n×h×w.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="goal">What the mask does.</param>
    /// <param name="area">a: the share of the image that it covers, between 0 and 1.</param>
    /// <param name="baseline">b, what hidden pixels become; null: <see cref="Baseline.Black"/>. The paper's is blurred.</param>
    /// <param name="iterations">The steps of the descent: a gradient each.</param>
    /// <exception cref="ArgumentOutOfRangeException">area is not between 0 and 1, iterations is not 1 to 100 000, or there is no such
    /// goal.</exception>
    public ExtremalPerturbation(
        Model model,
        Quantity? quantity = null,
        PerturbationGoal goal = PerturbationGoal.Preserve,
        double area = 0.1,
        Baseline? baseline = null,
        int iterations = 50
    )
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => iterations + 1L,
            x =>
                (target, batch) =>
                    Core.PerturbationMasks.extremal(
                        goal == PerturbationGoal.Preserve,
                        area,
                        iterations,
                        Baseline.For(baseline, x),
                        target,
                        batch
                    )
        )
    {
        MethodSettings.RequireIterations(iterations);
        MethodSettings.RequireArea(area);
        if (!Enum.IsDefined(goal))
            throw new ArgumentOutOfRangeException(nameof(goal), goal, "No such goal.");
    }
}
