module IntegratedGradientsTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private attribute rule steps baseline target x =
    IntegratedGradients.attribute (Quadrature.nodes rule steps) baseline true target (batch x)

let private first model = Target.ofQuantity (Quantity.ofClass 0) model

let private column i (x: Tensor) = x.narrow (1L, i, 1L)

let private values' =
    testList "published values" [
        example "of min(2 x₁ + 3 x₂, 1) at (2, 1) tend to (4/7, 3/7)" (fun () ->
            let model = ofFunctions [ "f", (fun x -> x.matmul(tensor [ 2; 1 ] [ 2; 3 ]).clamp_max(Number.Of 1.)) ]

            let ig = attribute Midpoint 70000 Baseline.black (first model) (tensor [ 1; 2 ] [ 2; 1 ])

            close 1e-4 (tensor [ 1; 2 ] [ 4. / 7.; 3. / 7. ]) ig "limit")

        example "of ReLU(ReLU(x₁) - 1 - ReLU(x₂)) at (3, 1) are (1.5, -0.5)" (fun () ->
            let f (x: Tensor) = ((column 0L x).relu() - 1. - (column 1L x).relu()).relu()

            let model = ofFunctions [ "f", f ]

            let ig = attribute Midpoint 1000 Baseline.black (first model) (tensor [ 1; 2 ] [ 3; 1 ])

            same (tensor [ 1; 2 ] [ 1.5; -0.5 ]) ig "the kink lies between two nodes")

        law "on a linear model are x ⊙ W_c for every rule and number of steps, and complete" (fun rng ->
            let w, b = gaussian rng [ 3; 4 ], gaussian rng [ 3 ]
            let model = ofFunctions [ "linear", (fun x -> x.matmul (w.t ()) + b) ]
            let x, c = gaussian rng [ 5; 4 ], rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass c) model

            for rule in [ RightHand; Midpoint; Trapezoid; GaussLegendre ] do
                let ig = attribute rule (rng.Next(2, 9)) Baseline.black target x
                same (Saliency.attribute true target (batch x)) ig $"{rule}"

                let gained = (Model.logits model x - Model.logits model (torch.zeros_like x)).select(1L, int64 c)

                same gained (ig.sum 1L) $"{rule}: completeness"
                let gap = IntegratedGradients.completenessGap Baseline.black target (batch x) ig
                same (torch.zeros (5, torch.float64)) gap $"{rule}: gap")
    ]

/// The definition, step by step, on arrays: IG of class k of a plain network.
let private twin net (nodes: (float * float)[]) k (start: float[]) (image: float[]) =
    let mean = Array.zeroCreate<float> image.Length

    for node, weight in nodes do
        let point = Array.map2 (fun b x -> b + node * (x - b)) start image

        Plain.gradient net (Plain.oneHot net k) point
        |> Array.iteri (fun i g -> mean[i] <- mean[i] + weight * g)

    Array.map3 (fun b x m -> (x - b) * m) start image mean

