module CoalitionsTests

open System
open Expecto
open TorchSharp
open Attribution
open Attribution.Core
open Support

let private indices (shown: bool[]) = [
    for i in 0 .. shown.Length - 1 do
        if shown[i] then
            i
]

let private coalitions count = [
    for bits in 0 .. (1 <<< count) - 1 -> Array.init count (fun i -> bits >>> i &&& 1 = 1)
]

let rec private factorial n = if n < 2 then 1. else float n * factorial (n - 1)

/// Shapley's values by their definition: over all coalitions without i.
let private shapley count (value: bool[] -> float) =
    Array.init count (fun i ->
        coalitions count
        |> List.filter (fun shown -> not shown[i])
        |> List.sumBy (fun shown ->
            let size = (indices shown).Length
            let weight = factorial size * factorial (count - size - 1) / factorial count
            weight * (value (Array.mapi (fun j s -> s || j = i) shown) - value shown)))

/// A set function of any values.
let private anyGame (rng: Random) count =
    let values = gaussians rng (1 <<< count)
    fun (shown: bool[]) -> values[Seq.sumBy (fun i -> 1 <<< i) (indices shown)]

let private near tolerance (expected: float[]) (actual: float[]) message =
    close tolerance (vector expected) (vector actual) message

let private games = [
    "KernelSHAP, all coalitions", (fun (_: Random) count -> KernelShap.plan (1 <<< count) 1L count)
    "KernelSHAP, drawn", (fun rng count -> KernelShap.plan (2 * count + 6) (int64 (rng.Next())) count)
    "Shapley value sampling", (fun rng count -> ShapleySampling.plan 3 (int64 (rng.Next())) count)
]

let private axioms = [
    for name, plan in games do
        law $"{name}: values sum to what all gain over none" (fun rng ->
            let count = rng.Next(1, 9)
            let game = anyGame rng count
            let gained = game (Coalitions.whole count) - game (Coalitions.empty count)
            same (number gained) (number (Array.sum (Coalitions.solve (plan rng count) game))) "efficient")

        law $"{name}: of an additive game each value is the feature's own, and 0 of one that adds nothing" (fun rng ->
            let count = rng.Next(1, 9)
            let own = gaussians rng count
            own[rng.Next count] <- 0.
            let game shown = 3. + (indices shown |> List.sumBy (fun i -> own[i]))
            near 1e-9 own (Coalitions.solve (plan rng count) game) "own")

        law $"{name}: values of a sum of games are the sums of values" (fun rng ->
            let count = rng.Next(1, 9)
            let a, b = anyGame rng count, anyGame rng count
            let plan = plan rng count
            let solve = Coalitions.solve plan
            near 1e-9 (Array.map2 (+) (solve a) (solve b)) (solve (fun s -> a s + b s)) "linear")
]

