module NonSensitivityTests

open Expecto
open Attribution.Core
open Support

let private samples = 3

/// The pixels of one side alone, by a network that sees some of the pixels.
let private twin step (isSeen: bool[]) (map: float[]) =
    PixelGroupsTests.steps step (Array.map abs map)
    |> List.sumBy (fun feature ->
        let isAttributed = feature |> List.exists (fun p -> map[p] <> 0.)
        let isSensitive = feature |> List.exists (fun p -> isSeen[p])
        if isAttributed <> isSensitive then float feature.Length else 0.)

let private scores step = NonSensitivity.scores Relaxation.Exact step samples 7L

let private score step f (map: float list) =
    (scores
        step
        (PixelGroupsTests.ofNumbers f)
        (PixelGroupsTests.rows [ map ])
        (batch (PixelGroupsTests.rows [ [ 3.; 1.; 4.; 1.; 5.; 9. ] ])))
        .item<float>()

let private firstThree (x: Tensor) = x.narrow(1L, 0L, 3L).sum 1L

let tests =
    testList "NonSensitivity" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let n = rng.Next(1, 5)
            let x = gaussian rng [ n; 2; 3; 4 ]
            let isSeen = Array.init 12 (fun _ -> rng.Next 3 = 0)

            let maps =
                Array.init n (fun _ -> gaussians rng 12 |> Array.map (fun v -> if rng.Next 2 = 0 then v else 0.))

            let weights = Array.init 24 (fun i -> if isSeen[i % 12] then 1. + rng.NextDouble() else 0.) |> vector
            let model = ofFunctions [ "s", (fun x -> (x.flatten 1L).matmul(weights).unsqueeze 1L) ]

            let step = rng.Next(1, 6)

            for passes in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                same
                    (maps |> Array.map (twin step isSeen) |> vector)
                    (scores
                        step
                        (Target.ofQuantity (Quantity.ofClass 0) (batching passes model))
                        (tensor [ n; 3; 4 ] (Array.concat maps))
                        (batch x))
                    $"{step} pixels a step, {passes}")

        example "it counts the pixels of one side alone, whichever that is" (fun () ->
            Expect.equal (score 1 firstThree [ 1.; -2.; 3.; 0.; 0.; 0. ]) 0. "right"
            Expect.equal (score 1 firstThree [ 1.; -2.; 3.; 4.; 5.; 0. ]) 2. "too many"
            Expect.equal (score 1 firstThree [ 1.; 0.; 0.; 0.; 0.; 0. ]) 2. "too few"
            Expect.equal (score 1 firstThree [ 0.; 0.; 0.; 1.; 2.; 3. ]) 6. "the wrong ones"
            Expect.equal (score 1 firstThree [ 0.; 0.; 0.; 0.; 0.; 0. ]) 3. "none"

            Expect.equal
                (score 2 firstThree [ 1.; 2.; 3.; 4.; 5.; 6. ])
                2.
                "the fifth and sixth come first, and do nothing")

        example "what rounding leaves of nothing is nothing" (fun () ->
            Expect.equal (score 1 firstThree [ 1.; -2.; 3.; 1e-8; -1e-8; 0. ]) 0. "of a map"
            let nearly (x: Tensor) = firstThree x |> Tensor.add (x.select (1L, 3L) * 1e-8)
            Expect.equal (score 1 nearly [ 1.; -2.; 3.; 0.; 0.; 0. ]) 0. "of a score"
            let slightly (x: Tensor) = firstThree x |> Tensor.add (x.select (1L, 3L) * 0.01)
            Expect.equal (score 1 slightly [ 1.; -2.; 3.; 0.; 0.; 0. ]) 1. "but a hundredth is something")
    ]
