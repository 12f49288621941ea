namespace Attribution

open System

/// What a derivative is taken with respect to.
type Argument =
    /// The instances.
    | Image = 0
    /// The attributions that a metric is given.
    | Map = 1
    /// The parameters of the network.
    | Parameters = 2

/// What the derivative of a method or a metric is, on a network that is smooth itself.
type Smoothness =
    /// It is defined everywhere, as often as one likes.
    | Smooth = 0
    /// It is exact away from kinks and ties.
    | AlmostEverywhere = 1
    /// It is 0 almost everywhere: the value depends on nothing but an order, a count or a side, or not on the argument at all.
    | PiecewiseConstant = 2
    /// There is none: the argument does not exist.
    | Undefined = 3

/// Which of two scores is the better.
type Better =
    /// The lower one.
    | Lower = 0
    /// The higher one.
    | Higher = 1

/// What a metric measures a class by.
type Scale =
    /// Its logit.
    | Logits = 0
    /// Its probability: the softmax of the logits or, where the model's one logit stands for two classes or its classes are told
    /// apart one by one, σ. See Model.Scores.
    | Probabilities = 1
    /// The map alone: the model is not asked.
    | Map = 2

/// Which settings, beside the quantity, a method uses.
[<Flags>]
type MethodSetting =
    /// None.
    | Nothing = 0
    /// The points on a path, and where they lie.
    | Steps = 1
    /// Where paths begin, and what hidden pixels become.
    | Baseline = 2
    /// Whether gradients are multiplied with the input.
    | Multiply = 4
    /// How many random samples are drawn, and by which seed.
    | Samples = 8
    /// The layer that it looks at.
    | Layer = 16
    /// The standard deviation of noise.
    | Noise = 32
    /// The side of a window that hides pixels, and its stride.
    | Window = 64
    /// What a max pool hands on.
    | MaxPool = 128
    /// How many steps an optimisation takes.
    | Iterations = 256
    /// The share of the image that a mask covers.
    | Area = 512
    /// What is hidden and shown as one.
    | Features = 1024
    /// The instances that others are compared with.
    | Background = 2048

namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// What a method is set up with. Each uses what concerns it.
[<NoComparison; NoEquality>]
type MethodSettings = {
    /// The layers of the methods that look at some, whose maps are fused; none: the last with channels of several positions.
    Layers: string list
    Baseline: Baseline
    /// The points on a path in [0, 1], and their weights.
    Nodes: (float * float)[]
    Multiply: bool
    /// How many random samples an instance gets; None: the method's own default.
    Samples: int option
    Seed: int64
    /// The standard deviation of noise, as a share of an instance's range.
    Noise: float
    /// What baselines are drawn from; None: the batch itself.
    Background: Instances option
    /// The side of a window, and the pixels to the next; null: by the image's size.
    WindowSize: Nullable<int>
    Stride: Nullable<int>
    Maximum: MaximumRule
    /// The steps of an optimisation.
    Iterations: int
    /// The share of the image that a mask covers.
    Area: float
    /// What is hidden and shown as one.
    Features: Features
    /// The number that stands for white.
    Peak: float
    /// How many noisy copies of an instance any method's maps are averaged over; None: it is explained as it is.
    Smooth: int option
    /// Whether any method's maps are averaged over an image and its mirror image, darker and brighter.
    Augment: bool
}

/// The passes that a method makes of an instance.
[<Struct>]
type Work = {
    Forwards: int64
    /// Forth and back to the instance.
    Gradients: int64
    /// Whether a way back is by rules, which compute more than a gradient does.
    IsByRules: bool
}

/// A row of the registry of methods.
[<NoComparison; NoEquality>]
type Method = {
    /// As the command line and files spell it.
    Name: string
    /// For people.
    Title: string
    /// What it computes.
    Formula: string
    /// The paper.
    Source: string
    Uses: MethodSetting
    /// The samples of an instance where nobody says how many.
    DefaultSamples: int
    Work: Model -> MethodSettings -> Instances -> Work
    /// What a pass over a batch does.
    Pass: Pass
    /// Whether a network has what it is about, and a sentence for one that has not.
    Requires: (string * (Graph -> bool)) option
    Smoothness: Argument -> Smoothness
    /// The function itself: attributions (n×…) of instances.
    Attribute: MethodSettings -> Target -> Batch -> Tensor
}

/// What a metric is set up with. Each uses what concerns it.
[<NoComparison; NoEquality>]
type MetricSettings = {
    /// How what it decides by a threshold or an order is computed.
    Relaxation: Relaxation
    /// How many pixels change at a time; None: by the images' size.
    PixelsPerStep: int option
    /// How many random samples an instance gets; None: the metric's own default.
    Samples: int option
    Seed: int64
    /// The number that stands for white.
    Peak: float
    /// The baseline b of maps that are multiplied with x - b; None for maps of what each unit of a number is worth.
    MultipliedFrom: Baseline option
    /// How the maps were made, for the metrics that make maps of their own.
    Explain: (Target -> Batch -> Tensor) option
    /// Where the part is that maps are to point at (n×h×w of booleans), for the metrics that ask whether they do. An instance's
    /// own mask is found by its id, wherever the instance is read.
    Masks: (Batch -> Tensor) option
}

/// A row of the registry of metrics.
[<NoComparison; NoEquality>]
type Metric = {
    /// As the command line and files spell it.
    Name: string
    /// For people, with the unit.
    Title: string
    /// What it computes.
    Formula: string
    /// The paper.
    Source: string
    Better: Better
    /// The scores that there can be.
    Range: string
    /// What stands for a hidden pixel; "-" where none is.
    Blank: string
    Over: Scale
    /// Forward passes an instance of so many pixels, about.
    Passes: MetricSettings -> int64 -> float
    /// Whether it makes maps of its own.
    NeedsExplain: bool
    /// Whether it asks if a map points at a part of the image that is known.
    NeedsMasks: bool
    /// Whether it compares a class's map with another's.
    ComparesClasses: bool
    /// Whether it removes or puts back pixels.
    HasSteps: bool
    Smoothness: Argument -> Smoothness
    /// The arguments in which a relaxed score has a derivative where the exact one is piecewise constant.
    Relaxes: Argument list
    /// The function itself: one score an instance (n) of attributions.
    Scores: MetricSettings -> Target -> Tensor -> Batch -> Tensor
}

[<RequireQualifiedAccess>]
module MethodSettings =
    /// Black baselines, 50 points, multiplied with the input, seed 1.
    let standard: MethodSettings = {
        Layers = []
        Baseline = Baseline.black
        Nodes = Quadrature.nodes RightHand 50
        Multiply = true
        Samples = None
        Seed = 1L
        Noise = 0.15
        Background = None
        WindowSize = Nullable()
        Stride = Nullable()
        Maximum = MaximumRule.Rescale
        Iterations = 50
        Area = 0.1
        Features = Features.usual
        Peak = 255.
        Smooth = None
        Augment = false
    }

[<RequireQualifiedAccess>]
module MetricSettings =
    /// Exact, seed 1, white 255.
    let standard: MetricSettings = {
        Relaxation = Relaxation.Exact
        PixelsPerStep = None
        Samples = None
        Seed = 1L
        Peak = 255.
        MultipliedFrom = None
        Explain = None
        Masks = None
    }

