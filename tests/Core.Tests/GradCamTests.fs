module GradCamTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private convolution (weight: Tensor) bias padding =
    Convolution {
        Weight = weight
        Bias = bias
        Stride = [| 1L; 1L |]
        Padding = [| padding; padding |]
        Dilation = [| 1L; 1L |]
        Groups = 1L
    }

/// A convolution to 3 channels of 3×4 positions and a dense layer of the bent values, on images n×2×3×4.
let private network (rng: Random) =
    let last = gaussian rng [ 3; 36 ]

    graphModel "s" [
        node "conv" (convolution (gaussian rng [ 3; 2; 3; 3 ]) None 1L) [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "flat" Flatten [ "relu" ]
        node "s" (Linear(last, None)) [ "flat" ]
    ],
    values last |> Array.chunkBySize 36

let private every = [
    CamWeights.Mean
    CamWeights.PlusPlus
    CamWeights.Positions
    CamWeights.HighResolution
    CamWeights.Axiom
]

/// The definitions on arrays: values and gradients of 3 channels of `size` positions.
let private twin weights size (values: float[]) (gradient: float[]) =
    let channel (a: float[]) k = a[k * size .. (k + 1) * size - 1]

    Array.init size (fun p ->
        [
            for k in 0..2 do
                let a, g = channel values k, channel gradient k

                let weight =
                    match weights with
                    | CamWeights.Mean -> Array.average g
                    | CamWeights.Positions -> max 0. g[p]
                    | CamWeights.HighResolution -> g[p]
                    | CamWeights.Axiom -> if Array.sum a = 0. then 0. else Array.sum (Array.map2 (*) g a) / Array.sum a
                    | CamWeights.PlusPlus ->
                        g
                        |> Array.sumBy (fun g ->
                            if g > 0. then g ** 2. / (2. * g ** 2. + g ** 3. * Array.sum a) * g else 0.)

                weight * a[p]
        ]
        |> List.sum
        |> max 0.)

/// What each of some networks on images 2×8×8 is looked at by itself; None: it is refused.
let private layers =
    let conv (``in``: int64) (out: int64) =
        convolution (torch.ones (out, ``in``, 3L, 3L, dtype = torch.float64)) None 1L

    let relu = Activation Relu

    let dense (``in``: int64) = Linear(torch.ones (3L, ``in``, dtype = torch.float64), None)

    let norm (channels: int64) =
        BatchNorm {
            Mean = torch.zeros (channels, torch.float64)
            Variance = torch.ones (channels, torch.float64)
            Scale = torch.ones (channels, torch.float64)
            Shift = torch.zeros (channels, torch.float64)
            Epsilon = 0.
        }

    let pool =
        Pool {
            Kind = MaxPool
            Kernel = [| 2L; 2L |]
            Stride = [| 2L; 2L |]
            Padding = [| 0L; 0L |]
            Dilation = [| 1L; 1L |]
            CeilMode = false
        }

    let patches = [
        node "patches" (conv 2L 4L) [ "x" ]
        node "rows" (Reshape [| 4L; 64L |]) [ "patches" ]
        node "tokens" (Permute [| 0L; 2L; 1L |]) [ "rows" ]
    ]

    let mix = Linear(torch.ones (4L, 4L, dtype = torch.float64), None)

    let block = [
        node "q" mix [ "tokens" ]
        node "k" mix [ "tokens" ]
        node "kt" (Permute [| 0L; 2L; 1L |]) [ "k" ]
        node "scores" MatMul [ "q"; "kt" ]
        node "weights" (Softmax 2L) [ "scores" ]
        node "mixed" MatMul [ "weights"; "tokens" ]
        node "out" Add [ "tokens"; "mixed" ]
    ]

    let head from ``in`` = [ node "flat" Flatten [ from ]; node "s" (dense ``in``) [ "flat" ] ]

    let mean from = [ node "mean" (GlobalPool(AveragePool false)) [ from ] ] @ head "mean" 4L

    [
        "a convolution", Some "c", node "c" (conv 2L 4L) [ "x" ] :: mean "c"
        "its activation, before a pooling",
        Some "r",
        [ node "c" (conv 2L 4L) [ "x" ]; node "r" relu [ "c" ]; node "p" pool [ "r" ] ] @ head "p" 64L
        "a shortcut, and the activation after it",
        Some "r2",
        [
            node "c" (conv 2L 4L) [ "x" ]
            node "r" relu [ "c" ]
            node "c2" (conv 4L 4L) [ "r" ]
            node "n" (norm 4L) [ "c2" ]
            node "a" Add [ "n"; "r" ]
            node "r2" relu [ "a" ]
        ]
        @ mean "r2"
        "the concatenation of branches",
        Some "both",
        [
            node "c" (conv 2L 4L) [ "x" ]
            node "left" (conv 4L 2L) [ "c" ]
            node "right" (conv 4L 2L) [ "c" ]
            node "r" relu [ "right" ]
            node "both" (Concat 1L) [ "left"; "r" ]
        ]
        @ mean "both"
        "a gate on the channels",
        Some "gated",
        [
            node "c" (conv 2L 4L) [ "x" ]
            node "g" (GlobalPool(AveragePool false)) [ "c" ]
            node "gate" (Activation Sigmoid) [ "g" ]
            node "gated" Multiply [ "c"; "gate" ]
        ]
        @ mean "gated"
        "what comes before two heads that are added",
        Some "c",
        [
            node "c" (conv 2L 4L) [ "x" ]
            node "left" (conv 4L 4L) [ "c" ]
            node "right" (conv 4L 4L) [ "c" ]
            node "l" (GlobalPool(AveragePool false)) [ "left" ]
            node "r" (GlobalPool MaxPool) [ "right" ]
            node "sum" Add [ "l"; "r" ]
        ]
        @ head "sum" 4L
        "not a convolution of one position",
        Some "c",
        [
            node "c" (conv 2L 4L) [ "x" ]
            node "m" (GlobalPool(AveragePool false)) [ "c" ]
            node "k" (conv 4L 4L) [ "m" ]
        ]
        @ head "k" 4L
        "the tokens of a transformer that all are read", Some "out", patches @ block @ head "out" 256L
        "those, though each image is given a token of its own",
        Some "out",
        patches
        @ [
            node "token" (Constant(torch.ones (1L, 1L, 4L, dtype = torch.float64))) []
            node "each" (Pure("Expand", (fun inputs -> inputs[0].expand(inputs[1].shape[0], 1L, 4L)))) [ "token"; "x" ]
            node "with" (Concat 1L) [ "each"; "tokens" ]
        ]
        @ [
            for n in block do
                { n with Inputs = n.Inputs |> List.map (fun name -> if name = "tokens" then "with" else name) }
        ]
        @ head "out" 260L
        "tokens, whatever they are made into again",
        Some "out",
        patches
        @ block
        @ [
            node "columns" (Permute [| 0L; 2L; 1L |]) [ "out" ]
            node "grid" (Reshape [| 4L; 8L; 8L |]) [ "columns" ]
        ]
        @ mean "grid"
        "not paths that share no value",
        None,
        [
            node "left" (conv 2L 4L) [ "x" ]
            node "right" (conv 2L 4L) [ "x" ]
            node "l" (GlobalPool(AveragePool false)) [ "left" ]
            node "r" (GlobalPool MaxPool) [ "right" ]
            node "sum" Add [ "l"; "r" ]
        ]
        @ head "sum" 4L
        "not a network without weights over positions", None, head "x" 128L
    ]

let private lastLayer =
    testList "last" [
        for name, expected, nodes in layers do
            example name (fun () ->
                let graph = Graph.create "x" "s" (node "x" Input [] :: nodes)

                let model = Model.ofGraph (Some [| 2L; 8L; 8L |]) graph |> inDouble

                let found =
                    try
                        Some(CamLayer.last model)
                    with :? AttributionException as e ->
                        Expect.stringContains e.Message "name" "what to do"
                        None

                Expect.equal found expected "the layer"

                for layer in Option.toList found do
                    let target = Target.ofQuantity Quantity.predicted model
                    let x = gaussian (Random 3) [ 2; 2; 8; 8 ]
                    let map = GradCam.attribute CamWeights.Mean layer target (batch x)
                    Expect.equal map.shape [| 2L; 8L; 8L |] "its map")

        example "is the same where no shape is known, as far as ops tell" (fun () ->
            for name, expected, nodes in layers |> List.take 6 do
                let model = Model.ofGraph None (Graph.create "x" "s" (node "x" Input [] :: nodes))
                Expect.equal (Some(CamLayer.last model)) expected name)

        example "says what there is to choose" (fun () ->
            let _, _, nodes = layers |> List.find (fun (name, _, _) -> name.StartsWith "not paths")

            let graph = Graph.create "x" "s" (node "x" Input [] :: nodes)
            let model = Model.ofGraph (Some [| 2L; 8L; 8L |]) graph |> inDouble
            let target = Target.ofQuantity Quantity.predicted model
            let x = torch.ones (1, 2, 8, 8, torch.float64)

            for work in
                [
                    (fun () -> CamLayer.last model |> ignore)
                    (fun () -> GradCam.atLayer CamWeights.Mean "flat" target (batch x) |> ignore)
                ] do
                try
                    work ()
                    failtest "not refused"
                with :? AttributionException as e ->
                    Expect.stringContains e.Message "'left', 'right'" "the layers")
    ]

let tests =
    testList "GradCam" [
        lastLayer

        example "of one convolution and two dense layers is [[11.25, 13.5], [20.25, 22.5]] before the ReLU" (fun () ->
            let dense =
                tensor [ 4; 8 ] [
                    for _ in 1..4 do
                        yield! [ 1.; 1.; 1.; 1.; 1.; -1.; -1.; -1. ]
                ]

            let model =
                graphModel "s" [
                    node "conv" (convolution (torch.ones (2, 1, 3, 3, torch.float64)) (Some(vector [ -50; -75 ])) 0L) [
                        "x"
                    ]
                    node "relu" (Activation Relu) [ "conv" ]
                    node "flat" Flatten [ "relu" ]
                    node "dense" (Linear(dense, None)) [ "flat" ]
                    node "s" (Activation Relu) [ "dense" ]
                ]

            let target = Target.ofQuantity (Quantity.ofClass 0) model
            let x = tensor [ 1; 1; 4; 4 ] [ 0.0 .. 15.0 ]

            let map layer = GradCam.atLayer CamWeights.Mean layer target (batch x)

            same (tensor [ 1; 2; 2 ] [ 11.25; 13.5; 20.25; 22.5 ]) (map "conv") "before the ReLU"
            same (tensor [ 1; 2; 2 ] [ 0; 4; 28; 32.5 ]) (map "relu") "after it")

        law "and its kin equal the plain twin before and after the ReLU, whatever the batch" (fun rng ->
            let model, last = network rng
            let n = rng.Next(1, 6)
            let x = gaussian rng [ n; 2; 3; 4 ]

            let rows layer = values (Model.units Units.Each layer model x) |> Array.chunkBySize 36

            let predicted = Tensor.toArray<int64>((Model.logits model x).argmax 1L)

            for layer, isGated in [ "conv", true; "relu", false ] do
                for weights in every do
                    let expected =
                        rows layer
                        |> Array.mapi (fun i a ->
                            let through p g = if isGated && a[p] <= 0. then 0. else g
                            twin weights 12 a (last[int predicted[i]] |> Array.mapi through))

                    for size in [ 1; 2; 7 ] do
                        let target = Target.ofQuantity Quantity.predicted model

                        x
                        |> inBatches size (GradCam.atLayer weights layer target)
                        |> fun actual ->
                            close 1e-8 (tensor [ n; 3; 4 ] (Array.concat expected)) actual $"{weights} at {layer}")

        law "holds the paths around the layer fixed" (fun rng ->
            let model, step, last = ModelTests.residual rng
            let x = gaussian rng [ 1; 2; 3; 4 ]
            let r = (step x).relu()
            let z = step r

            let g (z: Tensor) = ((z + x).tanh() * r).flatten(1L).matmul(last.t ()).select(1L, 0L)

            let gradient = Diff.gradEach g z
            let expected = (gradient.mean ([| 2L; 3L |], true) * z).sum(1L).relu()
            let target = Target.ofQuantity (Quantity.ofClass 0) model
            same expected (GradCam.atLayer CamWeights.Mean "b" target (batch x)) "the convolution's branch alone")

        law "at the image is the map at the layer, stretched" (fun rng ->
            let net = gaussian rng [ 3; 2; 2; 3 ]
            let last = gaussian rng [ 3; 3 * 4 * 5 ]

            let model =
                graphModel "s" [
                    node "conv" (convolution net None 0L) [ "x" ]
                    node "flat" Flatten [ "conv" ]
                    node "s" (Linear(last, None)) [ "flat" ]
                ]

            let x = gaussian rng [ 2; 2; 5; 7 ]
            let target = Target.ofQuantity Quantity.predicted model
            let weights = every[rng.Next 3]

            let expected =
                values (GradCam.atLayer weights "conv" target (batch x))
                |> Array.chunkBySize 20
                |> Array.collect (fun map ->
                    let grid = Array2D.init 4 5 (fun i j -> map[i * 5 + j])
                    Array.init 35 (fun p -> RiseTests.bilinear grid (5, 7) (p / 7, p % 7)))

            same (tensor [ 2; 5; 7 ] expected) (GradCam.attribute weights "conv" target (batch x)) "bilinear")

        law "of a constant is 0, and its maps are nowhere negative" (fun rng ->
            let model, _ = network rng
            let x = gaussian rng [ 3; 2; 3; 4 ]

            let constant = Quantity.ofFunction "three" (fun s -> torch.full_like (s.select (1L, 0L), 3.))

            for weights in every do
                let map quantity = GradCam.attribute weights "relu" (Target.ofQuantity quantity model) (batch x)

                same (torch.zeros (3, 3, 4, torch.float64)) (map constant) $"{weights}"
                Expect.isTrue (values (map (Quantity.margin 0 1)) |> Array.forall (fun v -> v >= 0.)) $"{weights}")

        law "of a unit of a layer is of the unit's own gradient" (fun rng ->
            let model =
                graphModel "s" [
                    node "one" (convolution (gaussian rng [ 3; 2; 3; 3 ]) None 1L) [ "x" ]
                    node "bend" (Activation Tanh) [ "one" ]
                    node "two" (convolution (gaussian rng [ 2; 3; 3; 3 ]) None 1L) [ "bend" ]
                    node "flat" Flatten [ "two" ]
                    node "s" (Linear(gaussian rng [ 4; 24 ], None)) [ "flat" ]
                ]

            let x = gaussian rng [ 2; 2; 3; 4 ]
            let unit = rng.Next 2
            let z = Model.value "bend" model x

            for units, read in
                [
                    Units.ChannelSum, (fun (two: Tensor) -> two.select(1L, int64 unit).sum [| 1L; 2L |])
                    Units.Each, (fun two -> two.flatten(1L).select(1L, int64 unit))
                ] do
                let after (z: Tensor) =
                    let two = model.Graph.Nodes |> Array.find (fun n -> n.Name = "two")
                    read (Semantics.plain two.Op [ z ])

                let gradient = Diff.gradEach after z
                let expected = (gradient.mean ([| 2L; 3L |], true) * z).sum(1L).relu()
                let target = Target.ofQuantity (Quantity.ofUnit units "two" unit) model
                same expected (GradCam.atLayer CamWeights.Mean "bend" target (batch x)) $"{units}"

            let target = Target.ofQuantity (Quantity.ofUnit Units.Auto "one" 0) model

            rejects<AttributionException>
                (fun () -> GradCam.atLayer CamWeights.Mean "two" target (batch x))
                "a layer above the unit's")

        example "asks for a layer with positions" (fun () ->
            let model, _ = network (Random 1)
            let target = Target.ofQuantity Quantity.predicted model

            for layer in [ "flat"; "s" ] do
                rejects<AttributionException>
                    (fun () ->
                        GradCam.attribute
                            CamWeights.Mean
                            layer
                            target
                            (batch (torch.ones (1, 2, 3, 4, torch.float64))))
                    layer)

        example "leaves no tensor behind" (fun () ->
            let model, _ = network (Random 3)
            let x = gaussian (Random 4) [ 5; 2; 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model

            let work () =
                for weights in every do
                    (inBatches 2 (GradCam.attribute weights "relu" target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
