module RandomLogitTests

open System
open Attribution.Core
open Expecto
open Support

let tests =
    testList "RandomLogit" [
        law "the other class is another one, by the instance's own number" (fun rng ->
            let n, count = rng.Next(1, 9), rng.Next(2, 6)
            let numbers = Array.init n (fun _ -> rng.NextInt64(1000L))
            let classes = Array.init n (fun _ -> rng.NextInt64(int64 count))
            let others = RandomLogit.others 3L count numbers classes

            Array.iter2
                (fun c other -> Expect.isTrue (other <> c && 0L <= other && other < int64 count) $"{other} for {c}")
                classes
                others

            let alone i = RandomLogit.others 3L count [| numbers[i] |] [| classes[i] |] |> Array.exactlyOne

            Expect.equal (Array.init n alone) others "alone")

        example "each other class is as likely as the next" (fun () ->
            let counts =
                RandomLogit.others 1L 4 [| 0L .. 2999L |] (Array.create 3000 2L) |> Array.countBy id |> Map.ofArray

            Expect.equal (List.ofSeq counts.Keys) [ 0L; 1L; 3L ] "classes"

            for count in counts.Values do
                Expect.isTrue (abs (count - 1000) < 120) $"{count} of 3000")

        law "a map correlates with itself, and against its opposite" (fun rng ->
            let maps = gaussian rng [ 3; 2; 3; 4 ]
            same (vector [ 1.; 1.; 1. ]) (RandomLogit.scores Relaxation.Exact maps (maps * 3. + 1.)) "itself"

            same
                (vector [ -1.; -1.; -1. ])
                (RandomLogit.scores Relaxation.Exact maps ((-maps).mean [| 1L |]))
                "its opposite")

        example "is NaN for a constant map" (fun () ->
            let maps = gaussian (Random 1) [ 1; 3; 4 ]

            Expect.isTrue
                (Double.IsNaN((RandomLogit.scores Relaxation.Exact maps (maps * 0.)).item<float>()))
                "constant")
    ]
