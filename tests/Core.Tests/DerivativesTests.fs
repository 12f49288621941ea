module DerivativesTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private window (size: int64) = {
    Kind = MaxPool
    Kernel = [| size; size |]
    Stride = [| 1L; 1L |]
    Padding = [| 0L; 0L |]
    Dilation = [| 1L; 1L |]
    CeilMode = false
}

/// Networks of 2×5×4 images and 3 classes: smooth; piecewise linear; with a max pool, and kinks between what is smooth; with
/// normalisations and a shortcut.
let private networks = [
    "tanh",
    (fun rng -> [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "tanh" (Activation Tanh) [ "conv" ]
        node "flat" Flatten [ "tanh" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * 0.3, Some(gaussian rng [ 3 ] + 4.))) [ "flat" ]
    ])
    "ReLU",
    (fun rng -> [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "conv2" (convolution rng 3 3 true) [ "relu" ]
        node "relu2" (Activation Relu) [ "conv2" ]
        node "flat" Flatten [ "relu2" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * 0.1, Some(gaussian rng [ 3 ] + 9.))) [ "flat" ]
    ])
    "ReLU and tanh",
    (fun rng -> [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "pool" (Pool(window 2L)) [ "relu" ]
        node "conv2" (convolution rng 3 3 true) [ "pool" ]
        node "tanh" (Activation Tanh) [ "conv2" ]
        node "flat" Flatten [ "tanh" ]
        node "s" (Linear(gaussian rng [ 3; 36 ] * 0.3, Some(gaussian rng [ 3 ] + 4.))) [ "flat" ]
    ])
    "shortcut",
    (fun rng -> [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "norm" (normalisation rng 3) [ "conv" ]
        node "relu" (Activation Relu) [ "norm" ]
        node "conv2" (convolution rng 3 3 false) [ "relu" ]
        node "norm2" (normalisation rng 3) [ "conv2" ]
        node "sum" Add [ "norm2"; "relu" ]
        node "relu2" (Activation Relu) [ "sum" ]
        node "mean" (GlobalPool(AveragePool true)) [ "relu2" ]
        node "flat" Flatten [ "mean" ]
        node "s" (Linear(gaussian rng [ 3; 3 ] * 0.3, Some(gaussian rng [ 3 ] + 5.))) [ "flat" ]
    ])
    "attention",
    (fun rng ->
        let layer name input = node name (Linear(gaussian rng [ 3; 3 ], None)) [ input ]

        [
            node "conv" (convolution rng 2 3 true) [ "x" ]
            node "relu" (Activation Relu) [ "conv" ]
            node "columns" (Reshape [| 3L; 20L |]) [ "relu" ]
            node "tokens" (Permute [| 0L; 2L; 1L |]) [ "columns" ]
            layer "q" "tokens"
            layer "k" "tokens"
            layer "v" "tokens"
            node "kT" (Permute [| 0L; 2L; 1L |]) [ "k" ]
            node "scores" MatMul [ "q"; "kT" ]
            node "weights" (Softmax 2L) [ "scores" ]
            node "heard" MatMul [ "weights"; "v" ]
            node "sum" Add [ "tokens"; "heard" ]
            node "flat" Flatten [ "sum" ]
            node "s" (Linear(gaussian rng [ 3; 60 ] * 0.1, Some(gaussian rng [ 3 ] + 6.))) [ "flat" ]
        ])
]

let private settings = {
    MethodSettings.standard with
        Samples = Some 4
        Nodes = Quadrature.nodes Midpoint 3
        WindowSize = Nullable 2
        Iterations = 2
        Area = 0.3
}

let private explain (target: Target) (batch: Batch) = Saliency.attribute true target batch

let private metricSettings relaxation = {
    MetricSettings.standard with
        Relaxation = relaxation
        PixelsPerStep = Some 3
        Samples = Some 5
        Peak = 1.
        Explain = Some explain
}

/// A number that depends on all of some tensors.
let private weighed (weights: Tensor) (result: Tensor) =
    (weights.narrow(0L, 0L, result.numel ()).reshape(result.shape) * result.``to`` torch.float64).nansum()

/// The parameters of a model in one vector, and the model of such a vector.
let private vectorOf (model: Model) =
    let parameters = Map.toList (Model.parameters model)

    let rebuild (all: Tensor) =
        let each, _ =
            parameters
            |> List.mapFold
                (fun start (name, value: Tensor) ->
                    (name, all.narrow(0L, start, value.numel ()).reshape value.shape), start + value.numel ())
                0L

        Model.withParameters (Map each) model

    torch.cat [| for _, value in parameters -> value.detach().flatten() |], rebuild

let private target over model =
    let quantity = Quantity.ofClass 1

    model
    |> Target.ofQuantity (if over = Scale.Probabilities then Quantity.ofProbabilities quantity else quantity)

