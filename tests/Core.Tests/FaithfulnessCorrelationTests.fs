module FaithfulnessCorrelationTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private subsets = 9

/// The definition on arrays: of each set the quarter of the pixels with the smallest random numbers, black.
let private twin net i (image: float[]) (map: float[]) =
    let score = PixelGroupsTests.score net image

    let noise draw =
        Noise.uniform 5L draw {
            Rows = torch.tensor [| int64 i |]
            Ids = [| int64 i |]
            X = torch.zeros (1, 1, 3, 4, torch.float64)
        }
        |> values

    let sums, drops =
        [|
            for draw in 0 .. subsets - 1 do
                let u = noise (int64 draw)
                let chosen = [ 0..11 ] |> List.sortBy (fun p -> u[p]) |> List.take 3
                let without = PixelGroupsTests.replaced (Array.zeroCreate 24) chosen image
                List.sumBy (fun p -> map[p]) chosen, score image - score without
        |]
        |> Array.unzip

    PixelGroupsTests.pearson sums drops

let private scores = FaithfulnessCorrelation.scores 0.25 subsets 5L Baseline.black

let tests =
    testList "FaithfulnessCorrelation" [
        law "equals the plain twin, whatever the batch" (fun rng -> PixelGroupsTests.agreesWithTwin rng twin scores)

        law "is 1 for what each pixel adds to a linear score, and -1 for its opposite" (fun rng ->
            let w = gaussian rng [ 24 ]
            let target = PixelGroupsTests.ofNumbers (fun x -> x.matmul w)
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let maps = x * w.reshape (2, 3, 4)
            same (vector [ 1.; 1.; 1. ]) (scores target maps (batch x)) "itself"
            same (vector [ -1.; -1.; -1. ]) (scores target (maps * -2.) (batch x)) "its opposite")

        example "every set is drawn by itself, for each instance its own, and has as many pixels" (fun () ->
            let seen = ResizeArray<string>()

            let target =
                PixelGroupsTests.ofNumbers (fun x ->
                    for image in values x |> Array.chunkBySize 12 do
                        seen.Add(String.concat "" (image |> Array.map string))

                    x.sum 1L)

            let maps = gaussian (Random 1) [ 2; 3; 4 ]
            let x = torch.ones (2, 1, 3, 4, torch.float64)
            FaithfulnessCorrelation.scores 0.25 40 5L Baseline.black target maps (batch x) |> ignore
            let sets = seen |> Seq.filter (fun image -> image.Contains '0') |> Array.ofSeq
            Expect.hasLength sets 80 "forty of each"

            for set in sets do
                Expect.hasLength (set |> Seq.filter ((=) '0')) 3 "a quarter of twelve"

            Expect.isGreaterThan (Array.distinct sets).Length 50 "not the same ones"
            Expect.notEqual sets[..39] sets[40..] "nor those of the other instance")

        example "is NaN for a constant map, and for a constant score" (fun () ->
            let target = PixelGroupsTests.ofNumbers (fun x -> x.sum 1L)
            let x = gaussian (Random 3) [ 1; 2; 3; 4 ]
            let constant = torch.full (1L, 3L, 4L, Number.Of 0.1, torch.float64)
            Expect.isTrue (Double.IsNaN((scores target constant (batch x)).item<float>())) "map"
            let still = PixelGroupsTests.ofNumbers (fun x -> x.sum 1L * 0. + 0.1)

            Expect.isTrue
                (Double.IsNaN((scores still (gaussian (Random 4) [ 1; 3; 4 ]) (batch x)).item<float>()))
                "score")
    ]
