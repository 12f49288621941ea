using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Attribution;
using Expecto;
using Expecto.CSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>The lines of C# that the documentation shows are what the compiler has read here.</summary>
public static partial class DocumentedCodeTests
{
    private static readonly Dictionary<string, string> methods = new()
    {
        ["saliency"] = Method((model, images) => new SaliencyMap(model).Attribute(images)),
        ["integrated-gradients"] = Method((model, images) => new IntegratedGrad(model).Attribute(images)),
        ["guided-integrated-gradients"] = Method((model, images) => new GuidedIntegratedGrad(model).Attribute(images)),
        ["blur-integrated-gradients"] = Method((model, images) => new BlurIntegratedGrad(model).Attribute(images)),
        ["xrai"] = Method((model, images) => new Xrai(model).Attribute(images)),
        ["guided-backpropagation"] = Method((model, images) => new GuidedBackpropagation(model).Attribute(images)),
        ["deconvolution"] = Method((model, images) => new Deconvolution(model).Attribute(images)),
        ["deeplift"] = Method((model, images) => new DeepLift(model).Attribute(images)),
        ["deep-shap"] = Method((model, images) => new DeepShap(model, background: images).Attribute(images)),
        ["lrp-epsilon"] = Method((model, images) => new Lrp(model, composite: LrpComposite.Epsilon).Attribute(images)),
        ["lrp-epsilon-plus"] = Method((model, images) => new Lrp(model).Attribute(images)),
        ["lrp-alpha2-beta1"] = Method(
            (model, images) => new Lrp(model, composite: LrpComposite.EpsilonAlpha2Beta1).Attribute(images)
        ),
        ["lrp-gamma-box"] = Method(
            (model, images) => new Lrp(model, composite: LrpComposite.EpsilonGammaBox).Attribute(images)
        ),
        ["deep-taylor"] = Method(
            (model, images) => new Lrp(model, composite: LrpComposite.DeepTaylor).Attribute(images)
        ),
        ["deep-taylor-w-square"] = Method(
            (model, images) => new Lrp(model, composite: LrpComposite.DeepTaylorSquare).Attribute(images)
        ),
        ["excitation-backpropagation"] = Method(
            (model, images) => new ExcitationBackpropagation(model).Attribute(images)
        ),
        ["full-grad"] = Method((model, images) => new FullGrad(model).Attribute(images)),
        ["smoothgrad"] = Method((model, images) => new SmoothGrad(model).Attribute(images)),
        ["smoothgrad-squared"] = Method(
            (model, images) => new SmoothGrad(model, kind: SmoothGradKind.Squared).Attribute(images)
        ),
        ["vargrad"] = Method((model, images) => new SmoothGrad(model, kind: SmoothGradKind.Variance).Attribute(images)),
        ["expected-gradients"] = Method(
            (model, images) => new ExpectedGradients(model, background: images).Attribute(images)
        ),
        ["occlusion"] = Method((model, images) => new Occlusion(model).Attribute(images)),
        ["rise"] = Method((model, images) => new Rise(model).Attribute(images)),
        ["feature-ablation"] = Method((model, images) => new FeatureAblation(model, Features.Usual).Attribute(images)),
        ["feature-permutation"] = Method(
            (model, images) => new FeaturePermutation(model, background: images).Attribute(images)
        ),
        ["shapley-sampling"] = Method((model, images) => new ShapleySampling(model).Attribute(images)),
        ["kernel-shap"] = Method((model, images) => new KernelShap(model).Attribute(images)),
        ["lime"] = Method((model, images) => new Lime(model).Attribute(images)),
        ["meaningful-perturbation"] = Method((model, images) => new MeaningfulPerturbation(model).Attribute(images)),
        ["extremal-preservation"] = Method((model, images) => new ExtremalPerturbation(model).Attribute(images)),
        ["extremal-deletion"] = Method(
            (model, images) => new ExtremalPerturbation(model, goal: PerturbationGoal.Delete).Attribute(images)
        ),
        ["grad-cam"] = Method((model, images) => new GradCam(model).Attribute(images)),
        ["grad-cam++"] = Method((model, images) => new GradCamPlusPlus(model).Attribute(images)),
        ["layer-cam"] = Method((model, images) => new LayerCam(model).Attribute(images)),
        ["hires-cam"] = Method((model, images) => new HiResCam(model).Attribute(images)),
        ["xgrad-cam"] = Method((model, images) => new XGradCam(model).Attribute(images)),
        ["eigen-cam"] = Method((model, images) => new EigenCam(model).Attribute(images)),
        ["score-cam"] = Method((model, images) => new ScoreCam(model).Attribute(images)),
        ["ablation-cam"] = Method((model, images) => new AblationCam(model).Attribute(images)),
        ["guided-grad-cam"] = Method((model, images) => new GuidedGradCam(model).Attribute(images)),
        ["attention-rollout"] = Method((model, images) => new AttentionRollout(model).Attribute(images)),
        ["attention-relevance"] = Method((model, images) => new AttentionRelevance(model).Attribute(images)),
    };

