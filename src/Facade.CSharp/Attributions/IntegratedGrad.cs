namespace Attribution;

/// <summary>A rule that approximates the integral of the gradient along the path.</summary>
public enum IntegrationRule
{
    /// <summary>Nodes i/N, i = 1…N: the course's definition.</summary>
    RightHand,

    /// <summary>Nodes (i - ½)/N.</summary>
    Midpoint,

    /// <summary>Nodes i/(N-1), i = 0…N-1; the ends weigh half.</summary>
    Trapezoid,

    /// <summary>Exact for polynomials of degree 2N-1.</summary>
    GaussLegendre,
}

internal static class IntegrationRuleExtensions
{
    internal static Quadrature InCore(this IntegrationRule rule) =>
        rule switch
        {
            IntegrationRule.RightHand => Quadrature.RightHand,
            IntegrationRule.Midpoint => Quadrature.Midpoint,
            IntegrationRule.Trapezoid => Quadrature.Trapezoid,
            IntegrationRule.GaussLegendre => Quadrature.GaussLegendre,
            _ => throw new ArgumentOutOfRangeException(nameof(rule), rule, "No such rule."),
        };
}

/// <summary>The result of <see cref="IntegratedGrad.AttributeAdaptively"/>.</summary>
/// <param name="Attributions">The attributions of the instances, of their shape.</param>
/// <param name="Steps">The nodes that each instance took.</param>
/// <param name="Gaps">Each instance's completeness gap, as a share of |q(f(x)) - q(f(b))|.</param>
public sealed record AdaptiveGradients(Tensor Attributions, IReadOnlyList<int> Steps, IReadOnlyList<double> Gaps);

/// <summary>
/// Integrated gradients, IG(x, b) = (x - b) ⊙ Σᵢ wᵢ ∇ₓ q(f(b + αᵢ(x - b))): the gradient averaged along the straight path
/// from a baseline. Complete: the attributions of an instance sum to q(f(x)) - q(f(b)) as the steps grow.
/// </summary>
/// <remarks>Sundararajan, Taly and Yan, arXiv 1703.01365.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained.</param>
public sealed class IntegratedGrad(Model model, Quantity quantity)
{
    private const long GuessedSteps = 64;

    /// <summary>Integrated gradients of a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance, and fixed along its path.</param>
    public IntegratedGrad(Model model, int? targetClass = null)
        : this(model, Quantity.OfTarget(targetClass)) { }

    /// <summary>Integrated gradients of a unit of a layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">The layer; see <see cref="Model.Layers"/>.</param>
    /// <param name="unit">The unit's position among those of the layer.</param>
    /// <param name="units">What a unit of the layer is.</param>
    /// <exception cref="AttributionException">The model has no such layer.</exception>
    public IntegratedGrad(Model model, string layer, int unit, Units units = Units.Auto)
        : this(model, Quantity.Unit(model.RequireLayer(layer), unit, units)) { }

    /// <summary>The attributions of instances, of their shape.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="baseline">Where the path begins; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="batchSize">Points of paths a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="numSteps">N, the points on each path.</param>
    /// <param name="multiplyWithInput">Whether the mean gradient is multiplied with x - b.</param>
    /// <param name="rule">Where the points lie and what they weigh.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shape does not fit the model, or there are too few steps.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        Baseline? baseline = null,
        int? batchSize = null,
        int numSteps = 50,
        bool multiplyWithInput = true,
        IntegrationRule rule = IntegrationRule.RightHand,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var nodes = QuadratureModule.nodes(rule.InCore(), numSteps);
        var start = Baseline.For(baseline, x);
        return model.Map(
            x,
            quantity,
            Pass.Gradient,
            x.Count * (numSteps + 1L),
            (target, batch) => IntegratedGradients.attribute(nodes, start, multiplyWithInput, target, batch),
            batchSize,
            progress,
            cancellation
        );
    }

    /// <summary>
    /// The same by Gauss-Legendre's rule, with as few steps for each instance as completeness asks for: the first of 4, 8,
    /// 16, … nodes that leave a gap |Σ IG - (q(f(x)) - q(f(b)))| of at most a share of |q(f(x)) - q(f(b))|.
    /// </summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="baseline">Where the path begins; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="batchSize">Points of paths a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="tolerance">The share.</param>
    /// <param name="maxSteps">The most nodes; an instance that they do not suffice for gets the attributions of the most, and
    /// its gap says so.</param>
    /// <param name="multiplyWithInput">Whether the mean gradient is multiplied with x - b.</param>
    /// <param name="progress">Told of every pass; how many there will be is a guess.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentOutOfRangeException">tolerance is not positive, or maxSteps less than 1.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public AdaptiveGradients AttributeAdaptively(
        Instances x,
        Baseline? baseline = null,
        int? batchSize = null,
        double tolerance = 0.01,
        int maxSteps = 512,
        bool multiplyWithInput = true,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tolerance);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxSteps, 1);
        var start = Baseline.For(baseline, x);
        var (steps, gaps) = (new List<int>(), new List<double>());
        Tensor Adapted(Target target, Batch batch)
        {
            var found = IntegratedGradients.adaptive(tolerance, maxSteps, start, multiplyWithInput, target, batch);
            steps.AddRange(found.Steps);
            gaps.AddRange(found.Gaps);
            return found.Attributions;
        }
        var passes = x.Count * GuessedSteps;
        return new(
            model.Map(x, quantity, Pass.Gradient, passes, Adapted, batchSize, progress, cancellation),
            steps,
            gaps
        );
    }

    /// <summary>The completeness gap |Σ IG - (q(f(x)) - q(f(b)))| of each instance (n).</summary>
    /// <param name="attributions">Integrated gradients of x from the baseline, multiplied with x - b.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="baseline">Where the paths began; null: <see cref="Baseline.Black"/>.</param>
    public Tensor CompletenessGap(Tensor attributions, Instances x, Baseline? baseline = null)
    {
        var start = Baseline.For(baseline, x);
        return model.Map(
            x,
            quantity,
            Pass.Forward,
            2L * x.Count,
            (target, batch) => IntegratedGradients.completenessGap(start, target, batch, batch.RowsOf(attributions))
        );
    }
}
