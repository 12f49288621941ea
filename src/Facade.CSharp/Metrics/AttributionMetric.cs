using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A metric, set up: attributions of instances (n×c×h×w or n×h×w) to one score an instance; NaN where it is undefined.
/// A metric of the registry gives <see cref="MapScores"/>, which say what each map is.</summary>
/// <param name="attributions">One map an instance.</param>
/// <param name="x">Instances: n×c×h×w, 0-255.</param>
/// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
/// <param name="progress">Told of every pass.</param>
/// <param name="cancellation">Stops the work.</param>
public delegate IReadOnlyList<double> Scorer(
    Tensor attributions,
    Instances x,
    int? batchSize = null,
    IProgress<Progress>? progress = null,
    CancellationToken cancellation = default
);

/// <summary>Which of two scores is the better.</summary>
public enum Better
{
    /// <summary>The lower one.</summary>
    Lower,

    /// <summary>The higher one.</summary>
    Higher,
}

/// <summary>What a metric is taken over.</summary>
public enum Scale
{
    /// <summary>Scores before softmax.</summary>
    Logits,

    /// <summary>Their softmax; σ of one logit, or of each where classes are told apart one by one. See <see cref="Model.Scores"/>.</summary>
    Probabilities,

    /// <summary>The map alone: the model is not asked.</summary>
    Map,
}

/// <summary>What a metric of <see cref="AttributionMetric.All"/> is set up with. Each takes what concerns it.</summary>
public sealed record MetricSettings
{
    /// <summary>The class whose score is measured; null: the one predicted for each instance.</summary>
    public int? TargetClass { get; init; }

    /// <summary>How many pixels are removed or put back at a time; null: chosen by the images' size, see
    /// <see cref="PixelSteps.For"/>.</summary>
    public int? PixelsPerStep { get; init; }

    /// <summary>The steps of images of so many pixels.</summary>
    internal PixelSteps Steps(long pixels) => PixelSteps.For(PixelsPerStep, pixels);

    /// <summary>How many random samples are drawn an instance; null: the metric's own default.</summary>
    public int? Samples { get; init; }

    /// <summary>Decides on what is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>How the maps were made of a model's quantity, for the metrics that make maps of their own.</summary>
    public Func<Model, Quantity, Explainer>? Explain { get; init; }

    /// <summary>The baseline b of maps that are multiplied with x - b, as those of integrated gradients are; null for maps of
    /// what each unit of a number is worth.</summary>
    public Baseline? MultipliedFrom { get; init; }

    internal Func<Model, Quantity, Explainer> RequireExplain(string metric) =>
        Explain
        ?? throw new AttributionException(
            $"The metric '{metric}' makes maps of its own: set MetricSettings.Explain to how the maps were made."
        );
}

