module IrofTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The definition on arrays, of the image's own superpixels.
let private twin (labels: int64[][]) net i (image: float[]) (map: float[]) =
    let score = PixelGroupsTests.score net image
    let pixels label = [ 0..11 ] |> List.filter (fun p -> labels[i][p] = label)

    let order =
        [ 0L .. Array.max labels[i] ]
        |> List.map pixels
        |> List.sortBy (fun pixels -> -(pixels |> List.averageBy (fun p -> map[p])))

    let colours =
        image
        |> Array.chunkBySize 12
        |> Array.collect (fun channel -> Array.create 12 (Array.average channel))

    let without k = PixelGroupsTests.replaced colours (List.concat (List.truncate k order)) image
    let shares = [ for k in 0 .. order.Length -> score (without k) / score image ]

    if score image > 0. then
        1. - (List.pairwise shares |> List.averageBy (fun (a, b) -> (a + b) / 2.))
    else
        nan

let private ofRow f (labels: int64 list) map image =
    let labels = torch.tensor(Array.ofList labels).reshape(1L, 1L, -1L)

    (Irof.ofSuperpixels
        Relaxation.Exact
        labels
        (PixelGroupsTests.ofNumbers f)
        (PixelGroupsTests.rows [ map ])
        (batch (PixelGroupsTests.rows [ image ])))
        .item<float>()

let private sum (x: Tensor) = x.sum 1L

let tests =
    testList "Irof" [
        law "equals the plain twin, whatever the batch and however many superpixels each image has" (fun rng ->
            let labels =
                Array.init 6 (fun _ ->
                    let count = rng.Next(1, 7)
                    let all = Array.init 12 (fun p -> int64 (p % count))
                    rng.Shuffle all
                    all)

            let all = torch.tensor(Array.concat labels).reshape(6L, 3L, 4L)

            PixelGroupsTests.agreesWithTwin rng (twin labels) (fun target maps b ->
                Irof.ofSuperpixels Relaxation.Exact (Sweep.pick b.Rows all) target maps b))

        example "Σx of four pixels, a superpixel each, becomes that of their mean" (fun () ->
            let score map = ofRow sum [ 0; 1; 2; 3 ] map [ 4; 3; 2; 1 ]
            Expect.floatClose Accuracy.high (score [ 4; 3; 2; 1 ]) 0.125 "10, 8.5, 8, 8.5, 10 of 10"
            Expect.floatClose Accuracy.high (score [ 1; 2; 3; 4 ]) -0.125 "10, 11.5, 12, 11.5, 10 of 10"
            Expect.floatClose Accuracy.high (ofRow sum [ 0; 0; 0; 0 ] [ 4; 3; 2; 1 ] [ 4; 3; 2; 1 ]) 0. "all at once")

        example "the largest mean goes first, not the largest sum" (fun () ->
            let first (x: Tensor) = x.select (1L, 0L)
            // The mean colour is 1: the first pixel's score is 4, and then 1.
            let score map = ofRow first [ 0; 1; 1; 1 ] map [ 4; 0; 0; 0 ]
            Expect.floatClose Accuracy.high (score [ 2; 1; 1; 1 ]) (1. - (2.5 + 1.) / 8.) "a mean of 2 before one of 1"
            Expect.floatClose Accuracy.high (score [ 1; 2; 2; 2 ]) (1. - (4. + 2.5) / 8.) "and after one of 2")

        example "it is undefined where the score is not positive" (fun () ->
            Expect.isTrue (Double.IsNaN(ofRow (fun x -> -(sum x)) [ 0; 1 ] [ 2; 1 ] [ 2; 1 ])) "negative"
            Expect.isTrue (Double.IsNaN(ofRow (fun x -> sum x * 0.) [ 0; 1 ] [ 2; 1 ] [ 2; 1 ])) "0")

        example "an image has a superpixel for ten pixels, and 300 at the most" (fun () ->
            let found = [ 1L; 20L; 1024L; 50176L ] |> List.map Irof.chosenCount
            Expect.equal found [ 1; 2; 102; 300 ] "of 1, 20, 32×32 and 224×224")
    ]
