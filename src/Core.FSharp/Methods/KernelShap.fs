namespace Attribution.Core

open System
open TorchSharp

/// <summary>KernelSHAP: Shapley values by weighted least squares over coalitions of features.</summary>
/// <remarks>Lundberg and Lee, arXiv 1705.07874. φ makes Σ_S π(S) (v(S) - v(∅) - Σ_{i ∈ S} φᵢ)² least among those that sum to
/// v(all) - v(∅), with the kernel π(S) = (M - 1) / (C(M, |S|) |S| (M - |S|)). Sizes are asked about from the outside in, 1 and M - 1
/// first, each in full while there are samples left; of the rest coalitions are drawn by π, each with its complement. With as
/// many samples as there are coalitions, 2ᴹ, the values are exact.</remarks>
[<RequireQualifiedAccess>]
module KernelShap =
    /// All sets of so many of M.
    let rec private subsets (size: int) (from: int) (count: int) : int list seq = seq {
        if size = 0 then
            []
        else
            for i in from .. count - size do
                for rest in subsets (size - 1) (i + 1) count do
                    i :: rest
    }

    let private setOf (count: int) (members: int seq) =
        let shown = Array.zeroCreate count

        for i in members do
            shown[i] <- true

        shown

    let private choose (count: int) (size: int) =
        Seq.fold (fun all i -> all * float (count - i) / float (i + 1)) 1. [ 0 .. size - 1 ]

    /// Coalitions that are neither empty nor whole, and π of each.
    let private coalitions (samples: int) (random: Random) (count: int) : (bool[] * float)[] =
        /// Of all coalitions of a size and of its complements' size.
        let weight size =
            let both = if 2 * size = count then 1. else 2.
            both * float (count - 1) / (float size * float (count - size))

        let rec fill size left = [
            if 2 * size <= count then
                let each = choose count size * (if 2 * size = count then 1. else 2.)

                if each <= float left then
                    for members in subsets size 0 count do
                        let shown = setOf count members
                        shown, weight size / each

                        if 2 * size < count then
                            Array.map not shown, weight size / each

                    yield! fill (size + 1) (left - int each)
                else
                    let sizes = [| size .. count / 2 |]
                    let bounds = sizes |> Array.map weight |> Array.scan (+) 0. |> Array.tail
                    let total = Array.last bounds
                    let pairs = left / 2

                    for _ in 1..pairs do
                        let drawn = random.NextDouble() * total
                        let size = sizes[Array.findIndex (fun bound -> drawn < bound || bound = total) bounds]
                        let shown = setOf count (Coalitions.shuffled random count |> Seq.take size)
                        shown, total / float (2 * pairs)
                        Array.map not shown, total / float (2 * pairs)
        ]

        Array.ofList (fill 1 samples)

    /// <summary>What is asked about M features, by so many samples, of which there are at least two a feature.</summary>
    let plan (samples: int) (seed: int64) (count: int) : CoalitionPlan =
        Scope.quietly (fun () ->
            let random = Random(int (seed % 2147483647L))
            let middle = if count = 1 then [||] else coalitions (max samples (2 * count + 2) - 2) random count

            let all =
                Array.concat [ [| Coalitions.empty count |]; Array.map fst middle; [| Coalitions.whole count |] ]

            let k, m = all.LongLength, int64 count

            // Of v: less v(∅), and v(all) - v(∅).
            let less = torch.eye (k, dtype = torch.float64)
            let ofEmpty = less.narrow (0L, 0L, 1L)
            let change = less.narrow (0L, k - 1L, 1L) - ofEmpty
            let ones = torch.ones (m, 1L, torch.float64)

            let weights =
                if count = 1 then
                    change
                else
                    let z = Coalitions.numbers (Array.map fst middle)
                    let weighted = z.t () * torch.tensor (Array.map snd middle)
                    let inverse = torch.linalg.inv (weighted.matmul z)
                    let free = inverse.matmul(weighted).matmul(less.narrow (0L, 1L, k - 2L) - ofEmpty)
                    let along = inverse.matmul ones
                    // What is missing of the sum goes where it costs the least.
                    Tensor.add free (along.matmul (change - free.sum (0L, true)) / along.sum ())

            Coalitions.plan all weights)

    /// <summary>KernelSHAP values of features: n×h×w, or of the instances' shape where features tell channels apart.</summary>
    let attribute samples seed (features: Features) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Coalitions.attribute (plan samples seed) features baseline target batch
