namespace Attribution;

/// <summary>Feature ablation: a feature's attribution is what the quantity loses, q(f(x)) - q(f(x without it)), when its numbers take
/// the baseline's values.</summary>
public sealed class FeatureAblation : MapMethod
{
    private readonly bool isOfNumbers;

    /// <summary>Feature ablation for a quantity of interest: the numbers of a group have the same attribution.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="groups">The group that each number belongs to, by any whole numbers: of an instance's shape, or 1×h×w for
    /// images whose channels are hidden together; it stays the caller's and is copied. null: each number is a group, which for
    /// an image takes c·h·w passes.</param>
    /// <param name="baseline">What hidden numbers become; null: <see cref="Baseline.Black"/>.</param>
    /// <exception cref="ArgumentException">groups holds no whole numbers; or, when maps are asked for, is of another shape.
    /// </exception>
    public FeatureAblation(Model model, Quantity? quantity = null, Tensor? groups = null, Baseline? baseline = null)
        : this(model, groups is null ? Features.Numbers : Features.Given(groups), quantity, baseline) =>
        isOfNumbers = true;

    /// <summary>Feature ablation for a quantity of interest, by features: n×h×w, or of the instances' shape where features tell channels
    /// apart.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="features">What is hidden as one.</param>
    /// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
    /// <param name="baseline">What hidden numbers become; null: <see cref="Baseline.Black"/>.</param>
    public FeatureAblation(Model model, Features features, Quantity? quantity = null, Baseline? baseline = null)
        : base(
            model,
            quantity,
            Pass.Forward,
            x => FeaturesModule.count(features.Core, x.Core) + 1,
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, batch) => Core.FeatureAblation.attribute(features.Core, hidden, target, batch);
            }
        ) { }

    private protected override Tensor Laid(Tensor maps, Batch batch) =>
        isOfNumbers && maps.ndim < batch.X.ndim ? maps.unsqueeze(1).expand_as(batch.X) : maps;
}

/// <summary>Feature permutation, (1/N) Σₖ q(f(x)) - q(f(x with the feature of bₖ)): what the quantity loses when a feature is another
/// instance's. n×h×w, or of the instances' shape where features tell channels apart.</summary>
/// <remarks>Breiman, Machine Learning 45, 2001; of one instance: Fisher, Rudin and Dominici, arXiv 1801.01489. The others are drawn
/// from a background, of which an instance is left out itself.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="features">What is hidden as one; null: <see cref="Features.Usual"/>.</param>
/// <param name="background">What the others are drawn from; null: the set that the explained instances are of.</param>
/// <param name="samples">N, the draws for each instance.</param>
/// <param name="seed">Decides, with the instance's number, on what is drawn.</param>
/// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000.</exception>
/// <exception cref="AttributionException">The background is empty; or, when maps are asked for, its instances have another
/// shape than the explained ones.</exception>
public sealed class FeaturePermutation(
    Model model,
    Quantity? quantity = null,
    Features? features = null,
    Instances? background = null,
    int samples = FeaturePermutation.DefaultSamples,
    long seed = 1
)
    : MapMethod(
        model,
        quantity,
        Pass.Forward,
        x => samples * (FeaturesModule.count((features ?? Features.Usual).Core, x.Core) + 1),
        Drawn.From(
            samples,
            background,
            (drawn, target, batch) =>
                Core.FeaturePermutation.attribute(
                    samples,
                    drawn,
                    seed,
                    (features ?? Features.Usual).Core,
                    target,
                    batch
                )
        )
    )
{
    /// <summary>The draws for each instance where nobody says.</summary>
    public const int DefaultSamples = 10;
}

/// <summary>What compares instances with others that are drawn.</summary>
internal static class Drawn
{
    public static Func<Instances, BatchMap> From(
        int samples,
        Instances? background,
        Func<Core.Instances, Target, Batch, Tensor> map
    )
    {
        MethodSettings.RequireBackground(background);
        MethodSettings.RequireSamples(samples);
        return x => (target, batch) => map(background?.Core ?? x.Whole, target, batch);
    }
}
