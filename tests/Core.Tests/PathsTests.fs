module PathsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

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
            law "of a linear model are its weights times x - b, however few steps there are" (fun rng ->
                let model, weights = linear rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 1) model
                let found = GuidedIntegratedGradients.attribute (rng.Next(1, 6)) (Baseline.white 0.5) target (batch x)
                same (weights[1L].reshape(1L, 2L, 5L, 4L) * (x - 0.5)) found "w (x - b)")

            law "sum to the change of the target as steps grow, whatever the batch" (fun rng ->
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
                let found = values (GuidedIntegratedGradients.attribute 400 Baseline.black target (batch x))

                let straight =
                    values (
                        IntegratedGradients.attribute
                            (Quadrature.nodes Midpoint 400)
                            Baseline.black
                            true
                            target
                            (batch x)
                    )

                Expect.floatClose { absolute = 0.5; relative = 0. } (Array.sum found) 100.5 "complete"
                // Along the straight line each has half of the product's 100; here the number of less gradient is ahead.
                Expect.isGreaterThan (abs (found[0] - straight[0])) 0.5 "not the straight line")
        ]

        testList "Blur integrated gradients" [
            law "of a linear model are its weights times what the image differs from its blur" (fun rng ->
                let model, weights = linear rng
                let x = images rng
                let target = Target.ofQuantity (Quantity.ofClass 2) model
                let blurred = Blur.gaussian (0.22 * 5.) x
                let found = BlurIntegratedGradients.attribute 7 target (batch x)
                close 1e-9 (weights[2L].reshape(1L, 2L, 5L, 4L) * (x - blurred)) found "w (x - blurred)")

            law "sum to the change of the target, whatever the batch" (fun rng ->
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

                rejects<ArgumentException>
                    (fun () -> BlurIntegratedGradients.attribute 4 target (batch (torch.zeros (1, 40, torch.float64))))
                    "a table")
        ]

        testList "XRAI" [
            law "keeps the sum of integrated gradients from black and from white" (fun rng ->
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
                x[0L] [ 0L ].add_ (square * 150.) |> ignore
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
            law "without noise any method is itself, and the mean over copies is over the copies" (fun rng ->
                let model = smoothed rng
                let x = images rng
                let target = Target.ofQuantity Quantity.predicted model
                let explain = Saliency.attribute false
                close 1e-9 (explain target (batch x)) (Steadied.smooth 3 0. 1L explain target (batch x)) "no noise"

                close
                    1e-6
                    (SmoothGrad.attribute SmoothGradKind.Mean 5 0.2 1L false target (batch x))
                    (Steadied.smooth 5 0.2 1L explain target (batch x))
                    "SmoothGrad is the mean of noisy gradients")

            law "the class stays that of the image, whatever the copies' is" (fun rng ->
                let _, model, _, x = case rng 0.
                let target = Target.ofQuantity Quantity.predicted model
                let classes = (Model.logits model x).argmax 1L
                let fixedTo = Target.ofQuantity (Quantity.trueClassOf (Tensor.toArray<int64> classes)) model
                let smooth target = Steadied.smooth 4 2. 3L (Saliency.attribute true) target (batch x)
                same (smooth fixedTo) (smooth target) "anchored")

            law
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
    ]