/// <summary>Every method that needs no more than a target and settings.</summary>
/// <remarks>The façade, the command line, the study, the pages and the documentation read it; a method of one's own is one more
/// row.</remarks>
[<RequireQualifiedAccess>]
module Methods =
    let inline private passes forwards gradients isByRules = {
        Forwards = int64 forwards
        Gradients = int64 gradients
        IsByRules = isByRules
    }

    /// What a derivative is in the map, and in the other two.
    let internal smoothness map others =
        function
        | Argument.Map -> map
        | _ -> others

    /// A row of a method that takes one gradient, and has a derivative almost everywhere in the image and in the parameters.
    let private row name title formula source attribute : Method = {
        Name = name
        Title = title
        Formula = formula
        Source = source
        Uses = MethodSetting.Nothing
        DefaultSamples = 0
        Work = fun _ _ _ -> passes 0 1 false
        Pass = Gradient
        Requires = None
        Smoothness = smoothness Smoothness.Undefined Smoothness.AlmostEverywhere
        Attribute = attribute
    }

    let private uses settings (row: Method) = { row with Uses = settings }
    let private costs work (row: Method) = { row with Work = fun _ s x -> work s x }

    let private requires sentence has (row: Method) = { row with Requires = Some(sentence, has) }

    let private hasOp (isOf: Op -> bool) (graph: Graph) = graph.Nodes |> Array.exists (fun node -> isOf node.Op)

    let private isSmooth (row: Method) = { row with Smoothness = smoothness Smoothness.Undefined Smoothness.Smooth }

    let private byScores (row: Method) = { row with Pass = Forward }

    /// A way back by rules, after so many passes forth.
    let private byRules forwards (row: Method) = { row with Pass = Rules; Work = fun _ _ _ -> passes forwards 1 true }

    /// A row of a method that draws samples, `standard` where nobody says how many.
    let private sampled standard (work: int -> Work) name title formula source attribute =
        let count (s: MethodSettings) =
            match s.Samples |> Option.defaultValue standard with
            | count when count < 1 ->
                invalidArg "samples" $"A mean is over at least 1 sample, but {count} were asked for."
            | count -> count

        {
            row name title formula source (fun s -> attribute s (count s)) with
                DefaultSamples = standard
                Work = fun _ s _ -> work (count s)
        }

    let private gradients count = passes 1 count false

    let private aboutRelus (row: Method) =
        row
        |> requires
            $"{row.Title} is about ReLUs"
            (hasOp (function
                | Activation(Relu | ClippedRelu _) -> true
                | _ -> false))

    let private aboutAttention (row: Method) =
        row
        |> requires
            $"{row.Title} is about attention, a softmax of a product QKᵀ times V"
            (Attention.find >> List.isEmpty >> not)

    let private layers (s: MethodSettings) (target: Target) =
        match s.Layers with
        | [] -> [ CamLayer.last (Model.upTo target.Layer target.Model) ]
        | named -> named

    let private bach = "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019"

    let private relevance name title formula composite =
        row name title formula bach (fun _ -> Lrp.attribute composite)
        |> byRules 0
        |> requires "LRP is about layers of weights" (hasOp Op.isWeighted)

    let private epsilon = Epsilon 1e-6

    let private montavon = "Montavon et al., arXiv 1512.02479"

    let private from' source (row: Method) = { row with Source = source }

    /// Rules of convolutions, ε in dense layers.
    let private byKind convolution = { Lrp.composite epsilon convolution epsilon with First = None }

    let private smoothGrad name title formula source kind =
        sampled 50 gradients name title formula source (fun s count ->
            SmoothGrad.attribute kind count s.Noise s.Seed false)
        |> uses (MethodSetting.Samples ||| MethodSetting.Noise)

    /// A mask that is found by optimisation.
    let private byMask name title formula source attribute =
        row name title formula source (fun s -> attribute s s.Iterations s.Baseline)
        |> uses (MethodSetting.Baseline ||| MethodSetting.Iterations)
        |> costs (fun s _ -> passes 1 s.Iterations false)

    let private extremal isKept name title formula =
        byMask name title formula "Fong, Patrick and Vedaldi, arXiv 1910.08485" (fun s ->
            PerturbationMasks.extremal isKept s.Area)
        |> uses (MethodSetting.Baseline ||| MethodSetting.Iterations ||| MethodSetting.Area)

    // About: the way back ends at the last convolution, near the top.
    let private camBy atLayer name title formula source =
        row name title formula source (fun s target -> Cam.attribute (atLayer s) (layers s target) target)
        |> uses MethodSetting.Layer
        |> costs (fun s _ -> passes (max 1 s.Layers.Length) 0 false)

    let private cam name title formula source weights =
        camBy (fun _ -> GradCam.atLayer weights) name title formula source

    /// A class activation map that makes passes for each channel of its layers.
    let private camOfPasses atLayer name title formula source =
        let channels (model: Model) (s: MethodSettings) (x: Instances) =
            let layers = if s.Layers.IsEmpty then [ CamLayer.last model ] else s.Layers
            layers |> List.sumBy (fun layer -> 2L + Cam.channels layer model x)

        {
            camBy atLayer name title formula source with
                Work = fun model s x -> passes (channels model s x) 0 false
                Pass = Forward
        }

    /// A method that hides and shows features: exact in the parameters, and in the image while the features stay what they are.
    let private byFeatures (row: Method) = {
        row with
            Pass = Forward
            Uses = row.Uses ||| MethodSetting.Baseline ||| MethodSetting.Features
            Smoothness =
                function
                | Argument.Parameters -> Smoothness.Smooth
                | argument -> row.Smoothness argument
    }

    let private features (s: MethodSettings) x = max 1L (Features.count s.Features x)

    /// A game of features.
    let private game plan standard name title formula source =
        let planOf (s: MethodSettings) count = plan count s.Seed

        let game =
            sampled standard gradients name title formula source (fun s count ->
                Coalitions.attribute (planOf s count) s.Features s.Baseline)

        let work _ (s: MethodSettings) x =
            let samples = s.Samples |> Option.defaultValue standard
            use _ = torch.NewDisposeScope()
            let plan: CoalitionPlan = planOf s samples (int (min (features s x) Coalitions.Most))
            passes (1L + plan.Shown.shape[0]) 0 false

        { game with Work = work; Uses = MethodSetting.Samples } |> byFeatures

    /// A method that compares instances with others.
    let private ofBackground attribute (s: MethodSettings) count target batch =
        let background = s.Background |> Option.defaultWith (fun () -> Instances.ofBatch batch)
        attribute count background s.Seed target batch

    /// The rows.
    let all: Method list = [
        row "saliency" "Saliency" "x ⊙ ∇ₓ q(f(x))" "Simonyan, Vedaldi and Zisserman, arXiv 1312.6034" (fun s ->
            Saliency.attribute s.Multiply)
        |> uses MethodSetting.Multiply
        |> isSmooth
        row
            "integrated-gradients"
            "Integrated gradients"
            "(x - b) ⊙ Σᵢ wᵢ ∇ₓ q(f(b + αᵢ(x - b)))"
            "Sundararajan, Taly and Yan, arXiv 1703.01365"
            (fun s -> IntegratedGradients.attribute s.Nodes s.Baseline s.Multiply)
        |> uses (MethodSetting.Steps ||| MethodSetting.Baseline ||| MethodSetting.Multiply)
        |> costs (fun s _ -> passes 1 s.Nodes.Length false)
        |> isSmooth
        row
            "guided-integrated-gradients"
            "Guided integrated gradients"
            "Σₖ ∇ₓ q(f(xₖ)) ⊙ (xₖ₊₁ - xₖ) from b to x, in each step the numbers of least gradient moving first"
            "Kapishnikov et al., arXiv 2106.09788"
            (fun s -> GuidedIntegratedGradients.attribute s.Nodes.Length s.Baseline)
        |> uses (MethodSetting.Steps ||| MethodSetting.Baseline)
        |> costs (fun s _ -> passes 1 s.Nodes.Length false)
        row
            "blur-integrated-gradients"
            "Blur integrated gradients"
            "Σₖ ∇ₓ q(f(x̃ₖ)) ⊙ (xₖ₊₁ - xₖ), xₖ the image blurred less and less, x̃ₖ between xₖ and xₖ₊₁"
            "Xu, Venugopalan and Sundararajan, arXiv 2004.03383"
            (fun s -> BlurIntegratedGradients.attribute s.Nodes.Length)
        |> uses MethodSetting.Steps
        |> costs (fun s _ -> passes 1 s.Nodes.Length false)
        |> isSmooth
        row
            "xrai"
            "XRAI"
            "the mean over what a region adds of IG(black) + IG(white), regions of the largest mean first"
            "Kapishnikov et al., arXiv 1906.02825, with SLIC's segments"
            (fun s -> Xrai.attribute s.Nodes (Baseline.white s.Peak))
        |> uses MethodSetting.Steps
        |> costs (fun s _ -> passes 2 (2 * s.Nodes.Length) false)
        row
            "guided-backpropagation"
            "Guided backpropagation"
            "∇ₓ q(f(x)), with max(w, 0) ⊙ [z > 0] for what arrives at ReLU(z), w"
            "Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806"
            (fun _ -> GuidedBackpropagation.attribute false)
        |> byRules 0
        |> aboutRelus
        row
            "deconvolution"
            "Deconvolution"
            "∇ₓ q(f(x)), with max(w, 0) for what arrives at ReLU(z), w"
            "Zeiler and Fergus, arXiv 1311.2901"
            (fun _ -> Deconvolution.attribute false)
        |> byRules 0
        |> aboutRelus
        row
            "deeplift"
            "DeepLIFT (rescale)"
            "(x - b) ⊙ m, each op handing on (y - y')/(x - x') in place of its derivative"
            "Shrikumar, Greenside and Kundaje, arXiv 1704.02685"
            (fun s -> DeepLift.observed s.Maximum ignore s.Baseline s.Multiply)
        |> uses (MethodSetting.Baseline ||| MethodSetting.Multiply ||| MethodSetting.MaxPool)
        |> byRules 1
        {
            sampled
                20
                (fun count -> passes count count true)
                "deep-shap"
                "DeepSHAP"
                "(1/N) Σₖ (x - bₖ) ⊙ mₖ, bₖ drawn from a background, mₖ DeepLIFT's multipliers from it"
                "Lundberg and Lee, arXiv 1705.07874"
                (fun s -> ofBackground (DeepShap.attribute s.Maximum) s) with
                Pass = Rules
        }
        |> uses (MethodSetting.Samples ||| MethodSetting.Background ||| MethodSetting.MaxPool)
        relevance "lrp-epsilon" "LRP-ε" "Rᵢ = Σⱼ xᵢwᵢⱼ / (zⱼ ± ε) Rⱼ" (byKind epsilon)
        relevance
            "lrp-epsilon-plus"
            "LRP, z⁺ and ε"
            "Rᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Rⱼ in convolutions, ε in dense layers"
            (byKind (AlphaBeta(1., 0.)))
        relevance
            "lrp-alpha2-beta1"
            "LRP, α2-β1 and ε"
            "Rᵢ = Σⱼ (2 (xᵢwᵢⱼ)⁺ / zⱼ⁺ - (xᵢwᵢⱼ)⁻ / zⱼ⁻) Rⱼ in convolutions, ε in dense layers"
            (byKind (AlphaBeta(2., 1.)))
        relevance
            "lrp-gamma-box"
            "LRP, γ, ε and z-box"
            "w + 0.25 w⁺ in place of w in convolutions, ε in dense layers, the box of pixels in the first"
            (Lrp.composite (ZBox(0., 255.)) (Gamma 0.25) epsilon)
        relevance
            "deep-taylor"
            "Deep Taylor decomposition"
            "Rᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Rⱼ, the box of pixels in the first layer"
            (Lrp.deepTaylor (ZBox(0., 255.)))
        |> from' montavon
        relevance
            "deep-taylor-w-square"
            "Deep Taylor decomposition, w²"
            "Rᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Rⱼ, wᵢⱼ² / Σᵢ wᵢⱼ² Rⱼ in the first layer"
            (Lrp.deepTaylor Square)
        |> from' montavon
        row
            "excitation-backpropagation"
            "Excitation backpropagation"
            "Pᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Pⱼ, from P = ∂q/∂f at the scores"
            "Zhang et al., arXiv 1608.00507"
            (fun _ -> Lrp.excitation)
        |> byRules 0
        |> requires "Excitation backpropagation is about layers of weights" (hasOp Op.isWeighted)
        row
            "full-grad"
            "FullGrad"
            "ψ(∇ₓq ⊙ x) + Σ_l Σ_c ψ(∂q/∂z_l ⊙ b_l)_c, ψ the magnitude from 0 to 1, enlarged"
            "Srinivas and Fleuret, arXiv 1905.00780"
            (fun _ -> FullGrad.attribute)
        |> byRules 0
        smoothGrad
            "smoothgrad"
            "SmoothGrad"
            "(1/N) Σₖ gₖ, gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)"
            "Smilkov et al., arXiv 1706.03825"
            SmoothGradKind.Mean
        smoothGrad
            "smoothgrad-squared"
            "SmoothGrad-Squared"
            "(1/N) Σₖ gₖ², gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)"
            "Hooker et al., arXiv 1806.10758"
            SmoothGradKind.Squared
        smoothGrad
            "vargrad"
            "VarGrad"
            "(1/N) Σₖ gₖ² - ((1/N) Σₖ gₖ)², gₖ = ∇ₓ q(f(x + εₖ)), εₖ ~ N(0, σ²)"
            "Adebayo et al., arXiv 1810.03307"
            SmoothGradKind.Variance
        sampled
            100
            gradients
            "expected-gradients"
            "Expected gradients"
            "(1/N) Σₖ (x - bₖ) ⊙ ∇ₓ q(f(bₖ + αₖ(x - bₖ))), bₖ drawn from a background, αₖ from [0, 1]"
            "Erion et al., arXiv 1906.10670"
            (ofBackground ExpectedGradients.attribute)
        |> uses (MethodSetting.Samples ||| MethodSetting.Background)
        |> isSmooth
        row
            "occlusion"
            "Occlusion"
            "the mean of q(f(x)) - q(f(x hidden in a window)) over the windows that cover a pixel"
            "Zeiler and Fergus, arXiv 1311.2901"
            (fun s -> Occlusion.attribute s.WindowSize s.Stride s.Baseline)
        |> uses (MethodSetting.Baseline ||| MethodSetting.Window)
        |> byScores
        |> costs (fun s x -> passes (1 + int (Occlusion.count s.WindowSize s.Stride x)) 0 false)
        |> isSmooth
        sampled
            1000
            (fun count -> passes (1 + count) 0 false)
            "rise"
            "RISE"
            "Σₖ sₖ Mₖ / Σₖ Mₖ - (1/N) Σₖ sₖ, sₖ = q(f(b + Mₖ ⊙ (x - b))), Mₖ random masks"
            "Petsiuk, Das and Saenko, arXiv 1806.07421"
            (fun s count -> Rise.attribute count 8 0.5 s.Seed true s.Baseline)
        |> uses (MethodSetting.Baseline ||| MethodSetting.Samples)
        |> byScores
        |> isSmooth
        {
            row
                "feature-ablation"
                "Feature ablation"
                "q(f(x)) - q(f(x without the feature)), a superpixel for instance"
                "Zeiler and Fergus, arXiv 1311.2901"
                (fun s -> FeatureAblation.attribute s.Features s.Baseline) with
                Work = fun _ s x -> passes (1L + features s x) 0 false
        }
        |> byFeatures
        {
            sampled
                10
                gradients
                "feature-permutation"
                "Feature permutation"
                "(1/N) Σₖ q(f(x)) - q(f(x with the feature of bₖ)), bₖ drawn from a background"
                "Breiman, Machine Learning 45, 2001; Fisher, Rudin and Dominici, arXiv 1801.01489"
                (fun s ->
                    ofBackground
                        (fun count background seed -> FeaturePermutation.attribute count background seed s.Features)
                        s) with
                Work =
                    fun _ s x ->
                        let draws = int64 (s.Samples |> Option.defaultValue 10)
                        passes (draws * (1L + features s x)) 0 false
        }
        |> byFeatures
        |> uses (MethodSetting.Samples ||| MethodSetting.Background ||| MethodSetting.Features)
        game
            ShapleySampling.plan
            20
            "shapley-sampling"
            "Shapley value sampling"
            "(1/N) Σ_π v(those up to i in π) - v(those before i), v(S) = q(f(x with the features outside S hidden))"
            "Castro, Gómez and Tejada, Computers and Operations Research 36(5), 2009"
        game
            KernelShap.plan
            1000
            "kernel-shap"
            "KernelSHAP"
            "min Σ_S π(S) (v(S) - v(∅) - Σ_{i ∈ S} φᵢ)² with Σ φ = v(all) - v(∅), π(S) = (M-1) / (C(M,|S|) |S| (M-|S|))"
            "Lundberg and Lee, arXiv 1705.07874"
        game
            Lime.plan
            1000
            "lime"
            "LIME"
            "min Σ_S exp(-D(S)²/σ²) (v(S) - φ₀ - Σ_{i ∈ S} φᵢ)² + ‖φ‖², D the cosine distance of S to all"
            "Ribeiro, Singh and Guestrin, arXiv 1602.04938"
        byMask
            "meaningful-perturbation"
            "Meaningful perturbation"
            "1 - m, m the smooth mask of least t(b + m ⊙ (x - b)) / |t(x) - t(b)| + 10 mean(1 - m) + 2 mean ‖∇m‖³, t = q ∘ f"
            "Fong and Vedaldi, arXiv 1704.03296"
            (fun _ -> PerturbationMasks.meaningful)
        extremal
            true
            "extremal-preservation"
            "Extremal perturbation, preserving"
            "m - ½, m the smooth mask of area a of largest q(f(b + m ⊙ (x - b)))"
        extremal
            false
            "extremal-deletion"
            "Extremal perturbation, deleting"
            "m - ½, m the smooth mask of area a of least q(f(b + (1 - m) ⊙ (x - b)))"
        cam
            "grad-cam"
            "Grad-CAM"
            "ReLU(Σ_c w_c A_c), w_c the mean of ∂q/∂A_c over a channel's positions"
            "Selvaraju et al., arXiv 1610.02391"
            CamWeights.Mean
        cam
            "grad-cam++"
            "Grad-CAM++"
            "ReLU(Σ_c w_c A_c), w_c = Σ α ⊙ ReLU(g), α = g² / (2 g² + g³ Σ A_c), g = ∂q/∂A_c"
            "Chattopadhay et al., arXiv 1710.11063"
            CamWeights.PlusPlus
        cam
            "layer-cam"
            "LayerCAM"
            "ReLU(Σ_c ReLU(∂q/∂A_c) ⊙ A_c)"
            "Jiang et al., IEEE Transactions on Image Processing 30, 2021"
            CamWeights.Positions
        cam
            "hires-cam"
            "HiResCAM"
            "ReLU(Σ_c ∂q/∂A_c ⊙ A_c)"
            "Draelos and Carin, arXiv 2011.08891"
            CamWeights.HighResolution
        cam
            "xgrad-cam"
            "XGrad-CAM"
            "ReLU(Σ_c w_c A_c), w_c = Σ ∂q/∂A_c ⊙ A_c / Σ A_c"
            "Fu et al., arXiv 2008.02312"
            CamWeights.Axiom
        camBy
            (fun _ -> EigenCam.atLayer)
            "eigen-cam"
            "Eigen-CAM"
            "A v, v the first right singular vector of A, positions by channels"
            "Muhammad and Yeasin, arXiv 2008.00299"
        camOfPasses
            (fun s -> ScoreCam.atLayer s.Baseline)
            "score-cam"
            "Score-CAM"
            "ReLU(Σ_c α_c A_c), α = softmax_c q(f(b + H_c ⊙ (x - b))), H_c = A_c from 0 to 1, enlarged"
            "Wang et al., arXiv 1910.01279"
        |> uses (MethodSetting.Layer ||| MethodSetting.Baseline)
        camOfPasses
            (fun _ -> AblationCam.atLayer)
            "ablation-cam"
            "Ablation-CAM"
            "ReLU(Σ_c w_c A_c), w_c = q - q(A without channel c)"
            "Desai and Ramaswamy, IEEE Winter Conference on Applications of Computer Vision, 2020"
        row
            "guided-grad-cam"
            "Guided Grad-CAM"
            "guided backpropagation ⊙ Grad-CAM"
            "Selvaraju et al., arXiv 1610.02391"
            (fun s target -> GuidedGradCam.attribute (layers s target) target)
        |> uses MethodSetting.Layer
        |> byRules 1
        |> aboutRelus
        row
            "attention-rollout"
            AttentionRollout.name
            "the row of Π (½A + ½I) that the output is read from, A the mean of the heads' softmax(QKᵀ/√d)"
            "Abnar and Zuidema, arXiv 2005.00928"
            (fun _ -> AttentionRollout.attribute)
        |> byRules 0
        |> aboutAttention
        row
            "attention-relevance"
            AttentionRelevance.name
            "the row of Π (I + Ā) - I that the output is read from, Ā the mean over heads of (∇A ⊙ A)⁺"
            "Chefer, Gur and Wolf, arXiv 2103.15679"
            (fun _ -> AttentionRelevance.attribute)
        |> byRules 0
        |> costs (fun _ _ -> passes 0 3 true)
        |> aboutAttention
    ]

