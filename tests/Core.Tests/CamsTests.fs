module CamsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// A convolution to 3 channels of 5×4 positions, a ReLU, and a dense layer, on images n×2×5×4.
let private network (rng: Random) =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "flat" Flatten [ "relu" ]
        node "s" (Linear(gaussian rng [ 3; 60 ], Some(gaussian rng [ 3 ]))) [ "flat" ]
    ]

let private images rng = gaussian rng [ 3; 2; 5; 4 ]
let private target model = Target.ofQuantity (Quantity.ofClass 1) model
let private relu (t: Tensor) = t.relu ()

let private logit model (x: Tensor) = (Model.logits model x).select(1L, 1L)

let tests =
    testList "More class activation maps" [
        law "HiResCAM before its ReLU sums to the score but for the bias, where one dense layer follows" (fun rng ->
            let model = network rng
            let x = images rng
            let a = Model.value "relu" model x
            let weights = (Model.parameters model)["s.weight"]
            let each = (weights[1L].reshape(1L, 3L, 5L, 4L) * a).sum 1L
            same (relu each) (GradCam.atLayer CamWeights.HighResolution "relu" (target model) (batch x)) "ReLU(Σ g A)")

        law "XGrad-CAM's weights are the gradients' means by the values" (fun rng ->
            let model = network rng
            let x = images rng
            let a = values (Model.value "relu" model x) |> Array.chunkBySize 60
            let g = values (Model.parameters model).["s.weight"].[1L]

            let expected =
                a
                |> Array.collect (fun a ->
                    let weight k =
                        let some = [ 20 * k .. 20 * k + 19 ]
                        let sum = some |> List.sumBy (fun p -> a[p])
                        if sum = 0. then 0. else (some |> List.sumBy (fun p -> g[p] * a[p])) / sum

                    let weights = [| for k in 0..2 -> weight k |]
                    Array.init 20 (fun p -> max 0. (Seq.sum (seq { for k in 0..2 -> weights[k] * a[20 * k + p] }))))
                |> tensor [ 3; 5; 4 ]

            same expected (GradCam.atLayer CamWeights.Axiom "relu" (target model) (batch x)) "by the definition")

        law "Eigen-CAM is the values along the first singular vector, whichever side is the smaller" (fun rng ->
            let model = network rng
            let x = images rng

            for layer, shape in [ "relu", [| 3L; 20L |]; "x", [| 2L; 20L |] ] do
                if layer = "relu" then
                    let a = (Model.value layer model x).reshape(Array.append [| 3L |] shape).transpose(1L, 2L)
                    let struct (_, _, vh) = torch.linalg.svd (a, false)
                    let along = a.matmul((vh.narrow (1L, 0L, 1L)).transpose(1L, 2L)).squeeze 2L
                    let sign = (along.sum(1L, true).sign())

                    close
                        1e-8
                        ((along * sign).reshape(3L, 5L, 4L))
                        (EigenCam.atLayer layer (target model) (batch x))
                        layer)

        law "Eigen-CAM of many channels on few positions is the same" (fun rng ->
            let model =
                graphModel "s" [
                    node "conv" (convolution rng 2 30 true) [ "x" ]
                    node "relu" (Activation Relu) [ "conv" ]
                    node "flat" Flatten [ "relu" ]
                    node "s" (Linear(gaussian rng [ 3; 600 ], None)) [ "flat" ]
                ]

            let x = images rng
            let a = (Model.value "relu" model x).reshape(3L, 30L, 20L).transpose(1L, 2L)
            let struct (u, s, _) = torch.linalg.svd (a, false)
            let along = (u.narrow (2L, 0L, 1L) * s.narrow(1L, 0L, 1L).unsqueeze 2L).squeeze 2L

            close
                1e-8
                ((along * along.sum(1L, true).sign()).reshape(3L, 5L, 4L))
                (EigenCam.atLayer "relu" (target model) (batch x))
                "30 channels")

        law "Score-CAM by its definition, channel by channel, whatever the batch" (fun rng ->
            let model = network rng
            let x = images rng
            let a = Model.value "relu" model x

            let expected =
                torch.stack [|
                    for i in 0L .. 2L ->
                        let channels = [ for k in 0L .. 2L -> a[i][k] ]

                        let scaled (c: Tensor) =
                            let low, high = c.min (), c.max ()
                            if (high - low).item<float>() = 0. then torch.zeros_like c else (c - low) / (high - low)

                        let scores =
                            torch.stack [|
                                for c in channels -> (logit model ((x[i] * scaled c).unsqueeze 0L)).squeeze()
                            |]

                        let alpha = scores.softmax 0L
                        relu (List.mapi (fun k (c: Tensor) -> alpha[int64 k] * c) channels |> List.reduce (+))
                |]

            let cam size = ScoreCam.atLayer Baseline.black "relu" (target (batching size model))
            close 1e-9 expected (cam (Memory(1L <<< 30)) (batch x)) "by loops"
            close 1e-9 expected (inBatches 1 (cam (Fixed 2)) x) "two points at a time")

        law "Ablation-CAM by its definition, channel by channel, whatever the batch" (fun rng ->
            let model = network rng
            let x = images rng
            let a = Model.value "relu" model x
            let weights = (Model.parameters model)["s.weight"]
            // What channel k adds to the score of a dense layer is what its loss costs.
            let added = (weights[1L].reshape(1L, 3L, 20L) * a.flatten 2L).sum 2L
            let expected = relu ((added.reshape (3L, 3L, 1L, 1L) * a).sum 1L)
            let cam size = AblationCam.atLayer "relu" (target (batching size model))
            close 1e-9 expected (cam (Memory(1L <<< 30)) (batch x)) "by loops"
            close 1e-9 expected (inBatches 1 (cam (Fixed 2)) x) "two channels at a time")

        law
            "a bias that is a constant of the graph is no instance's: Ablation-CAM and influence along a layer's line"
            (fun rng ->
                let weights, bias = gaussian rng [ 3; 60 ], gaussian rng [ 3 ]

                let front = [
                    node "conv" (convolution rng 2 3 true) [ "x" ]
                    node "relu" (Activation Relu) [ "conv" ]
                    node "flat" Flatten [ "relu" ]
                ]

                let plain = graphModel "s" (front @ [ node "s" (Linear(weights, Some bias)) [ "flat" ] ])

                let spelled =
                    graphModel
                        "s"
                        (front
                         @ [
                             node "product" (Linear(weights, None)) [ "flat" ]
                             node "bias" (Constant bias) []
                             node "s" Add [ "bias"; "product" ]
                         ])

                let x = images rng
                let cam model = AblationCam.atLayer "relu" (target model) (batch x)
                same (cam plain) (cam spelled) "Ablation-CAM"

                let influence model =
                    let around = Neighbourhood.LayerLine(Baseline.black, Quadrature.nodes Midpoint 5)

                    (Influence.totals
                        around
                        false
                        (fun _ _ _ -> ())
                        [| { Quantity = Quantity.ofClass 1; Distribution = fun _ -> true } |]
                        Units.Each
                        [ "relu" ]
                        model
                        (Instances.ofTensor x))
                        .["relu"].[0]

                same (influence plain) (influence spelled) "influence")

        law "fused layers have the mean of their maps, each by its largest" (fun rng ->
            let model = network rng
            let x = images rng
            let map layer = GradCam.attribute CamWeights.Mean layer (target model) (batch x)
            let fused = Cam.attribute (GradCam.atLayer CamWeights.Mean) [ "conv"; "relu" ] (target model) (batch x)
            let share (m: Tensor) = m / m.amax([| 1L; 2L |], true).clamp_min(Number.Of 1e-300)
            close 1e-9 ((share (map "conv") + share (map "relu")) / 2.) fused "the mean"

            same
                (map "relu")
                (Cam.attribute (GradCam.atLayer CamWeights.Mean) [ "relu" ] (target model) (batch x))
                "of one layer the layer's own")

        law
            "FullGrad's parts sum to the score of a network of ReLUs: gradient times image, and gradients times biases"
            (fun rng ->
                let model =
                    graphModel "s" [
                        node "conv" (convolution rng 2 3 true) [ "x" ]
                        node "norm" (normalisation rng 3) [ "conv" ]
                        node "relu" (Activation Relu) [ "norm" ]
                        node "conv2" (convolution rng 3 2 true) [ "relu" ]
                        node "relu2" (Activation Relu) [ "conv2" ]
                        node "flat" Flatten [ "relu2" ]
                        node "s" (Linear(gaussian rng [ 3; 40 ], Some(gaussian rng [ 3 ]))) [ "flat" ]
                    ]

                let x = images rng
                let gradient, parts = FullGrad.parts (target model) (batch x)

                let sum =
                    parts |> List.fold (fun sum (_, part) -> sum + Tensor.sumEach part) (Tensor.sumEach (gradient * x))

                close 1e-9 (logit model x) sum "f(x)"
                Expect.equal parts.Length 3 "two convolutions, one with its normalisation, and the dense layer"
                let map = FullGrad.attribute (target model) (batch x)
                Expect.equal map.shape [| 3L; 5L; 4L |] "one number a pixel"
                same map (inBatches 1 (FullGrad.attribute (target model)) x) "one at a time")

        law "excitation backpropagation ends at a pixel for sure: an instance's sum to 1" (fun rng ->
            let net, model, images, x = case rng 0.
            let k = Plain.predicted net images[0]
            let found = Lrp.excitation (Target.ofQuantity (Quantity.ofClass k) model) (batch (x.abs ()))
            let sum = values (Tensor.sumEach found)
            let hidden i = Plain.hidden net (values (x[int64 i].abs()))

            for i in 0 .. images.Length - 1 do
                // Only where some hidden unit excites the class, and each such unit is excited by the image.
                let excites = Array.exists2 (fun z w -> z > 0. && w > 0.) (hidden i) net.W2[k]

                if excites then
                    Expect.floatClose Accuracy.high sum[i] 1. $"{i}"

            Expect.isTrue (Tensor.isAll (found.ge (Number.Of 0.))) "no probability is negative")

        law "w² shares by the squares of the weights, whatever the inputs" (fun rng ->
            let weights = gaussian rng [ 2; 12 ]
            let model = graphModel "s" [ node "flat" Flatten [ "x" ]; node "s" (Linear(weights, None)) [ "flat" ] ]
            let x = gaussian rng [ 2; 1; 3; 4 ]

            let found =
                Lrp.attribute
                    (Lrp.composite Square Square Square)
                    (Target.ofQuantity (Quantity.ofClass 1) model)
                    (batch x)

            let squares = weights[1L] * weights[1L]
            let score = (Model.logits model x).select(1L, 1L)
            close 1e-7 ((score.unsqueeze 1L * (squares / squares.sum ())).reshape(2L, 1L, 3L, 4L)) found "w² / Σ w²")

        law "deep Taylor decomposition hands on all of a positive score, and nothing negative of it" (fun rng ->
            let weights = (gaussian rng [ 3; 40 ]).abs()

            let model =
                graphModel "s" [
                    node "conv" (convolution rng 2 2 false) [ "x" ]
                    node "relu" (Activation Relu) [ "conv" ]
                    node "flat" Flatten [ "relu" ]
                    node "s" (Linear(weights, None)) [ "flat" ]
                ]

            let x = torch.rand (2, 2, 5, 4, torch.float64) * Number.Of 255.
            let found = Lrp.attribute (Lrp.deepTaylor (ZBox(0., 255.))) (target model) (batch x)
            close 1e-6 (logit model x) (Tensor.sumEach found) "all of it"
            Expect.isTrue (Tensor.isAll (found.ge (Number.Of -1e-9))) "nothing negative")
    ]