/// What a derivative is along a direction: exactly, and by central differences.
let private slopes (f: Tensor -> Tensor) x v (step: float) =
    (Diff.gradv f x v).item<float>(), (Diff.numgradv step f x v).item<float>()

/// The derivative is what the row says: 0 where it is piecewise constant, or else that of central differences, where these have
/// converged: elsewhere a kink is near, and None is the answer.
let private agrees name smoothness f (rng: Random) (x: Tensor) : bool option =
    let v = gaussian rng (x.shape |> Array.map int |> List.ofArray)
    let exact, numerical = slopes f x v 1e-5
    let _, nearer = slopes f x v 4e-6
    let scale = max (abs exact) (abs numerical)

    if abs (nearer - numerical) > 3e-6 * scale then
        None
    else
        if smoothness = Smoothness.PiecewiseConstant then
            Expect.equal (exact, numerical) (0., 0.) $"{name} says that it is piecewise constant"
        elif not (abs (exact - numerical) <= 1e-5 * scale) then
            failtest $"{name}: the derivative is {exact}, but by differences {numerical}"

        Some(exact <> 0.)

/// The same for some cases of each network, in some of which a derivative that is not constant is not 0.
let private agreesSomewhere
    name
    smoothness
    (isFit: Model -> bool)
    (functions: Random -> Model -> (Tensor -> Tensor) * Tensor)
    =
    let found = [
        for _, build in networks do
            for seed in 1..2 do
                use _ = torch.NewDisposeScope()
                let rng = Random(seed)
                let model = graphModel "s" (build rng)

                if isFit model then
                    let f, x = functions rng model
                    yield agrees name smoothness f rng x
    ]

    let known = List.choose id found
    Expect.isGreaterThan known.Length (found.Length / 2) $"{name}: differences that have converged"

    if smoothness <> Smoothness.PiecewiseConstant then
        Expect.contains known true $"{name}: a derivative other than 0"

/// H·v of a smooth function is the slope of its gradient.
let private agreesTwice name (f: Tensor -> Tensor) (rng: Random) (x: Tensor) =
    let direction () = gaussian rng (x.shape |> Array.map int |> List.ofArray)

    let v, u = direction (), direction ()
    let exact = ((Diff.hessianv f x v) * u).sum().item<float>()
    let numerical = (Diff.numgradv 1e-5 (fun x -> Diff.gradv f x u) x v).item<float>()
    let scale = max (abs exact) (abs numerical)

    if not (abs (exact - numerical) <= 1e-5 * scale && scale > 0.) then
        failtest $"{name}: u·H·v is {exact}, but by differences {numerical}"

let private fits (row: Method) (model: Model) =
    match row.Requires with
    | Some(_, has) -> has model.Graph
    | None -> true

let private images (rng: Random) = gaussian rng [ 2; 2; 5; 4 ]

let private tanh () =
    let _, build = networks.Head
    let rng = Random 5
    rng, graphModel "s" (build rng)

let private mapOf (row: Method) weights model (x: Tensor) =
    weighed weights (row.Attribute settings (target Scale.Logits model) (Batch.ofTensor x))

let private methods = [
    for row in Methods.all do
        example $"{row.Name} in the image" (fun () ->
            agreesSomewhere row.Name (row.Smoothness Argument.Image) (fits row) (fun rng model ->
                mapOf row (gaussian rng [ 200 ]) model, images rng)

            if row.Smoothness Argument.Image = Smoothness.Smooth then
                let rng, model = tanh ()
                agreesTwice row.Name (mapOf row (gaussian rng [ 200 ]) model) rng (images rng))

        example $"{row.Name} in the parameters" (fun () ->
            agreesSomewhere row.Name (row.Smoothness Argument.Parameters) (fits row) (fun rng model ->
                let x, weights = images rng, gaussian rng [ 200 ]
                let vector, rebuild = vectorOf model
                (fun p -> mapOf row weights (rebuild p) x), vector))

        example $"{row.Name} has no map to be differentiated in" (fun () ->
            Expect.equal (row.Smoothness Argument.Map) Smoothness.Undefined row.Name)
]

let private smoothness (row: Metric) relaxation argument =
    match row.Smoothness argument with
    | Smoothness.PiecewiseConstant when relaxation <> Relaxation.Exact && List.contains argument row.Relaxes ->
        Smoothness.AlmostEverywhere
    | other -> other

