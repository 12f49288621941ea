namespace Attribution;

/// <summary>A question of influence: a quantity of interest over a distribution of interest.</summary>
/// <param name="Quantity">What is asked of the logits.</param>
/// <param name="Distribution">Which instances, by position, belong to the distribution; null: all.</param>
public sealed record Interest(Quantity Quantity, Predicate<int>? Distribution = null)
{
    internal Core.Interest Core => Interop.Interest(Quantity.Core, row => Distribution?.Invoke((int)row) ?? true);
}

/// <summary>Influence-directed explanations: the neuron of a layer with most influence on a quantity of interest over a
/// distribution of inputs (the expert), and what it sees in an image.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788.</remarks>
public sealed class InflDirected
{
    private readonly Model model;
    private readonly string layer;
    private readonly Quantity quantity;
    private readonly Units units;
    private readonly Neighbourhood around;
    private readonly bool timesActivation;

    /// <summary>Explanations of a quantity through a layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut; see <see cref="Model.Layers"/>. Cut before an activation to avoid dead experts.</param>
    /// <param name="quantity">The quantity of interest.</param>
    /// <param name="units">What a unit of the layer is.</param>
    /// <param name="around">Where around each instance its influence is taken; null: <see cref="Neighbourhood.Itself"/>.</param>
    /// <param name="timesActivation">Whether an instance's influence is multiplied with the layer's values, h(x), or along
    /// <see cref="Neighbourhood.LayerLine"/> with h(x) - h(b).</param>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public InflDirected(
        Model model,
        string layer,
        Quantity quantity,
        Units units = Units.Auto,
        Neighbourhood? around = null,
        bool timesActivation = false
    )
    {
        (this.model, this.layer, this.quantity, this.units) = (model, model.RequireLayer(layer), quantity, units);
        (this.around, this.timesActivation) = (around ?? Neighbourhood.Itself, timesActivation);
    }

    /// <summary>The expert: the unit with the largest influence over x, the first on ties. Signed.</summary>
    /// <param name="x">The distribution of interest.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>The unit's position among those of the layer: row-major, or the channel's.</returns>
    public int DisInfluence(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var influence = Influence(x, batchSize, progress, cancellation);
        return Expert(influence);
    }

    /// <summary>I = (1/|X|) Σ ∂q(f(x))/∂h(x), averaged around each x and multiplied with its activation where that was asked
    /// for: one number a unit, of the layer's shape where each of its numbers is one. A channel's is the sum of its
    /// positions'.</summary>
    /// <inheritdoc cref="DisInfluence" path="/param"/>
    /// <exception cref="AttributionException">There are no instances, or the model's output is not finite.</exception>
    public Tensor Influence(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        Influences(model, layer, [new(quantity)], x, batchSize, progress, cancellation, units, around, timesActivation)[
            0
        ];

    /// <summary>The influence for several interests at once, for one run of the model up to the layer.</summary>
    /// <inheritdoc cref="Influence" path="/exception"/>
    public static IReadOnlyList<Tensor> Influences(
        Model model,
        string layer,
        IReadOnlyList<Interest> interests,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default,
        Units units = Units.Auto,
        Neighbourhood? around = null,
        bool timesActivation = false
    )
    {
        around ??= Neighbourhood.Itself;
        return Attribution.Core.Influence.distributions(
            around.For(x),
            timesActivation,
            [.. interests.Select(i => i.Core)],
            units.InCore(),
            model.RequireLayer(layer),
            model.Working(batchSize, (long)x.Count * around.Passes, progress, cancellation),
            x.Core
        );
    }

    /// <summary>The expert of an influence: the position of its largest number, the first on ties.</summary>
    public static int Expert(Tensor influence) => Attribution.Core.Influence.expert(influence);

    /// <summary>What a unit sees: A(x) = x ⊙ ∇ₓ h_i(x). All zero where the unit's ReLU holds it at 0.</summary>
    /// <param name="expertId">The unit's position among those of the layer.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="multiplyWithInput">Whether the gradient is multiplied with the input.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The layer has no such unit.</exception>
    public Tensor ExpertAttribution(
        int expertId,
        Instances x,
        int? batchSize = null,
        bool multiplyWithInput = true,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        new SaliencyMap(model, Quantity.Unit(layer, expertId, units)).Attribute(
            x,
            batchSize,
            multiplyWithInput,
            progress,
            cancellation
        );

    /// <summary>How a unit behaves over instances: its values, when it is active, what it tells apart.</summary>
    /// <param name="unit">The unit's position among those of the layer.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    public UnitActivity Activity(
        int unit,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var core = model.Working(batchSize, x.Count, progress, cancellation);
        var target = TargetModule.ofUnit(units.InCore(), layer, unit, core);
        using var _ = no_grad();
        using var values = x.Core.Map(target, Pass.Forward, batch => target.Output(batch.X));
        return new(TensorModule.toArray<float>(values.to(ScalarType.Float32)));
    }

    /// <summary>The same for several units, of one pass over the instances.</summary>
    /// <param name="some">The units' positions among those of the layer.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The layer has no such unit.</exception>
    public IReadOnlyList<UnitActivity> Activities(
        IReadOnlyList<int> some,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        var core = model.Working(batchSize, x.Count, progress, cancellation);
        var values = Attribution.Core.Influence.activations([.. some], units.InCore(), layer, core, x.Core);
        var columns = values.to(ScalarType.Float32, CPU).t().contiguous();
        return
        [
            .. Enumerable.Range(0, some.Count).Select(i => new UnitActivity(TensorModule.toArray<float>(columns[i]))),
        ];
    }
}
