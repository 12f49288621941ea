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

namespace Attribution.Core

open System
open Attribution
open TorchSharp

/// What a method is set up with. Each uses what concerns it.
[<NoComparison; NoEquality>]
type MethodSettings = {
    /// The layer of the methods that look at one; None: the last with channels of several positions.
    Layer: string option
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
    Work: MethodSettings -> Instances -> Work
    /// What a pass over a batch does.
    Pass: Pass
    /// The ops that it is about, and a sentence for a model without any.
    Requires: (string * (Op -> bool)) option
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
        Layer = None
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
    }

/// <summary>Every method that needs no more than a target and settings.</summary>
/// <remarks>The façade, the command line, the study, the pages and the documentation read it; a method of one's own is one more
/// row.</remarks>
[<RequireQualifiedAccess>]
module Methods =
    let private row: Method = {
        Name = ""
        Title = ""
        Formula = ""
        Source = ""
        Uses = MethodSetting.Nothing
        DefaultSamples = 0
        Work =
            fun _ _ -> {
                Forwards = 0L
                Gradients = 1L
                IsByRules = false
            }
        Pass = Gradient
        Requires = None
        Smoothness = fun _ -> Smoothness.Undefined
        Attribute = fun _ _ _ -> invalidOp "A row gives its function."
    }

    /// The same in the image and in the parameters; a method is given no map.
    let private everywhere smoothness argument =
        if argument = Argument.Map then
            Smoothness.Undefined
        else
            smoothness

    let private smooth = everywhere Smoothness.Smooth
    let private almost = everywhere Smoothness.AlmostEverywhere

    let private byRules =
        fun _ _ -> {
            Forwards = 0L
            Gradients = 1L
            IsByRules = true
        }

    let private samples (row: Method) (s: MethodSettings) =
        let count = s.Samples |> Option.defaultValue row.DefaultSamples

        if count < 1 then
            invalidArg "samples" $"A mean is over at least 1 sample, but {count} were asked for."

        count

    let private aboutRelus title =
        Some(
            $"{title} is about ReLUs",
            function
            | Activation(Relu | ClippedRelu _) -> true
            | _ -> false
        )

    let private layer (s: MethodSettings) (target: Target) =
        s.Layer
        |> Option.defaultWith (fun () -> CamLayer.last (Model.upTo target.Layer target.Model))

    let private relevance name title formula composite = {
        row with
            Name = name
            Title = title
            Formula = formula
            Source = "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019"
            Work = byRules
            Pass = Rules
            Requires = Some("LRP is about layers of weights", Op.isWeighted)
            Smoothness = almost
            Attribute = fun _ target batch -> Lrp.attribute composite target batch
    }

    let private smoothGrad name title formula source kind =
        let row = {
            row with
                Name = name
                Title = title
                Formula = formula
                Source = source
                Uses = MethodSetting.Samples ||| MethodSetting.Noise
                DefaultSamples = 50
                Smoothness = almost
        }

        {
            row with
                Work =
                    fun s _ -> {
                        Forwards = 1L
                        Gradients = samples row s
                        IsByRules = false
                    }
                Attribute =
                    fun s target batch -> SmoothGrad.attribute kind (samples row s) s.Noise s.Seed false target batch
        }

    let private cam name title formula source weights = {
        row with
            Name = name
            Title = title
            Formula = formula
            Source = source
            Uses = MethodSetting.Layer
            // About: the way back ends at the last convolution, near the top.
            Work =
                fun _ _ -> {
                    Forwards = 1L
                    Gradients = 0L
                    IsByRules = false
                }
            Smoothness = almost
            Attribute = fun s target batch -> GradCam.attribute weights (layer s target) target batch
    }

    let private epsilon = Epsilon 1e-6

    /// The rows.
    let all: Method list = [
        {
            row with
                Name = "saliency"
                Title = "Saliency"
                Formula = "x ⊙ ∇ₓ q(f(x))"
                Source = "Simonyan, Vedaldi and Zisserman, arXiv 1312.6034"
                Uses = MethodSetting.Multiply
                Smoothness = smooth
                Attribute = fun s target batch -> Saliency.attribute s.Multiply target batch
        }
        {
            row with
                Name = "integrated-gradients"
                Title = "Integrated gradients"
                Formula = "(x - b) ⊙ Σᵢ wᵢ ∇ₓ q(f(b + αᵢ(x - b)))"
                Source = "Sundararajan, Taly and Yan, arXiv 1703.01365"
                Uses = MethodSetting.Steps ||| MethodSetting.Baseline ||| MethodSetting.Multiply
                Work =
                    fun s _ -> {
                        Forwards = 1L
                        Gradients = s.Nodes.LongLength
                        IsByRules = false
                    }
                Smoothness = smooth
                Attribute =
                    fun s target batch -> IntegratedGradients.attribute s.Nodes s.Baseline s.Multiply target batch
        }
        {
            row with
                Name = "guided-backpropagation"
                Title = "Guided backpropagation"
                Formula = "∇ₓ q(f(x)), with max(w, 0) ⊙ [z > 0] for what arrives at ReLU(z), w"
                Source = "Springenberg, Dosovitskiy, Brox and Riedmiller, arXiv 1412.6806"
                Work = byRules
                Pass = Rules
                Requires = aboutRelus "Guided backpropagation"
                Smoothness = almost
                Attribute = fun _ target batch -> GuidedBackpropagation.attribute false target batch
        }
        {
            row with
                Name = "deconvolution"
                Title = "Deconvolution"
                Formula = "∇ₓ q(f(x)), with max(w, 0) for what arrives at ReLU(z), w"
                Source = "Zeiler and Fergus, arXiv 1311.2901"
                Work = byRules
                Pass = Rules
                Requires = aboutRelus "Deconvolution"
                Smoothness = almost
                Attribute = fun _ target batch -> Deconvolution.attribute false target batch
        }
        {
            row with
                Name = "deeplift"
                Title = "DeepLIFT (rescale)"
                Formula = "(x - b) ⊙ m, each op handing on (y - y')/(x - x') in place of its derivative"
                Source = "Shrikumar, Greenside and Kundaje, arXiv 1704.02685"
                Uses = MethodSetting.Baseline ||| MethodSetting.Multiply ||| MethodSetting.MaxPool
                Work =
                    fun _ _ -> {
                        Forwards = 1L
                        Gradients = 1L
                        IsByRules = true
                    }
                Pass = Rules
                Smoothness = almost
                Attribute = fun s target batch -> DeepLift.observed s.Maximum ignore s.Baseline s.Multiply target batch
        }
        relevance "lrp-epsilon" "LRP-ε" "Rᵢ = Σⱼ xᵢwᵢⱼ / (zⱼ ± ε) Rⱼ" {
            Lrp.composite epsilon epsilon epsilon with
                First = None
        }
        relevance "lrp-epsilon-plus" "LRP, z⁺ and ε" "Rᵢ = Σⱼ (xᵢwᵢⱼ)⁺ / zⱼ⁺ Rⱼ in convolutions, ε in dense layers" {
            Lrp.composite epsilon (AlphaBeta(1., 0.)) epsilon with
                First = None
        }
        relevance
            "lrp-alpha2-beta1"
            "LRP, α2-β1 and ε"
            "Rᵢ = Σⱼ (2 (xᵢwᵢⱼ)⁺ / zⱼ⁺ - (xᵢwᵢⱼ)⁻ / zⱼ⁻) Rⱼ in convolutions, ε in dense layers"
            {
                Lrp.composite epsilon (AlphaBeta(2., 1.)) epsilon with
                    First = None
            }
        relevance
            "lrp-gamma-box"
            "LRP, γ, ε and z-box"
            "w + 0.25 w⁺ in place of w in convolutions, ε in dense layers, the box of pixels in the first"
            (Lrp.composite (ZBox(0., 255.)) (Gamma 0.25) epsilon)
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
        (let row = {
            row with
                Name = "expected-gradients"
                Title = "Expected gradients"
                Formula = "(1/N) Σₖ (x - bₖ) ⊙ ∇ₓ q(f(bₖ + αₖ(x - bₖ))), bₖ drawn from a background, αₖ from [0, 1]"
                Source = "Erion et al., arXiv 1906.10670"
                Uses = MethodSetting.Samples
                DefaultSamples = 100
                Smoothness = smooth
         }

         {
             row with
                 Work =
                     fun s _ -> {
                         Forwards = 1L
                         Gradients = samples row s
                         IsByRules = false
                     }
                 Attribute =
                     fun s target batch ->
                         let background =
                             s.Background |> Option.defaultWith (fun () -> Instances.ofBatch batch)

                         ExpectedGradients.attribute (samples row s) background s.Seed target batch
         })
        {
            row with
                Name = "occlusion"
                Title = "Occlusion"
                Formula = "the mean of q(f(x)) - q(f(x hidden in a window)) over the windows that cover a pixel"
                Source = "Zeiler and Fergus, arXiv 1311.2901"
                Uses = MethodSetting.Baseline ||| MethodSetting.Window
                Work =
                    fun s x -> {
                        Forwards = 1L + Occlusion.count s.WindowSize s.Stride x
                        Gradients = 0L
                        IsByRules = false
                    }
                Pass = Forward
                Smoothness = smooth
                Attribute = fun s target batch -> Occlusion.attribute s.WindowSize s.Stride s.Baseline target batch
        }
        (let row = {
            row with
                Name = "rise"
                Title = "RISE"
                Formula = "Σₖ sₖ Mₖ / Σₖ Mₖ - (1/N) Σₖ sₖ, sₖ = q(f(b + Mₖ ⊙ (x - b))), Mₖ random masks"
                Source = "Petsiuk, Das and Saenko, arXiv 1806.07421"
                Uses = MethodSetting.Baseline ||| MethodSetting.Samples
                DefaultSamples = 1000
                Pass = Forward
                Smoothness = smooth
         }

         {
             row with
                 Work =
                     fun s _ -> {
                         Forwards = 1L + int64 (samples row s)
                         Gradients = 0L
                         IsByRules = false
                     }
                 Attribute =
                     fun s target batch -> Rise.attribute (samples row s) 8 0.5 s.Seed true s.Baseline target batch
         })
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
        {
            row with
                Name = "guided-grad-cam"
                Title = "Guided Grad-CAM"
                Formula = "guided backpropagation ⊙ Grad-CAM"
                Source = "Selvaraju et al., arXiv 1610.02391"
                Uses = MethodSetting.Layer
                Work =
                    fun _ _ -> {
                        Forwards = 1L
                        Gradients = 1L
                        IsByRules = true
                    }
                Pass = Rules
                Requires = aboutRelus "Guided Grad-CAM"
                Smoothness = almost
                Attribute = fun s target batch -> GuidedGradCam.attribute (layer s target) target batch
        }
    ]

