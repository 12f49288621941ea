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
            let before = torch.arange (ascending.shape[1], torch.float64, ascending.device)
            let all = ascending.sum 1L

            1.
            - 2. / d
              * Tensor.ratio (Tensor.isPositive all) ((ascending * (d - 0.5 - before)).sum 1L) all)
