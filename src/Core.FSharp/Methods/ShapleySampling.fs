namespace Attribution.Core

open System
open TorchSharp

/// <summary>Shapley value sampling: what a feature adds when it joins, on average over random orders of joining.</summary>
/// <remarks>Castro, Gómez and Tejada, Computers and Operations Research 36(5), 2009; of classifiers: Štrumbelj and Kononenko, Journal
/// of Machine Learning Research 11, 2010. φᵢ = (1/N) Σ_π v(those up to i in π) - v(those before i in π); they sum to v(all) - v(∅)
/// whatever the orders.</remarks>
[<RequireQualifiedAccess>]
module ShapleySampling =
    /// What is asked about M features, in so many orders of theirs.
    let plan (orders: int) (seed: int64) (count: int) : CoalitionPlan =
        Scope.quietly (fun () ->
            let random = Random(int (seed % 2147483647L))
            let each = [| for _ in 1..orders -> Coalitions.shuffled random count |]

            // Those that joined first: all but the empty one and the whole.
            let joined (order: int[]) = [|
                for size in 1 .. count - 1 ->
                    let shown = Coalitions.empty count

                    for i in order[.. size - 1] do
                        shown[i] <- true

                    shown
            |]

            let all =
                Array.concat [ [| Coalitions.empty count |]; Array.collect joined each; [| Coalitions.whole count |] ]

            let weights = Array2D.zeroCreate count all.Length
            let share = 1. / float orders

            for o, order in Array.indexed each do
                let place size =
                    if size = 0 then 0
                    elif size = count then all.Length - 1
                    else o * (count - 1) + size

                for j, i in Array.indexed order do
                    weights[i, place (j + 1)] <- weights[i, place (j + 1)] + share
                    weights[i, place j] <- weights[i, place j] - share

            Coalitions.plan all (torch.tensor weights))

    /// <summary>Shapley values of features, estimated: n×h×w, or of the instances' shape where features tell channels apart.</summary>
    let attribute orders seed (features: Features) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Coalitions.attribute (plan orders seed) features baseline target batch
