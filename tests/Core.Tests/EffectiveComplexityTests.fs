module EffectiveComplexityTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private twin threshold (map: float[]) =
    let largest = map |> Array.map abs |> Array.max

    map |> Array.filter (fun v -> abs v > threshold * largest) |> Array.length |> float

let private count threshold (values: float list) =
    Support.values (EffectiveComplexity.byMagnitude Relaxation.Exact threshold (tensor [ 1; 1; values.Length ] values))
    |> Array.exactlyOne

/// The definition on arrays: the fewest pixels to keep, where the others are drawn from the image's own.
let private fewest net bound step samples i (image: float[]) (map: float[]) =
    let class' = Plain.predicted net image
    let score image = (Plain.logits net image)[class']

    let places draw =
        let noise =
            Noise.uniform 7L draw {
                Rows = torch.tensor [| int64 i |]
                Ids = [| int64 i |]
                X = torch.zeros (1, 1, 3, 4, torch.float64)
            }

        values noise |> Array.indexed |> Array.sortBy snd |> Array.map fst

    let order = [ 0..11 ] |> List.sortBy (fun p -> -(abs map[p]))

    let loss count =
        let kept = order |> List.truncate count |> Set.ofList

        List.average [
            for draw in 0L .. int64 samples - 1L ->
                let places = places draw

                let changed =
                    image
                    |> Array.mapi (fun j v -> if kept.Contains(j % 12) then v else image[j / 12 * 12 + places[j % 12]])

                (score image - score changed) ** 2.
        ]

    [ 0..step..12 ] @ [ 12 ] |> List.find (fun count -> loss count <= bound * loss 0) |> float

/// The score of one image 1×1×1×n of which the first number is the target.
let private firstCounts relaxation step (map: float list) =
    let model = ofFunctions [ "first", (fun x -> (x.flatten 1L).narrow(1L, 0L, 1L)) ]

    let image = 1. :: List.replicate (map.Length - 1) 0.

    EffectiveComplexity.byLoss
        relaxation
        0.1
        step
        20
        1L
        (Target.ofQuantity (Quantity.ofClass 0) model)
        (tensor [ 1; 1; map.Length ] map)
        (batch (tensor [ 1; 1; 1; map.Length ] image))

let tests =
    testList "EffectiveComplexity" [
        example "where one pixel alone counts, its place in the map is how many must be kept" (fun () ->
            let score step map = (firstCounts Relaxation.Exact step map).item<float>()

            Expect.equal (score 1 [ 9.; 1.; 2.; 3.; 4. ]) 1. "the first"
            Expect.equal (score 1 [ -3.5; 1.; -2.; 9.; 4. ]) 3. "the third by magnitude"
            Expect.equal (score 1 [ 0.5; 1.; 2.; 9.; 4. ]) 5. "the last"
            Expect.equal (score 2 [ 9.; 1.; 2.; 3.; 4. ]) 2. "in steps of two"
            Expect.equal (score 2 [ 0.5; 1.; 2.; 9.; 4. ]) 5. "a short last step"
            Expect.equal (score 1 [ 1.; 1.; 1.; 1.; 1. ]) 1. "ties by position"
            Expect.isTrue (Double.IsNaN(score 1 [ 0.; 0.; 0.; 0.; 0. ])) "all zero")

        example "an image whose pixels are all the same needs none of them" (fun () ->
            let found =
                EffectiveComplexity.byLoss
                    Relaxation.Exact
                    0.1
                    1
                    3
                    1L
                    (Target.ofQuantity (Quantity.ofClass 0) PixelCurvesTests.sum)
                    (tensor [ 1; 1; 4 ] [ 1; 2; 3; 4 ])
                    (batch (tensor [ 1; 1; 1; 4 ] [ 2; 2; 2; 2 ]))

            Expect.equal (values found) [| 0. |] "pixels")

        law "by what is lost, equals the plain twin, whatever the pass" (fun rng ->
            let net, model, images, x = case rng 0.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels
            let bound, step, samples = 0.5 * rng.NextDouble(), rng.Next(1, 6), rng.Next(1, 4)

            let expected = Array.mapi2 (fewest net bound step samples) images rows |> vector

            for pass in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                let target = Target.ofQuantity Quantity.predicted (batching pass model)

                let found = EffectiveComplexity.byLoss Relaxation.Exact bound step samples 7L target maps (batch x)

                same expected found $"{pass}")

        law "softly it nears the exact score, and straight through it is it" (fun rng ->
            let places = [| 1.; 2.; 3.; 4.; 5. |]
            rng.Shuffle places
            let map = List.ofArray places
            let exact = firstCounts Relaxation.Exact 1 map
            close 1e-6 exact (firstCounts (Relaxation.Soft 1e-3) 1 map) "soft"

            Expect.equal
                (values (firstCounts (Relaxation.StraightThrough 0.1) 1 map))
                (values exact)
                "straight through")

        example "counts the pixels above a share of the map's largest magnitude" (fun () ->
            let map = [ 10.; -5.; 1.; 0.; -0.2 ]
            Expect.equal (count 0. map) 4. "not zero"
            Expect.equal (count 0.05 map) 3. "above 0.5"
            Expect.equal (count 0.5 map) 1. "5 is not above 5"
            Expect.isTrue (Double.IsNaN(count 0. [ 0.; 0. ])) "all zero")

        law "equals the plain twin, for each map alone" (fun rng ->
            let n = rng.Next(1, 150)
            let maps = gaussian rng [ n; 2; 3; 4 ]
            let threshold = rng.NextDouble()
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels

            same
                (vector (Array.map (twin threshold) rows))
                (EffectiveComplexity.byMagnitude Relaxation.Exact threshold maps)
                "twin")
    ]
