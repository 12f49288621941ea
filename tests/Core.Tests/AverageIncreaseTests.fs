module AverageIncreaseTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private twin net k (image: float[]) (map: float[]) =
    let score x = (Plain.logits net x)[k]

    let kept = image |> Array.mapi (fun i v -> if map[i % 12] > 0. then v else 0.)

    if score kept > score image then 100. else 0.

let tests =
    testList "AverageIncrease" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let maps = gaussian rng [ images.Length; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 12

            let expected = Array.map2 (fun image map -> twin net (Plain.predicted net image) image map) images rows

            for size in [ 1; 3; 7 ] do
                let target = Target.ofQuantity Quantity.predicted model

                let actual =
                    x
                    |> inBatches size (fun b ->
                        AverageIncrease.scores Relaxation.Exact Mask.Hard target (maps.index_select (0L, b.Rows)) b)

                same (vector expected) actual $"{size} at a time")

        example "is 100 where the masked score is higher, 0 where it is lower or the same" (fun () ->
            let target = Target.ofQuantity Quantity.predicted PixelCurvesTests.sum
            let x = tensor [ 4; 1; 1; 2 ] [ 1; -3; 1; 3; 1; 3; 0; 3 ]
            let maps = tensor [ 4; 1; 2 ] [ 1; 0; 1; 0; 1; 1; 0; 1 ]

            let found = values (AverageIncrease.scores Relaxation.Exact Mask.Hard target maps (batch x))

            Expect.equal found [| 100.; 0.; 0.; 0. |] "1 > -2, 1 < 4, 4 = 4, black is masked")

        example "Σx of four pixels, of which the largest is kept" (fun () ->
            let target = Target.ofQuantity Quantity.predicted PixelCurvesTests.sum
            let x = tensor [ 1; 1; 1; 4 ] [ 0.4; 0.3; 0.2; 0.1 ]
            let map = tensor [ 1; 1; 4 ] [ 1; 0; 0; 0 ]
            same (vector [ 0. ]) (AverageIncrease.scores Relaxation.Exact Mask.Hard target map (batch x)) "increase"
            same (vector [ 60. ]) (AverageDrop.scores Relaxation.Exact Mask.Hard target map (batch x)) "drop"

            same
                (vector [ 60. ])
                (AverageDrop.scores Relaxation.Exact Mask.Soft target map (batch x))
                "drop by the soft mask")

        example "an image that stays as it is has no increase, though passes round differently" (fun () ->
            // Scores the same image higher every time that it is asked.
            let mutable asked = 0.

            let drifting =
                ofFunctions [
                    "drifting",
                    (fun x ->
                        asked <- asked + 1e-7
                        x.sum([| 1L; 2L; 3L |]).unsqueeze 1L + asked)
                ]

            let target = Target.ofQuantity Quantity.predicted drifting
            let x = tensor [ 2; 1; 1; 2 ] [ 1; 3; 1; 0 ]
            let maps = tensor [ 2; 1; 2 ] [ 1; 1; 1; 0 ]

            same
                (vector [ 0.; 0. ])
                (AverageIncrease.scores Relaxation.Exact Mask.Hard target maps (batch x))
                "increases")
    ]