let tests =
    testList "Coalitions" [
        yield! axioms

        example "KernelSHAP is exact on all 1024 coalitions of ten features" (fun () ->
            let rng = Random 7
            let game = anyGame rng 10
            near 1e-8 (shapley 10 game) (Coalitions.solve (KernelShap.plan 1024 1L 10) game) "Shapley's values"
            let glove shown = if List.length (indices shown) >= 4 then 1. else 0.
            near 1e-8 (Array.create 10 0.1) (Coalitions.solve (KernelShap.plan 1024 1L 10) glove) "symmetric")

        law "KernelSHAP of all coalitions has Shapley's values, of features that are alike the same" (fun rng ->
            let count = rng.Next(1, 8)
            let game = anyGame rng count
            near 1e-8 (shapley count game) (Coalitions.solve (KernelShap.plan (1 <<< count) 1L count) game) "exact")

        example "the more orders and samples, the nearer to Shapley's values" (fun () ->
            let game (shown: bool[]) =
                let size = float (indices shown).Length
                size * size + (if shown[0] && shown[7] then 5. else 0.)

            let exact = shapley 8 game

            let error plan = Seq.map2 (fun a b -> abs (a - b)) exact (Coalitions.solve plan game) |> Seq.max

            Expect.isLessThan (error (ShapleySampling.plan 2000 3L 8)) 0.5 "2000 orders"
            Expect.isLessThan (error (KernelShap.plan 200 3L 8)) 0.5 "200 of 256 coalitions")

        law "LIME of an additive game has its coefficients, shrunk by the ridge alone" (fun rng ->
            let count = rng.Next(2, 7)
            let own = gaussians rng count
            let game shown = 1. + (indices shown |> List.sumBy (fun i -> own[i]))
            let plan = Lime.plan 400 (int64 (rng.Next())) count

            // The fit by its normal equations, with the intercept among the unknowns and no penalty on it.
            let shown = Tensor.toArray<bool> plan.Shown |> Array.chunkBySize count

            let weight (row: bool[]) =
                let distance = 1. - sqrt (float (indices row).Length / float count)
                exp (-((distance / 0.25) ** 2.))

            let z =
                tensor
                    [ shown.Length; count + 1 ]
                    (shown
                     |> Seq.collect (fun row -> Seq.append [ 1. ] (row |> Seq.map (fun b -> if b then 1. else 0.))))

            let w = tensor [ shown.Length; 1 ] (shown |> Seq.map weight)
            let penalty = torch.diag (vector (Seq.append [ 0. ] (Seq.replicate count 1.)))
            let v = tensor [ shown.Length; 1 ] (shown |> Seq.map game)
            let fit = torch.linalg.solve ((z.t().matmul(w * z)) + penalty, z.t().matmul(w * v))
            near 1e-9 (values (fit.narrow (0L, 1L, int64 count))) (Coalitions.solve plan game) "ridge regression")

        law "a linear model's attributions are weights times what the features change, by every game" (fun rng ->
            let weights = gaussian rng [ 3; 60 ]
            let model = graphModel "s" [ node "flat" Flatten [ "x" ]; node "s" (Linear(weights, None)) [ "flat" ] ]
            let x = gaussian rng [ 2; 3; 4; 5 ]
            let features = Features.grid 2
            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let each = (weights[1L].reshape(1L, 3L, 4L, 5L) * x).sum 1L
            let labels = (features.Of(batch x)).squeeze 1L

            let expected =
                torch.stack [|
                    for i in 0L .. 1L ->
                        let sums =
                            torch
                                .zeros(4L, dtype = torch.float64)
                                .index_add(0L, labels[i].flatten(), each[i].flatten(), Number.Of 1.)

                        sums[labels[i]]
                |]

            let attribute name f = close 1e-9 expected (f features Baseline.black target (batch x)) name
            attribute "KernelSHAP" (KernelShap.attribute 12 1L)
            attribute "sampling" (ShapleySampling.attribute 2 1L)
            attribute "ablation" FeatureAblation.attribute

            for size in [ Fixed 1; Fixed 3 ] do
                let target = Target.ofQuantity (Quantity.ofClass 1) (batching size model)

                close
                    1e-9
                    expected
                    (inBatches 1 (KernelShap.attribute 12 1L features Baseline.black target) x)
                    $"{size}")

        law "instances of different numbers of features are solved each by itself" (fun rng ->
            let _, model, images, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let given = torch.tensor (Array.init (images.Length * 12) (fun p -> int64 (rng.Next(1 + p / 12))))
            let features = Features.given (given.reshape (-1L, 1L, 3L, 4L))
            let whole = Lime.attribute 9 2L features Baseline.black target (batch x)

            for i in 0 .. images.Length - 1 do
                let alone = {
                    batch (x.narrow (0L, int64 i, 1L)) with
                        Rows = torch.tensor [| int64 i |]
                        Ids = [| int64 i |]
                }

                same (whole.narrow (0L, int64 i, 1L)) (Lime.attribute 9 2L features Baseline.black target alone) $"{i}")

        example "a feature that tells channels apart gives a number a channel" (fun () ->
            let _, model, _, x = case (Random 4) 0.
            let target = Target.ofQuantity Quantity.predicted model
            let channels = Features.given (torch.tensor([| 0L; 1L |]).reshape(2L, 1L, 1L))
            let map = KernelShap.attribute 4 1L channels Baseline.black target (batch x)
            Expect.equal map.shape x.shape "of the instances' shape"
            let first = map.narrow(0L, 0L, 1L).narrow(1L, 0L, 1L)
            same (first.narrow(2L, 0L, 1L).narrow(3L, 0L, 1L).expand_as first) first "each pixel of a channel alike")

        example "more features than can be solved for are refused in a sentence" (fun () ->
            let model =
                graphModel "s" [
                    node "flat" Flatten [ "x" ]
                    node "s" (Linear(torch.ones (2, 2500, torch.float64), None)) [ "flat" ]
                ]

            let target = Target.ofQuantity (Quantity.ofClass 0) model

            rejects<AttributionException>
                (fun () ->
                    KernelShap.attribute
                        10
                        1L
                        Features.each
                        Baseline.black
                        target
                        (batch (torch.zeros (1, 1, 50, 50, torch.float64))))
                "2500")

        law "DeepSHAP is the mean of DeepLIFT from each of a background, without the instance itself" (fun rng ->
            let _, model, images, _ = case rng 0.
            let x = gaussian rng [ 4; 2; 3; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let background = Instances.ofTensor x
            let found = DeepShap.attribute MaximumRule.Rescale 4 background 1L target (batch x)

            let expected =
                torch.stack [|
                    for i in 0L .. 3L ->
                        torch
                            .stack(
                                [|
                                    for k in 0L .. 3L do
                                        if k <> i then
                                            let from =
                                                Baseline.ofFunction "one" (fun x ->
                                                    x.new_zeros (x.shape) + background.Read (int k) 1)

                                            (DeepLift.attribute from true target (batch (x.narrow (0L, i, 1L))))[0L]
                                |]
                            )
                            .mean
                            [| 0L |]
                |]

            close 1e-9 expected found $"{images.Length}"

            rejects<AttributionException>
                (fun () ->
                    DeepShap.attribute
                        MaximumRule.Rescale
                        3
                        (Instances.ofTensor (x.narrow (0L, 0L, 1L)))
                        1L
                        target
                        (batch (x.narrow (0L, 0L, 1L))))
                "its own background")

        law "a permuted feature is what ablation to each other instance loses on average" (fun rng ->
            let _, model, _, _ = case rng 0.
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let target = Target.ofQuantity Quantity.predicted model
            let features = Features.grid 2
            let found = FeaturePermutation.attribute 3 (Instances.ofTensor x) 1L features target (batch x)

            let expected =
                torch.stack [|
                    for i in 0L .. 2L ->
                        torch
                            .stack(
                                [|
                                    for k in 0L .. 2L do
                                        if k <> i then
                                            let from =
                                                Baseline.ofFunction "one" (fun some ->
                                                    some.new_zeros (some.shape) + x.narrow (0L, k, 1L))

                                            (FeatureAblation.attribute
                                                features
                                                from
                                                target
                                                (batch (x.narrow (0L, i, 1L))))[0L]
                                |]
                            )
                            .mean
                            [| 0L |]
                |]

            close 1e-9 expected found "the mean of the two others")

        example "nothing of a game is left in memory" (fun () ->
            let _, model, _, x = case (Random 5) 0.
            let target = Target.ofQuantity Quantity.predicted model

            let work () =
                use _ = torch.NewDisposeScope()
                KernelShap.attribute 20 1L (Features.grid 2) Baseline.black target (batch x) |> ignore

            work ()
            Expect.equal (liveAfter work) 0L "live tensors")
    ]
