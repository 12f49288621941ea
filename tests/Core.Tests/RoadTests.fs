module RoadTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The weights of a pixel's neighbours in an image of h×w.
let private neighbours h w p = [
    for row in -1 .. 1 do
        for column in -1 .. 1 do
            let r, c = p / w + row, p % w + column

            if (row <> 0 || column <> 0) && r >= 0 && r < h && c >= 0 && c < w then
                r * w + c, (if row = 0 || column = 0 then 1. / 6. else 1. / 12.)
]

/// One channel with its missing pixels filled in, by a dense system of all pixels.
let private filled h w (missing: Set<int>) (image: float[]) =
    let a = Array2D.zeroCreate (h * w) (h * w)

    for p in 0 .. h * w - 1 do
        if missing.Contains p then
            for q, weight in neighbours h w p do
                a[p, q] <- a[p, q] - weight
                a[p, p] <- a[p, p] + weight
        else
            a[p, p] <- 1.

    let b = vector (image |> Array.mapi (fun p v -> if missing.Contains p then 0. else v))
    torch.linalg.solve(torch.tensor a, b.unsqueeze 1L).squeeze 1L |> values

let private mask h w (missing: Set<int>) =
    torch.tensor(Array.init (h * w) missing.Contains).reshape(1L, 1L, int64 h, int64 w)

let private fill h w missing (image: float[]) =
    values (Imputation.fill (mask h w missing) (tensor [ 1; 1; h; w ] image))

let private some (rng: Random) count pixels =
    let order = [| 0 .. pixels - 1 |]
    rng.Shuffle order
    set order[.. count - 1]

let private noise = 0.3
let private shares = [ 0.25; 0.5; 0.9 ]

let private twin net i (image: float[]) (map: float[]) =
    let score = PixelGroupsTests.score net image

    let draw (k: int) =
        Noise.normal 7L (int64 k) {
            Rows = torch.tensor [| int64 i |]
            Ids = [| int64 i |]
            X = torch.zeros (1, 2, 3, 4, torch.float64)
        }
        |> values

    let without sign start =
        shares
        |> List.mapi (fun k share ->
            let order = [ 0..11 ] |> List.sortBy (fun p -> -sign * map[p])
            let missing = order |> List.take (int (Math.Round(share * 12.))) |> set
            let whole = image |> Array.chunkBySize 12 |> Array.collect (filled 3 4 missing)
            let drawn = draw (start + k)
            score (whole |> Array.mapi (fun j v -> if missing.Contains(j % 12) then v + noise * drawn[j] else v)))
        |> List.average

    without -1. 3 - without 1. 0

let private scores relaxation = Road.scores relaxation shares noise 7L

let tests =
    testList "Road" [
        law "what is missing is filled in as a dense solve does" (fun rng ->
            let h, w = rng.Next(1, 13), rng.Next(1, 13)

            if h * w > 1 then
                let image = gaussians rng (h * w)
                let missing = some rng (rng.Next(0, h * w)) (h * w)

                close
                    1e-9
                    (vector (filled h w missing image))
                    (vector (fill h w missing image))
                    $"{missing.Count} of {h}×{w}")

        example "neighbours beside a pixel weigh twice as much as those across a corner" (fun () ->
            let image = [| 1.; 20.; 3.; 40.; 0.; 60.; 7.; 80.; 9. |]
            let at p = (fill 3 3 (set [ p ]) image)[p]
            Expect.floatClose Accuracy.high (at 4) (200. / 6. + 20. / 12.) "the centre"
            // At a corner two of a sixth and one of a twelfth.
            Expect.floatClose Accuracy.high (at 8) ((60. + 80.) * 0.4) "the last: 0.4, 0.4 and 0.2 of 0"
            let one = fill 3 3 (set [ 0..7 ]) image
            same (vector (Array.create 9 9.)) (vector one) "one that is there gives all")

        example "a hole in a slope is filled by the slope, whatever its size" (fun () ->
            let side = 96

            let slope =
                torch.arange(int64 (side * side), dtype = torch.float64).reshape(1L, 1L, int64 side, int64 side)
                / 5e4

            let inside =
                set [
                    for row in 5..90 do
                        for column in 10..80 -> row * side + column
                ]

            for dtype, tolerance in [ torch.float64, 1e-9; torch.float32, 1e-3; torch.bfloat16, 1e-3 ] do
                let found = Imputation.fill (mask side side inside) (slope.``to`` dtype)
                close tolerance (slope.``to`` torch.float64) (found.``to`` torch.float64) $"{dtype}")

        law "filling in does not depend on the neighbours in the batch, nor leaves anything behind" (fun rng ->
            let x = gaussian rng [ 3; 2; 5; 4 ]
            let masks = torch.cat [| for count in [ 1; 19; 7 ] -> mask 5 4 (some rng count 20) |]
            let all = Imputation.fill masks x

            for i in 0L .. 2L do
                let alone = Imputation.fill (masks.narrow (0L, i, 1L)) (x.narrow (0L, i, 1L))
                close 1e-12 alone (all.narrow (0L, i, 1L)) $"{i}"

            let work () =
                use _ = torch.NewDisposeScope()
                Imputation.fill masks x |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")

        law "filling in has a derivative, which has one too" (fun rng ->
            let x, v = gaussian rng [ 2; 2; 5; 4 ], gaussian rng [ 2; 2; 5; 4 ]
            let masks = torch.cat [| for count in [ 3; 15 ] -> mask 5 4 (some rng count 20) |]
            let f (x: Tensor) = (Imputation.fill masks x).pow(Number.Of 3.).sum()
            close 1e-6 (Diff.numgradv 1e-5 f x v) (Diff.gradv f x v) "first"
            let numerical = (Diff.grad f (x + v * 1e-5) - Diff.grad f (x - v * 1e-5)) / 2e-5
            close 1e-6 numerical (Diff.hessianv f x v) "second"

            let work () =
                use _ = torch.NewDisposeScope()
                Diff.grad f x |> ignore

            work ()
            Expect.equal (liveAfter work) 0L "live tensors")

        law "equals the plain twin, whatever the batch" (fun rng ->
            PixelGroupsTests.agreesWithTwin rng twin (scores Relaxation.Exact))

        example
            "what is hidden leaves no mark: an image of one colour keeps its score, and noise is all that changes"
            (fun () ->
                let x = torch.full ([| 1L; 2L; 3L; 4L |], Number.Of 5., torch.float64)
                let sum = PixelGroupsTests.ofNumbers (fun x -> x.square().sum 1L)

                let of' noise =
                    (Road.scores Relaxation.Exact shares noise 7L sum (gaussian (Random 2) [ 1; 3; 4 ]) (batch x))
                        .item<float>()

                Expect.isLessThan (abs (of' 0.)) 1e-9 "no noise"
                Expect.isGreaterThan (abs (of' 0.1)) 1e-3 "noise")

        example "a map of what counts scores above 0, and its opposite as far below" (fun () ->
            let x = tensor [ 1; 1; 3; 4 ] [ 0; 0; 0; 0; 0; 9; 0; 0; 0; 0; 0; 0 ]
            let brightest = PixelGroupsTests.ofNumbers (fun x -> x.amax [| 1L |])
            let map = tensor [ 1; 3; 4 ] [ 1; 2; 3; 4; 5; 90; 6; 7; 8; 9; 10; 11 ]
            let of' map = (Road.scores Relaxation.Exact shares 0. 7L brightest map (batch x)).item<float>()
            Expect.floatClose Accuracy.high (of' map) 9. "9 is left, or nothing is"
            Expect.floatClose Accuracy.high (of' -map) -9. "the other way round")
    ]
