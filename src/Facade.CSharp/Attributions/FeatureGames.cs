namespace Attribution;

/// <summary>A method that plays a game of features: the value of a coalition is the quantity where its features are shown and the others
/// hidden, v(S) = q(f(x with the features outside S at the baseline)). Maps are n×h×w, or of the instances' shape where features tell
/// channels apart; each number has its feature's attribution.</summary>
public abstract class FeatureGame : MapMethod
{
    private protected FeatureGame(
        Model model,
        Quantity? quantity,
        Features? features,
        int samples,
        long seed,
        Baseline? baseline,
        Func<int, long, int, CoalitionPlan> plan
    )
        : base(
            model,
            quantity,
            Pass.Forward,
            x =>
            {
                using var scope = NewDisposeScope();
                return 1 + plan(samples, seed, (int)FeaturesModule.count(Or(features), x.Core)).Shown.shape[0];
            },
            x =>
            {
                var hidden = Baseline.For(baseline, x);
                return (target, batch) =>
                    Interop.Coalitions(count => plan(samples, seed, count), Or(features), hidden, target, batch);
            }
        ) => MethodSettings.RequireSamples(samples);

    private static Core.Features Or(Features? features) => (features ?? Features.Usual).Core;
}

/// <summary>KernelSHAP: the Shapley values of features by weighted least squares over coalitions. An instance's sum to q(f(x)) less
/// q(f(x with all hidden)); with 2ᴹ samples for M features they are exact.</summary>
/// <remarks>Lundberg and Lee, arXiv 1705.07874. Coalitions of 1 and of all but 1 feature come first, then larger ones, each size in full
/// while there are samples left; the rest are drawn by the kernel's weights, each with its complement. At the least there are two a
/// feature.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <param name="features">What is hidden as one; null: <see cref="Features.Usual"/>.</param>
/// <param name="samples">How many samples are drawn: coalitions that are asked about, or orders.</param>
/// <param name="seed">Decides on those that are drawn.</param>
/// <param name="baseline">What hidden numbers become; null: <see cref="Baseline.Black"/>.</param>
/// <exception cref="ArgumentOutOfRangeException">samples is not 1 to 100 000.</exception>
public sealed class KernelShap(
    Model model,
    Quantity? quantity = null,
    Features? features = null,
    int samples = KernelShap.DefaultSamples,
    long seed = 1,
    Baseline? baseline = null
) : FeatureGame(model, quantity, features, samples, seed, baseline, Core.KernelShap.plan)
{
    /// <summary>The coalitions where nobody says.</summary>
    public const int DefaultSamples = 1000;
}

/// <summary>Shapley value sampling: what a feature adds when it joins, on average over random orders of joining. An instance's sum to
/// q(f(x)) less q(f(x with all hidden)), whatever the orders.</summary>
/// <remarks>Castro, Gómez and Tejada, Computers and Operations Research 36(5), 2009; of classifiers: Štrumbelj and Kononenko, Journal of
/// Machine Learning Research 11, 2010. A sample is an order, and takes a pass a feature.</remarks>
/// <inheritdoc cref="KernelShap" path="/param|/exception"/>
public sealed class ShapleySampling(
    Model model,
    Quantity? quantity = null,
    Features? features = null,
    int samples = ShapleySampling.DefaultSamples,
    long seed = 1,
    Baseline? baseline = null
) : FeatureGame(model, quantity, features, samples, seed, baseline, Core.ShapleySampling.plan)
{
    /// <summary>The orders where nobody says.</summary>
    public const int DefaultSamples = 20;
}

/// <summary>LIME: the coefficients of a linear model of the quantity, fitted to the instance with features hidden, what is nearest to the
/// whole weighing most.</summary>
/// <remarks>Ribeiro, Singh and Guestrin, arXiv 1602.04938; as the authors have it for images: ridge regression of strength 1, weights
/// exp(-D²/σ²) with the cosine distance D and σ = ¼. All coefficients are kept. The whole is among the samples.</remarks>
/// <inheritdoc cref="KernelShap" path="/param|/exception"/>
public sealed class Lime(
    Model model,
    Quantity? quantity = null,
    Features? features = null,
    int samples = Lime.DefaultSamples,
    long seed = 1,
    Baseline? baseline = null
) : FeatureGame(model, quantity, features, samples, seed, baseline, Core.Lime.plan)
{
    /// <summary>The coalitions where nobody says.</summary>
    public const int DefaultSamples = 1000;
}
