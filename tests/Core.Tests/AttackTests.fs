module AttackTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// Two classes: the score of the first, and its negative.
let private network (f: Tensor -> Tensor) =
    Network.ofFunctions [
        ("f",
         fun (x: Tensor) ->
             let z = (f x).unsqueeze 1L
             torch.cat ([| z; -z |], 1L))
    ]

let private attack = { Attack.standard with Radius = 0.1; Tolerance = 1e6; Steps = 30 }

let private run explain settings model (x: Tensor) =
    let target = Target.ofQuantity Quantity.predicted model
    let maps = explain target (batch x)
    Attack.run explain settings 1. (Target.anchored target (batch x)) model maps (batch x)

let private norm (t: Tensor) = sqrt (Array.sumBy (fun v -> v * v) (values t))

let private inUnit (rng: Random) shape =
    tensor shape (Array.init (List.fold (*) 1 shape) (fun _ -> 0.2 + 0.6 * rng.NextDouble()))

let private convolutional (rng: Random) activation =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "act" activation [ "conv" ]
        node "flat" Flatten [ "act" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * 0.3, Some(gaussian rng [ 3 ]))) [ "flat" ]
    ]

let private saliency multiply (target: Target) batch = Saliency.attribute multiply target batch

let tests =
    testList "Attack" [
        law "of a linear network no more than ‖ε w‖ / ‖x w‖ is to be had, and nearly that is found" (fun rng ->
            let w = (gaussian rng [ 1; 3; 4 ]).sign() |> fun s -> s * Number.Of 0.7
            let x = inUnit rng [ 2; 1; 3; 4 ]
            // Far from the other class.
            let model = network (fun x -> (x * w).flatten(1L).sum 1L |> Tensor.shift 50.)
            let found = values (run (saliency true) attack model x).Changes

            for i in 0..1 do
                let most = 0.1 * norm w / norm (x[int64 i] * w)
                Expect.isLessThan found[i] (most + 1e-9) "a bound"
                Expect.isGreaterThan found[i] (0.9 * most) "nearly reached")

        law "of a quadratic network the map is Qx, and moves by Q(x' - x)" (fun rng ->
            let q = gaussian rng [ 12; 12 ]
            let q = Tensor.add q (q.t ())
            let form (x: Tensor) = let flat = x.flatten 1L in (flat.matmul q * flat).sum 1L / Number.Of 2.
            let x = inUnit rng [ 1; 1; 3; 4 ]
            // Far from the other class.
            let model = network (form >> Tensor.shift 100.)
            let found = run (saliency false) attack model x
            let moved = (found.Images - x).flatten 1L
            let expected = norm (moved.matmul q) / norm ((x.flatten 1L).matmul q)
            close 1e-9 (vector [ expected ]) found.Changes "‖Q(x' - x)‖ / ‖Qx‖"

            let random =
                MaxSensitivity.scores
                    (fun some ->
                        saliency false (Target.ofQuantity (Quantity.ofClass 0) model) (Instances.read some 0 1))
                    0.1
                    10
                    1L
                    (saliency false (Target.ofQuantity (Quantity.ofClass 0) model) (batch x))
                    (Instances.ofTensor x)

            Expect.isGreaterThan (found.Changes.item<float>()) (random.item<float>()) "further than noise"
            // Where no step stays within the tolerance, a smaller change does.
            let narrow = { attack with Tolerance = 0.002 }
            let near = run (saliency false) narrow model x
            Expect.isGreaterThan (near.Changes.item<float>()) 0. "something"
            Expect.isLessThanOrEqual (near.Moves.item<float>()) 0.002 "within the tolerance")

        law "stays near the image, in its range, on its class and within the tolerance" (fun rng ->
            let x = (gaussian rng [ 3; 2; 5; 4 ]).sigmoid()
            let model = convolutional rng (Activation Relu)
            let settings = { attack with Tolerance = 0.05; Steps = 6 }
            let found = run (saliency true) settings model x
            let logits (x: Tensor) = (Target.ofQuantity Quantity.predicted model).Output x
            let own, now = logits x, logits found.Images
            Expect.isTrue (values (found.Images - x) |> Array.forall (fun v -> abs v <= 0.1 + 1e-12)) "near"
            Expect.isTrue (values found.Images |> Array.forall (fun v -> v >= 0. && v <= 1.)) "in range"
            Expect.equal (values (now.argmax 1L)) (values (own.argmax 1L)) "class"
            let spread = own.amax [| 1L |] - own.amin [| 1L |]
            close 1e-9 ((now - own).abs().amax [| 1L |] / spread) found.Moves "moves"
            Expect.isTrue (values found.Moves |> Array.forall (fun v -> v <= 0.05)) "tolerance")

        example "where no step keeps the logits nothing is found, and a map of zeros has no score" (fun () ->
            let rng = Random 3
            let x = inUnit rng [ 2; 2; 5; 4 ]
            let model = convolutional rng (Activation Tanh)
            let found = run (saliency true) { attack with Tolerance = 1e-12; Steps = 3 } model x
            same (vector [ 0.; 0. ]) found.Changes "0"
            same x found.Images "the images themselves"
            let target = Target.ofQuantity Quantity.predicted model
            let none = torch.zeros_like x
            let zeros (_: Target) (b: Batch) = torch.zeros_like b.X
            let scores = Attack.changes zeros attack 1. (Target.anchored target (batch x)) model none (batch x)
            Expect.isTrue (values scores |> Array.forall Double.IsNaN) "NaN")

        law "finds the same whatever the passes" (fun rng ->
            let x = inUnit rng [ 3; 2; 5; 4 ]
            let model = convolutional rng (Activation Relu)
            let changes size = (run (saliency true) { attack with Steps = 3 } (batching size model) x).Changes
            close 1e-9 (changes (Memory(1L <<< 30))) (changes (Fixed 1)) "one at a time"
            close 1e-9 (changes (Memory(1L <<< 30))) (changes (Fixed 2)) "two")

        example "a smoothed network's maps move less, the more it is smoothed" (fun () ->
            let mean beta =
                Seq.average [
                    for seed in 1..6 do
                        use _ = torch.NewDisposeScope()
                        let rng = Random seed
                        let model = convolutional rng (Activation Relu)

                        let model =
                            match beta with
                            | Some beta -> Model.smooth beta model
                            | None -> model

                        let x = inUnit rng [ 3; 2; 5; 4 ]

                        yield!
                            values (run (saliency false) { attack with Tolerance = 0.1; Steps = 10 } model x).Changes
                ]

            let plain, light, strong = mean None, mean (Some 5.), mean (Some 0.5)
            Expect.isLessThan strong light "β = 0.5 and 5"
            Expect.isLessThan strong plain "β = 0.5 and none")

        example "overlap and correlation of maps are those of their largest pixels and ranks" (fun () ->
            let a = tensor [ 1; 2; 5 ] [ 1.; 2.; 3.; 4.; 5.; 6.; 7.; 8.; 9.; 10. ]
            same (vector [ 1. ]) (Attack.overlaps 0.3 a (a * Number.Of 2.)) "the same"
            same (vector [ 0. ]) (Attack.overlaps 0.3 a (a * Number.Of -1.)) "turned round"
            let swapped = tensor [ 1; 2; 5 ] [ 1.; 2.; 3.; 4.; 5.; 6.; 7.5; 7.; 9.; 10. ]
            close 1e-9 (vector [ 2. / 3. ]) (Attack.overlaps 0.3 a swapped) "two of three"
            same (vector [ -1. ]) (Attack.correlations a (a * Number.Of -1.)) "ranks")

        example "a setting that makes no sense is refused" (fun () ->
            let rng = Random 1
            let x = inUnit rng [ 1; 2; 5; 4 ]
            let model = convolutional rng (Activation Relu)

            for settings in
                [
                    { attack with Radius = 0. }
                    { attack with Tolerance = nan }
                    { attack with Steps = 0 }
                    { attack with Beta = -1. }
                ] do
                rejects<ArgumentException> (fun () -> (run (saliency true) settings model x).Changes) $"{settings}")
    ]
