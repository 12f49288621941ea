namespace Attribution.Core

open System
open TorchSharp

/// <summary>Sensitivity-n: whether the attributions of n pixels sum to what the score loses without these. Higher is better;
/// 1 is a perfect line.</summary>
/// <remarks>Ancona et al., arXiv 1711.06104.</remarks>
[<RequireQualifiedAccess>]
module SensitivityN =
    /// <summary>corr_S (Σ_{p ∈ S} A_p, t(x) - t(x with S at the baseline)) of each instance (n), Pearson's, over random sets S of
    /// n pixels; the mean over several n, each a share of the pixels. NaN where one is constant.</summary>
    let scores
        (shares: float seq)
        subsets
        seed
        (baseline: Baseline)
        (target: Target)
        attributions
        (batch: Batch)
        : float[] =
        let x = batch.X
        let pixels = (Ranking.requireMaps x attributions).flatten(1L).``to`` torch.float64
        // All sets of n pixels gain the same by this, and sums of a constant map come out equal.
        let pixels = pixels - pixels.narrow (1L, 0L, 1L)
        let plane = { batch with X = x.narrow (1L, 0L, 1L) }

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch
            let all = torch.arange (x.shape[0], torch.int64, x.device)
            let before = target.Quantity.Of explained (explained.Outputs.Force())
            let blank = baseline.Of batch

            let sample (n: int64) draw =
                Scope.run (fun () ->
                    let order = (Noise.uniform seed draw plane).flatten(1L).argsort 1L
                    let isIn = (order.argsort 1L).lt(n.ToScalar())
                    let without = torch.where (isIn.reshape plane.X.shape, blank, x)
                    let drop = before - Target.along target explained all without
                    torch.stack ([| (pixels * isIn).sum 1L; drop.``to`` torch.float64 |], 1L))

            let correlations i share =
                use _ = torch.NewDisposeScope()
                let n = max 1L (int64 (Math.Round(share * float pixels.shape[1])))

                let drawn =
                    torch.stack ([| for k in 0 .. subsets - 1 -> sample n (int64 (i * subsets + k)) |], 2L)

                Tensor.toArray<float> drawn
                |> Array.chunkBySize (2 * subsets)
                |> Array.map (
                    Array.splitAt subsets
                    >> (fun (sums, drops) -> Statistics.correlation sums drops)
                )

            shares |> Seq.mapi correlations |> Array.transpose |> Array.map Array.average)
