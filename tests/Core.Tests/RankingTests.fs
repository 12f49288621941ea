module RankingTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private unranked = Int64.MaxValue

/// The definition: the positive pixels of one map, largest first, ties in row-major order.
let private order (map: float[]) =
    [ 0 .. map.Length - 1 ] |> List.filter (fun p -> map[p] > 0.) |> List.sortBy (fun p -> -map[p]) // List.sortBy is stable.

/// The images (n×c×h×w) with the first pixels of an order, in every channel, from others.
let private replace (order: Order) (counts: int64[]) (others: Tensor) (x: Tensor) =
    let isFirst = Relax.first Relaxation.Exact order (torch.tensor counts)
    Relax.blend (isFirst.reshape (x.shape[0], 1L, x.shape[2], x.shape[3])) others x

let tests =
    testList "Ranking" [
        law "ranks are the places in the order, ties in row-major order, and none for what is not positive" (fun rng ->
            let n = rng.Next(1, 4)
            let maps = Array.init n (fun _ -> Array.init 12 (fun _ -> float (rng.Next(-2, 4))))
            let ranks = (Ranking.ofPositive (tensor [ n; 3; 4 ] (Array.concat maps))).Ranks
            Expect.equal ranks.shape [| int64 n; 12L |] "shape"

            let expected map =
                let places = order map

                Array.init 12 (fun p ->
                    match List.tryFindIndex ((=) p) places with
                    | Some i -> int64 i
                    | None -> unranked)

            Expect.equal (Tensor.toArray<int64> ranks) (Array.collect expected maps) "ranks")

        example "a thousand equal pixels keep their row-major order" (fun () ->
            let ranks = (Ranking.ofPositive (torch.ones (2, 40, 25))).Ranks
            Expect.equal (Tensor.toArray<int64> ranks) (Array.init 2000 (fun i -> int64 (i % 1000))) "ranks")

        law "the first pixels of an order are taken from the other image in every channel, and nothing else" (fun rng ->
            let map = Array.init 12 (fun _ -> float (rng.Next(-2, 4)))
            let x = gaussian rng [ 1; 2; 3; 4 ]
            let other = gaussian rng [ 1; 2; 3; 4 ]
            let places = order map
            let order = Ranking.ofPositive (tensor [ 1; 3; 4 ] map)

            for count in 0 .. places.Length do
                let gone = List.truncate count places |> Set.ofList

                let expected =
                    Array.map2 (fun v o -> v, o) (values x) (values other)
                    |> Array.mapi (fun i (v, o) -> if gone.Contains(i % 12) then o else v)

                let replaced = replace order [| int64 count |] other x
                same (tensor [ 1; 2; 3; 4 ] expected) replaced $"{count} pixels")

        example "as many are taken as each image has been asked for" (fun () ->
            let order = Ranking.ofPositive (tensor [ 2; 1; 2 ] [ 1; 2; 1; 2 ])
            let x = tensor [ 2; 1; 1; 2 ] [ 5; 6; 7; 8 ]
            let replaced = replace order [| 1L; 0L |] (x * 10.) x
            same (tensor [ 2; 1; 1; 2 ] [ 5; 60; 7; 8 ]) replaced "one and none")

        example "positives counts the pixels above 0" (fun () ->
            let maps = tensor [ 3; 1; 3 ] [ 1; 0; -1; 2; 3; 1e-30; -1; -2; 0 ]
            Expect.equal (Ranking.positives maps) [| 1L; 3L; 0L |] "positives")

        testCase "steps go up to n, the last maybe short" (fun () ->
            Expect.equal (Ranking.steps 3 7L) [| 3L; 6L; 7L |] "short"
            Expect.equal (Ranking.steps 3 6L) [| 3L; 6L |] "even"
            Expect.equal (Ranking.steps 1000 7L) [| 7L |] "one"
            Expect.equal (Ranking.steps Int32.MaxValue 7L) [| 7L |] "the largest"
            Expect.equal (Ranking.steps 1 0L) [||] "none"

            for wrong in [ 0; -1 ] do
                Expect.throwsT<ArgumentException> (fun () -> Ranking.steps wrong 7L |> ignore) $"{wrong} pixels a step")

        example "requireMaps takes one finite map an instance" (fun () ->
            let x = torch.zeros (2, 3, 4, 5)
            same (torch.ones (2, 4, 5)) (Ranking.requireMaps x (torch.ones (2, 3, 4, 5))) "with channels"
            same (torch.ones (2, 4, 5)) (Ranking.requireMaps x (torch.ones (2, 4, 5))) "pixels"

            for shape in [ [| 1L; 4L; 5L |]; [| 2L; 5L; 4L |]; [| 2L; 4L |]; [| 2L; 3L; 4L; 6L |] ] do
                rejects<ArgumentException> (fun () -> Ranking.requireMaps x (torch.ones shape)) $"{shape}"

            for bad in [ nan; infinity ] do
                let maps = torch.ones (2, 4, 5)
                maps[1L, 2L, 3L] <- number bad

                try
                    Ranking.requireMaps x maps |> ignore
                    failtest "accepted"
                with :? AttributionException as e ->
                    Expect.stringContains e.Message "instance 1" "the instance")
    ]
