module PathsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// A law of what takes many passes, by a few draws.
let private few name (check: Random -> unit) =
    example name (fun () ->
        for seed in 1..4 do
            check (Random seed))

let private smoothed (rng: Random) =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "tanh" (Activation Tanh) [ "conv" ]
        node "flat" Flatten [ "tanh" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * Number.Of 0.3, None)) [ "flat" ]
    ]

let private linear (rng: Random) =
    let weights = gaussian rng [ 3; 40 ]
    graphModel "s" [ node "flat" Flatten [ "x" ]; node "s" (Linear(weights, None)) [ "flat" ] ], weights

let private sums (t: Tensor) = Tensor.sumEach t

let private change model (from: Tensor) (x: Tensor) k = (Model.logits model x - Model.logits model from).select(1L, k)

let private images rng = gaussian rng [ 3; 2; 5; 4 ]

let tests =
    testList "Paths" [
        testList "Guided integrated gradients" [
            few "of a linear model are its weights times x - b, however few steps there are" (fun rng ->
                let model, weights = linear rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 1) model
                let found = GuidedIntegratedGradients.attribute (rng.Next(1, 6)) (Baseline.white 0.5) target (batch x)
                same (weights[1L].reshape(1L, 2L, 5L, 4L) * (x - 0.5)) found "w (x - b)")

            example "sum to the change of the target as steps grow, whatever the batch" (fun () ->
                let rng = Random 3
                let model = smoothed rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 1) model
                let attribute = GuidedIntegratedGradients.attribute 200 Baseline.black target
                let whole = attribute (batch x)
                close 0.03 (change model (torch.zeros_like x) x 1L) (sums whole) "complete"
                same whole (inBatches 1 attribute x) "one at a time")

            example "the path moves first what has least gradient" (fun () ->
                // f = x₀² / 2 + 100 x₁, from 0 to 1: where x₁ moves last, x₀ has all of its own.
                let model =
                    ofFunctions [
                        "s",
                        (fun x ->
                            let x = x.flatten 1L in

                            (x.narrow (1L, 0L, 1L) * x.narrow (1L, 0L, 1L) / 2.
                             + 100. * x.narrow (1L, 1L, 1L) * x.narrow (1L, 0L, 1L)))
                    ]

                let target = Target.ofQuantity (Quantity.ofClass 0) model
                let x = torch.ones (1, 1, 1, 2, torch.float64)
                let found = values (GuidedIntegratedGradients.attribute 100 Baseline.black target (batch x))

                let straight =
                    values (
                        IntegratedGradients.attribute
                            (Quadrature.nodes Midpoint 400)
                            Baseline.black
                            true
                            target
                            (batch x)
                    )

                Expect.floatClose { absolute = 2.; relative = 0. } (Array.sum found) 100.5 "complete"
                // Along the straight line each has half of the product's 100; here the number of less gradient is ahead.
                Expect.isGreaterThan (abs (found[0] - straight[0])) 0.5 "not the straight line")

            example "numbers that the target does not tell apart have the same attribution" (fun () ->
                let model = ofFunctions [ "s", (fun x -> Tensor.square (x.flatten(1L).sum(1L, true))) ]
                let target = Target.ofQuantity (Quantity.ofClass 0) model
                let x = torch.ones (1, 1, 4, 5, torch.float64)
                let found = GuidedIntegratedGradients.attribute 10 Baseline.black target (batch x)
                close 1e-9 (x * Number.Of(values found |> Array.average)) found "all alike")
        ]

        testList "Blur integrated gradients" [
            few "of a linear model are its weights times what the image differs from its blur" (fun rng ->
                let model, weights = linear rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 2) model
                let blurred = Blur.gaussian (0.22 * 5.) x
                let found = BlurIntegratedGradients.attribute 7 target (batch x)
                close 1e-9 (weights[2L].reshape(1L, 2L, 5L, 4L) * (x - blurred)) found "w (x - blurred)")

            few "sum to the change of the target, whatever the batch" (fun rng ->
                let model = smoothed rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 1) model
                let attribute = BlurIntegratedGradients.attribute 100 target
                let whole = attribute (batch x)
                close 0.02 (change model (Blur.gaussian (0.22 * 5.) x) x 1L) (sums whole) "complete"
                same whole (inBatches 1 attribute x) "one at a time")

            example "are of images alone" (fun () ->
                let model, _ = linear (Random 2)
                let target = Target.ofQuantity (Quantity.ofClass 1) model

                rejects<AttributionException>
                    (fun () -> BlurIntegratedGradients.attribute 4 target (batch (torch.zeros (1, 40, torch.float64))))
                    "a table")
        ]

        testList "XRAI" [
            few "keeps the sum of integrated gradients from black and from white" (fun rng ->
                let model = smoothed rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 1) model
                let nodes = Quadrature.nodes Midpoint 5
                let from b = IntegratedGradients.attribute nodes b true target (batch x)
                let found = Xrai.attribute nodes (Baseline.white 1.) target (batch x)
                close 1e-9 (sums (from Baseline.black + from (Baseline.white 1.))) (sums found) "the same sum"
                same found (inBatches 1 (Xrai.attribute nodes (Baseline.white 1.) target) x) "one at a time")

            example "a square that alone speaks for the class is covered first" (fun () ->
                let x = torch.full ([| 1L; 1L; 16L; 16L |], Number.Of 60., torch.float64)
                let square = torch.zeros (16, 16, dtype = torch.float64)
                square.narrow(0L, 4L, 8L).narrow(1L, 4L, 8L).fill_(Number.Of 1.) |> ignore
                let x = x + square * 150.
                let weights = torch.stack [| square.flatten (); torch.zeros (256L, torch.float64) |]
                let model = graphModel "s" [ node "flat" Flatten [ "x" ]; node "s" (Linear(weights, None)) [ "flat" ] ]
                let target = Target.ofQuantity (Quantity.ofClass 0) model
                let found = Xrai.attribute (Quadrature.nodes Midpoint 2) (Baseline.white 255.) target (batch x)
                let inside = square.gt (Number.Of 0.)
                let least = values (found[0L].masked_select(inside).min())
                let most = values (found[0L].masked_select(inside.logical_not ()).max())
                Expect.isGreaterThan least[0] most[0] "inside above outside")
        ]

        testList "Steadied" [
            few "without noise any method is itself, and the mean over copies is over the copies" (fun rng ->
                let model = smoothed rng
                let x = images rng
                let target = Target.ofQuantity Quantity.predicted model
                let explain = Saliency.attribute false
                close 1e-9 (explain target (batch x)) (Steadied.smooth 3 0. 1L explain target (batch x)) "no noise"

                let seen = ResizeArray<Tensor>()

                let told target (batch: Batch) =
                    seen.Add(batch.X.clone().DetachFromDisposeScope())
                    explain target batch

                let smooth = Steadied.smooth 40 0.2 1L told target (batch x)
                let classes = Tensor.toArray<int64>((Model.logits model x).argmax 1L)
                let fixedTo = Target.ofQuantity (Quantity.trueClassOf classes) model
                let each = torch.stack [| for copy in seen -> explain fixedTo (batch copy) |]
                close 1e-9 (each.mean [| 0L |]) smooth "of the copies' maps"

                let range = x.flatten(1L).amax [| 1L |] - x.flatten(1L).amin [| 1L |]
                let noise = (torch.stack (Array.ofSeq seen) - x) / (Tensor.likeInstances x range * Number.Of 0.2)
                let deviation, mean = noise.std().item<float>(), noise.mean().item<float>()
                Expect.isTrue (abs (deviation - 1.) < 0.06 && abs mean < 0.06) $"noise of {deviation}, about {mean}"

                let own = Noise.normal 1L 0L (batch x) * Tensor.likeInstances x range * Number.Of 0.2

                Expect.isGreaterThan
                    ((seen[0] - x - own).abs().max().item<float>())
                    1e-3
                    "none that a method draws itself"

                Seq.iter (fun (copy: Tensor) -> copy.Dispose()) seen)

            few "the class stays that of the image, whatever the copies' is" (fun rng ->
                let _, model, _, x = case rng 0.
                let target = Target.ofQuantity Quantity.predicted model
                let classes = (Model.logits model x).argmax 1L
                let fixedTo = Target.ofQuantity (Quantity.trueClassOf (Tensor.toArray<int64> classes)) model
                let smooth target = Steadied.smooth 4 2. 3L (Saliency.attribute true) target (batch x)
                same (smooth fixedTo) (smooth target) "anchored")

            few
                "a map over mirrored copies is turned back: of a model that does not tell left from right it is even"
                (fun rng ->
                    let model =
                        ofFunctions [
                            "s",
                            (fun x ->
                                torch.stack (
                                    [|
                                        (x * x).flatten(1L).sum 1L
                                        ((x + x.flip 3L) * (x + x.flip 3L)).flatten(1L).sum 1L
                                    |],
                                    1L
                                ))
                        ]

                    let target = Target.ofQuantity (Quantity.ofClass 1) model
                    let x = images rng
                    let map (x: Tensor) = Steadied.augment (Saliency.attribute true) target (batch x)
                    close 1e-9 ((map x).flip 3L) (map (x.flip 3L)) "mirrored"

                    let each = [
                        for strength in [ 0.9; 1.; 1.1 ] ->
                            Saliency.attribute true target (batch (x * Number.Of strength))
                    ]

                    close 1e-9 (torch.stack(Array.ofList each).mean [| 0L |]) (map x) "of the six copies")

            example "mirroring is for images alone, and a mean is over one copy at least" (fun () ->
                let model, _ = linear (Random 2)
                let target = Target.ofQuantity (Quantity.ofClass 1) model

                rejects<AttributionException>
                    (fun () ->
                        Steadied.augment (Saliency.attribute true) target (batch (torch.zeros (1, 40, torch.float64))))
                    "a table"

                rejects<ArgumentException>
                    (fun () ->
                        Steadied.smooth
                            0
                            0.1
                            1L
                            (Saliency.attribute true)
                            target
                            (batch (torch.zeros (1, 40, torch.float64))))
                    "none")
        ]

        testList "Layers" [
            few
                "conductance of a layer that all passes sums to the change of the target, whatever the batch"
                (fun rng ->
                    let model = smoothed rng
                    let x = images rng
                    let target = Target.ofQuantity (Quantity.ofClass 1) model

                    for layer in [ "conv"; "tanh"; "s" ] do
                        let attribute = LayerPaths.conductance 60 Baseline.black Units.Each layer target
                        let whole = attribute (batch x)
                        close 5e-3 (change model (torch.zeros_like x) x 1L) (sums whole) layer
                        same whole (inBatches 1 attribute x) "one at a time")

            few
                "at the input conductance is integrated gradients by the midpoint rule, and internal influence their mean gradient"
                (fun rng ->
                    let model = smoothed rng
                    let x = images rng
                    let target = Target.ofQuantity (Quantity.ofClass 1) model
                    let nodes = Quadrature.nodes Midpoint 6

                    let ig multiply =
                        (IntegratedGradients.attribute nodes Baseline.black multiply target (batch x)).flatten 1L

                    close
                        1e-9
                        (ig true)
                        (LayerPaths.conductance 6 Baseline.black Units.Each "x" target (batch x))
                        "conductance"

                    close
                        1e-9
                        (ig false)
                        (LayerPaths.internalInfluence nodes Baseline.black Units.Each "x" target (batch x))
                        "influence")

            few "internal influence of one instance is its influence around the line" (fun rng ->
                let model = smoothed rng
                let x = (images rng).narrow(0L, 0L, 1L)
                let nodes = Quadrature.nodes Midpoint 3
                let quantity = Quantity.ofClass 2
                let around = Neighbourhood.Line(Baseline.black, nodes)

                let expected =
                    Influence.totals
                        around
                        false
                        (fun _ _ _ -> ())
                        [| { Quantity = quantity; Distribution = fun _ -> true } |]
                        Units.ChannelSum
                        [ "conv" ]
                        model
                        (Instances.ofTensor x)

                let found =
                    LayerPaths.internalInfluence
                        nodes
                        Baseline.black
                        Units.ChannelSum
                        "conv"
                        (Target.ofQuantity quantity model)
                        (batch x)

                close 1e-9 (expected["conv"].[0].reshape(1L, -1L)) found "the same")
        ]
    ]
