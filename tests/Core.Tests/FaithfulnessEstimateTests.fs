module FaithfulnessEstimateTests

open System
open Expecto
open Attribution.Core
open Support

let private twin step net _ (image: float[]) (map: float[]) =
    let score = PixelGroupsTests.score net image
    let features = PixelGroupsTests.steps step map |> Array.ofList
    let without feature = PixelGroupsTests.replaced (Array.zeroCreate 24) feature image

    PixelGroupsTests.pearson
        (features |> Array.map (List.sumBy (fun p -> map[p])))
        (features |> Array.map (fun feature -> score image - score (without feature)))

let private scores step = FaithfulnessEstimate.scores step Baseline.black

let private score step f map image =
    (scores
        step
        (PixelGroupsTests.ofNumbers f)
        (PixelGroupsTests.rows [ map ])
        (batch (PixelGroupsTests.rows [ image ])))
        .item<float>()

let tests =
    testList "FaithfulnessEstimate" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let step = rng.Next(1, 6)
            PixelGroupsTests.agreesWithTwin rng (twin step) (scores step))

        law
            "is 1 for what each pixel adds to a linear score, however many are a feature, and -1 for its opposite"
            (fun rng ->
                let w = gaussian rng [ 24 ]
                let target = PixelGroupsTests.ofNumbers (fun x -> x.matmul w)
                let x = gaussian rng [ 3; 2; 3; 4 ]
                let maps = x * w.reshape (2, 3, 4)

                // Of five pixels a step the last has two: its attribution is their sum, not their mean.
                for step in [ 1; 3; 5; 11 ] do
                    same (vector [ 1.; 1.; 1. ]) (scores step target maps (batch x)) $"{step} pixels"

                    same
                        (vector [ -1.; -1.; -1. ])
                        (scores step target (maps * -2.) (batch x))
                        $"{step} pixels, the opposite")

        example "a feature is hidden alone, and those before it stay" (fun () ->
            // What is lost is 0, 0 and 1; were those before it gone too, 0, 3 and 4.
            let f (x: Tensor) = x.narrow(1L, 0L, 2L).amax([| 1L |]) |> Tensor.add (x.select (1L, 2L))
            Expect.floatClose Accuracy.high (score 1 f [ 3; 2; 1 ] [ 3; 3; 1 ]) (-sqrt 0.75) "correlation")

        example "is NaN where there is one feature, and where the score is constant" (fun () ->
            let sum (x: Tensor) = x.sum 1L
            Expect.isTrue (Double.IsNaN(score 3 sum [ 3; 2; 1 ] [ 3; 3; 1 ])) "one"
            Expect.isTrue (Double.IsNaN(score 1 sum [ 2; 2; 2 ] [ 3; 3; 1 ])) "a constant map"
            Expect.isTrue (Double.IsNaN(score 2 sum [ 2; 2; 2 ] [ 3; 3; 1 ])) "a constant map, the last step short"

            Expect.isTrue
                (Double.IsNaN(score 1 (fun x -> sum x * 0. + 0.1) [ 3; 2; 1 ] [ 3; 3; 1 ]))
                "a constant score")
    ]
