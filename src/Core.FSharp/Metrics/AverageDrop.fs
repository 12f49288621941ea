namespace Attribution.Core

open TorchSharp

/// <summary>Average drop %: how much of the score is lost when only the pixels of positive attribution are kept. Lower
/// means that what the map keeps suffices.</summary>
/// <remarks>Chattopadhay et al., Grad-CAM++, arXiv 1710.11063, with a hard mask.</remarks>
[<RequireQualifiedAccess>]
module AverageDrop =
    /// <summary>100 · max(t(x) - t(M(x)), 0) / t(x) of each instance (n, percent), M(x) keeping the pixels of positive
    /// attribution. Undefined where t(x) ≤ 0: NaN there.</summary>
    let drops (target: Target) (attributions: Tensor) (batch: Batch) : Tensor =
        let pixels = Ranking.requireMaps batch.X attributions

        Scope.forwardOnly (fun () ->
            let explained = Target.explained target batch
            let all = torch.arange (batch.X.shape[0], torch.int64, batch.X.device)
            let before = target.Quantity.Of explained (explained.Outputs.Force())

            let after =
                Target.along target explained all (Ranking.mask (Tensor.isPositive pixels) batch.X)

            let drop = 100. * (before - after).clamp_min 0. / before
            drop.masked_fill ((Tensor.isPositive before).logical_not(), nan))
