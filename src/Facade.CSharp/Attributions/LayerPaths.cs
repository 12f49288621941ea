namespace Attribution;

/// <summary>Internal influence, Σₖ wₖ ∂q/∂z at z = h(b + αₖ(x - b)): how much each unit of a layer moves the quantity, on average while the
/// instance is faded in from a baseline; n×units. Paths around the layer are held fixed.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788.</remarks>
public sealed class InternalInfluence : MapMethod
{
    /// <summary>Internal influence on a quantity of interest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="baseline">Where paths begin; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="numSteps">The points on a path.</param>
    /// <param name="rule">Where they lie.</param>
    /// <param name="units">What a unit of the layer is.</param>
    /// <exception cref="ArgumentOutOfRangeException">numSteps is less than 1.</exception>
    /// <exception cref="AttributionException">The model has no such layer.</exception>
    public InternalInfluence(
        Model model,
        string layer,
        Quantity? quantity = null,
        Baseline? baseline = null,
        int numSteps = 50,
        IntegrationRule rule = IntegrationRule.RightHand,
        Units units = Units.Auto
    )
        : this(model.RequireLayer(layer), model, quantity, baseline, numSteps, rule, units) =>
        ArgumentOutOfRangeException.ThrowIfLessThan(numSteps, 1);

    private InternalInfluence(
        string layer,
        Model model,
        Quantity? quantity,
        Baseline? baseline,
        int numSteps,
        IntegrationRule rule,
        Units units
    )
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => 1L + 2L * numSteps,
            x =>
            {
                var start = Baseline.For(baseline, x);
                var nodes = QuadratureModule.nodes(rule.InCore(), numSteps);
                return (target, batch) =>
                    LayerPaths.internalInfluence(nodes, start, units.InCore(), layer, target, batch);
            }
        ) { }
}

/// <summary>Conductance, Σₖ ∂q/∂z ⊙ (zₖ₊₁ - zₖ): what the change of each unit of a layer did to the quantity while the instance was faded
/// in from a baseline; n×units. Complete where all of the quantity passes the layer. Paths around the layer are held fixed.</summary>
/// <remarks>Dhamdhere, Sundararajan and Yan, arXiv 1805.12233, summed over the inputs as in Shrikumar, Su and Kundaje, arXiv
/// 1807.09946.</remarks>
public sealed class Conductance : MapMethod
{
    /// <summary>The conductance of a layer's units.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="baseline">Where paths begin; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="numSteps">The steps of a path.</param>
    /// <param name="units">What a unit of the layer is.</param>
    /// <exception cref="ArgumentOutOfRangeException">numSteps is less than 1.</exception>
    /// <exception cref="AttributionException">The model has no such layer.</exception>
    public Conductance(
        Model model,
        string layer,
        Quantity? quantity = null,
        Baseline? baseline = null,
        int numSteps = 50,
        Units units = Units.Auto
    )
        : this(model.RequireLayer(layer), model, quantity, baseline, numSteps, units) =>
        ArgumentOutOfRangeException.ThrowIfLessThan(numSteps, 1);

    private Conductance(string layer, Model model, Quantity? quantity, Baseline? baseline, int numSteps, Units units)
        : base(
            model,
            quantity,
            Pass.Gradient,
            _ => 1L + 4L * numSteps,
            x =>
            {
                var start = Baseline.For(baseline, x);
                return (target, batch) => LayerPaths.conductance(numSteps, start, units.InCore(), layer, target, batch);
            }
        ) { }
}
