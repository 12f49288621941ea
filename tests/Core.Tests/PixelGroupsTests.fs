module PixelGroupsTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// The pixels of a 3×4 map in steps of M, the largest key first; List.sortBy is stable.
let steps m (keys: float[]) = [ 0..11 ] |> List.sortBy (fun p -> -keys[p]) |> List.chunkBySize m

/// The squares of a 3×4 map, row by row.
let squares side = [
    for row in 0..side..2 do
        for column in 0..side..3 ->
            [ 0..11 ] |> List.filter (fun p -> p / 4 / side = row / side && p % 4 / side = column / side)
]

/// An image (2×3×4) in which some pixels are another's.
let replaced (other: float[]) (pixels: int list) (image: float[]) =
    image |> Array.mapi (fun i v -> if List.contains (i % 12) pixels then other[i] else v)

/// What a class's logit is of an image that is predicted to be of it.
let score net (whole: float[]) =
    let k = Plain.predicted net whole
    fun image -> (Plain.logits net image)[k]

/// Numbers drawn evenly from an image's own range.
let drawn seed i (image: float[]) (draw: int) =
    let least, most = Array.min image, Array.max image

    Noise.uniform seed (int64 draw) {
        Rows = torch.tensor [| int64 i |]
        Ids = [| int64 i |]
        X = torch.zeros (1, 2, 3, 4, torch.float64)
    }
    |> values
    |> Array.map (fun u -> least + u * (most - least))

let pearson (xs: float[]) (ys: float[]) =
    let mx, my = Array.average xs, Array.average ys
    let sum f = Seq.sum (Seq.map2 f xs ys)

    sum (fun x y -> (x - mx) * (y - my))
    / sqrt (sum (fun x _ -> (x - mx) ** 2.) * sum (fun _ y -> (y - my) ** 2.))

/// Ranks, equal numbers sharing the mean of theirs.
let ranks (xs: float[]) =
    let count f = xs |> Array.filter f |> Array.length |> float
    xs |> Array.map (fun x -> count (fun y -> y < x) + (count ((=) x) + 1.) / 2.)

