module SweepTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private passes = [ Fixed 1; Fixed 2; Fixed 3; Memory(1L <<< 30) ]

/// Point k of an instance: (1 + k)/2 of it.
let private share (k: int) = (1. + float k) / 2.

let private points (batch: Batch) (i: Tensor) (k: Tensor) =
    let share = (k.``to`` torch.float64 + 1.) / 2.
    Sweep.pick i batch.X * Tensor.likeInstances batch.X share

let private pointOf (image: float[]) k = image |> Array.map ((*) (share k))

/// From 0 to 4 points for each instance.
let private someCounts (rng: Random) n = Array.init n (fun _ -> int64 (rng.Next 5))

/// Rows of numbers, one for each step that an instance has, and 0 after these.
let private padded (counts: int64[]) (number: int -> int -> float) =
    let most = int (Array.max counts)

    if most = 0 then
        torch.zeros (counts.LongLength, 0L, torch.float64)
    else
        tensor [ counts.Length; most ] [
            for i in 0 .. counts.Length - 1 do
                for k in 0 .. most - 1 -> if int64 k < counts[i] then number i k else 0.
        ]

/// A network without kinks, of images 2×3×4.
let private smooth (rng: Random) =
    graphModel "s" [
        node "flat" Flatten [ "x" ]
        node "z" (Linear(gaussian rng [ 5; 24 ] / 5., Some(gaussian rng [ 5 ]))) [ "flat" ]
        node "h" (Activation Sigmoid) [ "z" ]
        node "s" (Linear(gaussian rng [ 3; 5 ], Some(gaussian rng [ 3 ]))) [ "h" ]
    ]

let private ofClass1 model = Target.ofQuantity (Quantity.ofClass 1) model

/// A number made of all that a sweep gives.
let private ofScores counts target x =
    let batch = Batch.ofTensor x
    let own, scores = Sweep.scores counts (points batch) target batch
    (own.square().sum() + scores.sin().sum())

let private weights = vector [ 0.5; -2.; 1. ]

let private ofMeans target x =
    let batch = Batch.ofTensor x
    (Sweep.meanGradient weights (points batch) target batch).square().sum()

