module StatisticsTests

open System
open Attribution.Core
open Expecto

let private near = Expect.floatClose Accuracy.high

let tests =
    testList "Statistics" [
        testCase "equal values share the mean of their ranks" (fun () ->
            // The ranks are 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
            let r = Statistics.rankCorrelation [| 1.; 7.; 7.; 9. |] [| 10.; 20.; 30.; 40. |]
            near r (4.5 / sqrt (4.5 * 5.)) "correlation")

        testCase "a rank correlation sees the order alone" (fun () ->
            let xs = [| 3.; -1.; 4.; 1.5; 9. |]
            near (Statistics.rankCorrelation xs (Array.map exp xs)) 1. "increasing"
            near (Statistics.rankCorrelation xs (Array.map (fun x -> -x ** 3.) xs)) -1. "decreasing")

        testCase "a bootstrap interval holds the mean, lies within the values, and comes from its seed" (fun () ->
            let values = [| 1.; 4.; 2.; 8.; 5.; 7. |]

            let interval seed =
                Statistics.bootstrapInterval (Random seed) 2000 0.95 values

            let struct (low, high) = interval 1
            Expect.isTrue (1. <= low && low < 4.5 && 4.5 < high && high <= 8.) $"{low} to {high}"
            Expect.equal (interval 1) (struct (low, high)) "the same seed"
            // The mean's standard error is s/√n = 2.5/√6 ≈ 1; the interval is about four of them wide.
            Expect.isTrue (abs (high - low - 3.9) < 0.6) $"{high - low} wide")
    ]
