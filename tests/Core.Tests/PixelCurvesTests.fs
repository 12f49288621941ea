module PixelCurvesTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// The order of a 3×4 map's pixels; List.sortBy is stable.
let private ordered order (map: float[]) =
    let positive = List.filter (fun p -> map[p] > 0.) [ 0..11 ]

    match order with
    | PixelOrder.All -> List.sortBy (fun p -> -map[p]) [ 0..11 ]
    | PixelOrder.Descending -> List.sortBy (fun p -> -map[p]) positive
    | PixelOrder.Ascending -> List.sortBy (fun p -> map[p]) positive
    | PixelOrder.ByMagnitude -> List.sortBy (fun p -> abs map[p]) [ 0..11 ]

/// A curve of one instance.
let curve (pixels: float list) (attribution: float list) (scores: float list) (whole: float) : PixelCurve =
    let row (values: float list) = tensor [ 1; values.Length ] values

    {
        Lengths = [| pixels.Length |]
        Pixels = row pixels
        Attribution = row attribution
        Scores = row scores
        Whole = vector [ whole ]
    }

/// The curve of each instance by itself, of the points that count.
let each (curve: PixelCurve) : PixelCurve list = [
    for i, length in Array.indexed curve.Lengths ->
        let own (t: Tensor) = t.narrow(0L, int64 i, 1L).narrow(1L, 0L, length)

        {
            Lengths = [| length |]
            Pixels = own curve.Pixels
            Attribution = own curve.Attribution
            Scores = own curve.Scores
            Whole = curve.Whole.narrow (0L, int64 i, 1L)
        }
]

/// The numbers of changed pixels, the sums of their attribution, and class k's logits on the path of one image (2×3×4), one pass
/// each.
let twin net k path (blank: float[]) (image: float[]) (map: float[]) =
    let order = ordered path.Order map

    let counts = [ 0 .. path.PixelsPerStep .. order.Length ] @ [ order.Length ] |> List.distinct

    let score count =
        let changed = order |> List.truncate count |> Set.ofList
        let isInserted = path.Change = PixelChange.Insert

        let pick i v = if changed.Contains(i % 12) = isInserted then v else blank[i]

        (Plain.logits net (Array.mapi pick image))[k]

    let sum count = List.sumBy (fun p -> map[p]) (List.truncate count order)

    let black = (Plain.logits net (Array.zeroCreate 24))[k]

    let floored score = if path.IsAboveBlack then max (score - black) 0. else score

    curve
        (List.map float counts)
        (List.map sum counts)
        (List.map (score >> floored) counts)
        ((Plain.logits net image)[k] |> floored)

/// The score that a metric gives a random case's instances, beside the same of the twin's curves; whatever the pass.
let agreesWithTwin (rng: Random) (paths: int -> PixelPath list) (score: PixelCurve list -> Tensor) =
    let net, model, images, x = case rng 3.
    // Few values, and so many ties.
    let maps = Array.init images.Length (fun _ -> Array.init 12 (fun _ -> float (rng.Next(-3, 6))))

    for step in [ 1; 2; 5; 1000 ] do
        let expected =
            Array.map2
                (fun image map ->
                    let k = Plain.predicted net image

                    paths step |> List.map (fun path -> twin net k path (Array.zeroCreate 24) image map) |> score)
                images
                maps
            |> torch.cat

        for passes in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
            let target = Target.ofQuantity Quantity.predicted (batching passes model)

            let found =
                PixelCurves.curves
                    Relaxation.Exact
                    (paths step)
                    target
                    (tensor [ images.Length; 3; 4 ] (Array.concat maps))
                    (batch x)
                |> score

            same expected found $"{step} pixels a step, {passes}"

/// Σ of an image's numbers as a model's only logit.
let sum = ofFunctions [ "sum", (fun x -> x.sum([| 1L; 2L; 3L |]).unsqueeze 1L) ]

