module PixelFlippingTests

open Expecto
open Attribution.Core
open Support

let private paths step = [ PixelFlipping.path step Baseline.black ]
let private score (curves: PixelCurve list) = PixelFlipping.ofCurve curves.Head

let tests =
    testList "PixelFlipping" [
        law "equals the plain twin for every step, whatever the pass" (fun rng ->
            let mutable gap = 0.

            PixelCurvesTests.agreesWithTwin rng paths (fun curves ->
                let found = score curves

                for i, curve in List.indexed (PixelCurvesTests.each curves.Head) do
                    let scores = values curve.Scores
                    let mutable sum = 0.

                    for k in 1 .. scores.Length - 1 do
                        sum <- sum + (scores[0] - scores[k])

                    gap <- max gap (abs (found[i].item<float>() - sum / float scores.Length))

                found)

            Expect.isLessThan gap 1e-12 "the mean of a loop")

        example "Σx of four pixels" (fun () ->
            let values = [ 0.4; 0.3; 0.2; 0.1 ]

            let of' step = PixelCurvesTests.scoreOfSum (paths step) score values values

            Expect.floatClose Accuracy.veryHigh (of' 1) 0.6 "(0 + 0.4 + 0.7 + 0.9 + 1) / 5"
            Expect.floatClose Accuracy.veryHigh (of' 2) (1.7 / 3.) "(0 + 0.7 + 1) / 3"

            Expect.floatClose
                Accuracy.veryHigh
                (of' 3)
                (1.9 / 3.)
                "a short last step weighs the same: (0 + 0.9 + 1) / 3")

        example "a score that rises is a loss below 0" (fun () ->
            Expect.equal (PixelCurvesTests.scoreOfSum (paths 1) score [ 2; 1 ] [ -6; -3 ]) -5. "(0 - 6 - 9) / 3")
    ]
