namespace Attribution.Core

open TorchSharp

/// <summary>Ablation-CAM: a layer's channels, weighed by what the target loses without each of them.</summary>
/// <remarks>Desai and Ramaswamy, IEEE Winter Conference on Applications of Computer Vision, 2020: L = ReLU(Σ_c w_c A_c),
/// w_c = t - t(A without channel c). The paper divides by t, which scales a whole map, and would turn it round where t is
/// negative.</remarks>
[<RequireQualifiedAccess>]
module AblationCam =
    /// <summary>ReLU(Σ_c w_c A_c) at the layer's own resolution (n×h'×w'). Paths around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let atLayer (layer: string) (target: Target) (batch: Batch) : Tensor =
        let cut = Cam.cut layer target batch
        let values, past = cut.Held.Head, cut.Held.Tail
        let channels = cut.Values.shape[1]
        let explained = Target.explained target batch

        // Which channel each of the values is of, as the network has them, counted from 1. The layout is linear: its transposed
        // product tells.
        let channelOf =
            let one = torch.zeros_like (values.detach().narrow(0L, 0L, 1L), dtype = torch.float64)
            let number = (Number.Range(1L, channels, values.device)).``to`` torch.float64
            let numbered (v: Tensor) = (let laid = cut.Layout v in laid * Tensor.likeInstances laid[0L] number).sum()
            Diff.grad numbered one

        let keep = Scope.keepHere ()
        let scores = ResizeArray<Tensor>()
        let counts = Sweep.each (int channels) batch

        Instances.tile (target.BatchSize Forward (Instances.ofTensor batch.X)) counts values.device (fun i k ->
            target.Model.OnPass(int i.shape[0])
            let lost = channelOf.eq (Tensor.likeInstances values (Tensor.shift 1. (k.``to`` torch.float64)))
            let without = (Sweep.pick i values).masked_fill(lost, Number.Of 0.)
            let outputs = cut.Outputs (past |> List.map (Sweep.pick i)) without
            scores.Add(keep (target.Quantity.Of (Target.at i explained) outputs)))

        let own = Target.ofExplained target explained
        let without = torch.cat(scores.ToArray()).reshape(-1L, channels)

        let weights =
            (own.unsqueeze 1L - without).``to``(cut.Values.dtype, cut.Values.device).reshape [|
                yield! without.shape
                for _ in Cam.positions cut.Values do
                    1L
            |]

        (weights * cut.Values).sum(1L).relu()