/// What is read of the curves of Σ over a 1×1×1×n image.
let ofSum (paths: PixelPath list) (read: PixelCurve list -> 'a) (map: float list) (image: float list) =
    PixelCurves.curves
        Relaxation.Exact
        paths
        (Target.ofQuantity (Quantity.ofClass 0) sum)
        (tensor [ 1; 1; map.Length ] map)
        (batch (tensor [ 1; 1; 1; image.Length ] image))
    |> read

/// The score of Σ over a 1×1×1×n image.
let scoreOfSum paths (score: PixelCurve list -> Tensor) map image : float = (ofSum paths score map image).item<float>()

let private all = [
    for order in [ PixelOrder.All; PixelOrder.Descending; PixelOrder.Ascending; PixelOrder.ByMagnitude ] do
        for change in [ PixelChange.Remove; PixelChange.Insert ] do
            for isAboveBlack in [ false; true ] ->
                {
                    Order = order
                    Change = change
                    PixelsPerStep = 1
                    FewestSteps = 1
                    Blank = Baseline.black
                    IsAboveBlack = isAboveBlack
                }
]

let tests =
    testList "PixelCurves" [
        law "every path equals the plain twin's, whatever the pass and the neighbours" (fun rng ->
            let net, model, images, x = case rng 1.
            let n = images.Length

            let maps = Array.init n (fun _ -> Array.init 12 (fun _ -> float (rng.Next(-3, 6)) / 2.))

            let blank = gaussians rng 24

            let step = rng.Next(1, 14)

            let paths =
                all
                |> List.map (fun path -> {
                    path with
                        PixelsPerStep = step
                        Blank =
                            Baseline.ofFunction "given" (fun x -> (tensor [ 1; 2; 3; 4 ] blank).expand_as(x).clone())
                })

            for passes in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                let target = Target.ofQuantity Quantity.predicted (batching passes model)

                let found =
                    PixelCurves.curves Relaxation.Exact paths target (tensor [ n; 3; 4 ] (Array.concat maps)) (batch x)

                for path, curve in Seq.zip paths found do
                    for i, curve in List.indexed (each curve) do
                        let expected = twin net (Plain.predicted net images[i]) path blank images[i] maps[i]
                        Expect.equal (values curve.Pixels) (values expected.Pixels) "pixels"
                        same expected.Attribution curve.Attribution "attribution"
                        same expected.Scores curve.Scores "scores"
                        same expected.Whole curve.Whole "the whole")

        example "an instance of fewer points than another repeats its last" (fun () ->
            let target = Target.ofQuantity (Quantity.ofClass 0) sum
            let x = tensor [ 2; 1; 1; 3 ] [ 1; 2; 3; 4; 5; 6 ]
            let maps = tensor [ 2; 1; 3 ] [ 3; 2; 1; -1; 2; -1 ]

            let curve =
                PixelCurves.curves Relaxation.Exact [ NecessityOrdering.path 1 ] target maps (batch x)
                |> List.exactlyOne

            Expect.equal curve.Lengths [| 4L; 2L |] "lengths"
            same (tensor [ 2; 4 ] [ 0; 1; 2; 3; 0; 1; 1; 1 ]) curve.Pixels "pixels"
            same (tensor [ 2; 4 ] [ 0; 3; 5; 6; 0; 2; 2; 2 ]) curve.Attribution "attribution"
            same (tensor [ 2; 4 ] [ 6; 5; 3; 0; 15; 10; 10; 10 ]) curve.Scores "scores")

        law "attributions count by their mean over the channels" (fun rng ->
            let _, model, images, x = case rng 1.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model

            let curves maps =
                PixelCurves.curves Relaxation.Exact all target maps (batch x)
                |> List.map (fun curve ->
                    curve.Lengths, [ curve.Pixels; curve.Attribution; curve.Scores; curve.Whole ] |> List.map values)

            Expect.equal (curves maps) (curves (maps.mean [| 1L |])) "curves")

        example "a pixel is all its channels" (fun () ->
            let blue = ofFunctions [ "blue", (fun x -> x.select(1L, 2L).sum([| 1L; 2L |]).unsqueeze 1L) ]

            let x = tensor [ 1; 3; 1; 2 ] [ 1; 2; 3; 4; 5; 6 ]
            // The red channel alone is attributed.
            let map = tensor [ 1; 3; 1; 2 ] [ 2; 1; 0; 0; 0; 0 ]
            let target = Target.ofQuantity Quantity.predicted blue

            let curve =
                PixelCurves.curves Relaxation.Exact [ Deletion.path 1 Baseline.black ] target map (batch x)
                |> List.exactlyOne

            Expect.equal (values curve.Pixels) [| 0.; 1.; 2. |] "two pixels, not six numbers"
            Expect.equal (values curve.Scores) [| 11.; 6.; 0. |] "blue goes with red"
            Expect.equal (values curve.Attribution) [| 0.; 2. / 3.; 1. |] "means over the channels")

        example "black is 0, not the image's minimum nor the mean" (fun () ->
            let scores change map image =
                let path = { Deletion.path 1 Baseline.black with Change = change }

                ofSum [ path ] (fun curves -> values curves[0].Scores) map image

            Expect.equal (scores PixelChange.Remove [ 2; 1 ] [ 5; 7 ]) [| 12.; 7.; 0. |] "bright, removed"
            Expect.equal (scores PixelChange.Insert [ 2; 1 ] [ 5; 7 ]) [| 0.; 5.; 12. |] "bright, inserted"
            Expect.equal (scores PixelChange.Remove [ 2; 1 ] [ -5; -7 ]) [| -12.; -7.; 0. |] "below 0")

        example "each instance has its own baseline" (fun () ->
            let target = Target.ofQuantity Quantity.predicted sum
            let path = Deletion.path 2 (Baseline.random 1. 7L)
            let x = tensor [ 3; 1; 1; 2 ] [ 1; 2; 3; 4; 5; 6 ]
            let maps = torch.ones (3, 1, 2)

            let last batch =
                let curve =
                    PixelCurves.curves Relaxation.Exact [ path ] target (maps.narrow (0L, 0L, batch.X.shape[0])) batch
                    |> List.exactlyOne

                values (curve.Scores.select (1L, -1L))

            let together = last (batch x)
            Expect.equal (Array.distinct together).Length 3 "three draws"

            for i in 0..2 do
                let alone = { Rows = torch.tensor [| int64 i |]; Ids = [| int64 i |]; X = x.narrow (0L, i, 1L) }

                Expect.equal (last alone) [| together[i] |] $"instance {i} alone")

        law "passes counts the images to score, beside the instances and black" (fun rng ->
            let _, model, images, x = case rng 1.
            let maps = gaussian rng [ images.Length; 3; 4 ]

            for path in all do
                let path = { path with PixelsPerStep = rng.Next(1, 14) }

                let mutable passed = 0

                let counted = { model with OnPass = fun count -> passed <- passed + count }

                PixelCurves.curves
                    Relaxation.Exact
                    [ path ]
                    (Target.ofQuantity Quantity.predicted counted)
                    maps
                    (batch x)
                |> ignore

                let others = images.Length + (if path.IsAboveBlack then 1 else 0)
                Expect.equal (int64 passed) (PixelCurves.passes path maps + int64 others) "passes")

        law "a map that would have too few steps has shorter ones, and the others keep theirs" (fun rng ->
            let fewest, step = rng.Next(1, 8), rng.Next(1, 14)
            let map = List.init 40 (fun _ -> float (rng.Next(-4, 3)))
            let image = List.init 40 (fun _ -> rng.NextDouble())

            for path in all do
                let pixels path = ofSum [ path ] (fun curves -> values curves[0].Pixels) map image

                let length = (pixels path |> Array.last |> int)
                let found = pixels (PixelCurves.inSteps step fewest path)
                let own = min step (max 1 (length / fewest))

                Expect.equal found (pixels (PixelCurves.inSteps own 1 path)) $"as in steps of {own} of {length}"

                Expect.isGreaterThanOrEqual (found.Length - 1) (min fewest length) "as many steps as there may be"
                Expect.equal (Array.last found) (float length) "to the end of the path")

        testCase "where nobody chose, a step is 1000 pixels of 224×224, and as large a share of fewer" (fun () ->
            for side, step, fewest in
                [
                    1L, 1, 25
                    8L, 1, 25
                    28L, 15, 25
                    32L, 20, 25
                    64L, 81, 25
                    223L, 991, 25
                    224L, 1000, 1
                    299L, 1000, 1
                    1024L, 1000, 1
                ] do
                Expect.equal (PixelCurves.chosenSteps (side * side)) (struct (step, fewest)) $"{side}×{side}"

            for pixels in 1L .. 50175L do
                let struct (step, _) = PixelCurves.chosenSteps pixels
                Expect.isTrue (step >= 1 && (int64 step * 50L <= pixels || step = 1)) $"fifty steps of {pixels}")

        example "a normalised curve is NaN where the whole scores nothing" (fun () ->
            let scores whole = values (PixelCurves.normalised (curve [ 0.; 1. ] [ 0.; 1. ] [ 4.; 1. ] whole)).Scores

            Expect.equal (scores 4.) [| 1.; 0.25 |] "of 4"

            for whole in [ 0.; -1. ] do
                Expect.all (scores whole) Double.IsNaN $"of {whole}")

        law "the trapezoid rule's weights sum to the axis's length, and it is exact for lines" (fun rng ->
            let xs = Array.append [| 0.; 1. |] (Array.init (rng.Next 9) (fun _ -> rng.NextDouble())) |> Array.sort

            let a, b = rng.NextDouble(), rng.NextDouble()
            let row = tensor [ 1; xs.Length ]

            let area = PixelCurves.trapezoid (row xs) (row (xs |> Array.map (fun x -> a + b * x)))

            Expect.floatClose Accuracy.veryHigh (area.item<float>()) (a + b / 2.) "a + b x")

        example "an ordering weighs each score by its block, and the start not at all" (fun () ->
            let ordering pixels scores = values (PixelCurves.ordering (curve pixels pixels scores 1.))

            Expect.equal (ordering [ 0.; 3.; 4. ] [ 9.; 2.; 5. ]) [| 11. / 5. |] "3 · 2 + 1 · 5"
            Expect.equal (ordering [ 3.; 4. ] [ 2.; 5. ]) [| 11. / 5. |] "without the start"
            Expect.equal (ordering [ 0. ] [ 9. ]) [| 0. |] "nothing changed")

        example "wrong steps and shapes are refused, and nothing is left behind" (fun () ->
            let _, model, images, x = case (Random 8) 3.
            let maps = torch.ones (int64 images.Length, 3, 4)
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 3) model)

            let curves path maps = PixelCurves.curves Relaxation.Exact [ path ] target maps (batch x) |> ignore

            let wrong = { all[0] with PixelsPerStep = 0 }
            Expect.throwsT<ArgumentException> (fun () -> curves wrong maps) "no pixels a step"
            Expect.throwsT<ArgumentException> (fun () -> curves all[0] (maps.transpose (1L, 2L))) "4×3"
            Expect.throwsT<AttributionException> (fun () -> curves all[0] (maps / 0.)) "infinity"

            let work () =
                use _ = torch.NewDisposeScope()
                PixelCurves.curves Relaxation.Exact all target maps (batch x) |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
