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
        : Tensor =
        let x, shares = batch.X, List.ofSeq shares
        let pixels = (Ranking.requireMaps x attributions).flatten(1L).``to`` torch.float64
        // All sets of n pixels gain the same by this, and sums of a constant map come out equal.
        let pixels = pixels - pixels.narrow (1L, 0L, 1L)

        let plane = { batch with X = x.detach().narrow(1L, 0L, 1L) }

        let blank = baseline.Of batch

        let sizes =
            torch.tensor (
                [| for share in shares -> max 1L (int64 (Math.Round(share * float pixels.shape[1]))) |],
                device = x.device
            )

        let points (i: Tensor) (k: Tensor) =
            let n = Sweep.pick (k.div (Number.Of(int64 (subsets: int)), torch.RoundingMode.floor)) sizes

            let place =
                (Noise.uniforms seed (Tensor.toArray k) (Batch.pick i plane)).flatten(1L).argsort(1L).argsort 1L

            let isIn = place.lt (n.unsqueeze 1L)
            let mask = isIn.reshape (i.shape[0], 1L, x.shape[2], x.shape[3])
            torch.where (mask, Sweep.pick i blank, Sweep.pick i x), (Sweep.pick i pixels * isIn).sum 1L

        let count = shares.Length * subsets

        let own, without, sums = Sweep.scoresBeside (Sweep.each count batch) points target batch

        let bySize (t: Tensor) = t.reshape (-1L, int64 subsets)
        let r = Relax.correlations (bySize sums) (bySize (own.unsqueeze 1L - without))
        r.reshape(-1L, int64 shares.Length).mean [| 1L |]
