module InfidelityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private samples = 6

/// An instance by itself.
let private alone (x: Tensor) (i: int) : Batch = {
    Rows = torch.tensor [| int64 i |]
    Ids = [| int64 i |]
    X = x.narrow (0L, int64 i, 1L)
}

/// The definition on arrays, over the draws of the instance by itself.
let private twin (perturbation: Perturbation) net isScaled x i (image: float[]) (map: float[]) =
    let k = Plain.predicted net image
    let score image = (Plain.logits net image)[k]

    let drawn = [| for draw in 0L .. int64 samples - 1L -> values (perturbation.Draw 5L [| draw |] (alone x i)) |]

    let foretold = drawn |> Array.map (Plain.dot map)

    let changes = drawn |> Array.map (fun d -> score image - score (Array.map2 (-) image d))

    let beta = if isScaled then Plain.dot foretold changes / Plain.dot foretold foretold else 1.

    Array.map2 (fun f c -> (beta * f - c) ** 2.) foretold changes |> Array.average

let private noise = Perturbation.noise 0.7
let private square = Perturbation.square 2 (Baseline.white 0.3)

let private scores perturbation isScaled model maps b =
    Infidelity.scores perturbation samples 5L isScaled (Target.ofQuantity Quantity.predicted model) maps b

/// s = (w · x, 0), w itself, and instances.
let private linear (rng: Random) =
    let w = gaussian rng [ 2; 3; 4 ]

    let model =
        ofFunctions [ "s", (fun x -> let s = Tensor.sumEach (x * w) in torch.stack ([| s; s * 0. |], 1L)) ]

    model, w, gaussian rng [ 4; 2; 3; 4 ]

let private ofFirst isScaled perturbation model maps x =
    Infidelity.scores perturbation samples 5L isScaled (Target.ofQuantity (Quantity.ofClass 0) model) maps (batch x)

let private zeros = torch.zeros (4, torch.float64)

let tests =
    testList "Infidelity" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24

            for perturbation in [ noise; square ] do
                for isScaled in [ false; true ] do
                    let expected = Array.mapi2 (twin perturbation net isScaled x) images rows |> vector

                    for size in [ 1; 2; 7 ] do
                        let part (b: Batch) = scores perturbation isScaled model (maps.index_select (0L, b.Rows)) b

                        same expected (inBatches size part x) $"{size} at a time, scaled: {isScaled}")

        law "is 0 for a linear score's weights, and for multiples of them where it is scaled" (fun rng ->
            let model, w, x = linear rng
            let maps = w.expand_as x

            for perturbation in [ noise; square ] do
                same zeros (ofFirst false perturbation model maps x) "the weights"
                same zeros (ofFirst true perturbation model (maps * -3.) x) "a multiple"
                let twice = values (ofFirst false perturbation model (maps * 2.) x)
                let nothing = values (ofFirst false perturbation model (maps * 0.) x)
                same (vector nothing) (vector twice) "as wrong with twice the weights as with none"
                same (vector nothing) (ofFirst true perturbation model (maps * 0.) x) "0 cannot be scaled"
                Expect.isGreaterThan (Array.min nothing) 1e-3 "and wrong")

        law "a map multiplied with x - b is read per unit" (fun rng ->
            let model, w, x = linear rng
            let white = Baseline.white 0.3
            x[2L] <- torch.full_like (x[2L], 0.3)
            let maps = (w * (x - 0.3)).clone()
            maps[2L] <- w
            same (w.expand_as x) (Infidelity.perUnit white (batch x) maps) "A where x = b"
            let perUnit = Infidelity.perUnit white (batch x) maps
            same zeros (ofFirst false square model perUnit x) "score")

        example "a pixel map is spread equally over the channels" (fun () ->
            let model, w, x = linear (Random 3)
            let pixels = w.narrow(0L, 0L, 1L).expand(4L, 3L, 4L)
            let each = (pixels / 2.).unsqueeze(1L).expand_as x
            same (ofFirst false noise model each x) (ofFirst false noise model pixels x) "halves")

        law "a square is whole, lies anywhere, and takes x to the baseline" (fun rng ->
            let x = gaussian rng [ 1; 2; 3; 4 ]

            let corners = [|
                for draw in 0L .. 199L do
                    let taken = square.Draw 1L [| draw |] (batch x)
                    let isIn = values (taken.ne (0.0.ToScalar())) |> Array.take 12 |> Array.map ((=) 1.)
                    let corner = Array.IndexOf(isIn, true)
                    let row, column = corner / 4, corner % 4

                    for p in 0..11 do
                        let inside = p / 4 - row |> fun r -> r = 0 || r = 1
                        let along = p % 4 - column |> fun c -> c = 0 || c = 1
                        Expect.equal isIn[p] (inside && along) $"pixel {p} of the square at {corner}"

                    same
                        ((x - taken).masked_select(taken.ne (0.0.ToScalar())))
                        (vector (Array.create 8 0.3))
                        "the baseline"

                    corner
            |]

            Expect.equal (Array.sort (Array.distinct corners)) [| 0; 1; 2; 4; 5; 6 |] "all six places"
            let whole = (Perturbation.square 9 Baseline.black).Draw 1L [| 0L |] (batch x)
            same x whole "a larger one is the image")

        example "maps of another shape are an ArgumentException, and nothing is left behind" (fun () ->
            let _, model, images, x = case (Random 8) 3.
            rejects<ArgumentException> (fun () -> scores noise true model (torch.ones_like x.[0L]) (batch x)) "one map"

            let work () =
                use _ = torch.NewDisposeScope()

                scores noise true model (torch.ones (int64 images.Length, 3, 4)) (batch x) |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
