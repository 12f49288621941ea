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
        for draw in 0L .. int64 samples - 1L -> saliency (x + Noise.normal 3L draw (batch x) * Number.Of deviation) model
    ]
    / Number.Of(float samples)

let private test explain maps model =
    ParameterRandomisation.curve Relaxation.Exact explain false 10 3L maps model
    |> ParameterRandomisation.scores

let tests =
    testList "SmoothParameterRandomisation" [
        law "is the test of averaged maps, of the trained network's as of the random ones'" (fun rng ->
            let _, model, _, x = case rng 0.
            let maps = saliency x model
            let smooth = averaged 0.8 3 x
            let expected = test smooth (smooth model) model
            let found = scores 0.8 3 model maps x
            same expected found "both averaged"

            let others = test smooth maps model
            Expect.isFalse (found.allclose others && x.shape[0] > 2L) "not with the map as it is")

        law "without noise it is the test itself" (fun rng ->
            let _, model, _, x = case rng 0.
            let maps = saliency x model
            same (test (saliency x) maps model) (scores 0. 2 model maps x) "no noise")

        example "asks of the given map no more than that there is one, and leaves nothing behind" (fun () ->
            let _, model, _, x = case (Random 4) 0.
            let maps = x.clone ()
            maps[0L] <- torch.zeros_like maps[0L]
            let found, whole = values (scores 0.5 2 model maps x), values (scores 0.5 2 model x x)
            Expect.isTrue (Double.IsNaN found[0] && Double.IsFinite whole[0]) "zeros"
            Expect.equal found[1..] whole[1..] "the others"
            Expect.equal (liveAfter (fun () -> (scores 0.5 2 model maps x).Dispose())) 0L "live tensors")
    ]
