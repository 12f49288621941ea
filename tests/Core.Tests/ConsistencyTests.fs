module ConsistencyTests

open System
open Attribution
open Expecto
open TorchSharp
open Attribution.Core
open Support

let tests =
    testList "Consistency" [
        example "a map is told by its largest cells and their signs, in the grid's order" (fun () ->
            let map = tensor [ 1; 4; 4 ] [ 9.; 9.; 0.; 0.; 9.; 9.; 0.; 0.; 0.; 1.; -4.; -4.; 0.; 0.; -4.; -4. ]
            let told count = (Consistency.words 2 count map)[0] |> Option.map List.ofArray
            Expect.equal (told 1) (Some [ 1L ]) "one cell"
            Expect.equal (told 2) (Some [ 1L; -4L ]) "two"
            Expect.equal (Consistency.words 2 2 (map * 3.)) (Consistency.words 2 2 map) "of any unit"
            Expect.notEqual (Consistency.words 2 1 -map) (Consistency.words 2 1 map) "the sign tells"
            Expect.equal (Consistency.words 2 1 (map * 0.)) [| None |] "zeros are told by nothing"
            let ofFew = (Consistency.words 4 2 (torch.ones (1L, 1L, 2L)))[0]
            Expect.equal (Option.map Array.length ofFew) (Some 2) "of fewer pixels than cells"
            Expect.throwsT<ArgumentException> (fun () -> Consistency.words 2 5 map |> ignore) "five of four"
            Expect.throwsT<AttributionException> (fun () -> Consistency.words 2 1 (map / 0. * 0.) |> ignore) "NaN")

        law "is the share of the others of the same words that have the class, by counting" (fun rng ->
            let n = rng.Next(1, 12)
            let maps = gaussian rng [ n; 2; 4; 4 ]
            let classes = Array.init n (fun _ -> rng.NextInt64 2L)
            let words = Consistency.words 2 1 maps

            let expected = [
                for i in 0 .. n - 1 do
                    let alike = [
                        for j in 0 .. n - 1 do
                            if j <> i && words[j] = words[i] then
                                j
                    ]

                    if alike.IsEmpty then
                        nan
                    else
                        alike |> List.averageBy (fun j -> if classes[j] = classes[i] then 1. else 0.)
            ]

            same (vector expected) (vector (Consistency.scores 2 1 classes maps)) "counted")

        example "an image is not one of those that are alike, and a map of zeros is like none" (fun () ->
            let maps = tensor [ 4; 1; 2 ] [ 1.; 0.; 2.; 0.; 0.; 0.; 0.; 0. ]
            let found = Consistency.scores 2 1 [| 0L; 1L; 0L; 0L |] maps
            Expect.equal found[..1] [| 0.; 0. |] "of two classes"
            Expect.isTrue (Double.IsNaN found[2] && Double.IsNaN found[3]) "zeros"

            let work () = Consistency.scores 2 1 [| 0L; 1L; 0L; 0L |] maps |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
