namespace Attribution.Core

open TorchSharp

/// <summary>Integrated gradients: the gradient of the target averaged along the straight path from a baseline.</summary>
/// <remarks>Sundararajan, Taly and Yan, arXiv 1703.01365. Complete: the attributions of an instance sum to
/// t(x) - t(b) as the steps grow.</remarks>
[<RequireQualifiedAccess>]
module IntegratedGradients =
    /// <summary>IG(x, b) = (x - b) ⊙ Σᵢ wᵢ ∇ₓ t(b + αᵢ(x - b)) over the nodes αᵢ and weights wᵢ of a quadrature of [0, 1];
    /// without `multiply`, the sum alone.</summary>
    let attribute (nodes: (float * float)[]) (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) =
        let start = baseline.Of batch
        let difference = Tensor.subtract batch.X start
        let explained = Target.explained target batch
        let mean = torch.zeros_like batch.X
        let size = target.BatchSize(Instances.ofTensor batch.X)

        let column (pick: float * float -> float) =
            torch.tensor(Array.map pick nodes).``to``(batch.X.dtype, batch.X.device)

        let positions, weights = column fst, column snd

        Instances.tile size (Array.create (int batch.X.shape[0]) nodes.LongLength) batch.X.device (fun instance step ->
            let along (numbers: Tensor) =
                numbers.index_select (0L, step) |> Tensor.likeInstances batch.X

            let pick (t: Tensor) = t.index_select (0L, instance)
            let points = Tensor.add (pick start) (along positions * pick difference)
            let gradient = Diff.gradEach (Target.along target explained instance) points
            mean.index_add_ (0L, instance, along weights * gradient, 1.) |> ignore)

        if multiply then difference * mean else mean

    /// <summary>The completeness gap |Σ IG - (t(x) - t(b))| of each instance (n), for attributions made with
    /// `multiply`.</summary>
    let completenessGap (baseline: Baseline) (target: Target) (batch: Batch) (attributions: Tensor) : Tensor =
        Scope.forwardOnly (fun () ->
            let all = torch.arange (batch.X.shape[0], torch.int64, batch.X.device)
            let t = Target.along target (Target.explained target batch) all
            (Tensor.sumEach attributions - (t batch.X - t (baseline.Of batch))).abs())