let private metrics = [
    for relaxation in [ Relaxation.Exact; Relaxation.Soft 0.1 ] do
        for row in Metrics.all do
            if relaxation = Relaxation.Exact || not row.Relaxes.IsEmpty then
                let score weights model (maps: Tensor) (x: Tensor) =
                    let target = target row.Over model
                    weighed weights (row.Scores (metricSettings relaxation) target maps (Batch.ofTensor x))

                for argument in [ Argument.Image; Argument.Map; Argument.Parameters ] do
                    example $"{row.Name} in the {argument}, {relaxation}" (fun () ->
                        let functions (rng: Random) model =
                            let x, maps, weights = images rng, images rng, gaussian rng [ 200 ]

                            match argument with
                            | Argument.Map -> (fun maps -> score weights model maps x), maps
                            | Argument.Image -> score weights model maps, x
                            | _ ->
                                let vector, rebuild = vectorOf model
                                (fun p -> score weights (rebuild p) maps x), vector

                        let smoothness = smoothness row relaxation argument
                        agreesSomewhere row.Name smoothness (fun _ -> true) functions

                        if smoothness = Smoothness.Smooth then
                            let rng, model = tanh ()
                            let f, x = functions rng model
                            agreesTwice row.Name f rng x)
]

/// What the network gives of a row, for laws about every metric.
let private scoresOf (row: Metric) relaxation model (maps: Tensor) (x: Tensor) =
    row.Scores (metricSettings relaxation) (target row.Over model) maps (Batch.ofTensor x)

let private somewhere () =
    let rng = Random 3
    let _, build = networks[2]
    graphModel "s" (build rng), images rng, images rng

let private relaxed = [
    for row in Metrics.all do
        if not row.Relaxes.IsEmpty then
            example $"{row.Name}: the softer, the further from the definition; scaling a map changes nothing" (fun () ->
                let model, maps, x = somewhere ()
                let exact = scoresOf row Relaxation.Exact model maps x

                let soft tau = scoresOf row (Relaxation.Soft tau) model maps x

                close 1e-6 exact (soft 1e-7) "τ → 0"
                same (soft 0.1) (scoresOf row (Relaxation.Soft 0.1) model (maps * 7.5) x) "scaled"
                let gap = (soft 0.1 - exact).abs().nansum().item<float>()
                Expect.isGreaterThan gap 1e-9 "τ = 0.1 is no exact score"

                let straight = scoresOf row (Relaxation.StraightThrough 0.1) model maps x
                close 0. exact straight "straight-through, to the last digit"

                let slope relaxation = Diff.grad (fun maps -> (scoresOf row relaxation model maps x).nansum()) maps

                if row.Name <> "effective-complexity-loss" && row.Name <> "average-increase" then
                    Expect.isGreaterThan
                        ((slope (Relaxation.StraightThrough 0.1)).abs().sum().item<float>())
                        0.
                        "and a soft derivative")
]

/// The derivative of everything in the image and in the parameters, by passes of that size.
let private derivatives (f: Model -> Tensor -> Tensor) (model: Model) (x: Tensor) size =
    let model = batching size model
    let vector, rebuild = vectorOf model
    [ Diff.grad (f model) x; Diff.grad (fun p -> f (rebuild p) x) vector ]

let private rows: (string * (Model -> Tensor -> Tensor)) list = [
    for row in Methods.all do
        row.Name,
        (fun model x -> (row.Attribute settings (target Scale.Logits model) (Batch.ofTensor x)).square().sum())

    for row in Metrics.all do
        row.Name, (fun model x -> (scoresOf row Relaxation.Exact model (x.cos ()) x).nansum())
]

let private inPasses = [
    for name, f in rows do
        example $"{name}: a derivative does not depend on the passes, and leaves nothing behind" (fun () ->
            let model, _, x = somewhere ()
            let whole = derivatives f model x (Memory(1L <<< 30))

            for size in [ Fixed 1; Fixed 3 ] do
                List.iter2 (fun a b -> close 1e-9 a b $"{size}") whole (derivatives f model x size)

            let work () =
                use _ = torch.NewDisposeScope()
                derivatives f model x (Fixed 3) |> ignore

            work ()
            Expect.equal (liveAfter work) 0L "live tensors"

            let plain = f model x
            Expect.isFalse plain.requires_grad "outside a derivative nothing is recorded")
]

