module RiseTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The value at a place of a grid stretched to `size`: between the four nearest cells' centres, the outermost repeated.
let bilinear (grid: float[,]) (height: int, width: int) (i: int, j: int) =
    let around count size place =
        let centre = max 0. ((float place + 0.5) * float count / float size - 0.5)
        let low = min (int centre) (count - 1)
        low, min (low + 1) (count - 1), centre - float low

    let top, bottom, down = around (Array2D.length1 grid) height i
    let left, right, across = around (Array2D.length2 grid) width j

    (1. - down) * ((1. - across) * grid[top, left] + across * grid[top, right])
    + down * ((1. - across) * grid[bottom, left] + across * grid[bottom, right])

/// The masks (3×4 pixels, row-major) of the seed.
let private masks count cells shown seed =
    let numbers =
        values (Noise.uniform seed 0L (batch (torch.empty (count, cells * cells + 2, torch.float64))))
        |> Array.chunkBySize (cells * cells + 2)

    let cell side = (side + cells - 1) / cells
    let size = (cells + 1) * cell 3, (cells + 1) * cell 4

    numbers
    |> Array.map (fun u ->
        let grid = Array2D.init cells cells (fun i j -> if u[i * cells + j] < shown then 1. else 0.)

        let down, across = int (u[cells * cells] * float (cell 3)), int (u[cells * cells + 1] * float (cell 4))

        Array.init 12 (fun p -> bilinear grid size (down + p / 4, across + p % 4)))

let tests =
    testList "Rise" [
        law "equals the plain twin, whatever the batch outside and inside" (fun rng ->
            let net, model, images, x = case rng 0.
            let count, cells, seed = rng.Next(1, 12), rng.Next(1, 6), int64 (rng.Next())

            let start, value = if rng.Next 2 = 0 then Baseline.black, 0. else Baseline.white 0.5, 0.5

            let masks = masks count cells 0.4 seed

            let expected centred =
                images
                |> Array.collect (fun image ->
                    let c = Plain.predicted net image

                    let scores =
                        masks
                        |> Array.map (fun mask ->
                            let shown = image |> Array.mapi (fun i x -> value + mask[i % 12] * (x - value))
                            (Plain.logits net shown)[c])

                    Array.init 12 (fun p ->
                        let covering = masks |> Array.sumBy (fun mask -> mask[p])

                        if covering = 0. then
                            0.
                        else
                            Array.sum (Array.map2 (fun s (mask: float[]) -> s * mask[p]) scores masks) / covering
                            - (if centred then Array.average scores else 0.)))
                |> tensor [ images.Length; 3; 4 ]

            for centred in [ true; false ] do
                for outer in [ 2; 7 ] do
                    for inner in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                        let target = Target.ofQuantity Quantity.predicted (batching inner model)

                        x
                        |> inBatches outer (Rise.attribute count cells 0.4 seed centred start target)
                        |> fun actual -> same (expected centred) actual $"{outer} at a time, {inner} a pass")

        law "does not depend on which other instances there are, nor on their order" (fun rng ->
            let _, model, images, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 3) model)

            let map x = Rise.attribute 20 2 0.5 1L true Baseline.black target (batch x)

            let order = torch.tensor (Array.init images.Length int64 |> Array.sortBy (fun _ -> rng.Next()))

            same ((map x).index_select(0L, order)) (map (x.index_select (0L, order))) "permuted")

        law "of a constant is 0, or the constant where it is not centred" (fun rng ->
            let _, model, _, x = case rng 0.

            let constant = Quantity.ofFunction "three" (fun s -> torch.full_like (s.select (1L, 0L), 3.))

            let target = Target.ofQuantity constant model

            let map centred = Rise.attribute 30 2 0.5 1L centred Baseline.black target (batch x)

            let zeros = torch.zeros_like (x.select (1L, 0L))
            same zeros (map true) "centred"
            same (zeros + 3.) (map false) "not centred")

        example "of the sum of an image's left half tells it from the right" (fun () ->
            let w = tensor [ 2; 64 ] [ for i in 0..127 -> if i >= 64 && i % 8 < 4 then 1. else 0. ]

            let model = graphModel "s" [ node "f" Flatten [ "x" ]; node "s" (Linear(w, None)) [ "f" ] ]

            let x = torch.ones (1, 1, 8, 8, torch.float64)
            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let map = Rise.attribute 2000 4 0.5 1L true Baseline.black target (batch x)
            // Between them masks are blurred.
            let left, right = map.narrow (2L, 0L, 3L), map.narrow (2L, 5L, 3L)
            Expect.isGreaterThan (values left |> Array.min) (values right |> Array.max) "every pixel"
            Expect.isGreaterThan (values left |> Array.min) 1. "showing one shows its cell")

        example "leaves no tensor behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 2) model)

            let work () = (inBatches 2 (Rise.attribute 7 3 0.5 1L true Baseline.black target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
