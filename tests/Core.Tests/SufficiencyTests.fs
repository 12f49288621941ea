module SufficiencyTests

open System
open Attribution
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private scores = Sufficiency.scores Relaxation.Exact

let tests =
    testList "Sufficiency" [
        law "is the share of the others near that have the class, by counting" (fun rng ->
            let n = rng.Next(1, 9)
            let maps = gaussian rng [ n; 2; 1; 3 ]
            let classes = Array.init n (fun _ -> rng.NextInt64 2L)
            let threshold = 0.3 + 1.5 * rng.NextDouble()

            let units =
                values (maps.mean [| 1L |])
                |> Array.chunkBySize 3
                |> Array.map (fun map -> Array.map (fun v -> v / sqrt (Plain.dot map map)) map)

            let expected = [
                for i in 0 .. n - 1 do
                    let near = [
                        for j in 0 .. n - 1 do
                            let apart = Array.map2 (-) units[i] units[j]

                            if j <> i && sqrt (Plain.dot apart apart) < threshold then
                                if classes[j] = classes[i] then 1. else 0.
                    ]

                    if near.IsEmpty then nan else List.average near
            ]

            same (vector expected) (scores threshold classes maps) "counted"
            same (vector expected) (scores threshold classes (maps * 7.5)) "of any unit")

        example "an image is not among those near itself, and a map of zeros is near none" (fun () ->
            let maps = tensor [ 3; 1; 2 ] [ 1.; 0.; 2.; 0.; 0.; 0. ]
            let found = values (scores 1. [| 0L; 1L; 0L |] maps)
            Expect.equal found[..1] [| 0.; 0. |] "the two of one direction are of two classes"
            Expect.isTrue (Double.IsNaN found[2]) "zeros"
            let first = maps.narrow (0L, 0L, 1L)
            Expect.isTrue (Double.IsNaN((scores 1. [| 0L |] first).item<float>())) "alone"
            rejects<AttributionException> (fun () -> scores 1. [| 0L |] (first / 0.)) "NaN"
            Expect.equal (liveAfter (fun () -> (scores 1. [| 0L; 1L; 0L |] maps).Dispose())) 0L "live tensors")

        law "softly it has a derivative in the maps, and comes near the definition" (fun rng ->
            let maps = gaussian rng [ 5; 2; 3 ]
            let classes = [| 0L; 1L; 0L; 1L; 0L |]
            close 1e-3 (scores 1.2 classes maps) (Sufficiency.scores (Relaxation.Soft 1e-9) 1.2 classes maps) "τ → 0"
            let f maps = (Sufficiency.scores (Relaxation.Soft 0.1) 1.2 classes maps).sum()
            let direction = gaussian rng [ 5; 2; 3 ]
            let exact = (Diff.gradv f maps direction).item<float>()
            let numerical = (Diff.numgradv 1e-5 f maps direction).item<float>()
            Expect.floatClose { absolute = 1e-7; relative = 1e-5 } exact numerical "slope")
    ]
