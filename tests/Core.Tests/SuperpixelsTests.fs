module SuperpixelsTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private labels (t: Tensor) = Tensor.toArray<int64> t

/// Whether each label of an image is one piece, its pixels joined by their sides.
let private isInOnePiece width (labels: int64[]) =
    let pieces = Array.init labels.Length id

    let rec root p = if pieces[p] = p then p else root pieces[p]

    for p in 0 .. labels.Length - 1 do
        for q in
            [
                if p % width < width - 1 then
                    p + 1
                if p + width < labels.Length then
                    p + width
            ] do
            if labels[p] = labels[q] then
                pieces[root p] <- root q

    let roots = [| 0 .. labels.Length - 1 |] |> Array.distinctBy (fun p -> labels[p], root p)
    roots.Length = (Array.distinct labels).Length

let tests =
    testList "Superpixels" [
        law "two halves are never joined, flat or grainy" (fun rng ->
            let x = torch.zeros (1, 3, 20, 30, torch.float64)
            let edge, grain = rng.Next(8, 23), if rng.Next 2 = 0 then 0. else 2.
            x.narrow(3L, 0L, int64 edge).fill_(Number.Of 200.) |> ignore
            let x = x + gaussian rng [ 1; 3; 20; 30 ] * Number.Of grain
            let found = labels (Superpixels.slic 6 x) |> Array.chunkBySize 30
            let left = found |> Seq.collect (Seq.take edge) |> Set.ofSeq
            let right = found |> Seq.collect (Seq.skip edge) |> Set.ofSeq
            Expect.isEmpty (Set.intersect left right) "each lies in one half")

        law "labels count from 0 without gaps, each in one piece, and are about as many as asked for" (fun rng ->
            let height, width = rng.Next(6, 30), rng.Next(6, 30)
            let x = torch.cumsum (gaussian rng [ 2; 3; height; width ] * Number.Of 20., 3L)
            let count = rng.Next(1, 12)

            for image in labels (Superpixels.slic count x) |> Array.chunkBySize (height * width) do
                let found = Array.distinct image
                Expect.equal (Array.sort found) [| 0L .. found.LongLength - 1L |] "from 0"
                Expect.isTrue (isInOnePiece width image) "in one piece"
                Expect.isLessThanOrEqual found.Length (3 * count + 4) $"of {count}")

        law "an image's superpixels depend on no other image, and on no factor of its colours" (fun rng ->
            let x = gaussian rng [ 3; 2; 9; 11 ] * Number.Of 50.
            let all = Superpixels.slic 6 x

            for i in 0L .. 2L do
                same all[i] (Superpixels.slic 6 (x.narrow (0L, i, 1L))).[0L] "alone"

            same all (Superpixels.slic 6 (x * Number.Of 4.)) "four times as bright")

        example "less than one, and what is no image, is refused" (fun () ->
            rejects<ArgumentException> (fun () -> Superpixels.slic 0 (torch.zeros (1, 3, 4, 4))) "none"
            rejects<ArgumentException> (fun () -> Superpixels.slic 2 (torch.zeros (1, 4))) "a table")

        testList "Features" [
            example "a grid's cells are as equal as can be, numbered row by row" (fun () ->
                let found = (Features.grid 2).Of(batch (torch.zeros (2, 3, 4, 5)))
                Expect.equal found.shape [| 2L; 1L; 4L; 5L |] "one label a pixel"
                let row a b = [| a; a; a; b; b |]

                Expect.equal (labels found[0L]) (Array.concat [ row 0L 1L; row 0L 1L; row 2L 3L; row 2L 3L ]) "cells")

            example "about 50, whatever the instances are" (fun () ->
                let count (shape: int64[]) =
                    Features.count Features.usual (Instances.ofTensor (torch.zeros (Array.append [| 1L |] shape)))

                Expect.equal (count [| 7L |]) 7L "each number of a small table"
                Expect.equal (count [| 300L |]) 50L "runs of a large one"
                Expect.equal (count [| 2L; 400L |]) 50L "times of a signal"
                Expect.equal (count [| 1L; 8L; 8L; 8L |]) 64L "cells of a volume")

            example "labels that are given are numbered anew, and belong to instances by their ids" (fun () ->
                let given = torch.tensor([| 5L; 5L; 9L; 2L; 7L; 7L; 7L; 7L |]).reshape(2L, 2L, 2L)
                let features = Features.given given
                let x = torch.zeros (2, 3, 2, 2)
                let both = features.Of(batch x)
                Expect.equal (labels both) [| 1L; 1L; 2L; 0L; 0L; 0L; 0L; 0L |] "both"
                let second = { batch (x.narrow (0L, 1L, 1L)) with Ids = [| 1L |] }
                Expect.equal (labels (features.Of second)) [| 0L; 0L; 0L; 0L |] "the second alone")

            example "labels of another size, or of fewer instances, are refused in a sentence" (fun () ->
                let of' (given: Tensor) (x: Tensor) () = (Features.given given).Of(batch x)
                let numbers (shape: int64[]) = torch.zeros (shape, torch.int64)
                rejects<ArgumentException> (of' (numbers [| 3L; 3L |]) (torch.zeros (1, 3, 4, 4))) "a size"

                rejects<Attribution.AttributionException>
                    (of' (numbers [| 2L; 4L; 4L |]) (torch.zeros (4, 3, 4, 4)))
                    "a number"

                rejects<Attribution.AttributionException>
                    (fun () -> (Features.superpixels 4).Of(batch (torch.zeros (2, 7))))
                    "superpixels of a table")
        ]
    ]
