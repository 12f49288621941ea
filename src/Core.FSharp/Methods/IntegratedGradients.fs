namespace Attribution.Core

open TorchSharp

/// Integrated gradients whose number of steps was found for each instance.
[<NoComparison; ReferenceEquality>]
type Adaptive = {
    Attributions: Tensor
    /// The nodes that each instance took.
    Steps: int[]
    /// What is left of each instance's completeness gap, relative to |t(x) - t(b)|.
    Gaps: float[]
}

/// <summary>Integrated gradients: the gradient of the target averaged along the straight path from a baseline.</summary>
/// <remarks>Sundararajan, Taly and Yan, arXiv 1703.01365. Complete: the attributions of an instance sum to
/// t(x) - t(b) as the steps grow.</remarks>
[<RequireQualifiedAccess>]
module IntegratedGradients =
    /// b + αₖ(x - b)
    let private path (nodes: (float * float)[]) (start: Tensor) (difference: Tensor) i k =
        let alpha = torch.tensor(Array.map fst nodes).``to``(start.dtype, start.device)
        let along = Sweep.pick k alpha |> Tensor.likeInstances start
        Tensor.add (Sweep.pick i start) (along * Sweep.pick i difference)

    let private weights (nodes: (float * float)[]) = torch.tensor (Array.map snd nodes)

    /// <summary>IG(x, b) = (x - b) ⊙ Σₖ wₖ ∇ₓ t(b + αₖ(x - b)) over the nodes αₖ and weights wₖ of a quadrature of [0, 1];
    /// without `multiply`, the sum alone.</summary>
    let attribute (nodes: (float * float)[]) (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) =
        Scope.quietly (fun () ->
            let start = baseline.Of batch
            let difference = batch.X - start

            let mean = Sweep.meanGradient (weights nodes) (path nodes start difference) target batch

            if multiply then difference * mean else mean)

    let internal changeOf explained (start: Tensor) (target: Target) batch =
        let ofStart =
            Sweep.scoresAround explained (Sweep.each 1 batch) (fun i _ -> Sweep.pick i start) target batch

        (Target.ofExplained target explained).``to``(torch.float64, torch.CPU) - ofStart.squeeze 1L

    /// t(x) - t(b) of each instance (n, float64).
    let change (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        Scope.runQuietly (fun () -> changeOf (Sweep.explained target batch) (baseline.Of batch) target batch)

    /// <summary>The completeness gap |Σ IG - (t(x) - t(b))| of each instance (n), for attributions made with
    /// `multiply`.</summary>
    let completenessGap (baseline: Baseline) (target: Target) (batch: Batch) (attributions: Tensor) : Tensor =
        let sum = Tensor.sumEach(attributions).``to``(torch.float64, torch.CPU)
        (sum - change baseline target batch).abs()

    // A Gauss-Legendre rule shares no node with another, so a sequence of them costs their sum: twice the last.
    let private fewest = 4

    /// <summary>IG by Gauss-Legendre's rule with the fewest of 4, 8, 16, … up to `most` nodes whose completeness gap is at
    /// most `tolerance` · |t(x) - t(b)|, for each instance; where none reaches it, with the most.</summary>
    let adaptive tolerance most (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) : Adaptive =
        let start = baseline.Of batch
        let difference = batch.X - start
        let explained = Sweep.explained target batch
        let change = changeOf explained start target batch

        // The means of those that are done, of those that are not with `count` nodes; the steps and the gaps of all.
        let rec refine count (mean: Tensor) (steps: int[]) (gaps: float[]) =
            let isOpen = steps |> Array.map ((=) 0)

            let found =
                let nodes = Quadrature.nodes GaussLegendre count
                let path i k = path nodes start difference i k, ()
                Sweep.gradientsAmong explained isOpen (weights nodes) path (fun () gradient -> gradient) target batch

            let gap =
                let sum = Tensor.sumEach(difference * found).``to``(torch.float64, torch.CPU)

                (sum - change).abs() / change.abs () |> _.nan_to_num(0.) |> _.detach() |> Tensor.toArray<float>

            let isLast = 2 * count > most

            let isDone = Array.map2 (fun isOpen gap -> isOpen && (isLast || gap <= tolerance)) isOpen gap

            let done' = torch.tensor (isDone, device = mean.device) |> Tensor.likeInstances mean
            let mean = torch.where (done', found, mean)

            let update (now: 'a[]) (next: int -> 'a) =
                Array.mapi (fun i isDone -> if isDone then next i else now[i]) isDone

            let steps, gaps = update steps (fun _ -> count), update gaps (Array.get gap)

            if Array.contains 0 steps then
                refine (2 * count) mean steps gaps
            else
                {
                    Attributions = if multiply then difference * mean else mean
                    Steps = steps
                    Gaps = gaps
                }

        let n = int batch.X.shape[0]
        refine (min fewest most) (torch.zeros_like batch.X) (Array.zeroCreate n) (Array.create n nan)
