namespace Attribution.Core

open TorchSharp

/// What M(x) keeps of an image's pixels.
[<RequireQualifiedAccess>]
type Mask =
    /// Those of positive attribution, whole.
    | Hard
    /// Each in proportion to its positive attribution, the largest of the image whole: x ⊙ max(A, 0) / max A.
    | Soft

/// The scores of instances and of what a mask leaves of them.
[<RequireQualifiedAccess>]
module MaskedScores =
    let private kept relaxation mask (pixels: Tensor) : Tensor =
        match mask with
        | Mask.Hard ->
            let flat = pixels.flatten 1L
            (Relax.isPositive relaxation (Relax.scale flat) flat).reshape pixels.shape
        | Mask.Soft ->
            let positive = pixels.relu ()
            // Where nothing is positive, 0/0.
            (positive / positive.amax ([| 1L; 2L |], true)).nan_to_num 0.

    /// t(x) and t(M(x)) of each instance (both n, float64).
    let both relaxation (mask: Mask) (target: Target) (attributions: Tensor) (batch: Batch) : Tensor * Tensor =
        let kept = kept relaxation mask (Ranking.requireMaps batch.X attributions)
        let masked = batch.X * kept.unsqueeze(1L).``to`` batch.X.dtype

        let before, after = Sweep.scores (Sweep.each 1 batch) (fun i _ -> Sweep.pick i masked) target batch
        // Passes of different sizes round differently, but an image that stays as it is keeps its score.
        let isSame = masked.eq(batch.X).flatten(1L).all(1L).cpu()
        let after = after.squeeze 1L
        // Its derivative is that of the masked image.
        let same = Tensor.add (before.detach ()) (after - after.detach ())
        before, torch.where (isSame, same, after)