/// <summary>Every metric of attribution maps.</summary>
/// <remarks>A metric of one's own is one more row.</remarks>
[<RequireQualifiedAccess>]
module Metrics =
    /// What an explanation costs at the least: a gradient.
    let private gradient = 3.

    let private row: Metric = {
        Name = ""
        Title = ""
        Formula = ""
        Source = ""
        Better = Better.Lower
        Range = "0 to ∞"
        Blank = "-"
        Over = Scale.Logits
        Passes = fun _ _ -> 2.
        NeedsExplain = false
        ComparesClasses = false
        HasSteps = false
        Smoothness = fun _ -> Smoothness.Undefined
        Relaxes = []
        Scores = fun _ _ _ _ -> invalidOp "A row gives its function."
    }

    let private everywhere smoothness (_: Argument) : Smoothness = smoothness

    /// One smoothness in the map, another in the image and the parameters.
    let private ofMap map others argument =
        if argument = Argument.Map then map else others

    let private constant = Smoothness.PiecewiseConstant
    let private almost = Smoothness.AlmostEverywhere
    let private smooth = Smoothness.Smooth
    let private all3 = [ Argument.Image; Argument.Map; Argument.Parameters ]
    let private wang = "Wang, Mardziel, Datta and Fredrikson, arXiv 2002.07985"
    let private petsiuk = "Petsiuk, Das and Saenko, arXiv 1806.07421"

    let private samples standard (s: MetricSettings) =
        s.Samples |> Option.defaultValue standard

    /// M and the fewest steps for images of so many pixels.
    let steps (s: MetricSettings) (pixels: int64) : struct (int * int) =
        match s.PixelsPerStep with
        | Some asked -> struct (asked, 1)
        | None -> PixelCurves.chosenSteps pixels

    /// Curves of paths in the steps of the settings, and a score of them.
    let private ofCurves
        (paths: PixelPath list)
        (score: PixelCurve list -> Tensor)
        (s: MetricSettings)
        target
        maps
        (batch: Batch)
        =
        let struct (pixels, fewest) = steps s (batch.X.shape[2] * batch.X.shape[3])
        let paths = paths |> List.map (PixelCurves.inSteps pixels fewest)
        score (PixelCurves.curves s.Relaxation paths target maps batch)

    let private curveRow own over = {
        row with
            Blank = "black"
            HasSteps = true
            Passes =
                fun s pixels ->
                    let struct (step, _) = steps s pixels
                    own + over * float pixels / float step
            Relaxes = [ Argument.Map ]
    }

    let private proportionality change (s: MetricSettings) =
        let area (curves: PixelCurve list) =
            match List.map PixelCurves.normalised curves with
            | [ down; up ] -> Proportionality.area down up
            | _ -> invalidOp "There are two paths."

        ofCurves (Proportionality.paths change 1) area s

    let private explain (row: string) (s: MetricSettings) =
        match s.Explain with
        | Some explain -> explain
        | None ->
            raise (
                AttributionException
                    $"The metric '{row}' makes maps of its own: set MetricSettings.Explain to how the maps were made."
            )

    /// What is explained, of another model, and of other instances in place of these: what the quantity takes from an instance
    /// it takes from the instance here.
    let private anchored (target: Target) (batch: Batch) : Model -> Target =
        let explained = Target.explained target batch
        let rows = explained.Rows.cpu ()

        let ofHere (other: Explained) outputs =
            let place = torch.searchsorted (rows, other.Rows.cpu ())
            target.Quantity.Of (Target.at (place.``to`` explained.Rows.device) explained) outputs

        Target.ofQuantity {
            target.Quantity with
                Of = ofHere
                Linear = None
        }

    let private maxSensitivity (s: MetricSettings) target maps batch =
        let target = anchored target batch target.Model
        let size = target.BatchSize Gradient (Instances.ofBatch batch)

        // Perturbed instances are counted from 0, wherever in the set they stand.
        let explain (perturbed: Batch) =
            explain "max-sensitivity" s target {
                perturbed with
                    Rows = Sweep.pick perturbed.Rows batch.Rows
            }

        MaxSensitivity.scores
            (Instances.map size explain)
            (0.02 * s.Peak)
            (samples 10 s)
            s.Seed
            maps
            (Instances.ofBatch batch)

    let private parameterRandomisation (s: MetricSettings) (target: Target) maps batch =
        let explain = explain "parameter-randomisation" s
        let target' = anchored target batch

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
            raise (
                AttributionException
                    "The random logit test compares a class's map with another's, but the model has one logit: measure it otherwise."
            )

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

    /// The rows.
    let all: Metric list = [
        {
            row with
                Name = "average-drop"
                Title = "Average drop (%)"
                Formula = "100 · max(f_c(x) - f_c(M(x)), 0) / f_c(x), M(x) keeping the pixels of positive attribution"
                Source = "Chattopadhay et al., arXiv 1710.11063, with a hard mask"
                Blank = "black"
                Smoothness = ofMap constant almost
                Relaxes = [ Argument.Map ]
                Scores = fun s target maps batch -> AverageDrop.scores s.Relaxation Mask.Hard target maps batch
        }
        {
            row with
                Name = "average-drop-soft"
                Title = "Average drop, soft mask, of probabilities (%)"
                Formula = "100 · max(p_c(x) - p_c(M(x)), 0) / p_c(x), M(x) = x ⊙ max(A, 0) / max A"
                Source = "Chattopadhay et al., arXiv 1710.11063"
                Range = "0 to 100"
                Blank = "black"
                Over = Scale.Probabilities
                Smoothness = everywhere almost
                Scores = fun s target maps batch -> AverageDrop.scores s.Relaxation Mask.Soft target maps batch
        }
        {
            curveRow 2. 0.5 with
                Name = "necessity-ordering"
                Title = "Necessity ordering"
                Formula =
                    "1/(N+1) · Σᵢ max(f_c(R(i)) - f_c(0), 0), R(i) without the i pixels of largest positive attribution"
                Source = wang
                Smoothness = ofMap constant almost
                Scores = ofCurves [ NecessityOrdering.path 1 ] (List.head >> NecessityOrdering.ofCurve)
        }
        {
            curveRow 3. 0.5 with
                Name = "sufficiency-ordering"
                Title = "Sufficiency ordering"
                Formula =
                    "1/(N+1) · Σᵢ max(f_c(R⁺(i)) - f_c(0), 0), R⁺(i) black but for the i pixels of largest positive attribution"
                Source = wang
                Better = Better.Higher
                Smoothness = ofMap constant almost
                Scores = ofCurves [ SufficiencyOrdering.path 1 ] (List.head >> SufficiencyOrdering.ofCurve)
        }
        {
            curveRow 2. 1. with
                Name = "proportionality-necessity"
                Title = "Total proportionality for necessity"
                Formula =
                    "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution removed, largest (↓) or smallest (↑) first"
                Source = wang
                Smoothness = everywhere almost
                Scores = proportionality PixelChange.Remove
        }
        {
            curveRow 4. 1. with
                Name = "proportionality-sufficiency"
                Title = "Total proportionality for sufficiency"
                Formula =
                    "∫₀¹ |↓(p) - ↑(p)| dp of max(f_c - f_c(0), 0) / max(f_c(x) - f_c(0), 0), the share p of the positive attribution put into black, largest (↓) or smallest (↑) first"
                Source = wang
                Smoothness = everywhere almost
                Scores = proportionality PixelChange.Insert
        }
        {
            curveRow 1. 1. with
                Name = "deletion"
                Title = "Deletion"
                Formula = "∫₀¹ p_c(x without the share p of its pixels, largest attribution first) dp"
                Source = petsiuk
                Range = "0 to 1"
                Over = Scale.Probabilities
                Smoothness = ofMap constant smooth
                Scores = ofCurves [ Deletion.path 1 Baseline.black ] (List.head >> Deletion.ofCurve)
        }
        {
            curveRow 2. 1. with
                Name = "insertion"
                Title = "Insertion"
                Formula = "∫₀¹ p_c(black with the share p of the pixels of x, largest attribution first) dp"
                Source = petsiuk
                Better = Better.Higher
                Range = "0 to 1"
                Over = Scale.Probabilities
                Smoothness = ofMap constant smooth
                Scores = ofCurves [ Insertion.path 1 Baseline.black ] (List.head >> Insertion.ofCurve)
        }
        {
            curveRow 1. 1. with
                Name = "pixel-flipping"
                Title = "Pixel flipping (AOPC)"
                Formula =
                    "1/(L+1) · Σ_{k=0..L} f_c(x) - f_c(x⁽ᵏ⁾), x⁽ᵏ⁾ without the first k steps of pixels, largest attribution first"
                Source = "Bach et al., PLoS ONE 10(7), 2015; Samek et al., arXiv 1509.06321"
                Better = Better.Higher
                Range = "-∞ to ∞"
                Smoothness = ofMap constant smooth
                Scores = ofCurves [ PixelFlipping.path 1 Baseline.black ] (List.head >> PixelFlipping.ofCurve)
        }
        {
            row with
                Name = "average-increase"
                Title = "Average increase (%)"
                Formula = "100 · [f_c(M(x)) > f_c(x)], M(x) keeping the pixels of positive attribution"
                Source = "Chattopadhay et al., arXiv 1710.11063, with a hard mask"
                Better = Better.Higher
                Range = "0 to 100"
                Blank = "black"
                Smoothness = everywhere constant
                Relaxes = all3
                Scores = fun s target maps batch -> AverageIncrease.scores s.Relaxation Mask.Hard target maps batch
        }
        {
            row with
                Name = "average-gain"
                Title = "Average gain (%)"
                Formula =
                    "100 · max(p_c(M(x)) - p_c(x), 0) / (1 - p_c(x)), M(x) keeping the pixels of positive attribution"
                Source = "Zhang et al., arXiv 2301.07002, with a hard mask"
                Better = Better.Higher
                Range = "0 to 100"
                Blank = "black"
                Over = Scale.Probabilities
                Smoothness = ofMap constant almost
                Relaxes = [ Argument.Map ]
                Scores = fun s target maps batch -> AverageGain.scores s.Relaxation Mask.Hard target maps batch
        }
        {
            row with
                Name = "sparseness"
                Title = "Sparseness"
                Formula =
                    "1 - 2 Σₖ v₍ₖ₎ / ‖v‖₁ · (d - k + ½) / d, v₍₁₎ ≤ … ≤ v₍d₎ the magnitudes of the d pixels: the Gini index"
                Source = "Chalasani et al., arXiv 1810.06583"
                Better = Better.Higher
                Range = "0 to 1"
                Over = Scale.Map
                Passes = fun _ _ -> 0.
                Smoothness = ofMap almost constant
                Scores = fun _ _ maps _ -> Sparseness.scores maps
        }
        {
            row with
                Name = "complexity"
                Title = "Complexity (nats)"
                Formula = "-Σₚ P_p ln P_p, P_p = |A_p| / Σ |A|"
                Source = "Bhatt, Weller and Moura, arXiv 2005.00631"
                Range = "0 to ln of the number of pixels"
                Over = Scale.Map
                Passes = fun _ _ -> 0.
                Smoothness = ofMap almost constant
                Scores = fun _ _ maps _ -> Complexity.scores maps
        }
        {
            row with
                Name = "effective-complexity"
                Title = "Effective complexity, by magnitude (pixels)"
                Formula = "|{p : |A_p| > 0.01 · max |A|}|"
                Source =
                    "Quantus's count after Nguyen and Martínez, arXiv 2007.07584, by a share of the map's own maximum"
                Range = "1 to the number of pixels"
                Over = Scale.Map
                Passes = fun _ _ -> 0.
                Smoothness = everywhere constant
                Relaxes = [ Argument.Map ]
                Scores = fun s _ maps _ -> EffectiveComplexity.byMagnitude s.Relaxation 0.01 maps
        }
        {
            row with
                Name = "effective-complexity-loss"
                Title = "Effective complexity, by loss (pixels)"
                Formula =
                    "min k with E (f_c(x) - f_c(x_k))² ≤ 0.1 · E (f_c(x) - f_c(x_0))², x_k keeping the k pixels of largest |A|, the others drawn from the image's own"
                Source = "Nguyen and Martínez, arXiv 2007.07584"
                Range = "0 to the number of pixels"
                HasSteps = true
                Passes =
                    fun s pixels ->
                        let struct (step, _) = steps s pixels
                        1. + float (samples 5 s) * (1. + float pixels / float step)
                Smoothness = everywhere constant
                Relaxes = all3
                Scores =
                    fun s target maps batch ->
                        let struct (step, _) = steps s (batch.X.shape[2] * batch.X.shape[3])
                        EffectiveComplexity.byLoss s.Relaxation 0.1 step (samples 5 s) s.Seed target maps batch
        }
        {
            row with
                Name = "infidelity"
                Title = "Infidelity"
                Formula = "meanₖ (β Iₖᵀ A - (f_c(x) - f_c(x - Iₖ)))², Iₖ noise of a tenth of the range, β as fits best"
                Source = "Yeh et al., arXiv 1901.09392"
                Passes = fun s _ -> 1. + float (samples 50 s)
                Smoothness = everywhere smooth
                Scores =
                    fun s target maps batch ->
                        let maps =
                            match s.MultipliedFrom with
                            | Some baseline -> Infidelity.perUnit baseline batch maps
                            | None -> maps

                        Infidelity.scores
                            (Perturbation.noise (0.1 * s.Peak))
                            (samples 50 s)
                            s.Seed
                            true
                            target
                            maps
                            batch
        }
        {
            row with
                Name = "max-sensitivity"
                Title = "Max-sensitivity"
                Formula = "maxₖ ‖A(x + εₖ) - A(x)‖ / ‖A(x)‖, every |ε| at most a fiftieth of the range"
                Source = "Yeh et al., arXiv 1901.09392"
                Passes = fun s _ -> 1. + gradient * float (samples 10 s)
                NeedsExplain = true
                Smoothness = everywhere almost
                Scores = maxSensitivity
        }
        {
            row with
                Name = "sensitivity-n"
                Title = "Sensitivity-n"
                Formula =
                    "corr_S (Σ_{p ∈ S} A_p, f_c(x) - f_c(x without S)), S of 1, 10 and 50 % of the pixels: the mean of the three"
                Source = "Ancona et al., arXiv 1711.06104"
                Better = Better.Higher
                Range = "-1 to 1"
                Blank = "black"
                Passes = fun s _ -> 1. + 3. * float (samples 100 s)
                Smoothness = everywhere smooth
                Scores =
                    fun s target maps batch ->
                        SensitivityN.scores [ 0.01; 0.1; 0.5 ] (samples 100 s) s.Seed Baseline.black target maps batch
        }
        {
            row with
                Name = "completeness-gap"
                Title = "Completeness gap, relative"
                Formula = "|Σ A - (f_c(x) - f_c(b))| / |f_c(x) - f_c(b)|"
                Source = "Sundararajan, Taly and Yan, arXiv 1703.01365"
                Blank = "black"
                Smoothness = everywhere almost
                Scores = fun _ target maps batch -> CompletenessGap.gaps true Baseline.black target maps batch
        }
        {
            row with
                Name = "parameter-randomisation"
                Title = "Parameter randomisation (rank correlation)"
                Formula =
                    "mean over layers l of ρ(|A_f|, |A_f'|), f' the model with random weights from the logits down to l"
                Source = "Adebayo et al., arXiv 1810.03292"
                Range = "-1 to 1"
                Passes = fun _ _ -> 1. + gradient * 10.
                NeedsExplain = true
                Smoothness = everywhere constant
                Relaxes = all3
                Scores = parameterRandomisation
        }
        {
            row with
                Name = "random-logit"
                Title = "Random logit (rank correlation)"
                Formula = "ρ(A_c, A_k), k ≠ c a random class"
                Source = "Sixt, Granz and Landgraf, arXiv 1912.09818, with Spearman's ρ"
                Range = "-1 to 1"
                Passes = fun _ _ -> 1. + gradient
                NeedsExplain = true
                ComparesClasses = true
                Smoothness = everywhere constant
                Relaxes = all3
                Scores = randomLogit
        }
    ]
