using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A method, set up: instances (n×c×h×w, 0-255) to attributions (n×c×h×w, or n×h×w where a method gives one number a
/// pixel).</summary>
/// <param name="x">Instances.</param>
/// <param name="batchSize">Instances a pass; null: as many as memory allows. The result does not depend on it.</param>
/// <param name="progress">Told of every pass.</param>
/// <param name="cancellation">Stops the work.</param>
public delegate Tensor Explainer(
    Instances x,
    int? batchSize = null,
    IProgress<Progress>? progress = null,
    CancellationToken cancellation = default
);

/// <summary>What a method of <see cref="AttributionMethod.All"/> is set up with. Each takes what concerns it.</summary>
public sealed record MethodSettings
{
    /// <summary>What is explained.</summary>
    public Quantity Quantity { get; init; } = Quantity.Predicted;

    /// <summary>The layer of the methods that look at one; null: the last convolution's.</summary>
    public string? Layer { get; init; }

    /// <summary>Where paths begin, and what hidden pixels become.</summary>
    public Baseline Baseline { get; init; } = Baseline.Black;

    /// <summary>The points on a path.</summary>
    public int Steps { get; init; } = 50;

    /// <summary>Where they lie.</summary>
    public IntegrationRule Rule { get; init; } = IntegrationRule.RightHand;

    /// <summary>Whether gradients are multiplied with the input.</summary>
    public bool MultiplyWithInput { get; init; } = true;

    /// <summary>How many random samples are drawn an instance; null: the method's own default.</summary>
    public int? Samples { get; init; }

    /// <summary>Decides on what is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>The standard deviation of noise on an instance, as a share of its range.</summary>
    public double Noise { get; init; } = 0.15;

    /// <summary>What baselines are drawn from; null: the set that the explained instances are of.</summary>
    public Instances? Background { get; init; }

    /// <summary>The side of a window that hides pixels; null: an eighth of the image's.</summary>
    public int? WindowSize { get; init; }

    /// <summary>The pixels from a window to the next; null: half a window.</summary>
    public int? Stride { get; init; }

    /// <summary>What a max pool hands on in DeepLIFT.</summary>
    public MaxPoolRule MaxPool { get; init; }

    /// <summary>These settings for another quantity, from another baseline.</summary>
    public MethodSettings For(Quantity quantity, Baseline baseline) =>
        this with
        {
            Quantity = quantity,
            Baseline = baseline,
        };
}

/// <summary>Which of the <see cref="MethodSettings"/>, beside the quantity, concern a method.</summary>
[Flags]
public enum Takes
{
    /// <summary>None.</summary>
    Nothing = 0,

    /// <summary><see cref="MethodSettings.Steps"/> and <see cref="MethodSettings.Rule"/>.</summary>
    Steps = 1,

    /// <summary><see cref="MethodSettings.Baseline"/>.</summary>
    Baseline = 2,

    /// <summary><see cref="MethodSettings.MultiplyWithInput"/>.</summary>
    Multiply = 4,

    /// <summary><see cref="MethodSettings.Samples"/> and <see cref="MethodSettings.Seed"/>.</summary>
    Samples = 8,

    /// <summary><see cref="MethodSettings.Layer"/>.</summary>
    Layer = 16,

    /// <summary><see cref="MethodSettings.Noise"/>.</summary>
    Noise = 32,

    /// <summary><see cref="MethodSettings.WindowSize"/> and <see cref="MethodSettings.Stride"/>.</summary>
    Window = 64,

    /// <summary><see cref="MethodSettings.MaxPool"/>.</summary>
    MaxPool = 128,
}

/// <summary>The passes that a method makes of an instance.</summary>
/// <param name="Forwards">Through the network.</param>
/// <param name="Gradients">Through it and back to the instance.</param>
/// <param name="IsByRules">Whether a way back is by rules, which compute more than a gradient does.</param>
public readonly record struct Work(long Forwards, long Gradients, bool IsByRules = false)
{
    /// <summary>In forward passes, a gradient counting three.</summary>
    public double Passes => Forwards + 3.0 * Gradients;
}

/// <summary>A row of the registry of attribution methods, from which the command line, the study and the documentation
/// read.</summary>
/// <param name="Name">As the command line and files spell it.</param>
/// <param name="Title">For people.</param>
/// <param name="Formula">What it computes.</param>
/// <param name="Source">The paper.</param>
/// <param name="Takes">Which settings concern it.</param>
/// <param name="Work">What it takes for one of such instances.</param>
/// <param name="Create">Sets it up.</param>
public sealed record AttributionMethod(
    string Name,
    string Title,
    string Formula,
    string Source,
    Takes Takes,
    Func<MethodSettings, Instances, Work> Work,
    Func<Model, MethodSettings, Explainer> Create
)
{
    /// <summary>Every method that needs no more than a model and settings.</summary>
    public static IReadOnlyList<AttributionMethod> All { get; } =
    [
        new(
            "saliency",
            "Saliency",
            "x ⊙ ∇ₓ q(f(x))",
            "Simonyan, Vedaldi and Zisserman, arXiv 1312.6034",
            Takes.Multiply,
            (_, _) => new(0, 1),
            (model, s) =>
                (x, size, progress, stop) =>
                    new SaliencyMap(model, s.Quantity).Attribute(x, size, s.MultiplyWithInput, progress, stop)
        ),
        new(
            "integrated-gradients",
            "Integrated gradients",
            "(x - b) ⊙ Σᵢ wᵢ ∇ₓ q(f(b + αᵢ(x - b)))",
            "Sundararajan, Taly and Yan, arXiv 1703.01365",
            Takes.Steps | Takes.Baseline | Takes.Multiply,
            (s, _) => new(1, s.Steps),
            (model, s) =>
                (x, size, progress, stop) =>
                    new IntegratedGrad(model, s.Quantity).Attribute(
                        x,
                        s.Baseline,
                        size,
                        s.Steps,
                        s.MultiplyWithInput,
                        s.Rule,
                        progress,
                        stop
                    )
        ),
        new(
            "guided-backpropagation",
            "Guided backpropagation",
            "∇ₓ q(f(x)), with max(w, 0) ⊙ [z > 0] for what arrives at ReLU(z), w",
            "Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806",
            Takes.Nothing,
            (_, _) => new(0, 1, IsByRules: true),
            (model, s) => new GuidedBackpropagation(model, s.Quantity).Attribute
        ),
        new(
            "deconvolution",
            "Deconvolution",
            "∇ₓ q(f(x)), with max(w, 0) for what arrives at ReLU(z), w",
            "Zeiler and Fergus, arXiv 1311.2901",
            Takes.Nothing,
            (_, _) => new(0, 1, IsByRules: true),
            (model, s) => new Deconvolution(model, s.Quantity).Attribute
        ),
        new(
            "deeplift",
            "DeepLIFT (rescale)",
            "(x - b) ⊙ m, each op handing on (y - y')/(x - x') in place of its derivative",
            "Shrikumar, Greenside and Kundaje, arXiv 1704.02685",
            Takes.Baseline | Takes.Multiply | Takes.MaxPool,
            (_, _) => new(1, 1, IsByRules: true),
            (model, s) => new DeepLift(model, s.Quantity, s.Baseline, s.MultiplyWithInput, s.MaxPool).Attribute
        ),
        Relevance("lrp-epsilon", "LRP-ε", "Rᵢ = Σⱼ xᵢwᵢⱼ / (zⱼ ± ε) Rⱼ", LrpComposite.Epsilon),
        Relevance(
            "lrp-epsilon-plus",
            "LRP, z⁺ and ε",
            "Rᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Rⱼ in convolutions, ε in dense layers",
            LrpComposite.EpsilonPlus
        ),
        Relevance(
            "lrp-alpha2-beta1",
            "LRP, α2-β1 and ε",
            "Rᵢ = Σⱼ (2 (xᵢwᵢⱼ)⁺ / zⱼ⁺ - (xᵢwᵢⱼ)⁻ / zⱼ⁻) Rⱼ in convolutions, ε in dense layers",
            LrpComposite.EpsilonAlpha2Beta1
        ),
        Relevance(
            "lrp-gamma-box",
            "LRP, γ, ε and z-box",
            "w + 0.25 w⁺ in place of w in convolutions, ε in dense layers, the box of pixels in the first",
            LrpComposite.EpsilonGammaBox
        ),
        new(
            "smoothgrad",
            "SmoothGrad",
            "(1/N) Σₖ gₖ, gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)",
            "Smilkov et al., arXiv 1706.03825",
            Takes.Samples | Takes.Noise,
            (s, _) => Sampled(s, SmoothGrad.DefaultSamples),
            (model, s) => Smooth(model, s, SmoothGradKind.Mean)
        ),
        new(
            "smoothgrad-squared",
            "SmoothGrad-Squared",
            "(1/N) Σₖ gₖ², gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)",
            "Hooker et al., arXiv 1806.10758",
            Takes.Samples | Takes.Noise,
            (s, _) => Sampled(s, SmoothGrad.DefaultSamples),
            (model, s) => Smooth(model, s, SmoothGradKind.Squared)
        ),
        new(
            "vargrad",
            "VarGrad",
            "(1/N) Σₖ gₖ² - ((1/N) Σₖ gₖ)², gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)",
            "Adebayo et al., arXiv 1810.03307",
            Takes.Samples | Takes.Noise,
            (s, _) => Sampled(s, SmoothGrad.DefaultSamples),
            (model, s) => Smooth(model, s, SmoothGradKind.Variance)
        ),
        new(
            "expected-gradients",
            "Expected gradients",
            "(1/N) Σₖ (x - bₖ) ⊙ ∇ₓ q(f(bₖ + αₖ(x - bₖ))), bₖ drawn from a background, αₖ from [0, 1]",
            "Erion et al., arXiv 1906.10670",
            Takes.Samples,
            (s, _) => Sampled(s, ExpectedGradients.DefaultSamples),
            (model, s) =>
                new ExpectedGradients(
                    model,
                    s.Quantity,
                    s.Background,
                    s.Samples ?? ExpectedGradients.DefaultSamples,
                    s.Seed
                ).Attribute
        ),
        new(
            "occlusion",
            "Occlusion",
            "the mean of q(f(x)) - q(f(x hidden in a window)) over the windows that cover a pixel",
            "Zeiler and Fergus, arXiv 1311.2901",
            Takes.Baseline | Takes.Window,
            (s, x) => new(1 + Core.Occlusion.count(s.WindowSize, s.Stride, x.Core), 0),
            (model, s) => new Occlusion(model, s.Quantity, s.WindowSize, s.Stride, s.Baseline).Attribute
        ),
        new(
            "rise",
            "RISE",
            "Σₖ sₖ Mₖ / Σₖ Mₖ - (1/N) Σₖ sₖ, sₖ = q(f(b + Mₖ ⊙ (x - b))), Mₖ random masks",
            "Petsiuk, Das and Saenko, arXiv 1806.07421",
            Takes.Baseline | Takes.Samples,
            (s, _) => new(1 + (s.Samples ?? Rise.DefaultSamples), 0),
            (model, s) =>
                new Rise(
                    model,
                    s.Quantity,
                    s.Samples ?? Rise.DefaultSamples,
                    seed: s.Seed,
                    baseline: s.Baseline
                ).Attribute
        ),
        new(
            "grad-cam",
            "Grad-CAM",
            "ReLU(Σ_c w_c A_c), w_c the mean of ∂q/∂A_c over a channel's positions",
            "Selvaraju et al., arXiv 1610.02391",
            Takes.Layer,
            (_, _) => OneForward,
            (model, s) => new GradCam(model, s.Quantity, s.Layer).Attribute
        ),
        new(
            "grad-cam++",
            "Grad-CAM++",
            "ReLU(Σ_c w_c A_c), w_c = Σ α ⊙ ReLU(g), α = g² / (2 g² + g³ Σ A_c), g = ∂q/∂A_c",
            "Chattopadhay et al., arXiv 1710.11063",
            Takes.Layer,
            (_, _) => OneForward,
            (model, s) => new GradCamPlusPlus(model, s.Quantity, s.Layer).Attribute
        ),
        new(
            "layer-cam",
            "LayerCAM",
            "ReLU(Σ_c ReLU(∂q/∂A_c) ⊙ A_c)",
            "Jiang et al., IEEE Transactions on Image Processing 30, 2021",
            Takes.Layer,
            (_, _) => OneForward,
            (model, s) => new LayerCam(model, s.Quantity, s.Layer).Attribute
        ),
        new(
            "guided-grad-cam",
            "Guided Grad-CAM",
            "guided backpropagation ⊙ Grad-CAM",
            "Selvaraju et al., arXiv 1610.02391",
            Takes.Layer,
            (_, _) => new(1, 1, IsByRules: true),
            (model, s) => new GuidedGradCam(model, s.Quantity, s.Layer).Attribute
        ),
    ];

    private static AttributionMethod Relevance(string name, string title, string formula, LrpComposite composite) =>
        new(
            name,
            title,
            formula,
            "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019",
            Takes.Nothing,
            (_, _) => new(0, 1, IsByRules: true),
            (model, s) => new Lrp(model, s.Quantity, composite).Attribute
        );

    private static Explainer Smooth(Model model, MethodSettings s, SmoothGradKind kind) =>
        new SmoothGrad(model, s.Quantity, kind, s.Samples ?? SmoothGrad.DefaultSamples, s.Noise, s.Seed).Attribute;

    // A forward pass for the class, which the samples share.
    private static Work Sampled(MethodSettings s, int usual) => new(1, s.Samples ?? usual);

    // About: the way back ends at the last convolution, near the top.
    private static Work OneForward => new(1, 0);

    /// <summary>The method of a name.</summary>
    /// <exception cref="AttributionException">There is none; the message lists those there are.</exception>
    public static AttributionMethod Find(string name) =>
        All.FirstOrDefault(method => method.Name == name)
        ?? throw new AttributionException(
            $"There is no method '{name}': the methods are {string.Join(", ", All.Select(method => method.Name))}."
        );
}
