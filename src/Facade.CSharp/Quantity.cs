namespace Attribution;

/// <summary>A quantity of interest: one number for each instance, made of its logits. What it takes from the explained
/// instance (its predicted class, its label) stays fixed wherever the logits are evaluated.</summary>
public sealed class Quantity
{
    internal Quantity(Core.Quantity core) => Core = core;

    internal Core.Quantity Core { get; }

    /// <summary>The quantity as the command line spells it: "predicted", "class:3", "margin:3,5", "margin:3+4,5+6",
    /// "one-vs-rest:3", "threshold:3,0.5", "unit:fc1,12".</summary>
    public string Name => Core.Name;

    /// <summary>s_c, c the class predicted for the explained instance; of a model's one logit z, sign(z(x)) · z.</summary>
    public static Quantity Predicted { get; } = new(QuantityModule.predictedSide);

    /// <summary>s_y, y the instance's true class.</summary>
    /// <param name="labels">One label for each instance, in their order.</param>
    public static Quantity TrueClass(IEnumerable<long> labels) => new(QuantityModule.trueClassOf([.. labels]));

    /// <inheritdoc cref="TrueClass(IEnumerable{long})"/>
    public static Quantity TrueClass(IEnumerable<int> labels) => TrueClass(labels.Select(y => (long)y));

    /// <summary>s_c - s_y: the predicted class's score minus the true class's.</summary>
    /// <param name="labels">One label for each instance, in their order.</param>
    public static Quantity PredictedMinusTrue(IEnumerable<long> labels) =>
        new(QuantityModule.predictedMinusTrue([.. labels]));

    /// <summary>s_k, a given class's score.</summary>
    public static Quantity Class(int k) => new(QuantityModule.ofClass(k));

    /// <summary>s_a - s_b, the margin of class a over class b.</summary>
    public static Quantity Margin(int a, int b) => new(QuantityModule.margin(a, b));

    /// <summary>s_a - s_b with classes a and b of each instance's own, such as its true class and the one it is taken for.</summary>
    /// <param name="classes">a: one for each instance, in their order.</param>
    /// <param name="others">b: the same.</param>
    public static Quantity MarginEach(IEnumerable<long> classes, IEnumerable<long> others) =>
        new(QuantityModule.marginEach([.. classes], [.. others]));

    /// <summary>The mean score of some classes minus the mean score of others.</summary>
    /// <exception cref="AttributionException">One of the sides has no class.</exception>
    public static Quantity Margin(IEnumerable<int> classes, IEnumerable<int> others) =>
        new(QuantityModule.marginOf(classes, others));

    /// <summary>s_k minus the mean score of all other classes.</summary>
    public static Quantity OneVsRest(int k) => new(QuantityModule.oneVsRest(k));

    /// <summary>How far s_k lies from a threshold t, on the side where the explained instance has it:
    /// sign(s_k(x) - t) · (s_k - t).</summary>
    /// <remarks>Its gradient at x is that of TruLens's ThresholdQoI, "high minus low", for one class.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is no finite number.</exception>
    public static Quantity Threshold(int k, double threshold) =>
        double.IsFinite(threshold)
            ? new(QuantityModule.threshold(k, threshold))
            : throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "A threshold is a finite number.");

    /// <summary>The value of a unit of a layer; what lies above the layer is not run.</summary>
    /// <param name="layer">The layer, by its name in <see cref="Model.Layers"/>.</param>
    /// <param name="unit">The unit's position among those of the layer.</param>
    /// <param name="units">What a unit of the layer is.</param>
    public static Quantity Unit(string layer, int unit, Units units = Units.Auto) =>
        new(QuantityModule.ofUnit(units.InCore(), layer, unit));

    /// <summary>Any differentiable function of the logits that treats instances one by one.</summary>
    /// <param name="function">n×k logits to n numbers.</param>
    /// <param name="name">What reports call it.</param>
    public static Quantity Of(Func<Tensor, Tensor> function, string name = "function") =>
        new(Interop.Quantity(name, function));

    internal static Quantity OfTarget(int? targetClass) => targetClass is { } k ? Class(k) : Predicted;

    internal static Quantity OfTarget(Model model, int? targetClass, Scale scale)
    {
        var quantity = OfTarget(targetClass);
        return scale switch
        {
            Scale.Logits => quantity,
            Scale.Probabilities => new(QuantityModule.ofProbabilitiesBy(model.Head, quantity.Core)),
            _ => throw new ArgumentOutOfRangeException(
                nameof(scale),
                scale,
                "A class's score is its logit or its probability."
            ),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
