module RegionsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

/// Scores of 3 classes at 4×6 positions of images 2×4×6, their means, and their numbers alone.
let private segmentation (rng: Random) =
    let weight = gaussian rng [ 3; 2; 1; 1 ]

    let graph =
        Graph.create "x" "s" [
            node "x" Input []
            node
                "scores"
                (Convolution {
                    Weight = weight
                    Bias = None
                    Stride = [| 1L; 1L |]
                    Padding = [| 0L; 0L |]
                    Dilation = [| 1L; 1L |]
                    Groups = 1L
                })
                [ "x" ]
            node "s" (Function(Sums, "Mean", (fun inputs -> inputs.Head.mean [| 2L; 3L |]))) [ "scores" ]
        ]

    Model.ofGraph (Some [| 2L; 4L; 6L |]) graph |> inDouble, weight.reshape (3L, 2L)

let private shape = [| 3L; 4L; 6L |]

/// Boxes and scores of two classes, as they are, of instances n×3×6.
let private detections =
    Model.ofGraph
        (Some [| 3L; 6L |])
        (Graph.create "x" "s" [
            node "x" Input []
            node "all" Identity [ "x" ]
            node "s" (Function(Selects, "Max", (fun inputs -> inputs.Head.narrow(2L, 4L, 2L).amax [| 1L |]))) [ "all" ]
        ])
    |> inDouble

/// Two boxes that overlap by a third, and one apart; scores that are no shares.
let private found =
    tensor [ 1; 3; 6 ] [
        yield! [ 0.; 0.; 8.; 4.; 3.; -1. ]
        yield! [ 4.; 0.; 12.; 4.; 0.5; 2. ]
        yield! [ 20.; 20.; 30.; 30.; 1.; 5. ]
    ]

let private value quantity (model: Model) x =
    let target = Target.ofQuantity quantity model
    Target.ofExplained target (Target.explained target (Batch.ofTensor x))

