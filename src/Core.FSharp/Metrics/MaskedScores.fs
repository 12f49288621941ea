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
    let private weights mask (pixels: Tensor) : Tensor =
        match mask with
        | Mask.Hard -> Tensor.isPositive pixels
        | Mask.Soft ->
            let positive = pixels.relu ()
            // Where nothing is positive, 0/0.
            (positive / positive.amax ([| 1L; 2L |], true)).nan_to_num 0.

    /// <summary>change (t(x)) (t(M(x))) of each instance (n).</summary>
    let compare
        (change: Tensor -> Tensor -> Tensor)
        (mask: Mask)
        (target: Target)
        (attributions: Tensor)
        (batch: Batch)
        =
        let pixels = Ranking.requireMaps batch.X attributions

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch
            let all = torch.arange (batch.X.shape[0], torch.int64, batch.X.device)
            let before = target.Quantity.Of explained (explained.Outputs.Force())
            let masked = Ranking.mask (weights mask pixels) batch.X
            let after = Target.along target explained all masked
            // Passes of different sizes round differently, but an image that stays as it is keeps its score.
            let isSame = masked.eq(batch.X).flatten(1L).all 1L
            change before (torch.where (isSame.``to`` before.device, before, after)))
