namespace Attribution;

/// <summary>How alike maps are once a layer's weights are random, and with them those of the layers above it in a
/// cascade.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Signed">Spearman's rank correlation of each instance's attributions, pixel by pixel.</param>
/// <param name="Magnitudes">That of their magnitudes.</param>
/// <param name="Redrawn">The parameters that are random.</param>
public sealed record RandomisedLayer(
    string Layer,
    IReadOnlyList<double> Signed,
    IReadOnlyList<double> Magnitudes,
    Parameters Redrawn
);

/// <summary>What a model has learnt, counted: weights, biases, scales, shifts, embeddings and tokens.</summary>
/// <param name="Layers">The layers that have some.</param>
/// <param name="Tensors">How many there are.</param>
/// <param name="Numbers">How many numbers they hold.</param>
public sealed record Parameters(int Layers, int Tensors, long Numbers)
{
    /// <summary>"62 parameters (11689512 numbers) in 21 layers".</summary>
    public override string ToString() =>
        $"{Words.Count(Tensors, "parameter")} ({Words.Count(Numbers, "number")}) in {Words.Count(Layers, "layer")}";
}

/// <summary>The model parameter randomisation test, the mean over layers l of ρ(|A_f|, |A_f'|), f' the model with random
/// weights from the logits down to l. Between -1 and 1; lower means that the map depends on what the network has
/// learnt.</summary>
/// <remarks>Adebayo et al., Sanity checks for saliency maps, arXiv 1810.03292. ρ is Spearman's rank correlation of the
/// pixels. Random weights are those of <see cref="Model.Randomised"/>; the explained class stays the one that the trained
/// model predicts. Where a random network's map is constant, nothing is left of the map, and its correlation counts as 0;
/// NaN where every correlation is undefined, as for a constant map. A model without weights is refused when maps are
/// scored.</remarks>
public sealed class ParameterRandomisation : ExplainingMetric
{
    private readonly int steps;
    private readonly bool isAlone;
    private readonly long seed;
    private readonly Core.Relaxation relaxation;

    /// <summary>The test of a method's maps of a class's score.</summary>
    /// <param name="model">The classifier, with layers that have weights: not one made of functions.</param>
    /// <param name="explain">How the maps are made of a model's quantity.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="steps">At how many of the layers with weights the maps are compared, evenly; all, where there are no
    /// more.</param>
    /// <param name="isAlone">Whether each of these layers is random by itself: else those above it are too.</param>
    /// <param name="seed">Decides on the weights.</param>
    /// <param name="relaxation">How ranks are computed; null: exactly.</param>
    /// <exception cref="ArgumentOutOfRangeException">steps is less than 1.</exception>
    public ParameterRandomisation(
        Model model,
        Func<Model, Quantity, Explainer> explain,
        int? targetClass = null,
        int steps = 10,
        bool isAlone = false,
        long seed = 1,
        Relaxation? relaxation = null
    )
        : base(model, explain, targetClass)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        (this.steps, this.isAlone, this.seed) = (steps, isAlone, seed);
        this.relaxation = Relaxation.InCore(relaxation);
    }

    /// <summary>All that the test redraws, once it has come down to the image: every parameter of the model.</summary>
    /// <exception cref="AttributionException">The model has no weights.</exception>
    public static Parameters Redraws(Model model) => Counted(model, Core.ParameterRandomisation.layers(model.Core));

    private static Parameters Counted(Model model, string[] layers)
    {
        var (tensors, numbers) = Core.ParameterRandomisation.count(layers, model.Core);
        return new Parameters(layers.Length, tensors, numbers);
    }

    private protected override Tensor Score(MapsAsked asked) => Core.ParameterRandomisation.scores(CoreCurve(asked));

    /// <summary>The correlations layer by layer, from the logits down; the last of a cascade has every layer random. NaN where a
    /// map is constant.</summary>
    /// <inheritdoc cref="MapMetric.Scores"/>
    public IReadOnlyList<RandomisedLayer> Curve(
        Tensor attributions,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var layers = Core.ParameterRandomisation.layers(Model.Core);
        return
        [
            .. CoreCurve(new(attributions, x, batchSize, progress, cancellation))
                .Select(layer => new RandomisedLayer(
                    layer.Layer,
                    Maps.Numbers(layer.Signed),
                    Maps.Numbers(layer.Magnitudes),
                    new Parameters(
                        isAlone ? 1 : Array.IndexOf(layers, layer.Layer) + 1,
                        layer.Parameters,
                        layer.Numbers
                    )
                )),
        ];
    }

    private Core.RandomisedLayer[] CoreCurve(MapsAsked asked)
    {
        var layers = Core.ParameterRandomisation.layers(Model.Core).Length;
        var (classes, _) = Classes(asked);
        var passes = asked.CountOfMaps(Math.Min(steps, layers));
        return Interop.Randomisation(
            relaxation,
            random => Explained(asked, Model.At(random), classes, passes),
            isAlone,
            steps,
            seed,
            asked.Maps,
            Model.Now
        );
    }
}