let private others = [
    example "the influence of a layer's units is a function of the images and of the parameters" (fun () ->
        let ofUnits (rng: Random) model =
            let weights = gaussian rng [ 200 ]

            fun (x: Tensor) ->
                Influence.ofQuantity (Quantity.ofClass 1) Units.Each "conv" model (Instances.ofTensor x)
                |> weighed weights

        agreesSomewhere "influence" Smoothness.AlmostEverywhere (fun _ -> true) (fun rng model ->
            ofUnits rng model, images rng)

        agreesSomewhere "influence" Smoothness.AlmostEverywhere (fun _ -> true) (fun rng model ->
            let x, vector, rebuild = images rng, vectorOf model |> fst, vectorOf model |> snd
            let seed = rng.Next()
            (fun p -> ofUnits (Random seed) (rebuild p) x), vector))

    example
        "where attribution lies is a smooth question of its positive pixels, and softly one of their order"
        (fun () ->
            let rng = Random 2
            let maps = (images rng).mean [| 1L |]
            let masks = (images rng).mean([| 1L |]).gt(0.9.ToScalar())

            let laws = [
                "share", false, Localisation.shares masks
                "hit", true, Localisation.hits (Relaxation.Soft 0.1) masks
                "rank accuracy", true, Localisation.rankAccuracies (Relaxation.Soft 0.1) masks
                "top 3", true, Localisation.topKIntersections (Relaxation.Soft 0.1) 3 masks
            ]

            for name, _, f in laws do
                let isKnown = agrees name Smoothness.AlmostEverywhere (f >> _.sum()) rng maps
                Expect.equal isKnown (Some true) name

            let exact = Localisation.hits Relaxation.Exact masks >> _.sum()
            Expect.equal (agrees "hit" Smoothness.PiecewiseConstant exact rng maps) (Some false) "a hit is a side")

    example "a smoothed network of ReLUs has second derivatives" (fun () ->
        let rng = Random 4
        let _, build = networks[1]
        let model = graphModel "s" (build rng)
        let x, weights = images rng, gaussian rng [ 200 ]

        let gradient model =
            mapOf { Methods.all.Head with Attribute = fun _ -> Saliency.attribute false } weights model

        Expect.equal (values (Diff.grad (gradient model) x)) (Array.zeroCreate 80) "piecewise linear: none"
        agreesTwice "saliency of the smoothed network" (gradient (Model.smooth 2. model)) rng x)

    example "a recording that is ended twice ends once" (fun () ->
        let recording = Recording.Start()
        recording.Dispose()
        recording.Dispose()
        Expect.isFalse Recording.IsOn "ended"
        use _ = Recording.Start()
        Expect.isTrue Recording.IsOn "a new one records")

    example
        "a parameter that is changed before the way back makes NaN of the gradients, and the end of the recording tells why"
        (fun () ->
            let model, _, x = somewhere ()

            let parameters =
                Model.parameters model |> Map.map (fun _ value -> value.detach().clone().requires_grad_ true)

            let row = Methods.all |> List.find (fun row -> row.Name = "integrated-gradients")

            let work () =
                use _ = Recording.Record()
                // Several passes, each of which runs again on the way back; of a single one libtorch says it.
                let watched = target Scale.Logits (Model.withParameters parameters (batching (Fixed 3) model))
                let loss = (row.Attribute settings watched (Batch.ofTensor x)).square().sum()

                (use _ = torch.no_grad ()
                 parameters["conv2.weight"].mul_(0.9.ToScalar()) |> ignore)

                loss.backward ()

            Expect.throwsT<AttributionException> work "told of"
            let gradient = parameters["conv2.weight"].grad
            Expect.isTrue (gradient.isnan().any().ToBoolean()) "no number that is wrong")

    example
        "an instance whose score is undefined leaves the others' derivatives, and the parameters', as they are"
        (fun () ->
            let model, maps, x = somewhere ()
            let vector, rebuild = vectorOf model
            maps[0L] <- torch.zeros_like maps[0L]
            x[0L] <- torch.full_like (x[0L], 0.5.ToScalar())

            for row in Metrics.all do
                for relaxation in [ Relaxation.Exact; Relaxation.Soft 0.1 ] do
                    let f model maps x = (scoresOf row relaxation model maps x).nansum()

                    for name, gradient in
                        [
                            "map", Diff.grad (fun maps -> f model maps x) maps
                            "image", Diff.grad (f model maps) x
                            "parameters", Diff.grad (fun p -> f (rebuild p) maps x) vector
                        ] do
                        let rest = if name = "parameters" then gradient else gradient[1L]
                        Expect.isTrue (rest.isfinite().all().ToBoolean()) $"{row.Name}, {relaxation}: {name}")

    example "RISE of few masks has a derivative where no mask shows a pixel" (fun () ->
        let model, _, x = somewhere ()

        let f (x: Tensor) =
            (Rise.attribute 2 2 0.5 1L true Baseline.black (target Scale.Logits model) (Batch.ofTensor x))
                .square()
                .sum()

        Expect.isTrue ((Diff.grad f x).isfinite().all().ToBoolean()) "finite")

    example "what a metric rewards can be climbed to: complexity falls along its own gradient" (fun () ->
        let rng = Random 8
        let maps = (images rng).abs()
        let f (maps: Tensor) = (Complexity.scores maps).sum()
        let next = maps - 0.01 * Diff.grad f maps
        Expect.isLessThan ((f next).item<float>()) ((f maps).item<float>()) "a step down")
]

let tests =
    testList "Derivatives" [
        testList "of methods" methods
        testList "of metrics" metrics
        testList "relaxed" relaxed
        testList "in passes" inPasses
        testList "of the rest" others
    ]
