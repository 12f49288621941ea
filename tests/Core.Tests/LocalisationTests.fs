module LocalisationTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private near = Expect.floatClose Accuracy.high

/// A map of 2×2 pixels, row by row.
let private map values = tensor [ 1; 2; 2 ] values

let private mask (inside: bool list) =
    torch.tensor(Array.ofList inside).reshape(1L, 2L, 2L)

let tests =
    testList "Localisation" [
        example "the share inside counts positive attribution alone" (fun () ->
            let mask = mask [ true; true; false; false ]
            let shares = Localisation.shares mask
            near (shares (map [ 3.; -5.; 1.; -9. ])).[0] 0.75 "share"
            Expect.isTrue (Double.IsNaN (shares (map [ 0.; -5.; 0.; -1. ])).[0]) "of nothing"
            near (Localisation.areas mask).[0] 0.5 "area"
            near (shares (map [ 2.; 2.; 2.; 2. ])).[0] 0.5 "a uniform map's")

        example "the largest pixel, the first on ties, hits or misses" (fun () ->
            let mask = mask [ true; false; false; true ]
            let hit rows = (Localisation.hits mask (map rows)).[0]
            Expect.equal (hit [ 5.; 1.; 2.; 3. ]) 1. "inside"
            Expect.equal (hit [ 1.; 5.; 2.; 5. ]) 0. "the first of two, outside"
            Expect.isTrue (Double.IsNaN(hit [ 0.; -1.; -2.; 0. ])) "none is positive")
    ]
