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

let private every = [ CamWeights.Mean; CamWeights.PlusPlus; CamWeights.Positions ]

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
                    | CamWeights.PlusPlus ->
                        g
                        |> Array.sumBy (fun g ->
                            if g > 0. then
                                g ** 2. / (2. * g ** 2. + g ** 3. * Array.sum a) * g
                            else
                                0.)

                weight * a[p]
        ]
        |> List.sum
        |> max 0.)

let tests =
    testList "GradCam" [
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

            let map layer =
                GradCam.atLayer CamWeights.Mean layer target (batch x)

            same (tensor [ 1; 2; 2 ] [ 11.25; 13.5; 20.25; 22.5 ]) (map "conv") "before the ReLU"
            same (tensor [ 1; 2; 2 ] [ 0; 4; 28; 32.5 ]) (map "relu") "after it")

        law "and its kin equal the plain twin before and after the ReLU, whatever the batch" (fun rng ->
            let model, last = network rng
            let n = rng.Next(1, 6)
            let x = gaussian rng [ n; 2; 3; 4 ]

            let rows layer =
                values (Model.units Units.Each layer model x) |> Array.chunkBySize 36

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

            let g (z: Tensor) =
                ((z + x).tanh() * r).flatten(1L).matmul(last.t ()).select(1L, 0L)

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

            let constant =
                Quantity.ofFunction "three" (fun s -> torch.full_like (s.select (1L, 0L), 3.))

            for weights in every do
                let map quantity =
                    GradCam.attribute weights "relu" (Target.ofQuantity quantity model) (batch x)

                same (torch.zeros (3, 3, 4, torch.float64)) (map constant) $"{weights}"
                Expect.isTrue (values (map (Quantity.margin 0 1)) |> Array.forall (fun v -> v >= 0.)) $"{weights}")

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
