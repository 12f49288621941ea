module MonotonicityTests

open Expecto
open TorchSharp
open Attribution.Core
open Support

let private paths step = [ Monotonicity.path step Baseline.black ]
let private share (curves: PixelCurve list) = Monotonicity.ofCurve Relaxation.Exact curves.Head
let private always (curves: PixelCurve list) = Monotonicity.always Relaxation.Exact curves.Head

let private scoreOf f (map: float list) (image: float list) =
    PixelCurves.curves
        Relaxation.Exact
        (paths 1)
        (PixelGroupsTests.ofNumbers f)
        (PixelGroupsTests.rows [ map ])
        (batch (PixelGroupsTests.rows [ image ]))
    |> fun curves -> (share curves).item<float>(), (always curves).item<float>()

let tests =
    testList "Monotonicity" [
        law "equals the plain twin for every step, whatever the pass" (fun rng ->
            PixelCurvesTests.agreesWithTwin rng paths (fun curves ->
                let found = share curves

                for i, curve in List.indexed (PixelCurvesTests.each curves.Head) do
                    let rises = values curve.Scores |> Array.pairwise |> Array.map (fun (a, b) -> b >= a)
                    let expected = rises |> Array.averageBy (fun rises -> if rises then 1. else 0.)
                    close 1e-12 (number expected) found[i] "the share of a loop"

                found))

        example "each pixel that lowers a sum is a step at which it falls" (fun () ->
            let sum (x: Tensor) = x.sum 1L
            Expect.equal (scoreOf sum [ 4; 3; 2; 1 ] [ 4; 3; 2; 1 ]) (1., 1.) "none"
            Expect.equal (scoreOf sum [ 4; -3; 2; 1 ] [ 4; -3; 2; 1 ]) (0.75, 0.) "one of four"
            Expect.equal (scoreOf sum [ 4; 3; 2; 1 ] [ -4; -3; -2; -1 ]) (0., 0.) "all"

            Expect.equal
                (scoreOf (fun x -> sum x * 0. + 0.1) [ 4; 3; 2; 1 ] [ 1; 2; 3; 4 ])
                (1., 1.)
                "a constant score does not fall")

        example "the smallest magnitude is put in first, not the smallest number" (fun () ->
            let apart (x: Tensor) = (x.select (1L, 0L) - x.select (1L, 1L)).abs()
            Expect.equal (scoreOf apart [ -2; 1 ] [ 2; 1 ]) (1., 1.) "0, 1, 1; by the number 0, 2, 1"
            Expect.equal (scoreOf apart [ 2; 3 ] [ 2; 1 ]) (0.5, 0.) "0, 2, 1")

        example "what rounding takes is no fall" (fun () ->
            let share scores =
                let curve = PixelCurvesTests.curve [ 0; 1; 2 ] [ 0; 0; 0 ] scores scores[2]
                (Monotonicity.ofCurve Relaxation.Exact curve).item<float>()

            Expect.equal (share [ 5.; 5. - 1e-6; 5.1 ]) 1. "a millionth"
            Expect.equal (share [ 5.; 4.999; 5.1 ]) 0.5 "a fall")

        law "softly it nears the exact score, and straight through it is it" (fun rng ->
            let scores = List.ofArray (gaussians rng 6)
            let curve = PixelCurvesTests.curve [ 0..5 ] (List.replicate 6 0.) scores scores[5]

            for score in [ Monotonicity.ofCurve; Monotonicity.always ] do
                let exact = score Relaxation.Exact curve
                close 1e-2 exact (score (Relaxation.Soft 1e-5) curve) "soft"
                Expect.equal (values (score (Relaxation.StraightThrough 0.1) curve)) (values exact) "straight through")
    ]
