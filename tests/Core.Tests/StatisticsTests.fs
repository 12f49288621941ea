module StatisticsTests

open System
open Attribution.Core
open Expecto
open MathNet.Numerics.Distributions

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

        testCase "a constant series correlates with nothing, whatever its mean rounds to" (fun () ->
            let constant = Array.create 7 0.1
            Expect.notEqual (Array.average constant) 0.1 "the mean rounds"
            Expect.isTrue (Double.IsNaN(Statistics.correlation constant [| 1. .. 7. |])) "correlation")

        testCase "a bootstrap interval holds the mean, lies within the values, and comes from its seed" (fun () ->
            let values = [| 1.; 4.; 2.; 8.; 5.; 7. |]

            let interval seed = Statistics.bootstrapInterval (Random seed) 2000 0.95 values

            let struct (low, high) = interval 1
            Expect.isTrue (1. <= low && low < 4.5 && 4.5 < high && high <= 8.) $"{low} to {high}"
            Expect.equal (interval 1) (struct (low, high)) "the same seed"
            // The mean's standard error is s/√n = 2.5/√6 ≈ 1; the interval is about four of them wide.
            Expect.isTrue (abs (high - low - 3.9) < 0.6) $"{high - low} wide")

        testCase "the median's bootstrap interval is that of its exact distribution" (fun () ->
            for n in [ 1; 2; 7; 20; 101; 1000 ] do
                let values = Array.init n (fun i -> float ((i * 7919) % n))
                // Of the resamples' medians (the lower of two middles), so many are below the i-th value.
                let k = (n + 1) / 2

                let below (i: int) = 1. - Binomial.CDF(float i / float n, n, float (k - 1))

                let struct (low, high) = Statistics.bootstrapMedian (Random 1) 20000 0.9 values

                for bound, share in [ low, 0.05; high, 0.95 ] do
                    let i = int (floor bound)
                    // The two middles of an even number lie beside each other.
                    let slack =
                        0.012 + (if n % 2 = 0 then 1.5 * (below (min n (i + 2)) - below (max 0 (i - 1))) else 0.)

                    Expect.isTrue
                        (below i - slack <= share && share <= below (i + 1) + slack)
                        $"{n} values: {bound} at {share}, between {below i} and {below (i + 1)}")

        testCase "intervals of fifty thousand values take milliseconds" (fun () ->
            let random = Random 3
            let values = Array.init 50_000 (fun _ -> random.NextDouble())
            let clock = Diagnostics.Stopwatch.StartNew()
            let struct (low, high) = Statistics.bootstrapMedian (Random 1) 2000 0.95 values
            let struct (lower, higher) = Statistics.bootstrapInterval (Random 1) 2000 0.95 values
            Expect.isLessThan clock.ElapsedMilliseconds 500L "milliseconds"
            // Of uniform numbers: 1.96 / (2 f √n) with f = 1, and 1.96 s/√n with s = √(1/12).
            let half = 1.96 / sqrt 50000.
            Expect.floatClose { absolute = 0.; relative = 0.15 } (high - low) half "the median's"

            Expect.floatClose
                { absolute = 0.; relative = 0.02 }
                (higher - lower)
                (2. * half * sqrt (1. / 12.))
                "the mean's")

        testCase "the median is the middle, or the mean of the two in the middle" (fun () ->
            Expect.equal (Statistics.median [| 5.; 1.; 3. |]) 3. "three"
            Expect.equal (Statistics.median [| 5.; 1.; 3.; 4. |]) 3.5 "four"
            Expect.isTrue (Double.IsNaN(Statistics.median [||])) "none")

        testCase "the signed-rank test gives SciPy's probabilities, exactly for few pairs" (fun () ->
            let few = [| 1.; -2.; 3.; 4.; -5.; 6.; 7.; 8.; -9.; 10.; 11. |]
            near (Statistics.signedRank few) 0.1474609375 "eleven"

            let many = Array.init 80 (fun i -> float ((i * 37) % 41 - 15))

            near (Statistics.signedRank many) 0.00034755871236835173 "eighty, with ties and zeros"

            Expect.equal (Statistics.signedRank [| 0.; 0. |]) 1. "nothing differs")

        testProperty "with ties too, the exact test counts the ways to give signs" (fun (seed: int) ->
            let rng = Random seed

            let differences = Array.init (rng.Next(1, 10)) (fun _ -> float (rng.Next(1, 5) * (2 * rng.Next 2 - 1)))

            let ranks = Statistics.ranks (Array.map abs differences)

            let statistic (signs: int) =
                ranks |> Seq.indexed |> Seq.sumBy (fun (i, r) -> if signs >>> i &&& 1 = 1 then r else -r)

            let signs = differences |> Seq.indexed |> Seq.sumBy (fun (i, d) -> if d > 0. then 1 <<< i else 0)

            let all = [| 0 .. (1 <<< ranks.Length) - 1 |]

            let asUneven = all |> Array.filter (fun s -> abs (statistic s) >= abs (statistic signs) - 1e-9)

            near (Statistics.signedRank differences) (min 1. (float asUneven.Length / float all.Length)) "share")

        testCase "Holm's correction is step by step, and never falls" (fun () ->
            Array.iter2 (fun a b -> near a b "corrected") (Statistics.holm [| 0.01; 0.04; 0.03; 0.005 |]) [|
                0.03
                0.06
                0.06
                0.02
            |])

        testCase "Welch's test gives the tails of Student's density, and is certain where nothing varies" (fun () ->
            // By Simpson's rule on the density, of 6.31 degrees of freedom.
            near (Statistics.welch [| 1.; 2.; 3.; 4. |] [| 3.; 5.; 4.; 7.; 9. |]) 0.0466137538553133 "unequal"
            Expect.equal (Statistics.welch [| 1.; 1. |] [| 1.; 1. |]) 1. "equal"
            Expect.equal (Statistics.welch [| 1.; 1. |] [| 2.; 2. |]) 0. "different")

        testCase
            "one value against several is a t test whose share of errors is its level, and the interval its edge"
            (fun () ->
                let random = Random 4
                let normal () = MathNet.Numerics.Distributions.Normal.Sample(random, 3., 2.)

                let isFar _ = Statistics.oneAgainst (Array.init 6 (fun _ -> normal ())) (normal ()) < 0.05
                let share = Seq.averageBy (fun i -> if isFar i then 1. else 0.) [ 1..4000 ]
                Expect.isTrue (abs (share - 0.05) < 0.012) $"{share}"
                let others = Array.init 9 (fun _ -> normal ())
                let struct (low, high) = Statistics.predictionInterval 0.95 others

                for edge in [ low; high ] do
                    near (Statistics.oneAgainst others edge) 0.05 "at the edge")

        testCase "the chance of so many heads is counted" (fun () ->
            near (Statistics.chance 4 3) (5. / 16.) "three of four"
            near (Statistics.chance 4 0) 1. "none"
            near (Statistics.chance 10 10) (1. / 1024.) "all")
    ]
