namespace Attribution.Core

open TorchSharp

/// <summary>Feature ablation: what the target loses when a group of features is replaced by the baseline's.</summary>
/// <remarks>With patches as groups, the occlusion of Zeiler and Fergus, arXiv 1311.2901.</remarks>
[<RequireQualifiedAccess>]
module FeatureAblation =
    /// t(x) - t(x with the features of mask k replaced by the baseline's), for each instance and k < count: n×count, float64.
    /// `masks` gives some of the masks (m×…, booleans) by their k.
    let internal losses (count: int64) (masks: Tensor -> Tensor) (baseline: Baseline) (target: Target) (batch: Batch) =
        let start = baseline.Of batch

        let points i k = torch.where (masks k, Sweep.pick i start, Sweep.pick i batch.X)

        let own, without = Sweep.scores (Sweep.each (int count) batch) points target batch
        own.unsqueeze 1L - without

    /// The number of features of each of the instances.
    let count (instances: Instances) : int64 =
        if instances.Count = 0 then
            0L
        else
            use _ = torch.NewDisposeScope()
            (instances.Read 0 1).numel()

    /// <summary>Each feature's is t(x) - t(x without the features of its group), the baseline's in their place.</summary>
    /// <param name="groups">Groups numbered from 0 (int64, of an instance's shape, or broadcasting to it); null: each feature is
    /// one.</param>
    let attribute (groups: Tensor) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X
        let shape = x.shape[1..]

        let groups =
            if isNull groups then
                (Number.Range(0L, Array.fold (*) 1L shape, torch.CPU)).reshape shape
            else
                let fits given wanted = given = wanted || given = 1L

                if groups.ndim <> x.ndim - 1L || not (Array.forall2 fits groups.shape shape) then
                    invalidArg
                        "groups"
                        $"The groups have the shape {Tensor.shapeText groups.shape}, which does not fit instances of {Tensor.shapeText shape}."

                groups

        let groups = groups.``to``(x.device).unsqueeze 0L
        let count = groups.max().item<int64>() + 1L

        let masks k = groups.eq (Tensor.likeInstances groups k)

        let losses = losses count masks baseline target batch
        let each = groups.expand(Array.append [| 1L |] shape).flatten()
        losses.index_select(1L, each.cpu ()).reshape(x.shape).``to``(x.dtype, x.device)
