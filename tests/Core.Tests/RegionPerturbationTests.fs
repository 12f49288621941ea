module RegionPerturbationTests

open Expecto
open Attribution.Core
open Support

let private samples = 3

let private ordered side (map: float[]) =
    PixelGroupsTests.squares side |> List.sortBy (fun square -> -(List.sumBy (fun p -> map[p]) square))

/// The scores of an image with 0, 1, … of its squares as another image has them.
let private along side count net image map other =
    let score = PixelGroupsTests.score net image
    let squares = ordered side map

    [
        for k in 0..count -> score (PixelGroupsTests.replaced other (List.concat (List.truncate k squares)) image)
    ]

let private perturbed side count net i (image: float[]) (map: float[]) =
    List.average [
        for draw in 0 .. samples - 1 ->
            let scores = along side count net image map (PixelGroupsTests.drawn 7L i image draw)
            List.sumBy (fun s -> scores.Head - s) scores / float (count + 1)
    ]

let private removed side net _ (image: float[]) (map: float[]) =
    let scores = along side (PixelGroupsTests.squares side).Length net image map (Array.zeroCreate 24)
    List.pairwise scores |> List.averageBy (fun (a, b) -> (a + b) / 2.)

let private perturbation side share = RegionPerturbation.scores Relaxation.Exact side share samples 7L
let private selectivity side = Selectivity.scores Relaxation.Exact side Baseline.black

let tests =
    testList "RegionPerturbation" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let side, share, count = rng.GetItems([| 1, 0.5, 6; 2, 0.5, 2; 2, 1., 4; 3, 0.1, 1 |], 1)[0]
            PixelGroupsTests.agreesWithTwin rng (perturbed side count) (perturbation (int64 side) share))

        law "selectivity equals the plain twin, whatever the batch" (fun rng ->
            let side = rng.Next(1, 6)
            PixelGroupsTests.agreesWithTwin rng (removed side) (selectivity (int64 side)))

        example "the region of the largest sum goes first, not that of the largest pixel" (fun () ->
            // The left half counts nothing.
            let right =
                PixelGroupsTests.ofNumbers (fun x -> x.reshape(-1L, 2L, 4L).narrow(2L, 2L, 2L).sum [| 1L; 2L |])

            let x = tensor [ 1; 1; 2; 4 ] [ 1; 2; 3; 4; 5; 6; 7; 8 ]

            let lost map =
                (RegionPerturbation.scores Relaxation.Exact 2L 0.5 1 7L right (tensor [ 1; 2; 4 ] map) (batch x))
                    .item<float>()

            Expect.notEqual (lost [ 5; 0; 2; 2; 0; 0; 2; 2 ]) 0. "the right half, of 8"
            Expect.equal (lost [ 9; 0; 2; 2; 0; 0; 2; 2 ]) 0. "the left half, of 9")

        example "an image of one colour is drawn as it is, and loses nothing" (fun () ->
            let x = tensor [ 1; 1; 2; 4 ] (List.replicate 8 3.)
            let sum = PixelGroupsTests.ofNumbers (fun x -> x.sum 1L)
            same (vector [ 0. ]) (perturbation 1L 1. sum (gaussian (System.Random 1) [ 1; 2; 4 ]) (batch x)) "loss")

        example "Σx of four pixels, a region each" (fun () ->
            let score map =
                (selectivity
                    1L
                    (PixelGroupsTests.ofNumbers (fun x -> x.sum 1L))
                    (PixelGroupsTests.rows [ map ])
                    (batch (PixelGroupsTests.rows [ [ 4; 3; 2; 1 ] ])))
                    .item<float>()

            Expect.floatClose Accuracy.veryHigh (score [ 4; 3; 2; 1 ]) 3.75 "10, 6, 3, 1, 0"
            Expect.floatClose Accuracy.veryHigh (score [ 1; 2; 3; 4 ]) 6.25 "10, 9, 7, 4, 0")

        law "the weights sum to 1: a constant score is its own area" (fun rng ->
            let constant = PixelGroupsTests.ofNumbers (fun x -> x.sum 1L * 0. + 7.)
            let maps = gaussian rng [ 2; 3; 4 ]

            same
                (vector [ 7.; 7. ])
                (selectivity (int64 (rng.Next(1, 5))) constant maps (batch (gaussian rng [ 2; 2; 3; 4 ])))
                "area")
    ]