    private static readonly Dictionary<string, string> metrics = new()
    {
        ["average-drop"] = Metric((model, maps, images) => new AverageDrop(model).Evaluate(maps, images)),
        ["average-drop-soft"] = Metric(
            (model, maps, images) =>
                new AverageDrop(model, mask: Mask.Soft, scale: Scale.Probabilities).Evaluate(maps, images)
        ),
        ["necessity-ordering"] = Metric((model, maps, images) => new N_Ord(model).Evaluate(maps, images)),
        ["sufficiency-ordering"] = Metric((model, maps, images) => new S_Ord(model).Evaluate(maps, images)),
        ["proportionality-necessity"] = Metric((model, maps, images) => new TPN(model).Evaluate(maps, images)),
        ["proportionality-sufficiency"] = Metric((model, maps, images) => new TPS(model).Evaluate(maps, images)),
        ["deletion"] = Metric((model, maps, images) => new Deletion(model).Evaluate(maps, images)),
        ["insertion"] = Metric((model, maps, images) => new Insertion(model).Evaluate(maps, images)),
        ["pixel-flipping"] = Metric((model, maps, images) => new PixelFlipping(model).Evaluate(maps, images)),
        ["average-increase"] = Metric((model, maps, images) => new AverageIncrease(model).Evaluate(maps, images)),
        ["average-gain"] = Metric((model, maps, images) => new AverageGain(model).Evaluate(maps, images)),
        ["sparseness"] = Metric((_, maps, _) => Sparseness.Evaluate(maps)),
        ["complexity"] = Metric((_, maps, _) => Complexity.Evaluate(maps)),
        ["effective-complexity"] = Metric((_, maps, _) => EffectiveComplexity.Evaluate(maps)),
        ["effective-complexity-loss"] = Metric(
            (model, maps, images) => new EffectiveComplexityByLoss(model).Evaluate(maps, images)
        ),
        ["infidelity"] = Metric((model, maps, images) => new Infidelity(model).Evaluate(maps, images)),
        ["max-sensitivity"] = Metric(
            (model, maps, images) =>
                new MaxSensitivity(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["attack-sensitivity"] = Metric(
            (model, maps, images) =>
                new AttackSensitivity(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["average-sensitivity"] = Metric(
            (model, maps, images) =>
                new AverageSensitivity(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["local-lipschitz"] = Metric(
            (model, maps, images) =>
                new LocalLipschitz(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["continuity"] = Metric(
            (model, maps, images) =>
                new Continuity(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["relative-input-stability"] = Metric(
            (model, maps, images) =>
                new RelativeInputStability(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["relative-output-stability"] = Metric(
            (model, maps, images) =>
                new RelativeOutputStability(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["relative-representation-stability"] = Metric(
            (model, maps, images) =>
                new RelativeRepresentationStability(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(
                    maps,
                    images
                )
        ),
        ["input-invariance"] = Metric(
            (model, maps, images) =>
                new InputInvariance(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["sensitivity-n"] = Metric((model, maps, images) => new SensitivityN(model).Evaluate(maps, images)),
        ["faithfulness-correlation"] = Metric(
            (model, maps, images) => new FaithfulnessCorrelation(model).Evaluate(maps, images)
        ),
        ["faithfulness-estimate"] = Metric(
            (model, maps, images) => new FaithfulnessEstimate(model).Evaluate(maps, images)
        ),
        ["monotonicity"] = Metric((model, maps, images) => new Monotonicity(model).Evaluate(maps, images)),
        ["monotonicity-correlation"] = Metric(
            (model, maps, images) => new MonotonicityCorrelation(model).Evaluate(maps, images)
        ),
        ["non-sensitivity"] = Metric((model, maps, images) => new NonSensitivity(model).Evaluate(maps, images)),
        ["region-perturbation"] = Metric((model, maps, images) => new RegionPerturbation(model).Evaluate(maps, images)),
        ["selectivity"] = Metric((model, maps, images) => new RegionSelectivity(model).Evaluate(maps, images)),
        ["irof"] = Metric((model, maps, images) => new Irof(model).Evaluate(maps, images)),
        ["road"] = Metric((model, maps, images) => new Road(model).Evaluate(maps, images)),
        ["completeness-gap"] = Metric((model, maps, images) => new CompletenessGap(model).Relative(maps, images)),
        ["parameter-randomisation"] = Metric(
            (model, maps, images) =>
                new ParameterRandomisation(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["smooth-parameter-randomisation"] = Metric(
            (model, maps, images) =>
                new SmoothParameterRandomisation(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["efficient-parameter-randomisation"] = Metric(
            (model, maps, images) =>
                new EfficientParameterRandomisation(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(
                    maps,
                    images
                )
        ),
        ["random-logit"] = Metric(
            (model, maps, images) =>
                new RandomLogit(model, (m, q) => new DeepLift(m, q).Attribute).Evaluate(maps, images)
        ),
        ["relevance-mass"] = Located((masks, maps) => Localisation.Shares(masks, maps)),
        ["pointing-game"] = Located((masks, maps) => Localisation.PointingGame(masks, maps)),
        ["relevance-rank"] = Located((masks, maps) => Localisation.RankAccuracies(masks, maps)),
        ["top-k-intersection"] = Located((masks, maps) => Localisation.TopKIntersections(k: 1000, masks, maps)),
        ["localisation-auc"] = Located((masks, maps) => Localisation.Aucs(masks, maps)),
    };

    public static Test Tests =>
        Runner.TestList(
            "Documented code",
            [
                Runner.TestCase(
                    "each method's line of C# compiles",
                    () => Shown("methods.md", AttributionMethod.All.Select(m => m.Name), methods)
                ),
                Runner.TestCase(
                    "each metric's line of C# compiles",
                    () => Shown("metrics.md", AttributionMetric.All.Select(m => m.Name), metrics)
                ),
            ]
        );

    private static void Shown(string page, IEnumerable<string> names, Dictionary<string, string> lines)
    {
        Check.Same(lines.Keys, [.. names]);
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Attribution.sln")))
            folder = folder.Parent!;
        var sections = File.ReadAllText(Path.Combine(folder.FullName, "docs", page)).Split("<a id=");
        foreach (var (name, line) in lines)
        {
            var section = sections.Single(section => section.Contains($"| Name | `{name}` |"));
            Expect.isTrue(section.Contains($"| C# | `{line}` |"), $"{name}: {line}");
        }
    }

    private static string Method(
        Func<Model, Instances, Tensor> code,
        [CallerArgumentExpression(nameof(code))] string text = ""
    ) => Line(text);

    private static string Metric(
        Func<Model, Tensor, Instances, object> code,
        [CallerArgumentExpression(nameof(code))] string text = ""
    ) => Line(text);

    private static string Located(
        Func<Tensor, Tensor, object> code,
        [CallerArgumentExpression(nameof(code))] string text = ""
    ) => Line(text);

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