/// <summary>A row of the registry of metrics, from which the command line, the study and the documentation read.</summary>
/// <param name="Name">As the command line and files spell it.</param>
/// <param name="Title">For people, with the unit.</param>
/// <param name="Formula">What it computes.</param>
/// <param name="Source">The paper.</param>
/// <param name="Better">Which of two scores is the better.</param>
/// <param name="Range">The scores that there can be: "0 to 100".</param>
/// <param name="Blank">What stands for a pixel that is hidden: "black"; "-" where none is.</param>
/// <param name="Over">Logits, probabilities, or the map alone.</param>
/// <param name="Passes">Forward passes an instance of so many pixels, about.</param>
/// <param name="Create">Sets it up.</param>
/// <param name="NeedsExplain">Whether it makes maps of its own, so that <see cref="MetricSettings.Explain"/> must be set.</param>
/// <param name="ComparesClasses">Whether it compares a class's map with another's, which a model of a single logit does not
/// have.</param>
/// <param name="HasSteps">Whether it removes or puts back pixels, <see cref="MetricSettings.PixelsPerStep"/> at a time.</param>
public sealed record AttributionMetric(
    string Name,
    string Title,
    string Formula,
    string Source,
    Better Better,
    string Range,
    string Blank,
    Scale Over,
    Func<MetricSettings, long, double> Passes,
    Func<Model, MetricSettings, Scorer> Create,
    bool NeedsExplain = false,
    bool ComparesClasses = false,
    bool HasSteps = false
)
{
    /// <summary>What an explanation costs at the least: a gradient.</summary>
    private const double Gradient = 3;

    /// <summary>Every metric of attribution maps.</summary>
    public static IReadOnlyList<AttributionMetric> All { get; } =
    [
        new(
            "average-drop",
            "Average drop (%)",
            "100 · max(f_c(x) - f_c(M(x)), 0) / f_c(x), M(x) keeping the pixels of positive attribution",
            "Chattopadhay et al., arXiv 1710.11063, with a hard mask",
            Better.Lower,
            "0 to ∞",
            "black",
            Scale.Logits,
            (_, _) => 2,
            (model, s) => new AverageDrop(model, s.TargetClass).Scores
        ),
        new(
            "average-drop-soft",
            "Average drop, soft mask, of probabilities (%)",
            "100 · max(p_c(x) - p_c(M(x)), 0) / p_c(x), M(x) = x ⊙ max(A, 0) / max A",
            "Chattopadhay et al., arXiv 1710.11063",
            Better.Lower,
            "0 to 100",
            "black",
            Scale.Probabilities,
            (_, _) => 2,
            (model, s) => new AverageDrop(model, s.TargetClass, mask: Mask.Soft, scale: Scale.Probabilities).Scores
        ),
        new(
            "necessity-ordering",
            "Necessity ordering",
            "1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) without the i pixels of largest positive attribution",
            "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985",
            Better.Lower,
            "0 to ∞",
            "black",
            Scale.Logits,
            (s, pixels) => 2 + pixels / (2.0 * s.Steps(pixels).Pixels),
            (model, s) => new N_Ord(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "sufficiency-ordering",
            "Sufficiency ordering",
            "1/(N+1) · Σᵢ max(f_c(R⁺(i)) - f_c(0), 0), R⁺(i) black but for the i pixels of largest positive attribution",
            "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985",
            Better.Higher,
            "0 to ∞",
            "black",
            Scale.Logits,
            (s, pixels) => 3 + pixels / (2.0 * s.Steps(pixels).Pixels),
            (model, s) => new S_Ord(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "proportionality-necessity",
            "Total proportionality for necessity",
            "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution removed, largest (↓) or smallest (↑) first",
            "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985",
            Better.Lower,
            "0 to ∞",
            "black",
            Scale.Logits,
            (s, pixels) => 2 + pixels / (double)s.Steps(pixels).Pixels,
            (model, s) => new TPN(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "proportionality-sufficiency",
            "Total proportionality for sufficiency",
            "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution put into black, largest (↓) or smallest (↑) first",
            "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985",
            Better.Lower,
            "0 to ∞",
            "black",
            Scale.Logits,
            (s, pixels) => 4 + pixels / (double)s.Steps(pixels).Pixels,
            (model, s) => new TPS(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "deletion",
            "Deletion",
            "∫₀¹ p_c(x without the share p of its pixels, largest attribution first) dp",
            "Petsiuk, Das and Saenko, arXiv 1806.07421",
            Better.Lower,
            "0 to 1",
            "black",
            Scale.Probabilities,
            (s, pixels) => 1 + pixels / (double)s.Steps(pixels).Pixels,
            (model, s) => new Deletion(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "insertion",
            "Insertion",
            "∫₀¹ p_c(black with the share p of the pixels of x, largest attribution first) dp",
            "Petsiuk, Das and Saenko, arXiv 1806.07421",
            Better.Higher,
            "0 to 1",
            "black",
            Scale.Probabilities,
            (s, pixels) => 2 + pixels / (double)s.Steps(pixels).Pixels,
            (model, s) => new Insertion(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "pixel-flipping",
            "Pixel flipping (AOPC)",
            "1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ without the first k steps of pixels, largest attribution first",
            "Bach et al., PLoS ONE 10(7), 2015; Samek et al., arXiv 1509.06321",
            Better.Higher,
            "-∞ to ∞",
            "black",
            Scale.Logits,
            (s, pixels) => 1 + pixels / (double)s.Steps(pixels).Pixels,
            (model, s) => new PixelFlipping(model, s.TargetClass, s.PixelsPerStep).Evaluate,
            HasSteps: true
        ),
        new(
            "average-increase",
            "Average increase (%)",
            "100 · [f_c(M(x)) > f_c(x)], M(x) keeping the pixels of positive attribution",
            "Chattopadhay et al., arXiv 1710.11063, with a hard mask",
            Better.Higher,
            "0 to 100",
            "black",
            Scale.Logits,
            (_, _) => 2,
            (model, s) => new AverageIncrease(model, s.TargetClass).Evaluate
        ),
        new(
            "average-gain",
            "Average gain (%)",
            "100 · max(p_c(M(x)) - p_c(x), 0) / (1 - p_c(x)), M(x) keeping the pixels of positive attribution",
            "Zhang et al., arXiv 2301.07002, with a hard mask",
            Better.Higher,
            "0 to 100",
            "black",
            Scale.Probabilities,
            (_, _) => 2,
            (model, s) => new AverageGain(model, s.TargetClass).Evaluate
        ),
        new(
            "sparseness",
            "Sparseness",
            "1 - 2 Σₖ v₍ₖ₎ / ‖v‖₁ · (d - k + ½) / d, v₍₁₎ ≤ … ≤ v₍d₎ the magnitudes of the d pixels: the Gini index",
            "Chalasani et al., arXiv 1810.06583",
            Better.Higher,
            "0 to 1",
            "-",
            Scale.Map,
            (_, _) => 0,
            (_, _) => Maps.Alone(Sparseness.Evaluate)
        ),
        new(
            "complexity",
            "Complexity (nats)",
            "-Σₚ P_p ln P_p, P_p = |A_p| / Σ |A|",
            "Bhatt, Weller and Moura, arXiv 2005.00631",
            Better.Lower,
            "0 to ln of the number of pixels",
            "-",
            Scale.Map,
            (_, _) => 0,
            (_, _) => Maps.Alone(Complexity.Evaluate)
        ),
        new(
            "effective-complexity",
            "Effective complexity (pixels)",
            "|{p : |A_p| > 0.01 · max |A|}|",
            "Nguyen and Martínez, arXiv 2007.07584, by a share of the map's own maximum",
            Better.Lower,
            "1 to the number of pixels",
            "-",
            Scale.Map,
            (_, _) => 0,
            (_, _) => Maps.Alone(maps => EffectiveComplexity.Evaluate(maps))
        ),
        new(
            "infidelity",
            "Infidelity",
            "meanₖ (β Iₖᵀ A - (f_c(x) - f_c(x - Iₖ)))², Iₖ noise of a tenth of the range, β as fits best",
            "Yeh et al., arXiv 1901.09392",
            Better.Lower,
            "0 to ∞",
            "-",
            Scale.Logits,
            (s, _) => 1 + (s.Samples ?? Infidelity.DefaultSamples),
            (model, s) =>
                new Infidelity(
                    model,
                    s.TargetClass,
                    null,
                    s.Samples ?? Infidelity.DefaultSamples,
                    multipliedFrom: s.MultipliedFrom,
                    seed: s.Seed
                ).Evaluate
        ),
        new(
            "max-sensitivity",
            "Max-sensitivity",
            "maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖, every |ε| at most a fiftieth of the range",
            "Yeh et al., arXiv 1901.09392",
            Better.Lower,
            "0 to ∞",
            "-",
            Scale.Logits,
            (s, _) => 1 + Gradient * (s.Samples ?? MaxSensitivity.DefaultSamples),
            (model, s) =>
                new MaxSensitivity(
                    model,
                    s.RequireExplain("max-sensitivity"),
                    s.TargetClass,
                    samples: s.Samples ?? MaxSensitivity.DefaultSamples,
                    seed: s.Seed
                ).Evaluate,
            NeedsExplain: true
        ),
        new(
            "sensitivity-n",
            "Sensitivity-n",
            "corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x without S)), S of 1, 10 and 50 % of the pixels: the mean of the three",
            "Ancona et al., arXiv 1711.06104",
            Better.Higher,
            "-1 to 1",
            "black",
            Scale.Logits,
            (s, _) => 1 + 3 * (s.Samples ?? SensitivityN.DefaultSubsets),
            (model, s) =>
                new SensitivityN(
                    model,
                    s.TargetClass,
                    subsets: s.Samples ?? SensitivityN.DefaultSubsets,
                    seed: s.Seed
                ).Evaluate
        ),
        new(
            "completeness-gap",
            "Completeness gap, relative",
            "|Σ A - (f_c(x) - f_c(b))| / |f_c(x) - f_c(b)|",
            "Sundararajan, Taly and Yan, arXiv 1703.01365",
            Better.Lower,
            "0 to ∞",
            "black",
            Scale.Logits,
            (_, _) => 2,
            (model, s) => new CompletenessGap(model, s.TargetClass).Relative
        ),
        new(
            "parameter-randomisation",
            "Parameter randomisation (rank correlation)",
            "mean over layers l of ρ(|A_f|, |A_f'|), f' the model with random weights from the logits down to l",
            "Adebayo et al., arXiv 1810.03292",
            Better.Lower,
            "-1 to 1",
            "-",
            Scale.Logits,
            (_, _) => 1 + Gradient * ParameterRandomisation.DefaultSteps,
            (model, s) =>
                new ParameterRandomisation(
                    model,
                    s.RequireExplain("parameter-randomisation"),
                    s.TargetClass,
                    seed: s.Seed
                ).Evaluate,
            NeedsExplain: true
        ),
        new(
            "random-logit",
            "Random logit (rank correlation)",
            "ρ(A_c, A_k), k ≠ c a random class",
            "Sixt, Granz and Landgraf, arXiv 1912.09818, with Spearman's ρ",
            Better.Lower,
            "-1 to 1",
            "-",
            Scale.Logits,
            (_, _) => 1 + Gradient,
            (model, s) => new RandomLogit(model, s.RequireExplain("random-logit"), s.TargetClass, s.Seed).Evaluate,
            NeedsExplain: true,
            ComparesClasses: true
        ),
    ];

    /// <summary>The metric of a name.</summary>
    /// <exception cref="AttributionException">There is none; the message lists those there are.</exception>
    public static AttributionMetric Find(string name) =>
        All.FirstOrDefault(metric => metric.Name == name)
        ?? throw new AttributionException(
            $"There is no metric '{name}': the metrics are {string.Join(", ", All.Select(metric => metric.Name))}."
        );
}