/// <summary>A row's method with what may be done to any: averaged over noisy copies, or over mirrored ones.</summary>
[<RequireQualifiedAccess>]
module Method =
    /// Attributions (n×…) of instances, as the settings ask for them.
    let attribute (row: Method) (s: MethodSettings) (target: Target) (batch: Batch) : Tensor =
        // Outside all copies, a copy's own samples are drawn anew.
        let smoothed =
            match s.Smooth with
            | Some count -> Steadied.smooth count s.Noise s.Seed (row.Attribute s)
            | None -> row.Attribute s

        (if s.Augment then Steadied.augment smoothed else smoothed) target batch

    /// The passes that it makes of an instance.
    let work (row: Method) (model: Model) (s: MethodSettings) (x: Instances) : Work =
        // What cannot be counted cannot be explained either, and that says why.
        let one =
            try
                row.Work model s x
            with :? AttributionException -> { Forwards = 1L; Gradients = 0L; IsByRules = false }

        let copies = int64 (Option.defaultValue 1 s.Smooth) * (if s.Augment then Steadied.Augmented else 1L)
        let own = if copies > 1L || s.Smooth.IsSome then 1L else 0L

        { one with Forwards = own + copies * one.Forwards; Gradients = copies * one.Gradients }

/// <summary>Every metric of attribution maps.</summary>
/// <remarks>A metric of one's own is one more row.</remarks>
[<RequireQualifiedAccess>]
module Metrics =
    /// What an explanation costs at the least: a gradient.
    let private gradient = 3.

    let private samples standard (s: MetricSettings) = s.Samples |> Option.defaultValue standard

    /// M and the fewest steps for images of so many pixels.
    let steps (s: MetricSettings) (pixels: int64) : struct (int * int) =
        match s.PixelsPerStep with
        | Some asked -> struct (asked, 1)
        | None -> PixelCurves.chosenSteps pixels

    /// Curves of paths in the steps of the settings, and a score of them.
    let private ofCurves paths score (s: MetricSettings) target maps (batch: Batch) : Tensor =
        let struct (pixels, fewest) = steps s (batch.X.shape[2] * batch.X.shape[3])
        let paths = paths |> List.map (PixelCurves.inSteps pixels fewest)
        score s (PixelCurves.curves s.Relaxation paths target maps batch)

    /// A row of a metric of the logits whose lower scores are the better, with a derivative almost everywhere in all arguments.
    let private row name title formula source scores : Metric = {
        Name = name
        Title = title
        Formula = formula
        Source = source
        Better = Better.Lower
        Range = "0 to ∞"
        Blank = "-"
        Over = Scale.Logits
        Passes = fun _ _ -> 2.
        NeedsExplain = false
        NeedsMasks = false
        ComparesClasses = false
        HasSteps = false
        Smoothness = fun _ -> Smoothness.AlmostEverywhere
        Relaxes = []
        Scores = scores
    }

    let private higher (row: Metric) = { row with Better = Better.Higher }
    let private from range (row: Metric) = { row with Range = range }
    let private onto blank (row: Metric) = { row with Blank = blank }
    let private onBlack (row: Metric) = row |> onto "black"
    let private ofProbabilities (row: Metric) = { row with Over = Scale.Probabilities }
    let private costs passes (row: Metric) = { row with Passes = passes }

    let private is map others (row: Metric) = { row with Smoothness = Methods.smoothness map others }

    let private relaxesIn arguments (row: Metric) = { row with Relaxes = arguments }
    let private constant = Smoothness.PiecewiseConstant
    let private almost = Smoothness.AlmostEverywhere
    let private smooth = Smoothness.Smooth
    let private everything = [ Argument.Image; Argument.Map; Argument.Parameters ]

    let private ofMapAlone (row: Metric) = { row with Over = Scale.Map } |> costs (fun _ _ -> 0.) |> is almost constant

    let private ofExplanations passes (row: Metric) = { row with NeedsExplain = true } |> costs (fun s _ -> passes s)

    /// A score of curves on paths: `own` passes, and one more for so many of the steps through all pixels.
    let private curves own share paths score name title formula source =
        { row name title formula source (ofCurves paths score) with HasSteps = true }
        |> onBlack
        |> relaxesIn [ Argument.Map ]
        |> costs (fun s pixels ->
            let struct (step, _) = steps s pixels
            own + share * float pixels / float step)

    let private curve own share path score = curves own share [ path ] (fun _ -> List.head >> score)

    /// A score of features, the steps through all pixels, each scored so many times.
    let private features draws name title formula source scores =
        {
            row name title formula source (fun s target maps (batch: Batch) ->
                let struct (step, _) = steps s (batch.X.shape[2] * batch.X.shape[3])
                scores s step target maps batch) with
                HasSteps = true
        }
        |> costs (fun s pixels ->
            let struct (step, _) = steps s pixels
            1. + float (draws s: int) * ceil (float pixels / float step))

    let private area (_: MetricSettings) (curves: PixelCurve list) =
        let curves = List.map PixelCurves.normalised curves
        Proportionality.area curves[0] curves[1]

    let private wang = "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985"
    let private petsiuk = "Petsiuk, Das and Saenko, arXiv 1806.07421"

    let private explain (row: string) (s: MetricSettings) =
        match s.Explain with
        | Some explain -> explain
        | None ->
            fail $"The metric '{row}' makes maps of its own: set MetricSettings.Explain to how the maps were made."

    /// A sensitivity of maps to noise of a fiftieth of the range.
    let private sensitivity name scores (s: MetricSettings) target (maps: Tensor) (batch: Batch) : Tensor =
        let explain = Nearby.explaining (explain name s) target batch
        let ofPerturbed (perturbed: Instances) = explain (perturbed.Read 0 perturbed.Count)
        scores ofPerturbed (0.02 * s.Peak) (samples 10 s) s.Seed maps (Instances.ofBatch batch)

    let private attackSensitivity (s: MetricSettings) target maps batch =
        let anchored = Target.anchored target batch

        let explain (target: Target) (some: Batch) =
            explain "attack-sensitivity" s target { some with Rows = Sweep.pick some.Rows batch.Rows }

        let attack = { Attack.standard with Steps = samples 10 s; Seed = s.Seed }
        Attack.changes explain attack s.Peak anchored target.Model maps batch

    let private parameterRandomisation (s: MetricSettings) (target: Target) maps batch =
        let explain = explain "parameter-randomisation" s
        let target' = Target.anchored target batch

        ParameterRandomisation.curve
            s.Relaxation
            (fun model -> explain (target' model) batch)
            false
            10
            s.Seed
            maps
            target.Model
        |> ParameterRandomisation.scores

    let private randomLogit (s: MetricSettings) (target: Target) maps (batch: Batch) =
        let explained = Target.explained target batch
        // Refuses a class that there is not.
        Target.ofExplained target explained |> ignore
        let outputs = explained.Outputs.Force().detach()

        if outputs.shape[1] < 2L || target.Model.IsTwoSided then
            fail
                "The random logit test compares a class's map with another's, but the model has one logit: measure it otherwise."

        let classes =
            match target.Quantity.Linear with
            | Some [ k, _ ] -> Array.create batch.Ids.Length (int64 k)
            | _ -> Tensor.toArray<int64>(outputs.argmax 1L)

        let rows = Tensor.toArray<int64> batch.Rows
        let labels = Array.zeroCreate (int (Array.max rows) + 1)
        let others = RandomLogit.others s.Seed (int outputs.shape[1]) batch.Ids classes
        Array.iter2 (fun row k -> labels[int row] <- k) rows others
        let other = Target.ofQuantity (Quantity.trueClassOf labels) target.Model
        RandomLogit.scores s.Relaxation maps (explain "random-logit" s other batch)

    /// Requires masks of booleans, one an instance and of the maps' size, and gives them.
    let private masksOf (row: string) (s: MetricSettings) (maps: Tensor) (batch: Batch) : Tensor =
        match s.Masks with
        | None ->
            fail
                $"The metric '{row}' asks whether a map points at a part of the image that is known: give masks of it (MetricSettings.Masks, or --masks)."
        | Some masksOf ->
            let masks = masksOf batch
            let pixels = (Tensor.pixels maps).shape

            if masks.dtype <> torch.bool || masks.shape <> pixels then
                fail
                    $"The masks of instances must be booleans of the shape {Tensor.shapeText pixels}, as their maps are, but are {masks.dtype} of the shape {Tensor.shapeText masks.shape}: give one for each image, of its size."

            masks.``to`` maps.device

    /// A row of a metric that asks where the largest attribution of a map lies.
    let private located name title formula source (score: MetricSettings -> Tensor -> Tensor -> Tensor) =
        let scores s _ maps batch = Scope.runQuietly (fun () -> score s (masksOf name s maps batch) maps)

        { row name title formula source scores with NeedsMasks = true }
        |> ofMapAlone
        |> higher
        |> from "0 to 1"

    let private byOrder (row: Metric) = row |> is constant constant |> relaxesIn [ Argument.Map ]

    /// The k of a map's top-k intersection: the pixels of a step.
    let private top (maps: Tensor) =
        let struct (k, _) =
            PixelCurves.chosenSteps (maps.shape[maps.shape.Length - 2] * maps.shape[maps.shape.Length - 1])

        k

    /// A row of how many per cent the map changes for a change of something else, which takes so many passes to see.
    let private relativeStability look (name: string) what distance scores =
        row
            name
            $"Relative {what} stability"
            $"maxₖ ‖(A(xₖ) - A(x)) / A(x)‖ / max({distance}, ε), xₖ = x + εₖ of the class of x, every |εₖ| at most a fiftieth of the range"
            "Agarwal et al., arXiv 2203.06877"
            (fun s -> scores (0.02 * s.Peak) (samples 10 s) s.Seed (explain name s))
        |> ofExplanations (fun s -> 1. + look + (gradient + look) * float (samples 10 s))

    /// The rows.
    let all: Metric list = [
        row
            "average-drop"
            "Average drop (%)"
            "100 · max(f_c(x) - f_c(M(x)), 0) / f_c(x), M(x) keeping the pixels of positive attribution"
            "Chattopadhay et al., arXiv 1710.11063, with a hard mask"
            (fun s -> AverageDrop.scores s.Relaxation Mask.Hard)
        |> onBlack
        |> is constant almost
        |> relaxesIn [ Argument.Map ]
        row
            "average-drop-soft"
            "Average drop, soft mask, of probabilities (%)"
            "100 · max(p_c(x) - p_c(M(x)), 0) / p_c(x), M(x) = x ⊙ max(A, 0) / max A"
            "Chattopadhay et al., arXiv 1710.11063"
            (fun s -> AverageDrop.scores s.Relaxation Mask.Soft)
        |> from "0 to 100"
        |> onBlack
        |> ofProbabilities
        curve
            2.
            0.5
            (NecessityOrdering.path 1)
            NecessityOrdering.ofCurve
            "necessity-ordering"
            "Necessity ordering"
            "1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) without the i pixels of largest positive attribution"
            wang
        |> is constant almost
        curve
            3.
            0.5
            (SufficiencyOrdering.path 1)
            SufficiencyOrdering.ofCurve
            "sufficiency-ordering"
            "Sufficiency ordering"
            "1/(N+1) · Σᵢ max(f_c(R⁺(i)) - f_c(0), 0), R⁺(i) black but for the i pixels of largest positive attribution"
            wang
        |> higher
        |> is constant almost
        curves
            2.
            1.
            (Proportionality.paths PixelChange.Remove 1)
            area
            "proportionality-necessity"
            "Total proportionality for necessity"
            "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution removed, largest (↓) or smallest (↑) first"
            wang
        curves
            4.
            1.
            (Proportionality.paths PixelChange.Insert 1)
            area
            "proportionality-sufficiency"
            "Total proportionality for sufficiency"
            "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution put into black, largest (↓) or smallest (↑) first"
            wang
        curve
            1.
            1.
            (Deletion.path 1 Baseline.black)
            Deletion.ofCurve
            "deletion"
            "Deletion"
            "∫₀¹ p_c(x without the share p of its pixels, largest attribution first) dp"
            petsiuk
        |> from "0 to 1"
        |> ofProbabilities
        |> is constant smooth
        curve
            2.
            1.
            (Insertion.path 1 Baseline.black)
            Insertion.ofCurve
            "insertion"
            "Insertion"
            "∫₀¹ p_c(black with the share p of the pixels of x, largest attribution first) dp"
            petsiuk
        |> higher
        |> from "0 to 1"
        |> ofProbabilities
        |> is constant smooth
        curve
            1.
            1.
            (PixelFlipping.path 1 Baseline.black)
            PixelFlipping.ofCurve
            "pixel-flipping"
            "Pixel flipping (AOPC)"
            "1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ without the first k steps of pixels, largest attribution first"
            "Bach et al., PLoS ONE 10(7), 2015; Samek et al., arXiv 1509.06321"
        |> higher
        |> from "-∞ to ∞"
        |> is constant smooth
        row
            "average-increase"
            "Average increase (%)"
            "100 · [f_c(M(x)) > f_c(x)], M(x) keeping the pixels of positive attribution"
            "Chattopadhay et al., arXiv 1710.11063, with a hard mask"
            (fun s -> AverageIncrease.scores s.Relaxation Mask.Hard)
        |> higher
        |> from "0 to 100"
        |> onBlack
        |> is constant constant
        |> relaxesIn everything
        row
            "average-gain"
            "Average gain (%)"
            "100 · max(p_c(M(x)) - p_c(x), 0) / (1 - p_c(x)), M(x) keeping the pixels of positive attribution"
            "Zhang et al., arXiv 2301.07002, with a hard mask"
            (fun s -> AverageGain.scores s.Relaxation Mask.Hard)
        |> higher
        |> from "0 to 100"
        |> onBlack
        |> ofProbabilities
        |> is constant almost
        |> relaxesIn [ Argument.Map ]
        row
            "sparseness"
            "Sparseness"
            "1 - 2 Σₖ v₍ₖ₎ / ‖v‖₁ · (d - k + ½) / d, v₍₁₎ ≤ … ≤ v₍d₎ the magnitudes of the d pixels: the Gini index"
            "Chalasani et al., arXiv 1810.06583"
            (fun _ _ maps _ -> Sparseness.scores maps)
        |> higher
        |> from "0 to 1"
        |> ofMapAlone
        row
            "complexity"
            "Complexity (nats)"
            "-Σₚ P_p ln P_p, P_p = |A_p| / Σ |A|"
            "Bhatt, Weller and Moura, arXiv 2005.00631"
            (fun _ _ maps _ -> Complexity.scores maps)
        |> from "0 to ln of the number of pixels"
        |> ofMapAlone
        row
            "effective-complexity"
            "Effective complexity, by magnitude (pixels)"
            "|{p : |A_p| > 0.01 · max |A|}|"
            "Quantus's count after Nguyen and Martínez, arXiv 2007.07584, by a share of the map's own maximum"
            (fun s _ maps _ -> EffectiveComplexity.byMagnitude s.Relaxation 0.01 maps)
        |> from "1 to the number of pixels"
        |> ofMapAlone
        |> is constant constant
        |> relaxesIn [ Argument.Map ]
        {
            row
                "effective-complexity-loss"
                "Effective complexity, by loss (pixels)"
                "min k with E (f_c(x) - f_c(x_k))² ≤ 0.1 · E (f_c(x) - f_c(x_0))², x_k keeping the k pixels of largest |A|, the others drawn from the image's own"
                "Nguyen and Martínez, arXiv 2007.07584"
                (fun s target maps batch ->
                    let struct (step, _) = steps s (batch.X.shape[2] * batch.X.shape[3])
                    EffectiveComplexity.byLoss s.Relaxation 0.1 step (samples 5 s) s.Seed target maps batch) with
                HasSteps = true
        }
        |> from "0 to the number of pixels"
        |> costs (fun s pixels ->
            let struct (step, _) = steps s pixels
            1. + float (samples 5 s) * (1. + float pixels / float step))
        |> is constant constant
        |> relaxesIn everything
        row
            "infidelity"
            "Infidelity"
            "meanₖ (β Iₖᵀ A - (f_c(x) - f_c(x - Iₖ)))², Iₖ noise of a tenth of the range, β as fits best"
            "Yeh et al., arXiv 1901.09392"
            (fun s target maps batch ->
                let maps =
                    match s.MultipliedFrom with
                    | Some baseline -> Infidelity.perUnit baseline batch maps
                    | None -> maps

                Infidelity.scores (Perturbation.noise (0.1 * s.Peak)) (samples 50 s) s.Seed true target maps batch)
        |> costs (fun s _ -> 1. + float (samples 50 s))
        |> is smooth smooth
        row
            "max-sensitivity"
            "Max-sensitivity"
            "maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖, every |ε| at most a fiftieth of the range"
            "Yeh et al., arXiv 1901.09392"
            (sensitivity "max-sensitivity" MaxSensitivity.scores)
        |> ofExplanations (fun s -> 1. + gradient * float (samples 10 s))
        row
            "attack-sensitivity"
            "Attack sensitivity"
            "max ‖A(x') - A(x)‖ / ‖A(x)‖ over 10 steps of ascent through softplus of β = 10 in place of ReLUs, |x' - x| at most a fiftieth of the range, the class of x' that of x and no logit further than a tenth of their spread"
            "Ghorbani, Abid and Zou, arXiv 1710.10547; Dombrowski et al., arXiv 1906.07983"
            attackSensitivity
        |> ofExplanations (fun s -> 1. + gradient * gradient * float (samples 10 s))
        row
            "average-sensitivity"
            "Average sensitivity"
            "meanₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖, every |ε| at most a fiftieth of the range"
            "Bhatt, Weller and Moura, arXiv 2005.00631; Yeh et al., arXiv 1901.09392"
            (sensitivity "average-sensitivity" AverageSensitivity.scores)
        |> ofExplanations (fun s -> 1. + gradient * float (samples 10 s))
        row
            "local-lipschitz"
            "Local Lipschitz estimate"
            "maxₖ (‖A(x + εₖ) - A(x)‖ / ‖A(x)‖) / ‖εₖ‖, every |ε| at most a fiftieth of the range, which is the unit of ε"
            "Alvarez-Melis and Jaakkola, arXiv 1806.08049, relative to the map"
            (fun s -> LocalLipschitz.scores true s.Peak 0.02 (samples 10 s) s.Seed (explain "local-lipschitz" s))
        |> ofExplanations (fun s -> 1. + gradient * float (samples 10 s))
        row
            "continuity"
            "Explanation continuity"
            "max (‖A(x') - A(x)‖₁ / ‖A(x)‖₁) / ‖x' - x‖₂, x' the image moved by a pixel in each of eight directions, the range the unit of x"
            "Montavon, Samek and Müller, Digital Signal Processing 73, 2018, relative to the map"
            (fun s -> Continuity.scores true s.Peak 1 (explain "continuity" s))
        |> ofExplanations (fun _ -> 1. + gradient * 8.)
        relativeStability 1. "relative-input-stability" "input" "‖(xₖ - x) / x‖" RelativeStability.ofInput
        relativeStability 1. "relative-output-stability" "output" "‖f(xₖ) - f(x)‖" RelativeStability.ofOutput
        relativeStability
            2.
            "relative-representation-stability"
            "representation"
            "‖(L(xₖ) - L(x)) / L(x)‖"
            (fun radius samples seed explain target ->
                RelativeStability.ofRepresentation (RelativeStability.layer target) radius samples seed explain target)
        row
            "input-invariance"
            "Input invariance"
            "‖A_f'(x + s) - A_f(x)‖ / ‖A_f(x)‖, f' the model that takes s off, so that f'(x + s) = f(x), s = -1 of white"
            "Kindermans et al., arXiv 1711.00867"
            (fun s -> InputInvariance.scores -s.Peak (explain "input-invariance" s))
        |> ofExplanations (fun _ -> 1. + gradient)
        row
            "sensitivity-n"
            "Sensitivity-n"
            "corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x without S)), S of 1, 10 and 50 % of the pixels: the mean of the three"
            "Ancona et al., arXiv 1711.06104"
            (fun s -> SensitivityN.scores [ 0.01; 0.1; 0.5 ] (samples 100 s) s.Seed Baseline.black)
        |> higher
        |> from "-1 to 1"
        |> onBlack
        |> costs (fun s _ -> 1. + 3. * float (samples 100 s))
        |> is smooth smooth
        row
            "faithfulness-correlation"
            "Faithfulness correlation"
            "corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x without S)), S random sets of a fifth of the pixels"
            "Bhatt, Weller and Moura, arXiv 2005.00631"
            (fun s -> FaithfulnessCorrelation.scores 0.2 (samples 100 s) s.Seed Baseline.black)
        |> higher
        |> from "-1 to 1"
        |> onBlack
        |> costs (fun s _ -> 1. + float (samples 100 s))
        |> is smooth smooth
        features
            (fun _ -> 1)
            "faithfulness-estimate"
            "Faithfulness estimate"
            "corr_F (Σ_{p ∈ F} A_p, p_c(x) - p_c(x without F)), F the steps of pixels in the order of attribution, each hidden alone"
            "Alvarez-Melis and Jaakkola, arXiv 1806.07538"
            (fun _ step -> FaithfulnessEstimate.scores step Baseline.black)
        |> higher
        |> from "-1 to 1"
        |> onBlack
        |> ofProbabilities
        |> is almost smooth
        curves
            2.
            1.
            [ Monotonicity.path 1 Baseline.black ]
            (fun s -> List.head >> Monotonicity.ofCurve s.Relaxation)
            "monotonicity"
            "Monotonicity (share of the steps)"
            "meanₖ [p_c(x⁽ᵏ⁾) ≥ p_c(x⁽ᵏ⁻¹⁾)], x⁽ᵏ⁾ black but for the first k steps of pixels, smallest |A| first"
            "Arya et al., arXiv 1909.03012, whose metric is 1 where this is, and 0 elsewhere"
        |> higher
        |> from "0 to 1"
        |> ofProbabilities
        |> is constant constant
        |> relaxesIn everything
        features
            (samples 5)
            "monotonicity-correlation"
            "Monotonicity (rank correlation)"
            "ρ_F (|Σ_{p ∈ F} A_p|, E (f_c(x) - f_c(x_F))²), F the steps of pixels in the order of attribution, x_F drawing F from the image's range"
            "Nguyen and Martínez, arXiv 2007.07584"
            (fun s step -> MonotonicityCorrelation.scores s.Relaxation step (samples 5 s) s.Seed)
        |> higher
        |> from "-1 to 1"
        |> onto "random"
        |> is constant constant
        |> relaxesIn everything
        features
            (samples 5)
            "non-sensitivity"
            "Non-sensitivity (pixels)"
            "Σ |F| over the steps F of pixels with either A_p = 0 for all p ∈ F or f_c(x_F) = f_c(x) always, x_F drawing F from the image's range"
            "Nguyen and Martínez, arXiv 2007.07584"
            (fun s step -> NonSensitivity.scores s.Relaxation step (samples 5 s) s.Seed)
        |> from "0 to the number of pixels"
        |> onto "random"
        |> is constant constant
        |> relaxesIn everything
        row
            "region-perturbation"
            "Region perturbation (AOPC)"
            "1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ with k squares of a grid drawn from the image's range, largest ΣA first; L 16 % of them"
            "Samek et al., arXiv 1509.06321"
            (fun s target maps batch ->
                let side = RegionPerturbation.chosenSide (batch.X.shape[2] * batch.X.shape[3])
                let score = RegionPerturbation.scores s.Relaxation side RegionPerturbation.Share
                score (samples 3 s) s.Seed target maps batch)
        |> higher
        |> from "-∞ to ∞"
        |> onto "random"
        |> costs (fun s pixels ->
            let regions = PixelGroups.squaresOf (RegionPerturbation.chosenSide pixels) pixels
            1. + float (samples 3 s) * float (RegionPerturbation.steps RegionPerturbation.Share regions))
        |> is constant almost
        |> relaxesIn [ Argument.Map ]
        row
            "selectivity"
            "Selectivity"
            "∫₀¹ f_c(x without the share p of the squares of a grid, largest ΣA first) dp"
            "Montavon, Samek and Müller, Digital Signal Processing 73, 2018"
            (fun s target maps batch ->
                let side = Selectivity.chosenSide (batch.X.shape[2] * batch.X.shape[3])
                Selectivity.scores s.Relaxation side Baseline.black target maps batch)
        |> from "-∞ to ∞"
        |> onBlack
        |> costs (fun _ pixels -> 1. + float (PixelGroups.squaresOf (Selectivity.chosenSide pixels) pixels))
        |> is constant smooth
        |> relaxesIn [ Argument.Map ]
        row
            "irof"
            "IROF"
            "1 - ∫₀¹ p_c(x⁽ᵖ⁾) / p_c(x) dp, x⁽ᵖ⁾ with the share p of its superpixels in the mean colour, largest mean A first"
            "Rieger and Hansen, arXiv 2003.08747"
            (fun s target maps batch ->
                let count = Irof.chosenCount (batch.X.shape[2] * batch.X.shape[3])
                Irof.scores s.Relaxation count target maps batch)
        |> higher
        |> from "-∞ to 1"
        |> onto "the mean colour"
        |> ofProbabilities
        |> costs (fun _ pixels -> 1. + float (Irof.chosenCount pixels))
        |> is constant almost
        |> relaxesIn [ Argument.Map ]
        row
            "road"
            "ROAD, least less most relevant first"
            "mean over s of p_c(x without the share s of its pixels, smallest A first) - p_c(x without those, largest A first), pixels filled in from their neighbours; s 10, 20, …, 90 %"
            "Rong et al., arXiv 2202.00449"
            (fun s -> Road.scores s.Relaxation Road.shares (0.01 * s.Peak) s.Seed)
        |> higher
        |> onto "filled in from neighbours"
        |> from "-1 to 1"
        |> ofProbabilities
        |> costs (fun _ _ -> 1. + 2. * float Road.shares.Length)
        |> is constant smooth
        |> relaxesIn [ Argument.Map ]
        row
            "completeness-gap"
            "Completeness gap, relative"
            "|Σ A - (f_c(x) - f_c(b))| / |f_c(x) - f_c(b)|"
            "Sundararajan, Taly and Yan, arXiv 1703.01365"
            (fun _ -> CompletenessGap.gaps true Baseline.black)
        |> onBlack
        row
            "parameter-randomisation"
            "Parameter randomisation (rank correlation)"
            "mean over layers l of ρ(|A_f|, |A_f'|), f' the model with random weights from the logits down to l"
            "Adebayo et al., arXiv 1810.03292"
            parameterRandomisation
        |> from "-1 to 1"
        |> ofExplanations (fun _ -> 1. + gradient * 10.)
        |> is constant constant
        |> relaxesIn everything
        row
            "smooth-parameter-randomisation"
            "Smooth parameter randomisation (rank correlation)"
            "mean over layers l of ρ(|Ā_f|, |Ā_f'|), Ā the mean of the maps of x with noise of a tenth of the range, f' the model with random weights from the logits down to l"
            "Hedström et al., arXiv 2401.06465"
            (fun s ->
                SmoothParameterRandomisation.scores
                    s.Relaxation
                    (0.1 * s.Peak)
                    (samples 10 s)
                    10
                    s.Seed
                    (explain "smooth-parameter-randomisation" s))
        |> from "-1 to 1"
        |> ofExplanations (fun s -> 1. + gradient * 11. * float (samples 10 s))
        |> is constant constant
        |> relaxesIn [ Argument.Image; Argument.Parameters ]
        row
            "efficient-parameter-randomisation"
            "Efficient parameter randomisation (rise of complexity)"
            "(ξ(A_f') - ξ(A_f)) / ξ(A_f), ξ = -Σ_b p_b ln p_b the entropy of the histogram of a map in 100 bins, f' the model with random weights in every layer"
            "Hedström et al., arXiv 2401.06465"
            (fun s ->
                EfficientParameterRandomisation.scores
                    s.Relaxation
                    100
                    s.Seed
                    (explain "efficient-parameter-randomisation" s))
        |> higher
        |> from "-1 to ∞"
        |> ofExplanations (fun _ -> 1. + gradient)
        |> is constant constant
        |> relaxesIn everything
        {
            row
                "random-logit"
                "Random logit (rank correlation)"
                "ρ(A_c, A_k), k ≠ c a random class"
                "Sixt, Granz and Landgraf, arXiv 1912.09818, with Spearman's ρ"
                randomLogit with
                ComparesClasses = true
        }
        |> from "-1 to 1"
        |> ofExplanations (fun _ -> 1. + gradient)
        |> is constant constant
        |> relaxesIn everything
        located
            "relevance-mass"
            "Relevance mass accuracy"
            "Σ_{p ∈ mask} max(A_p, 0) / Σₚ max(A_p, 0)"
            "Arras, Osman and Samek, arXiv 2003.07258; Wang et al., arXiv 1910.01279"
            (fun _ -> Localisation.shares)
        located
            "pointing-game"
            "Pointing game"
            "[argmaxₚ A_p is no further than 15/224 of the longer side from the mask]"
            "Zhang et al., arXiv 1608.00507"
            (fun s masks maps ->
                let margin = Localisation.margin masks.shape[1] masks.shape[2]
                Localisation.hits s.Relaxation (Localisation.widened margin masks) maps)
        |> byOrder
        located
            "relevance-rank"
            "Relevance rank accuracy"
            "|top_K ∩ mask| / K, K = |mask|"
            "Arras, Osman and Samek, arXiv 2003.07258"
            (fun s -> Localisation.rankAccuracies s.Relaxation)
        |> byOrder
        located
            "top-k-intersection"
            "Top-k intersection"
            "|top_k ∩ mask| / k, k = 1000 of 224×224 pixels, and as large a share of smaller images"
            "Theiner, Müller-Budack and Ewerth, arXiv 2104.14995"
            (fun s masks maps -> Localisation.topKIntersections s.Relaxation (top maps) masks maps)
        |> byOrder
        located
            "localisation-auc"
            "Area under the ROC curve of the mask's pixels"
            "(1/|in||out|) Σ_{p ∈ in, q ∈ out} [A_p > A_q] + ½ [A_p = A_q]"
            "Fawcett, Pattern Recognition Letters 27(8), 2006"
            (fun s -> Localisation.aucs s.Relaxation)
        |> byOrder
    ]
