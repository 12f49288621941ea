module InsertionDeletionTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private deletion step = [ Deletion.path step Baseline.black ]
let private insertion step = [ Insertion.path step Baseline.black ]
let private score (curves: PixelCurve list) = Deletion.ofCurve curves.Head
let private put (curves: PixelCurve list) = Insertion.ofCurve curves.Head

/// Σ widthᵢ · (the mean of the scores at its ends), by a loop.
let private twin (curve: PixelCurve) =
    let pixels, scores = values curve.Pixels, values curve.Scores
    let mutable area = 0.

    for i in 1 .. pixels.Length - 1 do
        let width = (pixels[i] - pixels[i - 1]) / 12.
        area <- area + width * (scores[i] + scores[i - 1]) / 2.

    area

let tests =
    testList "InsertionDeletion" [
        law "both equal the plain twin for every step, whatever the pass" (fun rng ->
            for paths, score in [ deletion, score; insertion, put ] do
                let mutable gap = 0.

                PixelCurvesTests.agreesWithTwin rng paths (fun curves ->
                    let found = score curves

                    for found, curve in Seq.zip (values found) (PixelCurvesTests.each curves.Head) do
                        gap <- max gap (abs (found - twin curve))

                    found)

                Expect.isLessThan gap 1e-12 "the area of a loop")

        example "Σx of four pixels in two steps" (fun () ->
            let values = [ 0.4; 0.3; 0.2; 0.1 ]
            let deleted = PixelCurvesTests.scoreOfSum (deletion 2) score values values
            let inserted = PixelCurvesTests.scoreOfSum (insertion 2) put values values
            Expect.floatClose Accuracy.veryHigh deleted 0.4 "1, 0.3, 0"
            Expect.floatClose Accuracy.veryHigh inserted 0.6 "0, 0.7, 1")

        example "pixels of negative attribution are moved last, and ties keep their row-major order" (fun () ->
            // Deleted in the order 4, 1, 8, 2: 15, 11, 10, 2, 0.
            Expect.floatClose
                Accuracy.veryHigh
                (PixelCurvesTests.scoreOfSum (deletion 1) score [ 0; 0; -3; 5 ] [ 1; 8; 2; 4 ])
                ((7.5 + 11. + 10. + 2.) / 4.)
                "area")

        law "the weights sum to 1: a constant score is its own area, whatever the steps" (fun rng ->
            let constant = ofFunctions [ "constant", (fun x -> x.flatten(1L).sum(1L, keepdim = true) * 0. + 7.) ]

            let target = Target.ofQuantity Quantity.predicted constant
            let maps = gaussian rng [ 2; 3; 4 ]

            for step in 1..13 do
                for path in deletion step @ insertion step do
                    let curves =
                        PixelCurves.curves Relaxation.Exact [ path ] target maps (batch (gaussian rng [ 2; 1; 3; 4 ]))

                    for found in values (score curves) do
                        Expect.floatClose Accuracy.veryHigh found 7. $"{step} pixels a step")

        law "insertion and deletion of a linear score sum to f(x) + f(0)" (fun rng ->
            let w = gaussian rng [ 12; 1 ]
            let linear = ofFunctions [ "linear", (fun x -> x.flatten(1L).matmul w + 3.) ]
            let x = gaussian rng [ 1; 1; 3; 4 ]
            let step = rng.Next(1, 14)
            let target = Target.ofQuantity Quantity.predicted linear

            let curves =
                PixelCurves.curves
                    Relaxation.Exact
                    (deletion step @ insertion step)
                    target
                    (gaussian rng [ 1; 3; 4 ])
                    (batch x)

            let sum = Deletion.ofCurve curves[0] + Insertion.ofCurve curves[1]
            let expected = (Model.logits linear x).item<float>() + 3.
            Expect.floatClose Accuracy.high (sum.item<float>()) expected "the sum")

        law "of probabilities, both lie in [0, 1]" (fun rng ->
            let _, model, images, x = case rng 0.
            let maps = gaussian rng [ images.Length; 3; 4 ]

            let target = Target.ofQuantity (Quantity.ofProbabilities Quantity.predicted) model

            for curve in PixelCurves.curves Relaxation.Exact (deletion 2 @ insertion 2) target maps (batch x) do
                for area in values (PixelCurves.area curve) do
                    Expect.isTrue (area > 0. && area < 1.) "area")

        example "insertion begins at the baseline that is given, and deletion ends there" (fun () ->
            let white = Baseline.white 255.

            let scores path = PixelCurvesTests.ofSum [ path ] (fun curves -> values curves[0].Scores) [ 2; 1 ] [ 5; 7 ]

            Expect.equal (scores (Deletion.path 1 white)) [| 12.; 262.; 510. |] "deleted"
            Expect.equal (scores (Insertion.path 1 white)) [| 510.; 260.; 12. |] "inserted")
    ]
