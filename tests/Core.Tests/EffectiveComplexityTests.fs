module EffectiveComplexityTests

open System
open Attribution.Core
open Expecto
open Support

let private twin threshold (map: float[]) =
    let largest = map |> Array.map abs |> Array.max

    map
    |> Array.filter (fun v -> abs v > threshold * largest)
    |> Array.length
    |> float

let private count threshold (values: float list) =
    Support.values (EffectiveComplexity.byMagnitude Relaxation.Exact threshold (tensor [ 1; 1; values.Length ] values))
    |> Array.exactlyOne

let tests =
    testList "EffectiveComplexity" [
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
