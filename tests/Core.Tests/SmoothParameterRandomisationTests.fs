module SmoothParameterRandomisationTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private explain target batch = Saliency.attribute true target batch

let private scores deviation samples model maps (x: Tensor) =
    let target = Target.ofQuantity (Quantity.ofClass 1) model
    SmoothParameterRandomisation.scores Relaxation.Exact deviation samples 10 3L explain target maps (batch x)

let private saliency x model = explain (Target.ofQuantity (Quantity.ofClass 1) model) (batch x)

/// The mean of the maps of noisy images.
let private averaged (deviation: float) samples (x: Tensor) model =
    List.reduce (fun (a: Tensor) b -> a + b) [
        for draw in 0L .. int64 samples - 1L ->
            saliency (x + Noise.normal 3L draw (batch x) * Number.Of deviation) model
    ]
    / Number.Of(float samples)

let private test explain maps model =
    ParameterRandomisation.curve Relaxation.Exact explain false 10 3L maps model
    |> ParameterRandomisation.scores

let tests =
    testList "SmoothParameterRandomisation" [
        example "is the test of averaged maps, of the trained network's as of the random ones'" (fun () ->
            for seed in 1..4 do
                let _, model, _, x = case (Random seed) 0.
                let smooth = averaged 0.8 3 x
                // Where every ReLU is closed there is no map of the image, but may be one of a copy.
                let found = scores 0.8 3 model (torch.ones_like x) x
                same (test smooth (smooth model) model) found "both averaged"
                let others = values (test smooth (saliency x model) model)
                Expect.notEqual (values found) others "not with the map as it is")

        example "without noise it is the test itself" (fun () ->
            let _, model, _, x = case (Random 7) 0.
            let given = torch.ones_like x
            same (test (saliency x) (saliency x model) model) (scores 0. 2 model given x) "no noise")

        example "asks of the given map no more than that there is one, and leaves nothing behind" (fun () ->
            let _, model, _, x = case (Random 4) 0.
            let maps = x.clone ()
            maps[0L] <- torch.zeros_like maps[0L]
            let found, whole = values (scores 0.5 2 model maps x), values (scores 0.5 2 model x x)
            Expect.isTrue (Double.IsNaN found[0] && Double.IsFinite whole[0]) "zeros"
            Expect.equal found[1..] whole[1..] "the others"
            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let images = batch x

            let work () =
                let scores = SmoothParameterRandomisation.scores Relaxation.Exact 0.5 2 10 3L explain
                (scores target maps images).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
