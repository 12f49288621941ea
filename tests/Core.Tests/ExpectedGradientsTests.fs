module ExpectedGradientsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private attribute count (background: Tensor) seed target x =
    ExpectedGradients.attribute count (Instances.ofTensor background) seed target (batch x)

let tests =
    testList "ExpectedGradients" [
        law "equals the plain twin, which leaves an instance out of its own background, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let count, seed = rng.Next(2, 9), int64 (rng.Next())
            let background = Array.init (rng.Next(1, 5)) (fun _ -> gaussians rng 24)
            let n = images.Length

            // Of two instances or more, two draws or more are of two at least.
            let background = if rng.Next 2 = 0 then Array.append background [| images[rng.Next n] |] else background


            let drawn =
                values (Noise.uniform seed 0L (batch (torch.empty (n, 3, count, torch.float64))))
                |> Array.chunkBySize count
                |> Array.chunkBySize 3

            let twin i (image: float[]) =
                let c = Plain.oneHot net (Plain.predicted net image)
                let sum = Array.zeroCreate<float> 24
                let mutable others = 0

                // The k-th draw's part of the path is the place of the k-th smallest of the random numbers.
                let along, among, shuffle = drawn[i] |> fun rows -> rows[0], rows[1], rows[2]
                let order = Array.init count id |> Array.sortBy (Array.get shuffle)

                for k in 0 .. count - 1 do
                    let position = (float order[k] + along[k]) / float count
                    let which = (float k + among[k]) / float count * float background.Length |> int
                    let start = background[which]
                    others <- others + (if start = image then 0 else 1)
                    let point = Array.map2 (fun b x -> b + position * (x - b)) start image

                    Plain.gradient net c point |> Array.iteri (fun p g -> sum[p] <- sum[p] + (image[p] - start[p]) * g)

                sum |> Array.map (fun s -> s / float others)

            let expected = images |> Array.mapi twin |> Array.concat |> tensor [ n; 2; 3; 4 ]

            let background =
                background |> Array.concat |> tensor [ background.Length; 2; 3; 4 ] |> Instances.ofTensor

            for outer in [ 2; 7 ] do
                for inner in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                    let target = Target.ofQuantity Quantity.predicted (batching inner model)

                    x
                    |> inBatches outer (ExpectedGradients.attribute count background seed target)
                    |> fun actual -> same expected actual $"{outer} at a time, {inner} a pass")

        law
            "of a linear model is (x - mean background) ⊙ W_c for a multiple of the background's size, and complete"
            (fun rng ->
                let w, b = gaussian rng [ 3; 4 ], gaussian rng [ 3 ]
                let model = ofFunctions [ "linear", (fun x -> x.matmul (w.t ()) + b) ]
                let size = rng.Next(1, 5)
                let x, background, c = gaussian rng [ 5; 4 ], gaussian rng [ size; 4 ], rng.Next 3
                let target = Target.ofQuantity (Quantity.ofClass c) model

                let found = attribute (size * rng.Next(1, 4)) background (int64 (rng.Next())) target x

                same ((x - background.mean [| 0L |]) * w[int64 c]) found "closed form"

                let score x = (Model.logits model x).select(1L, int64 c)

                same (score x - (score background).mean()) (found.sum 1L) "completeness")

        law "of one black background tends to integrated gradients" (fun rng ->
            let w = gaussian rng [ 4; 3 ]
            let model = ofFunctions [ "smooth", (fun x -> (x.matmul w).tanh()) ]
            let x = gaussian rng [ 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model
            let nodes = Quadrature.nodes GaussLegendre 40
            let exact = IntegratedGradients.attribute nodes Baseline.black true target (batch x)
            close 2e-3 exact (attribute 1000 (torch.zeros (1, 4, torch.float64)) 3L target x) "stratified")

        law "is complete within the error of its draws" (fun rng ->
            let w = gaussian rng [ 4; 3 ] / 4.
            let model = ofFunctions [ "smooth", (fun x -> (x.matmul w).tanh()) ]
            let x, background = gaussian rng [ 3; 4 ], gaussian rng [ 10; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 2) model
            let score x = (Model.logits model x).select(1L, 2L)
            let found = attribute 2000 background (int64 (rng.Next())) target x
            close 0.02 (score x - (score background).mean()) (found.sum 1L) "completeness")

        example "refuses a background of nothing but the instance itself, and names it" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let one = x.narrow (0L, 0L, 1L)
            let target = Target.ofQuantity Quantity.predicted model

            let work () = attribute 5 (torch.cat [| one; one |]) 1L target one

            rejects<AttributionException> work "itself"

            try
                work () |> ignore
            with e ->
                for words in [ "instance 0"; "give more images" ] do
                    Expect.stringContains e.Message words "words")

        law "of a linear model with its instances as background is (x - the mean of the others) ⊙ W_c" (fun rng ->
            let w = gaussian rng [ 3; 4 ]
            let model = ofFunctions [ "linear", (fun x -> x.matmul (w.t ())) ]
            let n = rng.Next(2, 6)
            let x, c = gaussian rng [ n; 4 ], rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass c) model
            let others = (x.sum ([| 0L |], true) - x) / float (n - 1)

            for size in [ 1; 2; 7 ] do
                x
                |> inBatches size (ExpectedGradients.attribute (n * rng.Next(1, 4)) (Instances.ofTensor x) 5L target)
                |> fun found -> same ((x - others) * w[int64 c]) found "closed form")

        example "asks for a background of the instances' shape" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted model

            rejects<AttributionException>
                (fun () -> attribute 5 (torch.zeros (2, 2, 3, 5, torch.float64)) 1L target x)
                "another shape")

        example "leaves no tensor behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 2) model)
            let background = Instances.ofTensor x

            let work () = (inBatches 2 (ExpectedGradients.attribute 5 background 1L target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
