using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What the registry of methods does not say: for a person who has never heard of one.</summary>
/// <param name="What">What it computes, in a sentence or two.</param>
/// <param name="Code">A line of C# that calls it.</param>
/// <param name="Sum">What its attributions sum to, where it promises that.</param>
internal sealed record MethodNote(string What, string Code, string? Sum = null);

/// <summary>What the registry of metrics does not say.</summary>
/// <param name="What">What it asks, in a sentence or two.</param>
/// <param name="Where">What the formula's letters are.</param>
/// <param name="Chosen">What was chosen where the paper leaves a choice; what it is where it is undefined.</param>
/// <param name="Code">A line of C# that calls it.</param>
internal sealed record MetricNote(string What, string Where, string Chosen, string Code);

/// <summary>The notes, by the registries' names. Their lines of C# are the text of code that the compiler has read.</summary>
internal static partial class MethodNotes
{
    private const string Summands = "q(f(x)), less what the biases of rules that count them (ε and γ) take";

    public static IReadOnlyDictionary<string, MethodNote> Methods { get; } =
        new Dictionary<string, MethodNote>
        {
            ["saliency"] = Method(
                "How fast the score rises or falls with each pixel (the gradient), times the pixel's own value. A pixel "
                    + "that is black gets 0, however much the network would react to it.",
                (model, images) => new SaliencyMap(model).Attribute(images)
            ),
            ["integrated-gradients"] = Method(
                "The image is faded in from a baseline, black for instance, in many small steps; each pixel is credited "
                    + "with what its own fading in added to the score. A gradient at the image alone misses what has "
                    + "already saturated there; the whole path does not.",
                (model, images) => new IntegratedGrad(model).Attribute(images),
                "q(f(x)) - q(f(b)) as the steps grow; `--steps auto` takes as many as leave a gap of 1 %"
            ),
            ["guided-backpropagation"] = Method(
                "The gradient, but on its way back through every ReLU only what is positive goes on, and only where the "
                    + "ReLU was open. Its pictures are sharp, and show the image's edges more than the class: see "
                    + "parameter randomisation among the [metrics](metrics.md#parameter-randomisation).",
                (model, images) => new GuidedBackpropagation(model).Attribute(images)
            ),
            ["deconvolution"] = Method(
                "The gradient, but on its way back through every ReLU only what is positive goes on, whether the ReLU was "
                    + "open or not. It shows which patterns could have brought the score about.",
                (model, images) => new Deconvolution(model).Attribute(images)
            ),
            ["deeplift"] = Method(
                "The image is compared with a baseline: every operation of the network is credited with how much it "
                    + "changed between the two, and hands the credit on to its inputs in proportion to how much these "
                    + "changed. It is complete, like integrated gradients, for the price of a gradient or two; what each "
                    + "operation hands on, and what `--max-pool` changes, is [listed](conservation.md).",
                (model, images) => new DeepLift(model).Attribute(images),
                "q(f(x)) - q(f(b)), for a quantity that is linear in the logits, such as a class or a margin"
            ),
            ["lrp-epsilon"] = Method(
                "The score is shared out backwards, layer by layer: each neuron passes what it was given to its inputs in "
                    + "proportion to what each contributed to it. ε keeps a sum near zero from blowing its shares up. In a "
                    + "network of ReLUs, max pools and linear operations it is the gradient times the input, however the "
                    + "network is written; what each operation hands back is [listed](conservation.md).",
                (model, images) => new Lrp(model, composite: LrpComposite.Epsilon).Attribute(images),
                Summands
            ),
            ["lrp-epsilon-plus"] = Method(
                "Layer-wise relevance propagation in which convolutions pass relevance on to what spoke for a neuron alone "
                    + "(z⁺), and dense layers to all inputs (ε). Its maps are calm, and show what supports the class.",
                (model, images) => new Lrp(model).Attribute(images),
                Summands
            ),
            ["lrp-alpha2-beta1"] = Method(
                "Layer-wise relevance propagation in which convolutions give what spoke for a neuron twice its relevance, "
                    + "and take what spoke against it off once: the map has negative parts too.",
                (model, images) => new Lrp(model, composite: LrpComposite.EpsilonAlpha2Beta1).Attribute(images),
                Summands
            ),
            ["lrp-gamma-box"] = Method(
                "Layer-wise relevance propagation by the rules that Montavon et al. advise: convolutions favour what spoke "
                    + "for a neuron (γ), dense layers share among all (ε), and the first layer takes into account that a "
                    + "pixel lies between black and white (the z-box), so that a black pixel may count too.",
                (model, images) => new Lrp(model, composite: LrpComposite.EpsilonGammaBox).Attribute(images),
                Summands
            ),
            ["smoothgrad"] = Method(
                "A gradient flickers between images that look the same, so this one is the mean over noisy copies of the "
                    + "image: 50 of them, with noise of 15 % of the image's range. It is not multiplied with the image.",
                (model, images) => new SmoothGrad(model).Attribute(images)
            ),
            ["smoothgrad-squared"] = Method(
                "SmoothGrad with every gradient squared first: where the score is sensitive, whichever its sign. No "
                    + "number is negative.",
                (model, images) => new SmoothGrad(model, kind: SmoothGradKind.Squared).Attribute(images)
            ),
            ["vargrad"] = Method(
                "How much the gradient varies over noisy copies of the image: where the network's reaction is least steady. "
                    + "No number is negative.",
                (model, images) => new SmoothGrad(model, kind: SmoothGradKind.Variance).Attribute(images)
            ),
            ["expected-gradients"] = Method(
                "Integrated gradients without a choice of baseline: the mean over baselines drawn from other images, an "
                    + "image being left out of its own background. On the command line these are all images of the data, "
                    + "whichever of them are explained.",
                (model, images) => new ExpectedGradients(model, background: images).Attribute(images),
                "q(f(x)), less the mean of q(f(b)) over the background's other images, in expectation"
            ),
            ["occlusion"] = Method(
                "A window of an eighth of the image's side slides over the image and hides what is under it; a pixel gets "
                    + "what the score lost, on average over the windows that covered it. It needs no gradient: only scores.",
                (model, images) => new Occlusion(model).Attribute(images)
            ),
            ["rise"] = Method(
                "The network sees the image through a thousand random masks; a pixel gets how much higher the score was "
                    + "when it was shown than on average. It needs no gradient: only scores.",
                (model, images) => new Rise(model).Attribute(images)
            ),
            ["grad-cam"] = Method(
                "Each channel of a late layer is a coarse picture of where it found its pattern. They are added up, each "
                    + "weighed by how much the score rises with it on average, and what is positive is kept: a blurred map "
                    + "of where, not of which pixels. The layer is the last one with channels and positions (n×c×h×w) that "
                    + "all of the score passes through: after an activation and a shortcut, and where branches are "
                    + "concatenated. Every result names it, and `--map-layer` names another. A transformer's tokens have no "
                    + "such positions.",
                (model, images) => new GradCam(model).Attribute(images)
            ),
            ["grad-cam++"] = Method(
                "Grad-CAM with weights that let every part of an object count, however small, so that a second animal in "
                    + "the picture does not fade beside the first.",
                (model, images) => new GradCamPlusPlus(model).Attribute(images)
            ),
            ["layer-cam"] = Method(
                "Grad-CAM in which every position of a channel is weighed by its own gradient, not by the channel's mean. "
                    + "It suits earlier layers too, whose maps are finer: `--map-layer`.",
                (model, images) => new LayerCam(model).Attribute(images)
            ),
            ["guided-grad-cam"] = Method(
                "Guided backpropagation's map times Grad-CAM's: as fine as the one, and as particular to the class as the "
                    + "other.",
                (model, images) => new GuidedGradCam(model).Attribute(images)
            ),
        };

