namespace Attribution.Core

open TorchSharp

/// <summary>Sparseness: the Gini index of a map. Higher means that fewer pixels carry it.</summary>
/// <remarks>Chalasani et al., arXiv 1810.06583.</remarks>
[<RequireQualifiedAccess>]
module Sparseness =
    /// <summary>1 - 2 Σₖ v₍ₖ₎ / ‖v‖₁ · (d - k + ½) / d of each map (n), v₍₁₎ ≤ … ≤ v₍d₎ its pixels' magnitudes: 0 where all are
    /// equal, 1 - 1/d where one has all. NaN where all are 0.</summary>
    let scores (attributions: Tensor) : Tensor =
        attributions
        |> Ranking.ofMagnitudes (fun magnitudes ->
            let struct (ascending, _) = magnitudes.sort 1L
            let d = float ascending.shape[1]

            let before = (Number.Range(0L, ascending.shape[1], ascending.device)).``to`` torch.float64

            let all = ascending.sum 1L

            let weights = Tensor.shift (d - 0.5) -before
            let mean = Tensor.ratio (Tensor.isPositive all) ((ascending * weights).sum 1L) all
            Tensor.complement (mean * Number.Of(2. / d)))
