namespace Attribution;

/// <summary>How a layer of weights shares out what arrives at its outputs among its inputs.</summary>
public sealed class LrpRule
{
    private LrpRule(Core.LrpRule core) => Core = core;

    internal Core.LrpRule Core { get; }

    /// <summary>In proportion to each input's part of the output, z = Σ xw + b; z is held away from 0 by a share ε of its mean
    /// magnitude.</summary>
    public static LrpRule Epsilon(double epsilon = 1e-6) => new(Attribution.Core.LrpRule.NewEpsilon(epsilon));

    /// <summary>The same with w + γ max(w, 0) for weights and biases.</summary>
    public static LrpRule Gamma(double gamma = 0.25) => new(Attribution.Core.LrpRule.NewGamma(gamma));

    /// <summary>α times in proportion to the positive parts xw, less β times to the negative ones; biases take none.</summary>
    /// <param name="alpha">α; β is α - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">α is less than 1.</exception>
    public static LrpRule AlphaBeta(double alpha)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(alpha, 1);
        return new(Attribution.Core.LrpRule.NewAlphaBeta(alpha, alpha - 1));
    }

    /// <summary>In proportion to the positive parts: α = 1, β = 0.</summary>
    public static LrpRule ZPlus { get; } = AlphaBeta(1);

    /// <summary>To all inputs alike.</summary>
    public static LrpRule Flat { get; } = new(Attribution.Core.LrpRule.Flat);

    /// <summary>In proportion to the squares of the weights: w².</summary>
    public static LrpRule Square { get; } = new(Attribution.Core.LrpRule.Square);

    /// <summary>For the first layer alone: in proportion to xw - l max(w, 0) - h min(w, 0), l and h being what its input is for
    /// the lowest and the highest pixel.</summary>
    public static LrpRule ZBox(double low = 0, double high = 255) => new(Attribution.Core.LrpRule.NewZBox(low, high));
}

/// <summary>Which rule of layer-wise relevance propagation holds for which layer.</summary>
/// <param name="Convolution">For convolutions.</param>
/// <param name="Dense">For dense layers.</param>
/// <param name="First">For the first layer of weights; null: as for any other of its kind.</param>
/// <param name="Layers">For layers by their names, before all others; null: for none.</param>
public sealed record LrpComposite(
    LrpRule Convolution,
    LrpRule Dense,
    LrpRule? First = null,
    IReadOnlyDictionary<string, LrpRule>? Layers = null
)
{
    /// <summary>ε everywhere: gradient × input, for a network of ReLUs.</summary>
    public static LrpComposite Epsilon { get; } = new(LrpRule.Epsilon(), LrpRule.Epsilon());

    /// <summary>z⁺ for convolutions and ε for dense layers.</summary>
    public static LrpComposite EpsilonPlus { get; } = new(LrpRule.ZPlus, LrpRule.Epsilon());

    /// <summary>α2-β1 for convolutions and ε for dense layers.</summary>
    public static LrpComposite EpsilonAlpha2Beta1 { get; } = new(LrpRule.AlphaBeta(2), LrpRule.Epsilon());

    /// <summary>The z-box for the first layer, γ for convolutions and ε for dense layers.</summary>
    public static LrpComposite EpsilonGammaBox { get; } = new(LrpRule.Gamma(), LrpRule.Epsilon(), LrpRule.ZBox());

    /// <summary>Deep Taylor decomposition: z⁺ everywhere, but for the first layer's box of pixels.</summary>
    /// <remarks>Montavon et al., arXiv 1512.02479.</remarks>
    public static LrpComposite DeepTaylor { get; } = new(LrpRule.ZPlus, LrpRule.ZPlus, LrpRule.ZBox());

    /// <summary>The same with w² in the first layer, for inputs that may be any numbers.</summary>
    public static LrpComposite DeepTaylorSquare { get; } = new(LrpRule.ZPlus, LrpRule.ZPlus, LrpRule.Square);

    internal Core.LrpComposite For(Model model) =>
        new(
            Interop.Option(First?.Core),
            Convolution.Core,
            Dense.Core,
            (Layers ?? new Dictionary<string, LrpRule>()).ToDictionary(
                layer => model.RequireLayer(layer.Key),
                layer => layer.Value.Core
            )
        );
}

/// <summary>Layer-wise relevance propagation: the quantity's value is shared out from layer to layer down to the pixels,
/// each layer handing on as much as it was given.</summary>
/// <remarks>Bach et al., PLoS ONE 10(7), 2015; rules as in Montavon et al., 2019; softmax, products and what divides as in
/// Achtibat et al., arXiv 2402.05602. Constants and normalisations with fixed statistics are part of the layers beside
/// them, however a file writes them; relevance passes through activations unchanged, goes to a maximum's winner, in
/// proportion through sums and means, and in halves through the product of two values.</remarks>
public sealed class Lrp : MapMethod
{
    /// <summary>The relevance for a class's score.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="targetClass">The class; null: the one predicted for each instance.</param>
    /// <param name="composite">The rules; null: <see cref="LrpComposite.EpsilonPlus"/>.</param>
    /// <exception cref="AttributionException">The model has no layer of weights, or none of a name; or, when relevances are
    /// asked for, a rule makes a number that is not finite.</exception>
    public Lrp(Model model, int? targetClass = null, LrpComposite? composite = null)
        : this(model, Quantity.OfTarget(targetClass), composite) { }

    /// <summary>The relevance for a quantity of interest.</summary>
    /// <inheritdoc cref="Lrp(Model, int?, LrpComposite)"/>
    public Lrp(Model model, Quantity quantity, LrpComposite? composite = null)
        : base(
            RequireWeights("LRP", model),
            quantity,
            Pass.Rules,
            _ => 1,
            _ =>
            {
                var rules = (composite ?? LrpComposite.EpsilonPlus).For(model);
                return (target, batch) => Core.Lrp.attribute(rules, target, batch);
            }
        ) { }

    internal static Model RequireWeights(string method, Model model) =>
        model.Require(
            $"{method} is about layers of weights",
            graph => graph.Nodes.Any(node => OpModule.isWeighted(node.Op))
        );
}

/// <summary>Excitation backpropagation: the probability that a walk from the scores down the network, in each layer to an input in
/// proportion to what it adds by positive weights, ends at a number of the instance. A class's sum to 1.</summary>
/// <remarks>Zhang et al., arXiv 1608.00507: the marginal winning probability, without contrast.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
/// <exception cref="AttributionException">The model has no layer of weights; or, when maps are asked for, a rule makes a number that is
/// not finite.</exception>
public sealed class ExcitationBackpropagation(Model model, Quantity? quantity = null)
    : MapMethod(
        Lrp.RequireWeights("Excitation backpropagation", model),
        quantity,
        Pass.Rules,
        _ => 1,
        _ => Core.Lrp.excitation
    );

/// <summary>FullGrad, ψ(∇ₓq ⊙ x) + Σ_l Σ_c ψ(∂q/∂z_l ⊙ b_l)_c: the gradient times the image, and the gradient times the bias of every layer
/// with positions, magnitudes from 0 to 1; n×h×w.</summary>
/// <remarks>Srinivas and Fleuret, arXiv 1905.00780. Normalisations and constants are part of the biases.</remarks>
/// <param name="model">The classifier.</param>
/// <param name="quantity">What is explained; null: the score of the class predicted for each instance.</param>
public sealed class FullGrad(Model model, Quantity? quantity = null)
    : MapMethod(model, quantity, Pass.Rules, _ => 1, _ => Core.FullGrad.attribute);
