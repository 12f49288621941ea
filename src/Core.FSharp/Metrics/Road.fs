namespace Attribution.Core

open System
open TorchSharp

/// <summary>ROAD, remove and debias: how much more of a class's probability is left where the pixels of the least attribution are
/// filled in from their neighbours than where those of the most are. Higher is better.</summary>
/// <remarks>Rong et al., arXiv 2202.00449: noisy linear imputation hides a pixel without a mark of its own, by which a network
/// might know what was removed. The score is the mean over shares of the curve of least relevant first less that of most
/// relevant first.</remarks>
[<RequireQualifiedAccess>]
module Road =
    /// 10, 20, …, 90 %.
    let shares = [ for tenth in 1..9 -> float tenth / 10. ]

    /// How many pixels such a share of all of them is: one stays at the least.
    let private counts (shares: float list) (pixels: int64) = [|
        for share in shares -> min (pixels - 1L) (int64 (Math.Round(share * float pixels)))
    |]

    /// <summary>meanₛ t(x without its share s of the smallest attribution) - t(x without its share s of the largest) of each
    /// instance (n).</summary>
    /// <param name="shares">s.</param>
    /// <param name="noise">The standard deviation of what is added to each number that is filled in.</param>
    let scores relaxation (shares: float seq) (noise: float) seed target attributions (batch: Batch) : Tensor =
        let shares = List.ofSeq shares
        let pixels = (Ranking.requireMaps batch.X attributions).flatten 1L
        let n, each = pixels.shape[0], int64 shares.Length
        // Of all instances the most first, and then the least.
        let order = Relax.order (torch.cat ([| pixels; pixels.neg () |], 0L))
        let counts = torch.tensor (counts shares pixels.shape[1], device = batch.X.device)

        let points (i: Tensor) (k: Tensor) =
            let isLeast = k.div (Number.Of each, torch.RoundingMode.floor)
            let order = order |> Relax.pick (Tensor.add i (isLeast * Number.Of n))

            let first relaxation =
                (Relax.first relaxation order (Sweep.pick (k.remainder (Number.Of each)) counts))
                    .reshape(i.shape[0], 1L, batch.X.shape[2], batch.X.shape[3])

            let some = Batch.pick i batch
            let drawn = Noise.normals seed (Tensor.toArray k) { some with X = some.X.detach () }
            let filled = Imputation.fill (first Relaxation.Exact) some.X
            Relax.blend (first relaxation) (Tensor.add filled (drawn * Number.Of noise)) some.X

        let _, scores = Sweep.scores (Sweep.each (2 * shares.Length) batch) points target batch
        let most, least = scores.narrow (1L, 0L, each), scores.narrow (1L, each, each)
        (least - most).mean [| 1L |]
