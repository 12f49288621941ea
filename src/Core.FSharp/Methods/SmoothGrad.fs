namespace Attribution.Core

open TorchSharp

/// What is taken of the gradients at an instance's noisy copies.
[<RequireQualifiedAccess>]
type SmoothGradKind =
    /// Their mean: SmoothGrad.
    | Mean
    /// The mean of their squares: SmoothGrad-Squared.
    | Squared
    /// Their variance: VarGrad.
    | Variance

/// <summary>SmoothGrad: gradients of the target, averaged over noisy copies of each instance.</summary>
/// <remarks>Smilkov, Thorat, Kim, Viégas and Wattenberg, arXiv 1706.03825; squared: Hooker, Erhan, Kindermans and Kim, arXiv
/// 1806.10758; variance: Adebayo, Gilmer, Goodfellow and Kim, arXiv 1810.03307.</remarks>
[<RequireQualifiedAccess>]
module SmoothGrad =
    /// <summary>(1/N) Σₖ gₖ, (1/N) Σₖ gₖ² or (1/N) Σₖ gₖ² - ((1/N) Σₖ gₖ)² of gₖ = ∇ₓ t(x + εₖ), k = 1…N, εₖ ~ N(0, σ²) and σ
    /// the share `noise` of max x - min x; with `multiply`, times x.</summary>
    let attribute
        kind
        (count: int)
        (noise: float)
        (seed: int64)
        (multiply: bool)
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.runQuietly (fun () ->
            let x = batch.X
            let flat = x.flatten 1L
            let range = flat.amax [| 1L |] - flat.amin [| 1L |]
            let sigma = Tensor.likeInstances x (range * Number.Of noise)

            let points i k =
                let some = Batch.pick i batch
                Tensor.add some.X (Sweep.pick i sigma * Noise.normals seed (Tensor.toArray k) some), ()

            // In float64, since the variance is a small difference of the two.
            let powers () (gradient: Tensor) =
                let wide = gradient.``to`` torch.float64
                torch.stack ([| wide; wide * wide |], 1L)

            let all = Array.create (int x.shape[0]) true
            let equal = torch.full (int64 count, Number.Of(1. / float count), torch.float64)
            let explained = Sweep.explained target batch
            let means = Sweep.gradientsAmong explained all equal points powers target batch
            let mean, meanSquare = means.select (1L, 0L), means.select (1L, 1L)

            let map =
                match kind with
                | SmoothGradKind.Mean -> mean
                | SmoothGradKind.Squared -> meanSquare
                | SmoothGradKind.Variance -> (meanSquare - mean * mean).clamp_min(Number.Of 0.)

            (if multiply then x * map else map).``to`` x.dtype)
