namespace Attribution;

/// <summary>Where around each instance x of a distribution of interest its influence is taken: a distribution of points
/// that all stand for x, whose predicted class and label they keep.</summary>
public sealed class Neighbourhood
{
    private readonly Func<Instances, Core.Neighbourhood> of;

    private Neighbourhood(string name, string? settings, int passes, Func<Instances, Core.Neighbourhood> of) =>
        (Name, Settings, Passes, this.of) = (name, settings, passes, of);

    /// <summary>As the command line spells it: "itself", "line", "layer-line", "gaussian:20".</summary>
    public string Name { get; }

    /// <summary>Its points, for people; null where there is one.</summary>
    public string? Settings { get; }

    /// <summary>Passes an instance.</summary>
    internal int Passes { get; }

    /// <summary>x alone.</summary>
    public static Neighbourhood Itself { get; } = new("itself", null, 1, _ => Core.Neighbourhood.Itself);

    /// <summary>The straight line of images from a baseline: ∂q(g(z))/∂z at z = h(b + αᵢ(x - b)), averaged. At the input it is
    /// the path of integrated gradients.</summary>
    /// <param name="baseline">Where the line begins; null: <see cref="Baseline.Black"/>.</param>
    /// <param name="steps">The points on it.</param>
    /// <param name="rule">Where the points lie and what they weigh.</param>
    /// <exception cref="ArgumentException">There are too few steps.</exception>
    public static Neighbourhood Line(
        Baseline? baseline = null,
        int steps = 50,
        IntegrationRule rule = IntegrationRule.RightHand
    ) => Along("line", baseline, steps, rule, 1 + steps, Core.Neighbourhood.NewLine);

    /// <summary>The straight line between the layer's own values: z = h(b) + αᵢ(h(x) - h(b)), with what flows past the
    /// layer held at x's. Times the activation it is complete: an instance's units sum to q(f(x)) - q(g(h(b))) as the steps
    /// grow.</summary>
    /// <remarks>Leino et al.'s "internal influence" with a linear distribution of interest at the layer itself, as TruLens
    /// has it.</remarks>
    /// <inheritdoc cref="Line"/>
    public static Neighbourhood LayerLine(
        Baseline? baseline = null,
        int steps = 50,
        IntegrationRule rule = IntegrationRule.RightHand
    ) => Along("layer-line", baseline, steps, rule, 2 + steps, Core.Neighbourhood.NewLayerLine);

    /// <summary>Gaussian noise around x: x + σε, ε standard normal; it depends on the seed, the draw and the instance's position
    /// alone.</summary>
    /// <param name="deviation">σ, in the images' own numbers: 0-255, or 0-1 where they are stored so.</param>
    /// <param name="draws">Points an instance.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="ArgumentOutOfRangeException">σ is negative or not finite, or there is no draw.</exception>
    public static Neighbourhood Gaussian(double deviation, int draws = 50, long seed = 1)
    {
        if (deviation < 0 || !double.IsFinite(deviation))
            throw new ArgumentOutOfRangeException(nameof(deviation), deviation, "A deviation is 0 or more.");
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        return new(
            string.Create(CultureInfo.InvariantCulture, $"gaussian:{deviation}"),
            $"{draws} draws, seed {seed}",
            1 + draws,
            _ => Core.Neighbourhood.NewGaussian(deviation, draws, seed)
        );
    }

    private static Neighbourhood Along(
        string name,
        Baseline? baseline,
        int steps,
        IntegrationRule rule,
        int passes,
        Func<Core.Baseline, Tuple<double, double>[], Core.Neighbourhood> make
    )
    {
        var nodes = QuadratureModule.nodes(rule.InCore(), steps);
        var start = baseline ?? Baseline.Black;
        return new(name, $"{steps} steps from {start.Name}", passes, x => make(start.For(x), nodes));
    }

    internal Core.Neighbourhood For(Instances x) => of(x);

    /// <inheritdoc/>
    public override string ToString() => Settings is null ? Name : $"{Name} ({Settings})";
}
