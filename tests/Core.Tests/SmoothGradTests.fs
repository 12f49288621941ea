module SmoothGradTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private kinds = [ SmoothGradKind.Mean; SmoothGradKind.Squared; SmoothGradKind.Variance ]

let private attribute kind count noise x target = SmoothGrad.attribute kind count noise 7L false target (batch x)

let private zeros (x: Tensor) = torch.zeros_like x

let tests =
    testList "SmoothGrad" [
        law "equals the plain twin, whatever the batch outside and inside" (fun rng ->
            let net, model, images, x = case rng 0.
            let count, noise, seed = rng.Next(1, 6), 0.3, int64 (rng.Next())

            let draws = [|
                for k in 0 .. count - 1 -> values (Noise.normal seed (int64 k) (batch x)) |> Array.chunkBySize 24
            |]

            let gradients i (image: float[]) =
                let sigma = noise * (Array.max image - Array.min image)

                draws
                |> Array.map (fun draw ->
                    Array.map2 (fun x e -> x + sigma * e) image draw[i]
                    |> Plain.gradient net (Plain.oneHot net (Plain.predicted net image)))

            let expected kind =
                images
                |> Array.mapi gradients
                |> Array.collect (fun found ->
                    Array.init 24 (fun p ->
                        let g = found |> Array.map (fun gradient -> gradient[p])
                        let mean = Array.average g

                        match kind with
                        | SmoothGradKind.Mean -> mean
                        | SmoothGradKind.Squared -> g |> Array.averageBy (fun g -> g * g)
                        | SmoothGradKind.Variance -> g |> Array.averageBy (fun g -> (g - mean) ** 2.)))
                |> tensor [ images.Length; 2; 3; 4 ]

            for kind in kinds do
                for outer in [ 2; 7 ] do
                    for inner in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                        let target = Target.ofQuantity Quantity.predicted (batching inner model)

                        let actual multiply =
                            inBatches outer (SmoothGrad.attribute kind count noise seed multiply target) x

                        same (expected kind) (actual false) $"{kind}, {outer} at a time, {inner} a pass"
                        same (x * expected kind) (actual true) "times x")

        law "without noise is the gradient, its square, and no variance" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let gradient = Saliency.attribute false target (batch x)
            same gradient (attribute SmoothGradKind.Mean 3 0. x target) "mean"
            same (gradient * gradient) (attribute SmoothGradKind.Squared 3 0. x target) "squared"
            same (zeros x) (attribute SmoothGradKind.Variance 3 0. x target) "variance")

        law "of a linear model is W_c, W_c² and 0, whatever the noise" (fun rng ->
            let w, b = gaussian rng [ 3; 4 ], gaussian rng [ 3 ]
            let model = ofFunctions [ "linear", (fun x -> x.matmul (w.t ()) + b) ]
            let x, c = gaussian rng [ 5; 4 ], rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass c) model
            let row = w[int64 c].expand_as x
            same row (attribute SmoothGradKind.Mean 4 0.5 x target) "mean"
            same (row * row) (attribute SmoothGradKind.Squared 4 0.5 x target) "squared"
            same (zeros x) (attribute SmoothGradKind.Variance 4 0.5 x target) "variance")

        law "of a constant is 0, and an image of one colour has no noise" (fun rng ->
            let _, model, _, x = case rng 0.

            let constant = Quantity.ofFunction "three" (fun s -> torch.full_like (s.select (1L, 0L), 3.))

            for kind in kinds do
                same (zeros x) (attribute kind 3 0.2 x (Target.ofQuantity constant model)) $"{kind}"

            let plain = torch.ones_like x
            let target = Target.ofQuantity Quantity.predicted model

            same
                (Saliency.attribute false target (batch plain))
                (attribute SmoothGradKind.Mean 3 0.9 plain target)
                "one colour")

        example "of tanh tends to the mean gradient under the noise" (fun () ->
            let model = ofFunctions [ "f", _.tanh() ]
            // The range is 2, so sigma is 0.5.
            let x = tensor [ 1; 3 ] [ -1.; 0.3; 1. ]

            let expected =
                let weights = [ for i in -400 .. 400 -> float i / 100., exp (-0.5 * (float i / 100.) ** 2.) ]
                let slope z = 1. - tanh z ** 2.

                Seq.sum (weights |> Seq.map (fun (e, w) -> w * slope (0.3 + 0.5 * e))) / Seq.sumBy snd weights

            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let found = values (attribute SmoothGradKind.Mean 4000 0.25 x target)
            Expect.floatClose { absolute = 0.02; relative = 0. } found[1] expected "the integral"
            Expect.equal (found[0], found[2]) (0., 0.) "the others")

        example "leaves no tensor behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 2) model)

            let work () = (inBatches 2 (SmoothGrad.attribute SmoothGradKind.Variance 5 0.1 1L true target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
