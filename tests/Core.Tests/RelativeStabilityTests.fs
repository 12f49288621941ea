module RelativeStabilityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private norm (v: float[]) = sqrt (Plain.dot v v)

/// (b - a) / a, |a| at least a thousandth of the largest.
let private shares (a: float[]) (b: float[]) =
    let largest = Array.max (Array.map abs a)
    let least = 1e-3 * (if largest > 0. then largest else 1.)
    Array.map2 (fun a b -> (b - a) / max least (abs a)) a b

let private cube _ (b: Batch) = b.X * b.X * b.X

/// The largest quotient over the draws of the image's own class, by the change of what a plain network makes of it.
let private twin net samples radius (change: float[] -> float[] -> float[]) (look: float[] -> float[]) x i =
    let image = (values x |> Array.chunkBySize 24)[i]
    let alone = { batch x with X = x.narrow (0L, int64 i, 1L); Ids = [| int64 i |] }
    let cubes = Array.map (fun v -> v * v * v)

    let found = [
        for draw in 0L .. int64 samples - 1L do
            let near =
                Array.map2 (fun v u -> v + radius * (2. * u - 1.)) image (values (Noise.uniform 3L draw alone))

            if Plain.predicted net near = Plain.predicted net image then
                norm (shares (cubes image) (cubes near)) / max 1e-6 (norm (change (look image) (look near)))
    ]

    found.Length, (if found.IsEmpty then nan else List.max found)

let tests =
    testList "RelativeStability" [
        law "equals the plain twin, which leaves out what is of another class" (fun rng ->
            let net, model, _, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let n = int x.shape[0]

            let check name scores change look =
                let twins = Array.init n (twin net 4 0.7 change look x >> snd)
                let found = scores 0.7 4 3L cube target (cube target (batch x)) (batch x)
                close 1e-8 (vector twins) found name

            let differences = Array.map2 (fun a b -> b - a)
            let hidden image = Plain.hidden net image |> Array.map (max 0.)
            check "input" RelativeStability.ofInput shares id
            check "output" RelativeStability.ofOutput differences (Plain.logits net)
            check "representation" (RelativeStability.ofRepresentation "h") shares hidden)

        example "in some of these cases some of the draws are of another class" (fun () ->
            let counts = [
                for seed in 1..10 do
                    let net, _, _, x = case (Random seed) 0.
                    fst (twin net 4 0.7 shares id x 0)
            ]

            Expect.isTrue (counts |> List.exists (fun count -> 0 < count && count < 4)) $"{counts}")

        example
            "a change is relative number by number, and by a thousandth of the largest where a number is 0"
            (fun () ->
                // The map is (x₁, 0), and the second number appears with the change.
                let model = ofFunctions [ "s", fun (x: Tensor) -> x.flatten 1L ]
                let target = Target.ofQuantity (Quantity.ofClass 0) model
                let x = tensor [ 1; 1; 1; 2 ] [ 10.; 1. ]
                let noise = values (Noise.uniform 1L 0L (batch x)) |> Array.map (fun u -> 0.1 * (2. * u - 1.))

                let explain _ (b: Batch) =
                    let first = b.X.narrow (3L, 0L, 1L)
                    torch.cat ([| first; first - 10. |], 3L)

                let found = RelativeStability.ofInput 0.1 1 1L explain target (explain target (batch x)) (batch x)
                let map = norm [| noise[0] / 10.; noise[0] / 0.01 |]
                same (vector [ map / norm [| noise[0] / 10.; noise[1] |] ]) found "by hand")

        law "the units of a map do not matter, and those of an image only to the logits" (fun rng ->
            let _, model, _, x = case rng 9.
            let target = Target.ofQuantity Quantity.predicted model

            for scores in [ RelativeStability.ofInput; RelativeStability.ofOutput ] do
                let of' (factor: float) =
                    let explain target batch = cube target batch * Number.Of factor
                    scores 0.02 3 3L explain target (explain target (batch x)) (batch x)

                close 1e-9 (of' 1.) (of' 7.5) "7.5 times")

        example
            "is 0 for a map that stays, and NaN for one of zeros, or where every draw is of another class"
            (fun () ->
                let rng = Random 5
                let _, model, _, x = case rng 9.
                let target = Target.ofQuantity Quantity.predicted model
                let w = gaussian rng [ 2; 3; 4 ]
                let still _ (b: Batch) = w.expand_as b.X
                let n = x.shape[0]

                let images, maps = batch x, w.expand_as x
                let of' maps = RelativeStability.ofInput 0.01 3 1L still target maps images
                same (torch.zeros (n, torch.float64)) (of' maps) "still"
                Expect.isTrue (Array.forall Double.IsNaN (values (of' (torch.zeros_like x)))) "zeros"
                Expect.equal (liveAfter (fun () -> (of' maps).Dispose())) 0L "live tensors"

                // Of the class of its own sign, x is on the edge of being another.
                let edge =
                    ofFunctions [
                        "s",
                        fun (x: Tensor) -> torch.stack ([| x.flatten(1L).sum 1L; x.flatten(1L).sum(1L) * 0. |], 1L)
                    ]

                let x = torch.full ([| 1L; 1L; 1L; 1L |], 1e-9.ToScalar(), torch.float64)

                let isUp = (values (Noise.uniform 1L 0L (batch x)))[0] > 0.5
                let x = if isUp then -x else x
                let edge = Target.ofQuantity (Quantity.ofClass 0) edge
                let found = RelativeStability.ofInput 0.1 1 1L cube edge (cube edge (batch x)) (batch x)
                Expect.isTrue (Double.IsNaN(found.item<float>())) "none of its class")

        example
            "what a network makes of an image is read where class activation maps look, or at its last hidden layer"
            (fun () ->
                let rng = Random 1
                let _, model, _, _ = case rng 0.
                let of' model = RelativeStability.layer (Target.ofQuantity Quantity.predicted model)
                Expect.equal (of' model) "h" "no channels of several positions"

                let model =
                    graphModel "s" [
                        node "conv" (convolution rng 2 3 true) [ "x" ]
                        node "relu" (Activation Relu) [ "conv" ]
                        node "flat" Flatten [ "relu" ]
                        node "s" (Linear(gaussian rng [ 3; 60 ], None)) [ "flat" ]
                    ]

                Expect.equal (of' model) "relu" "a convolution's activation"
                Expect.equal (of' (ofFunctions [ "s", fun (x: Tensor) -> x.flatten 1L ])) "input" "nothing between")
    ]
