module LocalisationTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private near (actual: Tensor) = Expect.floatClose Accuracy.high (actual.item<float>())

let private isUndefined (actual: Tensor) = Expect.isTrue (Double.IsNaN(actual.item<float>()))

/// A map of 2×2 pixels, row by row.
let private map values = tensor [ 1; 2; 2 ] values

let private mask (inside: bool list) = torch.tensor(Array.ofList inside).reshape(1L, 2L, 2L)

let tests =
    testList "Localisation" [
        example "the share inside counts positive attribution alone" (fun () ->
            let mask = mask [ true; true; false; false ]
            let shares = Localisation.shares mask
            near (shares (map [ 3.; -5.; 1.; -9. ])) 0.75 "share"
            isUndefined (shares (map [ 0.; -5.; 0.; -1. ])) "of nothing"
            near (Localisation.areas mask) 0.5 "area"
            near (shares (map [ 2.; 2.; 2.; 2. ])) 0.5 "a uniform map's")

        example "the largest pixel, the first on ties, hits or misses" (fun () ->
            let mask = mask [ true; false; false; true ]

            let hit rows = Localisation.hits Relaxation.Exact mask (map rows)

            Expect.equal ((hit [ 5.; 1.; 2.; 3. ]).item<float>()) 1. "inside"
            Expect.equal ((hit [ 1.; 5.; 2.; 5. ]).item<float>()) 0. "the first of two, outside"
            isUndefined (hit [ 0.; -1.; -2.; 0. ]) "none is positive")

        example "of as many of the largest pixels as the mask has, a share lies inside" (fun () ->
            let rank inside rows = Localisation.rankAccuracies Relaxation.Exact (mask inside) (map rows)

            let two = [ true; true; false; false ]
            near (rank two [ 3.; 2.; 1.; -9. ]) 1. "both"
            near (rank two [ 3.; 1.; 2.; -9. ]) 0.5 "one"
            near (rank two [ 1.; 2.; 2.; 3. ]) 0.5 "the first on ties"
            near (rank two [ 5.; 0.; 0.; 0. ]) 0.5 "0 points nowhere"
            isUndefined (rank two [ 0.; -1.; -2.; 0. ]) "none is positive"
            isUndefined (rank [ false; false; false; false ] [ 1.; 2.; 3.; 4. ]) "an empty mask")

        law "both accuracies of the largest pixels equal the plain twin" (fun rng ->
            let n = rng.Next(1, 6)
            let maps = gaussian rng [ n; 3; 4 ]
            let inside = Array.init (12 * n) (fun _ -> rng.Next 2 = 1)
            let masks = torch.tensor(inside).reshape(int64 n, 3L, 4L)

            let share k (map: float[]) (inside: bool[]) =
                let top =
                    [ 0..11 ]
                    |> List.filter (fun p -> map[p] > 0.)
                    |> List.sortBy (fun p -> -map[p])
                    |> List.truncate k

                if top.IsEmpty then
                    nan
                else
                    float (top |> List.filter (fun p -> inside[p]) |> List.length) / float k

            let maps', insides = values maps |> Array.chunkBySize 12, inside |> Array.chunkBySize 12

            let ofMask map inside = share (inside |> Array.filter id |> Array.length) map inside

            let k = rng.Next(1, 13)
            let text (scores: float[]) = scores |> Array.map (sprintf "%.9f")

            Expect.equal
                (text (values (Localisation.rankAccuracies Relaxation.Exact masks maps)))
                (text (Array.map2 ofMask maps' insides))
                "rank accuracy"

            Expect.equal
                (text (values (Localisation.topKIntersections Relaxation.Exact k masks maps)))
                (text (Array.map2 (share k) maps' insides))
                "top-k intersection")
    ]