let tests =
    testList "Regions" [
        law "a mask's gradient is the class's weights where it lies" (fun rng ->
            let model, weight = segmentation rng
            let x = gaussian rng [ 2; 2; 4; 6 ]
            let masks = (gaussian rng [ 2; 4; 6 ]).gt(Number.Of 0.).``to`` torch.float64
            let k = rng.Next 3
            let quantity = Region.ofMask "scores" shape masks k "region"
            let scores = Model.value "scores" model x
            close 1e-12 ((scores.select (1L, int64 k) * masks).sum [| 1L; 2L |]) (value quantity model x) "its sum"
            let target = Target.ofQuantity quantity model
            let expected = x * weight[int64 k].reshape(1L, 2L, 1L, 1L) * masks.unsqueeze 1L
            close 1e-12 expected (Saliency.attribute true target (batch x)) "gradient × input"
            // Linear without a constant: the whole of it is the score.
            let path = IntegratedGradients.attribute (Quadrature.nodes Midpoint 2) Baseline.black true
            close 1e-12 expected (path target (batch x)) "integrated gradients")

        law "the predicted region is where the class has the largest score, as it was" (fun rng ->
            let model, _ = segmentation rng
            let x = gaussian rng [ 2; 2; 4; 6 ]
            let scores = Model.value "scores" model x

            for k in 0L .. 2L do
                let region = (scores.argmax 1L).eq(Number.Of k)

                if Tensor.isAll (region.flatten(1L).any 1L) then
                    let expected = (scores.select (1L, k) * region.``to`` torch.float64).sum [| 1L; 2L |]
                    close 1e-12 expected (value (Region.ofPredicted "scores" shape (int k)) model x) $"class {k}")

        example "a point is one score, and there are none beyond" (fun () ->
            let model, _ = segmentation (Random 3)
            let x = gaussian (Random 4) [ 2; 2; 4; 6 ]
            let at = value (Region.at "scores" shape 2 [| 3L; 5L |] "point") model x
            same ((Model.value "scores" model x).select(1L, 2L).select(1L, 3L).select(1L, 5L)) at "the last"

            for refused in
                [
                    (fun () -> Region.at "scores" shape 2 [| 4L; 0L |] "point")
                    (fun () -> Region.at "scores" shape 3 [| 0L; 0L |] "point")
                    (fun () -> Region.ofMask "scores" shape (torch.ones (1L, 3L, 6L)) 0 "region")
                ] do
                Expect.throwsT<AttributionException> (refused >> ignore) "refused")

        example "an image that is nowhere of the class is named" (fun () ->
            let model, weight = segmentation (Random 3)
            // Every position has the same scores, so that one class has all.
            let x = torch.ones (2, 2, 4, 6, torch.float64)
            let k = int (weight.sum(1L).argmin().item<int64>())

            try
                value (Region.ofPredicted "scores" shape k) model x |> ignore
                failtest "not refused"
            with :? AttributionException as e ->
                Expect.stringContains e.Message $"Instance 0 is nowhere of class {k}" "its name")

        example "a box's score is that of the detection that overlaps it most" (fun () ->
            let score box k =
                value
                    (Detection.ofBox "all" [| 3L; 6L |] BoxFormat.Corners (64., 64.) box (Option.toNullable k))
                    detections
                    found

            same (tensor [ 1 ] [ 3. ]) (score [| 0.; 0.; 7.; 4. |] None) "the first's own class"
            same (tensor [ 1 ] [ -1. ]) (score [| 0.; 0.; 7.; 4. |] (Some 1)) "another class of it"
            same (tensor [ 1 ] [ 2. ]) (score [| 5.; 0.; 7.; 4. |] None) "the second"

            try
                score [| 50.; 50.; 4.; 4. |] None |> ignore
                failtest "not refused"
            with :? AttributionException as e ->
                Expect.stringContains e.Message "No detection of instance 0 overlaps the box" "which")

        example "each way to tell a box tells the same one" (fun () ->
            let corners = found.narrow (2L, 0L, 4L)
            let side i = corners.select (2L, int64 i)
            let size = [ side 2 - side 0; side 3 - side 1 ]
            let rest = found.narrow (2L, 4L, 2L)

            let spelled = [
                BoxFormat.CornerAndSize, [ side 0; side 1 ] @ size
                BoxFormat.CentreAndSize, [ (side 0 + side 2) / Number.Of 2.; (side 1 + side 3) / Number.Of 2. ] @ size
            ]

            for format, numbers in spelled do
                for share in [ false; true ] do
                    let boxes = torch.stack (numbers, 2L)
                    let boxes = if share then boxes / Number.Of 64. else boxes
                    let x = torch.cat ([| boxes; rest |], 2L)
                    let box = [| 5.; 0.; 7.; 4. |]

                    same
                        (tensor [ 1 ] [ 2. ])
                        (value (Detection.ofBox "all" [| 3L; 6L |] format (64., 64.) box (Nullable())) detections x)
                        $"{format}, shares: {share}")

        example "whether boxes are shares is each image's own, whatever lies beside it" (fun () ->
            // The second image's boxes are shares, and one of its variations' is larger than any share.
            let shares = found.clone ()
            shares.narrow(2L, 0L, 4L).div_(Number.Of 64.) |> ignore
            let both = torch.cat [| found; shares |]
            let quantity = Detection.similarity "all" [| 3L; 6L |] BoxFormat.Corners (64., 64.) [| 0.; 0.; 8.; 4. |]
            same (tensor [ 2 ] [ 1.; 1. ]) (value quantity detections both) "both find the first"
            let target = Target.ofQuantity quantity detections
            let explained = Target.explained target (Batch.ofTensor shares)
            let varied = shares.clone ()
            varied.narrow(1L, 2L, 1L).narrow(2L, 0L, 4L).fill_(Number.Of 9.) |> ignore
            close 1e-12 (tensor [ 1 ] [ 1. ]) (Target.score target explained varied) "of a variation too")

        example "similarity is the best of overlap times cosine" (fun () ->
            let box = [| 0.; 0.; 8.; 4. |]
            let quantity = Detection.similarity "all" [| 3L; 6L |] BoxFormat.Corners (64., 64.) box
            same (tensor [ 1 ] [ 1. ]) (value quantity detections found) "of itself 1"
            // Without the first, the second is what is left: a third of the union, and the cosine of softmaxes.
            let target = Target.ofQuantity quantity detections
            let explained = Target.explained target (Batch.ofTensor found)
            let softmax a b = Math.Exp a / (Math.Exp a + Math.Exp b), Math.Exp b / (Math.Exp a + Math.Exp b)
            let (a, b), (c, d) = softmax 3. -1., softmax 0.5 2.
            let cosine = (a * c + b * d) / Math.Sqrt((a * a + b * b) * (c * c + d * d))
            let without = found.clone ()
            without.narrow(1L, 0L, 1L).fill_(Number.Of 40.) |> ignore
            close 1e-9 (tensor [ 1 ] [ cosine / 3. ]) (Target.score target explained without) "of the second")
    ]
