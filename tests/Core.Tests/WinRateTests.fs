module WinRateTests

open System
open Expecto
open Attribution.Core

let tests =
    testList "WinRate" [
        testCase "the smallest score wins, and equals share" (fun () ->
            let found = WinRate.percent [| [| 1.; 5.; 3.; 0. |]; [| 2.; 5.; 4.; 0. |]; [| 3.; 6.; 1.; 0. |] |]

            // 1 + 1/2 + 1/3, 1/2 + 1/3, 1 + 1/3 of four.
            Array.iter2
                (fun wins share -> Expect.floatClose Accuracy.veryHigh share (25. * wins) "share")
                [| 11. / 6.; 5. / 6.; 4. / 3. |]
                found)

        testCase "NaN never wins, and where all are NaN nobody does" (fun () ->
            Expect.equal (WinRate.percent [| [| nan; nan; 1. |]; [| 9.; nan; 2. |] |]) [| 50.; 50. |] "one each"
            Expect.all (WinRate.percent [| [| nan |]; [| nan |] |]) Double.IsNaN "nobody"
            Expect.all (WinRate.percent [| [||]; [||] |]) Double.IsNaN "no instance"
            Expect.equal (WinRate.percent [||]) [||] "no method")

        testProperty "the percentages sum to 100" (fun (seed: int) ->
            let rng = Random seed

            let scores = Array.init (rng.Next(1, 5)) (fun _ -> Array.init 7 (fun _ -> float (rng.Next 4)))

            Expect.floatClose Accuracy.veryHigh (Array.sum (WinRate.percent scores)) 100. "the sum")

        testCase "methods have scores of the same instances" (fun () ->
            Expect.throwsT<ArgumentException>
                (fun () -> WinRate.percent [| [| 1. |]; [| 1.; 2. |] |] |> ignore)
                "1 and 2")
    ]
