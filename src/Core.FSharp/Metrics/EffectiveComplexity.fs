namespace Attribution.Core

open TorchSharp

/// <summary>Effective complexity: how many pixels of a map matter. Lower means a simpler map.</summary>
/// <remarks>After Nguyen and Martínez, arXiv 2007.07584, as Quantus counts it; a map's own largest magnitude is the unit, so
/// that the map's scale does not matter.</remarks>
[<RequireQualifiedAccess>]
module EffectiveComplexity =
    /// <summary>|{p : |A_p| > threshold · max |A|}| of each map (n). NaN where all are 0.</summary>
    let scores (threshold: float) (attributions: Tensor) : Tensor =
        attributions
        |> Ranking.ofMagnitudes (fun magnitudes ->
            let largest = magnitudes.amax ([| 1L |], true)
            let count = (magnitudes.gt (threshold * largest)).sum(1L).``to`` torch.float64
            count / (Tensor.isPositive largest).squeeze 1L)
