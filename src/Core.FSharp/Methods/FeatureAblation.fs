namespace Attribution.Core

open TorchSharp

/// <summary>Feature ablation: what the target loses when a group of features is replaced by the baseline's.</summary>
/// <remarks>With patches as groups, the occlusion of Zeiler and Fergus, arXiv 1311.2901.</remarks>
[<RequireQualifiedAccess>]
module FeatureAblation =
    /// t(x) - t(x with what `hidden` tells of ablation k taken from the baseline), for each instance and k < count: n×count,
    /// float64. `hidden` gives the masks (m×…) of ablations (m).
    let internal losses (count: int64) (hidden: Tensor -> Tensor) (baseline: Baseline) (target: Target) (batch: Batch) =
        Scope.run (fun () ->
            Scope.forwardOnly (fun () ->
                let x, start = batch.X, baseline.Of batch
                let explained = Target.explained target batch
                let size = target.BatchSize Forward (Instances.ofTensor x)
                let after = ResizeArray<float>()

                Instances.tile size (Array.create (int x.shape[0]) count) x.device (fun instance ablation ->
                    let pick (t: Tensor) = t.index_select (0L, instance)
                    let points = torch.where (hidden ablation, pick start, pick x)
                    let score = Target.along target explained instance points
                    after.AddRange(Tensor.toArray<float>(score.``to`` torch.float64)))

                let before = target.Quantity.Of explained (explained.Outputs.Force())
                let after = torch.tensor(after.ToArray()).reshape(-1L, count)
                Tensor.subtract (before.``to``(torch.float64).unsqueeze 1L) after))

    /// The number of features of each of the instances.
    let count (instances: Instances) : int64 =
        if instances.Count = 0 then
            0L
        else
            use _ = torch.NewDisposeScope()
            (instances.Read 0 1).numel()

    /// <summary>Each feature's is t(x) - t(x without the features of its group), the baseline's in their place. `groups` (int64,
    /// of an instance's shape, or broadcasting to it) numbers the groups from 0; null: each feature is one.</summary>
    let attribute (groups: Tensor) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X
        let shape = x.shape[1..]

        let groups =
            if isNull groups then
                torch.arange(Array.fold (*) 1L shape, torch.int64).reshape shape
            else
                let fits given wanted = given = wanted || given = 1L

                if groups.ndim <> x.ndim - 1L || not (Array.forall2 fits groups.shape shape) then
                    invalidArg
                        "groups"
                        $"The groups have the shape {Tensor.shapeText groups.shape}, which does not fit instances of {Tensor.shapeText shape}."

                groups

        let groups = groups.``to``(x.device).unsqueeze 0L
        let count = groups.max().item<int64>() + 1L

        let hidden k =
            groups.eq (Tensor.likeInstances groups k)

        let losses = losses count hidden baseline target batch
        let each = groups.expand(Array.append [| 1L |] shape).flatten()
        losses.index_select(1L, each.cpu ()).reshape(x.shape).``to``(x.dtype, x.device)