/// A metric equals its twin, an instance's score of its number, image and map, whatever the passes and whatever the batch.
let agreesWithTwin (rng: Random) twin (scores: Target -> Tensor -> Batch -> Tensor) =
    let net, model, images, x = case rng 3.
    let maps = gaussian rng [ images.Length; 2; 3; 4 ]
    let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels
    let expected = Array.mapi2 (twin net) images rows |> vector
    let of' passes = scores (Target.ofQuantity Quantity.predicted (batching passes model))

    for passes in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
        same expected (of' passes maps (batch x)) $"{passes}"

    let some size = x |> inBatches size (fun b -> of' (Fixed 2) (maps.index_select (0L, b.Rows)) b)

    for size in [ 1; 2 ] do
        same expected (some size) $"{size} instances at a time"

/// The images 1×1×1×n of some numbers, one an instance, and as many maps.
let rows (numbers: float list list) = tensor [ numbers.Length; 1; 1; numbers.Head.Length ] (List.concat numbers)

/// A function of the numbers (n×p → n) as a model's only logit.
let ofNumbers (f: Tensor -> Tensor) =
    ofFunctions [ "s", (fun x -> (f (x.flatten 1L)).unsqueeze 1L) ]
    |> Target.ofQuantity (Quantity.ofClass 0)

let private faithful = [
    "faithfulness-correlation"
    "faithfulness-estimate"
    "monotonicity"
    "monotonicity-correlation"
    "non-sensitivity"
    "region-perturbation"
    "selectivity"
    "irof"
    "road"
]

/// What a row gives of 5×4 pixels.
let private scoresOf name (maps: Tensor) =
    let rng = Random 11
    let row = Metrics.all |> List.find (fun row -> row.Name = name)
    let weights = gaussian rng [ 40; 3 ]
    let model = ofFunctions [ "s", (fun x -> x.flatten(1L).matmul(weights).sin() * 3.) ]
    let quantity = Quantity.ofClass 1
    let quantity = if row.Over = Scale.Probabilities then Quantity.ofProbabilities quantity else quantity
    let settings = { MetricSettings.standard with Samples = Some 5; PixelsPerStep = Some 3 }
    row.Scores settings (Target.ofQuantity quantity model) maps (batch (gaussian rng [ 3; 2; 5; 4 ]))

let tests =
    testList "PixelGroups" [
        example "steps are cut from the order, ties by position, the last of them short" (fun () ->
            let groups = PixelGroups.inSteps 2 (tensor [ 2; 5 ] [ 3; 1; 9; 1; 1; 0; 0; 0; 0; 0 ])
            Expect.equal groups.Count 3L "of five"
            Expect.equal (Tensor.toArray<int64> groups.Labels) [| 0L; 1; 0; 1; 2; 0; 0; 1; 1; 2 |] "labels"
            Expect.equal (values (PixelGroups.sizes groups)) [| 2.; 2.; 1.; 2.; 2.; 1. |] "sizes"

            same
                (tensor [ 2; 3 ] [ 3; 6; 5; 3; 7; 5 ])
                (PixelGroups.sums groups (tensor [ 2; 5 ] [ 1; 2; 2; 4; 5; 1; 2; 3; 4; 5 ]))
                "sums"

            Expect.throwsT<ArgumentException>
                (fun () -> PixelGroups.inSteps 0 (torch.zeros (1, 5)) |> ignore)
                "no pixels a step")

        example "squares are counted row by row, those at the edges cut" (fun () ->
            let groups = PixelGroups.squares 2L (torch.zeros (2, 3, 3, 5))
            Expect.equal groups.Count 6L "2×3"

            let labels = [| 0L; 0; 1; 1; 2; 0; 0; 1; 1; 2; 3; 3; 4; 4; 5 |]
            Expect.equal (Tensor.toArray<int64> groups.Labels) (Array.append labels labels) "of either image"
            Expect.equal (PixelGroups.sideOf (9. / 224.) 50176L) 9L "nine of 224"
            Expect.equal (PixelGroups.squaresOf 9L 50176L) 625L "25×25"
            Expect.equal (PixelGroups.sideOf (9. / 224.) 20L) 1L "a pixel at the least")

        law "numbers are drawn from each image's own range, by the image and the draw alone" (fun rng ->
            let x = gaussian rng [ 4; 2; 3; 4 ]
            let range (b: Batch) = PixelGroups.ofRange 3L b

            let all = range (batch x) (torch.tensor [| 0L; 1; 2; 2; 3 |]) (torch.tensor [| 0L; 0; 0; 1; 7 |])
            let rows = values all |> Array.chunkBySize 24

            for row, (i, draw) in Seq.zip rows [ 0, 0; 1, 0; 2, 0; 2, 1; 3, 7 ] do
                same (vector (drawn 3L i (values x[int64 i]) draw)) (vector row) $"instance {i}, draw {draw}"

            Expect.notEqual rows[2] rows[3] "draws differ")

        for name in faithful do
            example $"{name} of a map is that of its pixels, of its multiples, and of 32-bit floats" (fun () ->
                let maps = gaussian (Random 12) [ 3; 2; 5; 4 ]
                let whole = scoresOf name maps
                Expect.isTrue ((whole.isfinite ()).all().ToBoolean()) "finite"
                same whole (scoresOf name (maps.mean [| 1L |])) "a number a pixel"
                close 1e-6 whole (scoresOf name (maps * 1e4)) "ten thousand times as large"
                close 1e-6 whole (scoresOf name (maps * 1e-4)) "and as small"
                close 1e-6 whole (scoresOf name ((maps * 7.).``to`` torch.float32)) "32-bit"
                let broken = maps.clone ()
                broken[0L, 0L, 0L, 0L] <- torch.tensor nan
                rejects<AttributionException> (fun () -> scoresOf name broken) "NaN"
                rejects<ArgumentException> (fun () -> scoresOf name (maps.transpose (2, 3))) "another size")
    ]