let tests =
    testList "Sweep" [
        example "Σx of two images, whole, halved and black" (fun () ->
            let batch = Batch.ofTensor (tensor [ 2; 1; 1; 2 ] [ 1; 3; 2; 6 ])
            let target = Target.ofQuantity (Quantity.ofClass 0) PixelCurvesTests.sum
            let shares = vector [ 1.; 0.5; 0. ]

            let points i k = Sweep.pick i batch.X * Tensor.likeInstances batch.X (Sweep.pick k shares)

            let own, scores = Sweep.scores (Sweep.each 3 batch) points target batch
            same (vector [ 4.; 8. ]) own "their own"
            same (tensor [ 2; 3 ] [ 4; 2; 0; 8; 4; 0 ]) scores "at the points")

        law "scores are those of each point by itself, whatever the pass and the number of points" (fun rng ->
            let net, model, images, x = case rng 0.
            let counts = someCounts rng images.Length
            let batch = Batch.ofTensor x

            // The class is that of the instance, wherever the point is.
            let score i image = (Plain.logits net image)[Plain.predicted net images[i]]

            for pass in passes do
                let target = Target.ofQuantity Quantity.predicted (batching pass model)
                let own, scores = Sweep.scores counts (points batch) target batch
                same (vector (Array.mapi score images)) own $"own, {pass}"
                same (padded counts (fun i k -> score i (pointOf images[i] k))) scores $"points, {pass}")

        law "a number beside each point comes back in its place" (fun rng ->
            let _, model, images, x = case rng 0.
            let counts = someCounts rng images.Length
            let batch = Batch.ofTensor x

            for pass in passes do
                let beside (i: Tensor) (k: Tensor) = points batch i k, (i * 10L + k + 1L).``to`` torch.float32

                let target = Target.ofQuantity Quantity.predicted (batching pass model)
                let own, scores = Sweep.scores counts (points batch) target batch
                let own', scores', numbers = Sweep.scoresBeside counts beside target batch
                same (padded counts (fun i k -> float (10 * i + k + 1))) numbers $"numbers, {pass}"
                same own own' "own"
                same scores scores' "scores")

        law "points are asked for once each, instance after instance and step after step" (fun rng ->
            let _, model, images, x = case rng 0.
            let counts = someCounts rng images.Length
            let batch = Batch.ofTensor x

            for pass in passes do
                let asked = ResizeArray<int64 * int64>()

                let watched (i: Tensor) (k: Tensor) =
                    asked.AddRange(Array.zip (Tensor.toArray i) (Tensor.toArray k))
                    points batch i k

                Sweep.scores counts watched (ofClass1 (batching pass model)) batch |> ignore

                Expect.equal
                    (List.ofSeq asked)
                    [
                        for i in 0 .. counts.Length - 1 do
                            for k in 0L .. counts[i] - 1L -> int64 i, k
                    ]
                    $"pairs, {pass}")

        law "the mean gradient is the sum of a plain loop, whatever the pass" (fun rng ->
            let net, model, images, x = case rng 0.
            let batch = Batch.ofTensor x
            let w = values weights

            let mean (image: float[]) =
                let chosen = Plain.oneHot net (Plain.predicted net image)

                [| 0..2 |]
                |> Array.map (fun k -> Plain.gradient net chosen (pointOf image k) |> Array.map ((*) w[k]))
                |> Array.reduce (Array.map2 (+))

            let expected = tensor [ images.Length; 2; 3; 4 ] (Array.collect mean images)

            for pass in passes do
                let target = Target.ofQuantity Quantity.predicted (batching pass model)
                same expected (Sweep.meanGradient weights (points batch) target batch) $"{pass}")

        law "instances that are not asked about have no points, and sums of 0" (fun rng ->
            let net, model, images, x = case rng 0.
            let batch = Batch.ofTensor x
            let isAsked = Array.init images.Length (fun _ -> rng.Next 2 = 0)
            isAsked[rng.Next images.Length] <- true
            let w = values weights

            // The square of the first number of each gradient, times 1 + k.
            let expected =
                images
                |> Array.mapi (fun i image ->
                    if isAsked[i] then
                        List.sum [
                            for k in 0..2 ->
                                let gradient = Plain.gradient net (Plain.oneHot net 1) (pointOf image k)
                                w[k] * (1. + float k) * gradient[0] ** 2.
                        ]
                    else
                        0.)

            for pass in passes do
                let asked = Collections.Generic.HashSet<int64>()

                let watched (i: Tensor) (k: Tensor) =
                    asked.UnionWith(Tensor.toArray<int64> i)
                    points batch i k, k

                let each (k: Tensor) (gradient: Tensor) = (gradient.flatten 1L).select(1L, 0L).square() * (k + 1L)

                let target = ofClass1 (batching pass model)

                same
                    (vector expected)
                    (Sweep.gradientsAmong (Sweep.explained target batch) isAsked weights watched each target batch)
                    $"{pass}"

                Expect.equal
                    (Set.ofSeq asked)
                    (Set [
                        for i in 0 .. images.Length - 1 do
                            if isAsked[i] then
                                int64 i
                    ])
                    "asked")

        example "outside a derivative nothing is recorded, and nothing is left behind" (fun () ->
            let rng = Random 3
            let x = (gaussian rng [ 3; 2; 3; 4 ]).requires_grad_ true

            let model =
                let plain = smooth rng

                plain
                |> Model.withParameters (Model.parameters plain |> Map.map (fun _ w -> w.clone().requires_grad_ true))

            for pass in passes do
                let target = ofClass1 (batching pass model)

                let work () =
                    let batch = Batch.ofTensor x
                    use _ = batch.Rows

                    let own, scores, numbers =
                        Sweep.scoresBeside
                            [| 2L; 0L; 3L |]
                            (fun i k -> points batch i k, k.``to`` torch.float64)
                            target
                            batch

                    let means = Sweep.meanGradient weights (points batch) target batch

                    for result in [ own; scores; numbers; means ] do
                        Expect.isFalse result.requires_grad "recorded"
                        result.Dispose()

                work ()
                Expect.equal (liveAfter work) 0L $"live tensors, {pass}")

        example "inside a derivative results are part of it, and nothing but them is left behind" (fun () ->
            let rng = Random 4
            let x = (gaussian rng [ 3; 2; 3; 4 ]).requires_grad_ true
            let fixedImages = x.detach ()
            let plain = smooth rng
            let weight = (Model.parameters plain)["z.weight"]
            let watched = weight.clone().requires_grad_ true
            let ofWeights = plain |> Model.withParameters (Map [ "z.weight", watched ])

            for pass in passes do
                let work (model: Model) (x: Tensor) () =
                    use _ = Recording.Start()
                    let target = ofClass1 (batching pass model)
                    let batch = Batch.ofTensor x
                    use _ = batch.Rows
                    let own, scores = Sweep.scores [| 2L; 0L; 3L |] (points batch) target batch
                    let means = Sweep.meanGradient weights (points batch) target batch

                    for result in [ own; scores; means ] do
                        Expect.isTrue result.requires_grad "recorded"
                        result.Dispose()

                for name, model, x in [ "x", plain, x; "weights", ofWeights, fixedImages ] do
                    work model x ()
                    Expect.equal (liveAfter (work model x)) 0L $"live tensors, {name}, {pass}")

        law "scores and mean gradients have the derivatives in x that differences find, whatever the pass" (fun rng ->
            let model = smooth rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let counts = [| int64 (rng.Next 4); 1L + int64 (rng.Next 3) |]
            let pass = passes[rng.Next passes.Length]
            let target = ofClass1 (batching pass model)
            let v = gaussian rng [ 2; 2; 3; 4 ]

            for name, f in [ "scores", ofScores counts target; "means", ofMeans target ] do
                close 1e-7 (Diff.numgradv 1e-5 f x v) (Diff.gradv f x v) $"{name}, {pass}")

        law "scores and mean gradients have the derivatives in a weight that differences find" (fun rng ->
            let model = smooth rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let counts = [| int64 (rng.Next 4); 1L + int64 (rng.Next 3) |]
            let pass = passes[rng.Next passes.Length]

            for weight in [ "z.bias"; "s.weight" ] do
                let target (w: Tensor) = model |> batching pass |> Model.withParameters (Map [ weight, w ]) |> ofClass1

                for name, f in
                    [ "scores", (fun w -> ofScores counts (target w) x); "means", (fun w -> ofMeans (target w) x) ] do
                    let w = (Model.parameters model)[weight]
                    let v = gaussian rng (w.shape |> Array.map int |> List.ofArray)
                    close 1e-7 (Diff.numgradv 1e-5 f w v) (Diff.gradv f w v) $"{name}, {weight}, {pass}")
    ]
