namespace Attribution.Core

open TorchSharp

/// <summary>Completeness gap: what is missing from the sum of the attributions to the change of the score from the baseline.
/// Lower is better.</summary>
/// <remarks>Completeness is an axiom of Sundararajan, Taly and Yan, arXiv 1703.01365.</remarks>
[<RequireQualifiedAccess>]
module CompletenessGap =
    /// <summary>|Σ A - (t(x) - t(b))| of each instance (n); where `isRelative`, divided by |t(x) - t(b)|: NaN where that is
    /// 0.</summary>
    let gaps isRelative (baseline: Baseline) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        Ranking.requireMaps batch.X attributions |> ignore

        Scope.quietly (fun () ->
            let change = IntegratedGradients.change baseline target batch
            let sum = Tensor.sumEach (attributions.``to`` (torch.float64, torch.CPU))
            let gap = (sum - change).abs()

            if isRelative then Tensor.ratio (change.ne (Number.Of 0.)) gap (change.abs ()) else gap)
