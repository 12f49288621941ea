module FocusTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// n×4, the same of each mosaic.
let private ofClass (each: bool list) (n: int64) = torch.tensor(Array.ofList each).reshape(1L, 4L).expand(n, -1L)

let tests =
    testList "Focus" [
        example "the share of positive attribution in the class's quadrants" (fun () ->
            let map = tensor [ 1; 2; 2 ] [ 3.; 1.; -8.; 1. ]
            let score each = (Focus.scores (ofClass each 1L) map).item<float>()
            Expect.floatClose Accuracy.high (score [ true; false; true; false ]) 0.6 "left"
            Expect.floatClose Accuracy.high (score [ false; true; false; true ]) 0.4 "right"
            let uniform = torch.ones ([| 2L; 3L; 6L; 8L |], torch.float64)

            same
                (vector [ 0.5; 0.5 ])
                (Focus.scores (ofClass [ true; false; false; true ] 2L) uniform)
                "a uniform map's"

            let none =
                Focus.scores (ofClass [ true; true; false; false ] 1L) (tensor [ 1; 2; 2 ] [ -3.; 0.; -8.; 0. ])

            Expect.isTrue (Double.IsNaN(none.item<float>())) "none is positive")

        law "a mosaic holds the means of its images' pixels, in the order of reading" (fun rng ->
            let n, c, h, w = rng.Next(1, 4), rng.Next(1, 4), 2 * rng.Next(1, 5), 2 * rng.Next(1, 5)
            let images = gaussian rng [ n; 4; c; h; w ]
            let found = values (Focus.mosaics images)
            let numbers = values images

            let at m q k y x = numbers[(((m * 4 + q) * c + k) * h + y) * w + x]

            let expected = [|
                for m in 0 .. n - 1 do
                    for k in 0 .. c - 1 do
                        for y in 0 .. h - 1 do
                            for x in 0 .. w - 1 do
                                let q = 2 * (2 * y / h) + 2 * x / w
                                let y, x = 2 * (y % (h / 2)), 2 * (x % (w / 2))

                                (at m q k y x + at m q k y (x + 1) + at m q k (y + 1) x + at m q k (y + 1) (x + 1))
                                / 4.
            |]

            same (vector expected) (vector found) "numbers")

        law "what lies in the quadrants and what lies outside make 1, of any size" (fun rng ->
            let maps = gaussian rng [ rng.Next(1, 4); 3; rng.Next(2, 9); rng.Next(2, 9) ]
            let each = (gaussian rng [ int maps.shape[0]; 4 ]).gt(0.0.ToScalar())
            let a, b = Focus.scores each maps, Focus.scores (each.logical_not ()) maps
            same (torch.ones_like a) (a + b) "in all"
            let mosaic = Focus.mosaics (torch.ones ([| 1L; 4L; 2L; maps.shape[2]; maps.shape[3] |], torch.float64))
            Expect.equal mosaic.shape [| 1L; 2L; maps.shape[2]; maps.shape[3] |] "the size of an image"
            same (torch.ones_like mosaic) mosaic "of ones")

        example "a mosaic of another number of images is refused, and nothing is left behind" (fun () ->
            rejects<ArgumentException> (fun () -> Focus.mosaics (torch.zeros [| 1L; 3L; 2L; 4L; 4L |])) "three"
            rejects<ArgumentException> (fun () -> Focus.mosaics (torch.zeros [| 1L; 4L; 2L; 1L; 4L |])) "too thin"
            use maps = torch.ones (1L, 4L, 4L)
            use each = torch.ones ([| 1L; 4L |], torch.bool)

            let work () =
                use _ = Focus.scores each maps
                ()

            work ()
            Expect.equal (liveAfter work) 0L "live tensors")
    ]
