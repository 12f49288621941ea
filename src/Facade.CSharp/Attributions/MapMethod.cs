namespace Attribution;

/// <summary>The maps of a batch's instances.</summary>
internal delegate Tensor BatchMap(Target target, Batch batch);

/// <summary>A method of attribution, set up.</summary>
public abstract class MapMethod
{
    private readonly Model model;
    private readonly Quantity quantity;
    private readonly Pass pass;
    private readonly Func<Instances, long> passes;
    private readonly Func<Instances, BatchMap> map;

    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="pass">What a pass over a batch does.</param>
    /// <param name="passes">How many passes an instance takes.</param>
    /// <param name="map">The method itself.</param>
    private protected MapMethod(
        Model model,
        Quantity? quantity,
        Pass pass,
        Func<Instances, long> passes,
        Func<Instances, BatchMap> map
    ) =>
        (this.model, this.quantity, this.pass, this.passes, this.map) = (
            model,
            quantity ?? Quantity.Predicted,
            pass,
            passes,
            map
        );

    /// <summary>The attributions of instances: of their shape, or n×h×w where a method gives one number a pixel.</summary>
    /// <inheritdoc cref="Explainer"/>
    /// <exception cref="ArgumentException">The instances have a shape that the model does not take.</exception>
    /// <exception cref="AttributionException">The model's output is not finite, or lacks the class.</exception>
    public Tensor Attribute(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    ) => Run(map(x), x, batchSize, progress, cancellation);

    /// <summary>The same with other maps of a batch.</summary>
    private protected Tensor Run(
        BatchMap map,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    ) =>
        model.Map(
            x,
            quantity,
            pass,
            x.Count * passes(x),
            (target, batch) => Laid(map(target, batch), batch),
            batchSize,
            progress,
            cancellation
        );

    /// <summary>Maps of a batch as they are given.</summary>
    private protected virtual Tensor Laid(Tensor maps, Batch batch) => maps;
}