let private laws =
    testList "laws" [
        law "equal the plain twin, whatever the batch outside and inside" (fun rng ->
            let net, model, images, x = case rng 0.
            let rule = [| RightHand; Midpoint; Trapezoid; GaussLegendre |][rng.Next 4]
            let nodes = Quadrature.nodes rule (rng.Next(2, 7))
            let n = images.Length

            let expected =
                images
                |> Array.collect (fun i -> twin net nodes (Plain.predicted net i) (Array.create 24 0.5) i)
                |> tensor [ n; 2; 3; 4 ]

            for outer in [ 2; 7 ] do
                for inner in [ Fixed 1; Fixed 3; Fixed 7; Memory(1L <<< 30) ] do
                    let target = Target.ofQuantity Quantity.predicted (batching inner model)

                    let actual =
                        x |> inBatches outer (IntegratedGradients.attribute nodes (Baseline.white 0.5) true target)

                    same expected actual $"{outer} at a time, {inner} a pass")

        law "do not depend on the order of the instances" (fun rng ->
            let _, model, images, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 3) model)

            let order = torch.tensor (Array.init images.Length int64 |> Array.sortBy (fun _ -> rng.Next()))

            let pick (t: Tensor) = t.index_select (0L, order)

            let ig x = attribute RightHand 5 Baseline.black target x

            same (pick (ig x)) (ig (pick x)) "permuted")

        law "are complete: they sum to t(x) - t(b) as the steps grow" (fun rng ->
            let model = ofFunctions [ "smooth", (let a = gaussian rng [ 4; 4 ] in fun x -> (x.matmul a).tanh()) ]

            let x = gaussian rng [ 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model
            let start = Baseline.random 0.1 1111L
            let ig = attribute GaussLegendre 60 start target x
            let gap = IntegratedGradients.completenessGap start target (batch x) ig
            close 1e-6 (torch.zeros (3, torch.float64)) gap "gap"
            let c = (Model.logits model x).argmax(1L).unsqueeze 1L

            let t (x: Tensor) = (Model.logits model x).gather(1L, c).squeeze 1L

            close 1e-6 (t x - t (start.Of(batch x))) (ig.sum 1L) "sum")

        law "are linear in the quantity" (fun rng ->
            let _, model, _, x = case rng 0.
            let a, b = rng.NextDouble(), rng.NextDouble()

            let ig quantity = attribute Midpoint 4 Baseline.black (Target.ofQuantity quantity model) x

            let mixed = Quantity.ofFunction "mixed" (fun s -> a * s.select (1L, 0L) + b * s.select (1L, 1L))

            same (a * ig (Quantity.ofClass 0) + b * ig (Quantity.ofClass 1)) (ig mixed) "linearity")

        law "of a unit equal the twin of the hidden layer" (fun rng ->
            let net, model, images, x = case rng 0.
            let unit = rng.Next 6
            let nodes = Quadrature.nodes Midpoint 5

            let expected =
                images
                |> Array.collect (fun image ->
                    let active =
                        nodes
                        |> Array.averageBy (fun (node, _) ->
                            if (Plain.hidden net (Array.map ((*) node) image))[unit] > 0. then 1. else 0.)

                    Array.map2 (fun x w -> x * w * active) image net.W1[unit])
                |> tensor [ images.Length; 2; 3; 4 ]

            let target = Target.ofUnit Units.Auto "h" unit (batching (Fixed 3) model)
            same expected (IntegratedGradients.attribute nodes Baseline.black true target (batch x)) "unit")

        law "without the difference are the mean gradient" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let nodes = Quadrature.nodes RightHand 5
            let mean = IntegratedGradients.attribute nodes Baseline.black false target (batch x)
            same (x * mean) (IntegratedGradients.attribute nodes Baseline.black true target (batch x)) "times x")

        law "with steps found for each instance are those of its own number of steps, the fewest that do" (fun rng ->
            let _, model, images, x = case rng 0.

            let target = Target.ofQuantity Quantity.predicted (batching (Fixed(rng.Next(1, 9))) model)

            let tolerance, most = 0.02, 64

            let found = IntegratedGradients.adaptive tolerance most Baseline.black true target (batch x)

            let gap count (only: Tensor) =
                let ig = attribute GaussLegendre count Baseline.black target only
                let s image = Model.logits model image

                let change =
                    let c = (s only).argmax(1L).item<int64>()
                    (s only - s (torch.zeros_like only)).[0L, c]

                ig, abs ((values ig |> Array.sum) - values(change)[0]) / abs (values(change)[0])

            for i in 0 .. images.Length - 1 do
                let only = x.narrow (0L, int64 i, 1L)
                let ig, left = gap found.Steps[i] only
                same ig (found.Attributions.narrow (0L, int64 i, 1L)) $"instance {i}"
                Expect.isLessThan (abs (left - found.Gaps[i])) 1e-9 "the gap"
                Expect.isTrue (left <= tolerance || found.Steps[i] = most) "enough steps"

                if found.Steps[i] > 4 then
                    Expect.isGreaterThan (snd (gap (found.Steps[i] / 2) only)) tolerance "not one too many")

        example "with steps found for each instance are exact at once where the target is linear" (fun () ->
            let w = gaussian (Random 4) [ 3; 24 ]

            let model = graphModel "s" [ node "f" Flatten [ "x" ]; node "s" (Linear(w, None)) [ "f" ] ]

            let x = gaussian (Random 5) [ 5; 2; 3; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 1) model

            let found = IntegratedGradients.adaptive 1e-9 64 Baseline.black true target (batch x)

            Expect.equal found.Steps (Array.create 5 4) "steps"
            same (x * w[1L].reshape(2L, 3L, 4L)) found.Attributions "x ⊙ w")

        example "leave no tensor behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 2) model)
            let nodes = Quadrature.nodes RightHand 5

            let work () =
                (inBatches 2 (IntegratedGradients.attribute nodes Baseline.black true target) x).Dispose()

                use found =
                    IntegratedGradients.adaptive 1e-3 16 Baseline.black false target
                    |> fun f -> inBatches 2 (f >> _.Attributions) x

                ()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]

let tests = testList "IntegratedGradients" [ values'; laws ]
