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
]

let private settings = {
    MethodSettings.standard with
        Samples = Some 4
        Nodes = Quadrature.nodes Midpoint 3
        WindowSize = Nullable 2
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
    (weights.narrow(0L, 0L, result.numel ()).reshape(result.shape)
     * result.``to`` torch.float64)
        .nansum()

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
    |> Target.ofQuantity (
        if over = Scale.Probabilities then
            Quantity.ofProbabilities quantity
        else
            quantity
    )

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
    let direction () =
        gaussian rng (x.shape |> Array.map int |> List.ofArray)

    let v, u = direction (), direction ()
    let exact = ((Diff.hessianv f x v) * u).sum().item<float>()
    let numerical = (Diff.numgradv 1e-5 (fun x -> Diff.gradv f x u) x v).item<float>()
    let scale = max (abs exact) (abs numerical)

    if not (abs (exact - numerical) <= 1e-5 * scale && scale > 0.) then
        failtest $"{name}: u·H·v is {exact}, but by differences {numerical}"

let private fits (row: Method) (model: Model) =
    match row.Requires with
    | Some(_, isOf) -> model.Graph.Nodes |> Array.exists (fun node -> isOf node.Op)
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

let tests =
    testList "Derivatives" [ testList "of methods" methods; testList "of metrics" metrics ]
