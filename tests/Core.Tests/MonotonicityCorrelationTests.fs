module MonotonicityCorrelationTests

open System
open Expecto
open Attribution.Core
open Support

let private samples = 3

let private twin step net i (image: float[]) (map: float[]) =
    let score = PixelGroupsTests.score net image
    let features = PixelGroupsTests.steps step map |> Array.ofList

    let change feature =
        List.average [
            for draw in 0 .. samples - 1 ->
                let other = PixelGroupsTests.drawn 7L i image draw
                (score image - score (PixelGroupsTests.replaced other feature image)) ** 2.
        ]

    PixelGroupsTests.pearson
        (features |> Array.map (List.sumBy (fun p -> map[p]) >> abs) |> PixelGroupsTests.ranks)
        (features |> Array.map change |> PixelGroupsTests.ranks)

let private scores relaxation step samples = MonotonicityCorrelation.scores relaxation step samples 7L

let private score map image =
    // Each number counts ten times as much as the one before.
    let f (x: Tensor) = x.matmul (vector [ 1.; -10.; 100.; -1000.; 10000. ])

    (scores
        Relaxation.Exact
        1
        30
        (PixelGroupsTests.ofNumbers f)
        (PixelGroupsTests.rows [ map ])
        (batch (PixelGroupsTests.rows [ image ])))
        .item<float>()

let tests =
    testList "MonotonicityCorrelation" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let step = rng.Next(1, 6)
            PixelGroupsTests.agreesWithTwin rng (twin step) (scores Relaxation.Exact step samples))

        example "it is of the order of magnitudes alone" (fun () ->
            let image = [ 3.; 1.; 4.; 1.; 5. ]
            Expect.floatClose Accuracy.high (score [ 1.; 2.; 3.; 4.; 5. ] image) 1. "the same order"

            Expect.floatClose
                Accuracy.high
                (score [ -0.1; 0.2; 30.; -40.; 41. ] image)
                1.
                "whatever the signs and sizes"

            Expect.floatClose Accuracy.high (score [ 5.; 4.; 3.; 2.; 1. ] image) -1. "the other way round"
            Expect.floatClose Accuracy.high (score [ 1.; 2.; 3.; 5.; 4. ] image) 0.9 "1 - 6 Σd² / n(n² - 1)")

        example
            "is NaN for magnitudes that are all the same, for an image of one colour, and for one feature"
            (fun () ->
                let image = [ 3.; 1.; 4.; 1.; 5. ]
                Expect.isTrue (Double.IsNaN(score [ 2.; -2.; 2.; 2.; -2. ] image)) "map"
                Expect.isTrue (Double.IsNaN(score [ 1.; 2.; 3.; 4.; 5. ] [ 2.; 2.; 2.; 2.; 2. ])) "image")

        law "softly it nears the exact score, and straight through it is it" (fun rng ->
            let _, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model
            let of' relaxation = scores relaxation 3 samples target maps (batch x)
            let exact = of' Relaxation.Exact
            close 1e-2 exact (of' (Relaxation.Soft 1e-8)) "soft"
            Expect.equal (values (of' (Relaxation.StraightThrough 0.1))) (values exact) "straight through")
    ]
