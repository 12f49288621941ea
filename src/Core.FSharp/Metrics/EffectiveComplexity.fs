namespace Attribution.Core

open TorchSharp

/// <summary>Effective complexity: how many pixels of a map matter. Lower means a simpler map.</summary>
/// <remarks>Nguyen and Martínez, arXiv 2007.07584, define it by what the other pixels do to the score (`byLoss`). Quantus counts
/// the magnitudes above a threshold under the same name (`byMagnitude`); here a map's own largest magnitude is its unit, so that
/// the map's scale does not matter.</remarks>
[<RequireQualifiedAccess>]
module EffectiveComplexity =
    /// <summary>|{p : |A_p| > threshold · max |A|}| of each map (n). NaN where all are 0.</summary>
    let byMagnitude relaxation (threshold: float) (attributions: Tensor) : Tensor =
        attributions
        |> Ranking.ofMagnitudes (fun magnitudes ->
            let largest = magnitudes.amax ([| 1L |], true)
            let above = magnitudes - largest * Number.Of threshold
            let count = (Relax.isPositive relaxation (Relax.scale magnitudes) above).sum 1L
            count.masked_fill ((Tensor.isPositive largest).logical_not().squeeze 1L, Number.Of nan))

    /// <summary>The fewest pixels k, of largest |A|, with E (t(x) - t(x_k))² ≤ ε · E (t(x) - t(x_0))², where x_k keeps k pixels and
    /// draws the others from the image's own at random: n. NaN where all of a map is 0.</summary>
    /// <param name="bound">ε, a share of the loss where no pixel is kept.</param>
    /// <param name="pixelsPerStep">k is 0, M, 2M, … up to all pixels.</param>
    /// <param name="samples">How many draws the expectation is taken over.</param>
    let byLoss
        relaxation
        (bound: float)
        (pixelsPerStep: int)
        (samples: int)
        (seed: int64)
        (target: Target)
        (attributions: Tensor)
        (batch: Batch)
        : Tensor =
        let magnitudes = (Ranking.requireMaps batch.X attributions).flatten(1L).abs()
        let order = Relax.order magnitudes
        let counts = Array.append [| 0L |] (Ranking.steps pixelsPerStep magnitudes.shape[1])
        let kept = torch.tensor (counts, device = batch.X.device)

        let plane = { batch with X = batch.X.detach().narrow(1L, 0L, 1L) }

        let points (i: Tensor) (k: Tensor) =
            let step, draw =
                k.div (Number.Of(int64 samples), torch.RoundingMode.floor), k.remainder (Number.Of(int64 samples))

            let x = Sweep.pick i batch.X

            let places = (Noise.uniforms seed (Tensor.toArray draw) (Batch.pick i plane)).flatten(1L).argsort 1L

            let others = x.flatten(2L).gather(2L, places.unsqueeze(1L).expand(-1L, x.shape[1], -1L)).reshape x.shape

            let isKept = Relax.first relaxation (Relax.pick i order) (Sweep.pick step kept)
            Relax.blend (isKept.reshape (x.shape[0], 1L, x.shape[2], x.shape[3])) x others

        let own, found = Sweep.scores (Sweep.each (counts.Length * samples) batch) points target batch

        let losses =
            (Tensor.square (found - own.unsqueeze 1L)).reshape(-1L, counts.LongLength, int64 samples).mean [| 2L |]

        let none = losses.narrow (1L, 0L, 1L)
        // k counts the blocks that come before the bound is kept.
        let isAbove = Relax.isPositive relaxation (Relax.scale none) (losses - none * Number.Of bound)

        let blocks = torch.tensor (counts |> Array.pairwise |> Array.map (fun (a, b) -> float (b - a)))

        let before = isAbove.cumprod(1L).narrow(1L, 0L, blocks.shape[0])
        let isEmpty = magnitudes.amax([| 1L |]).eq(Number.Of 0.).cpu()
        (before * blocks).sum(1L).masked_fill(isEmpty, Number.Of nan)