    public static IReadOnlyDictionary<string, MetricNote> Metrics { get; } =
        new Dictionary<string, MetricNote>
        {
            ["average-drop"] = Metric(
                "If only the pixels that the map calls positive are shown, how much of the score is lost? Little, where "
                    + "what the map keeps suffices.",
                "f_c(x) is the logit of class c for image x. M(x) is the image with every pixel whose attribution (the mean "
                    + "over colours) is positive, and black elsewhere. The result is the mean over the images.",
                "The paper scales pixels by the map and takes probabilities; this mask is hard (`Mask.Soft` is the paper's), "
                    + "the score a logit. Where f_c(x) ≤ 0 a percentage means nothing: an error lists those images, "
                    + "unless they are to be skipped (`--skip-non-positive`).",
                (model, maps, images) => new AverageDrop(model).Evaluate(maps, images)
            ),
            ["average-drop-soft"] = Metric(
                "The average drop as the paper of Grad-CAM++ has it: every pixel is shown in proportion to its attribution, "
                    + "and what is lost is probability.",
                "p_c is the probability of class c, after softmax. M(x) is the image with every pixel multiplied by its "
                    + "positive attribution, as a share of the map's maximum. The result is the mean over the images.",
                "The map is of the image's own size, and the pixel's attribution the mean over colours. Where nothing is "
                    + "positive, M(x) is black.",
                (model, maps, images) =>
                    new AverageDrop(model, mask: Mask.Soft, scale: Scale.Probabilities).Evaluate(maps, images)
            ),
            ["necessity-ordering"] = Metric(
                "Pixels are blackened, the map's most positive first. If the map is right about what the class needs, the "
                    + "score falls at once and stays low.",
                "R(i) is the image with its i pixels of largest positive attribution set to black and everything else "
                    + "unchanged; N is how many have positive attribution; f_c(0) is the logit of the black image. The "
                    + "sum goes over i = 1 … N.",
                "Pixels go in steps of M (`--pixels-per-step`, see above), each score weighing as many pixels as its "
                    + "step has; M = 1 is the paper's equation exactly. Ties are broken by position, row by row. A map "
                    + "without positive pixels scores 0, and is compared with none. `normalised: true` divides by "
                    + "s(x) = max(f_c(x) - f_c(0), 0), so that images compare.",
                (model, maps, images) => new N_Ord(model).Evaluate(maps, images)
            ),
            ["sufficiency-ordering"] = Metric(
                "Pixels are put into a black image, the map's most positive first. If the map is right about what suffices "
                    + "for the class, the score rises at once.",
                "R⁺(i) is the black image with the i pixels of largest positive attribution put back from x; N is how many "
                    + "have positive attribution. The sum goes over i = 1 … N.",
                "Steps, ties, and scores above the black image's as for necessity ordering. A map without positive pixels "
                    + "scores 0, and is compared with none.",
                (model, maps, images) => new S_Ord(model).Evaluate(maps, images)
            ),
            ["proportionality-necessity"] = Metric(
                "If the attribution is fair, then taking away pixels worth a third of it costs the same third of the score, "
                    + "whichever they are. So the same share is removed twice, as few large pixels and as many small "
                    + "ones, and the difference is what is unfair.",
                "↓(p) is the score when the pixels of largest positive attribution are set to black until the share p of "
                    + "all positive attribution is gone; ↑(p) is the same with the smallest first. Both scores are "
                    + "max(f_c(·) - f_c(0), 0), divided by that of the whole image.",
                "The area is taken by the trapezoid rule on the points of both curves. Undefined (and left out) where no "
                    + "pixel is positive, or f_c(x) ≤ f_c(0).",
                (model, maps, images) => new TPN(model).Evaluate(maps, images)
            ),
            ["proportionality-sufficiency"] = Metric(
                "The same question for putting pixels back into a black image: does a third of the attribution bring back "
                    + "the same part of the score, whichever pixels make it up?",
                "↓(p) is the score of the black image into which the pixels of largest positive attribution were put back "
                    + "until the share p of it is there; ↑(p) is the same with the smallest first. Both scores are "
                    + "max(f_c(·) - f_c(0), 0), divided by that of the whole image.",
                "As for necessity.",
                (model, maps, images) => new TPS(model).Evaluate(maps, images)
            ),
            ["deletion"] = Metric(
                "All pixels are blackened, the largest attribution first: the area under the class's probability. Small, "
                    + "where the map finds first what the network needs.",
                "p_c is the probability of class c, after softmax. p is the share of all pixels, those of negative "
                    + "attribution coming last.",
                "By the trapezoid rule, from the whole image to black, in steps of M pixels. `Scale.Logits` takes logits, "
                    + "and `baseline` another colour than black.",
                (model, maps, images) => new Deletion(model).Evaluate(maps, images)
            ),
            ["insertion"] = Metric(
                "All pixels are put into a black image, the largest attribution first: the area under the class's "
                    + "probability. Large, where few pixels suffice and the map finds them first.",
                "p_c is the probability of class c, after softmax; p is the share of all pixels.",
                "By the trapezoid rule, from black to the whole image, in steps of M pixels. The paper begins from the "
                    + "blurred image: pass that as `baseline`.",
                (model, maps, images) => new Insertion(model).Evaluate(maps, images)
            ),
            ["pixel-flipping"] = Metric(
                "All pixels are blackened, the largest attribution first: how much of the score is lost, on average over "
                    + "the steps. It is also called the area over the perturbation curve.",
                "x⁽ᵏ⁾ is the image without its first k·M pixels, L the number of steps.",
                "Regions are single pixels, all colours at once; every step weighs the same; hidden pixels are black, where "
                    + "the papers also draw random colours. Over logits.",
                (model, maps, images) => new PixelFlipping(model).Evaluate(maps, images)
            ),
            ["average-increase"] = Metric(
                "On how many images does the score rise when only what the map calls positive is shown? There, what was "
                    + "hidden had only disturbed.",
                "[ ] is 1 where the condition holds and 0 elsewhere, so an image scores 100 or 0. M(x) is the image with the "
                    + "pixels of positive attribution, and black elsewhere.",
                "The mask is hard and the score a logit, as for average drop, beside which it is read.",
                (model, maps, images) => new AverageIncrease(model).Evaluate(maps, images)
            ),
            ["average-gain"] = Metric(
                "When only what the map calls positive is shown, how much of what the probability lacked to 1 is gained?",
                "p_c is the probability of class c, after softmax; M(x) is the image with the pixels of positive "
                    + "attribution, and black elsewhere.",
                "The mask is hard where the paper's is soft. An image of p_c(x) = 1 has nothing to gain, and scores 0.",
                (model, maps, images) => new AverageGain(model).Evaluate(maps, images)
            ),
            ["sparseness"] = Metric(
                "Is the map carried by few pixels? This is the Gini index that economists take of incomes: 0 where all "
                    + "pixels have the same, near 1 where one has everything. It says nothing about truth.",
                "v₍₁₎ ≤ … ≤ v₍d₎ are the magnitudes of the map's d pixels in ascending order, ‖v‖₁ their sum.",
                "Of pixel attributions, the mean over colours. Undefined for a map of zeros.",
                (_, maps, _) => Sparseness.Evaluate(maps)
            ),
            ["complexity"] = Metric(
                "How many pixels does a person have to look at? The entropy of the map: 0 where one pixel has all of it, "
                    + "ln d where d pixels share it alike, so e to its power is a number of pixels.",
                "P_p is the share that pixel p has of the map's magnitude; A_p is its attribution.",
                "Of pixel attributions, the mean over colours, with the natural logarithm. Undefined for a map of zeros.",
                (_, maps, _) => Complexity.Evaluate(maps)
            ),
            ["effective-complexity"] = Metric(
                "How many pixels matter at all, if those below a hundredth of the strongest do not?",
                "|{ }| counts pixels; A_p is the attribution of pixel p.",
                "Pixels are counted by a share of the map's own maximum, so that its unit does not matter. Undefined for a "
                    + "map of zeros.",
                (_, maps, _) => EffectiveComplexity.Evaluate(maps)
            ),
            ["effective-complexity-loss"] = Metric(
                "How many of a map's strongest pixels must stay for the score to stay about what it is, if all others are "
                    + "put in places drawn at random?",
                "E is the mean over 5 draws, in each of which a pixel that is not kept takes the colour of another of the same "
                    + "image; |A| ranks the pixels by magnitude, and k grows in steps of M pixels.",
                "The score may lose a tenth of what it loses where no pixel is kept. A map is asked for its order alone. "
                    + "Undefined for a map of zeros.",
                (model, maps, images) => new EffectiveComplexityByLoss(model).Evaluate(maps, images)
            ),
            ["infidelity"] = Metric(
                "The map is used to foretell how the score changes when noise is taken off the image: by how much is it "
                    + "wrong, squared?",
                "Iₖ is Gaussian noise with a standard deviation of a tenth of white; Iₖᵀ A is what the map foretells of it, "
                    + "and the rest is what the network does. The mean goes over 50 draws.",
                "β is the one number that suits a map best, as in the authors' experiments, so that a map's unit does not "
                    + "matter (`scaled: false` is the definition itself). A map that was multiplied with x - b is divided "
                    + "by it first: the question is about what a unit of a pixel is worth.",
                (model, maps, images) => new Infidelity(model).Evaluate(maps, images)
            ),
            ["max-sensitivity"] = Metric(
                "If the image changes so little that nobody sees it, how far does the map move?",
                "εₖ is uniform noise of at most a fiftieth of white on every number of the image; A(·) is the map that the "
                    + "method makes of an image, ‖ ‖ its Euclidean norm. The maximum goes over 10 draws.",
                "The class that is explained stays that of x. Relative to the map's own norm; undefined for a map of zeros.",
                (model, maps, images) =>
                    new MaxSensitivity(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
            ),
            ["sensitivity-n"] = Metric(
                "Random sets of n pixels are blackened: does the sum of their attributions go with what the score loses? 1 "
                    + "is a perfect line.",
                "corr_S is Pearson's correlation over 100 random sets S of n pixels, taken for n of 1, 10 and 50 % of all "
                    + "pixels; the result is the mean of the three.",
                "The paper draws a curve over n; three points of it stand for it. Undefined where the map or the score is "
                    + "constant.",
                (model, maps, images) => new SensitivityN(model).Evaluate(maps, images)
            ),
            ["completeness-gap"] = Metric(
                "Do the attributions add up to what there is to explain: the change of the score from the baseline? 0 for "
                    + "the methods that promise it, up to rounding and steps; no goal for those that do not.",
                "Σ A is the sum over all pixels and colours; b is the baseline, black.",
                "A map of one number a pixel must be the sum of its colours, not their mean. Relative to the change; "
                    + "`Evaluate` gives the gap itself, in the score's unit. Undefined where the score does not change.",
                (model, maps, images) => new CompletenessGap(model).Relative(maps, images)
            ),
            ["parameter-randomisation"] = Metric(
                "Does the map change when what the network has learned is destroyed? A map that stays the same with random "
                    + "weights cannot tell of the network: it draws the image.",
                "ρ is Spearman's rank correlation of the magnitudes of all pixels; A_f is the map, A_f' that of the model "
                    + "whose weights are random from the logits down to layer l.",
                "Ten layers, evenly, from the top. Random weights are normal with the layer's own mean and standard "
                    + "deviation, since no file tells how training began. All that was learnt is redrawn: weights, biases, "
                    + "scales and shifts of normalisations, embeddings and tokens, which are the file's constants of more than one "
                    + "finite number that act as weights or meet values that weights have made; not what prepares the "
                    + "image, masks scores or was counted. The command line says how many. A constant map of a random network counts as 0. "
                    + "The class that is explained stays the trained model's.",
                (model, maps, images) =>
                    new ParameterRandomisation(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
            ),
            ["random-logit"] = Metric(
                "Does the map change when another class is asked about? One that does not cannot say why it is this class.",
                "A_c is the map of the predicted class, A_k that of another one, drawn at random for each image; ρ is "
                    + "Spearman's rank correlation of the pixels.",
                "The paper measures structural similarity; this is rank correlation, as in the test above. Undefined where a "
                    + "map is constant, and left out where the model has one logit.",
                (model, maps, images) =>
                    new RandomLogit(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
            ),
        };

    private static MethodNote Method(
        string what,
        Func<Model, Instances, Tensor> code,
        string? sum = null,
        [CallerArgumentExpression(nameof(code))] string text = ""
    ) => new(what, Line(text), sum);

    private static MetricNote Metric(
        string what,
        string where,
        string chosen,
        Func<Model, Tensor, Instances, object> code,
        [CallerArgumentExpression(nameof(code))] string text = ""
    ) => new(what, where, chosen, Line(text));

    // The lambda's body, in one line however its file is formatted.
    private static string Line(string lambda)
    {
        var body = lambda[(lambda.IndexOf("=>", StringComparison.Ordinal) + 2)..].Trim();
        return Blanks().Replace(Breaks().Replace(body, ""), " ");
    }

    [GeneratedRegex(@"(?<=\()\s+|\s+(?=[.)])")]
    private static partial Regex Breaks();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
