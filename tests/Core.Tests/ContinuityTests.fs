module ContinuityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private target =
    Target.ofQuantity (Quantity.ofClass 0) (ofFunctions [ "s", fun (x: Tensor) -> x.flatten 1L ])

let private scores isScaled white pixels explain (x: Tensor) =
    let explain _ (b: Batch) : Tensor = explain b.X
    Continuity.scores isScaled white pixels explain target (explain target (batch x)) (batch x)

/// An image 2×3×4 moved down and to the right, its edges repeated.
let private moved down right (image: float[]) = [|
    for c in 0..1 do
        for y in 0..2 do
            for x in 0..3 -> image[12 * c + 4 * (Math.Clamp(y - down, 0, 2)) + Math.Clamp(x - right, 0, 3)]
|]

let tests =
    testList "Continuity" [
        law "equals the plain twin: the map's change by sums of magnitudes, the image's by Euclid" (fun rng ->
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let cube (v: float) = v ** 3.
            let total (v: float[]) = Array.sumBy abs v

            let twin isScaled image =
                List.max [
                    for down in -1 .. 1 do
                        for right in -1 .. 1 do
                            if (down, right) <> (0, 0) then
                                let near = moved down right image
                                let step = Array.map2 (-) near image
                                let move = Array.map2 (fun a b -> cube a - cube b) near image
                                let whole = if isScaled then total (Array.map cube image) / 3. else 1.
                                total move / whole / sqrt (Plain.dot step step)
                ]

            let rows = values x |> Array.chunkBySize 24
            same (vector (Array.map (twin false) rows)) (scores false 3. 1 (fun x -> x * x * x) x) "as it is defined"
            same (vector (Array.map (twin true) rows)) (scores true 3. 1 (fun x -> x * x * x) x) "relative")

        example "moves an image whole, and repeats its edge" (fun () ->
            let x = tensor [ 1; 1; 2; 3 ] [ 1.; 2.; 3.; 4.; 5.; 6. ]
            let of' down right = List.ofArray (values (Continuity.moved (struct (down, right)) x))
            Expect.equal (of' 1 0) [ 1.; 2.; 3.; 1.; 2.; 3. ] "down"
            Expect.equal (of' 0 -1) [ 2.; 3.; 3.; 5.; 6.; 6. ] "left"
            Expect.equal (of' 0 7) [ 1.; 1.; 1.; 4.; 4.; 4. ] "further than it is wide"
            Expect.equal (Continuity.moves 2).Length 24 "two pixels: 5×5 places but its own")

        law "is 0 for a map that stays, and grows with the reach" (fun rng ->
            let x, w = gaussian rng [ 2; 2; 3; 4 ], gaussian rng [ 2; 3; 4 ]
            same (torch.zeros (2, torch.float64)) (scores true 1. 1 (fun x -> w.expand_as x) x) "constant"

            Array.iter2
                (fun near far -> Expect.isTrue (near <= far) "more places")
                (values (scores false 1. 1 Tensor.square x))
                (values (scores false 1. 2 Tensor.square x)))

        example "is undefined where the image looks the same wherever it moves, or the map is 0" (fun () ->
            let x = gaussian (Random 1) [ 2; 2; 3; 4 ]
            x[0L] <- torch.full_like (x[0L], 0.5.ToScalar())
            let found = values (scores true 1. 1 id x)
            Expect.isTrue (Double.IsNaN found[0] && Double.IsFinite found[1]) "the first"
            let line = scores true 1. 1 id (gaussian (Random 2) [ 1; 1; 1; 5 ])
            Expect.isTrue (Double.IsFinite(line.item<float>())) "a line moves along itself"
            Expect.isTrue (Array.forall Double.IsNaN (values (scores true 1. 1 (fun x -> x * 0.) x))) "zeros"
            let images = batch x
            let work () = (Continuity.scores true 1. 1 (fun _ b -> b.X) target x images).Dispose()
            Expect.equal (liveAfter work) 0L "live tensors")
    ]
