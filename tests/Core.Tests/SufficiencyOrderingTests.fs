module SufficiencyOrderingTests

open System
open Expecto
open Attribution.Core
open Support

let private paths step = [ SufficiencyOrdering.path step ]
let private score (curves: PixelCurve list) = SufficiencyOrdering.ofCurve curves.Head

let tests =
    testList "SufficiencyOrdering" [
        law "equals the plain twin for every step, whatever the pass" (fun rng ->
            PixelCurvesTests.agreesWithTwin rng paths score)

        example "puts back the pixels of positive attribution alone, largest first" (fun () ->
            // 5, then 2; never 40: (5 + 7) / 3.
            Expect.equal (PixelCurvesTests.scoreOfSum (paths 1) score [ 1; -1; 3 ] [ 2; 40; 5 ]) 4. "score"

            Expect.equal
                (PixelCurvesTests.scoreOfSum (paths 2) score [ 1; -1; 3 ] [ 2; 40; 5 ])
                (14. / 3.)
                "in one step of 2"

            Expect.equal
                (PixelCurvesTests.scoreOfSum (paths 1) score [ 1; -1; 3 ] [ 2; 40; -5 ])
                0.
                "below black counts as black"

            Expect.equal (PixelCurvesTests.scoreOfSum (paths 1) score [ 0; -1; -3 ] [ 2; 40; 5 ]) 0. "nothing positive")

        example "ties keep their row-major order" (fun () ->
            // 1, 3, 6 of the sum 1 + 2 + 3.
            Expect.equal (PixelCurvesTests.scoreOfSum (paths 1) score [ 7; 7; 7 ] [ 1; 2; 3 ]) (10. / 4.) "score")

        example "normalised, it is of the whole's score, and NaN where that is 0" (fun () ->
            let normalised (curves: PixelCurve list) = SufficiencyOrdering.ofCurve (PixelCurves.normalised curves.Head)

            let of' = PixelCurvesTests.scoreOfSum (paths 1) normalised
            Expect.floatClose Accuracy.veryHigh (of' [ 1; -1; 3 ] [ 2; 3; 5 ]) 0.4 "(5 + 7) / 3 / 10"
            Expect.isTrue (Double.IsNaN(of' [ 1; 2; 3 ] [ -2; -3; 5 ])) "f(x) = 0"
            Expect.isTrue (Double.IsNaN(of' [ -1; -2; -3 ] [ -2; -3; 5 ])) "f(x) = 0 and nothing positive")
    ]
