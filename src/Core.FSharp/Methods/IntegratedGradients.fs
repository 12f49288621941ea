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
    /// Σᵢ wᵢ ∇ₓ t(b + αᵢ d) for each instance whose place in `isAsked` is true, 0 for the others. Instances and steps
    /// share full batches, and only the running sum is kept.
    let private means nodes (isAsked: bool[]) (start: Tensor) (difference: Tensor) (target: Target) explained =
        let sum = torch.zeros_like start
        let size = target.BatchSize Gradient (Instances.ofTensor start)
        let count = Array.length nodes
        let counts = isAsked |> Array.map (fun asked -> if asked then int64 count else 0L)

        let column (pick: float * float -> float) =
            torch.tensor(Array.map pick nodes).``to``(start.dtype, start.device)

        let positions, weights = column fst, column snd

        Instances.tile size counts start.device (fun instance step ->
            let along (numbers: Tensor) =
                numbers.index_select (0L, step) |> Tensor.likeInstances start

            let pick (t: Tensor) = t.index_select (0L, instance)
            let points = Tensor.add (pick start) (along positions * pick difference)
            let gradient = Diff.gradEach (Target.along target explained instance) points
            sum.index_add_ (0L, instance, along weights * gradient, 1.) |> ignore)

        sum

    /// <summary>IG(x, b) = (x - b) ⊙ Σᵢ wᵢ ∇ₓ t(b + αᵢ(x - b)) over the nodes αᵢ and weights wᵢ of a quadrature of [0, 1];
    /// without `multiply`, the sum alone.</summary>
    let attribute (nodes: (float * float)[]) (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) =
        let start = baseline.Of batch
        let difference = Tensor.subtract batch.X start
        let all = Array.create (int batch.X.shape[0]) true

        let mean = means nodes all start difference target (Target.explained target batch)

        if multiply then difference * mean else mean

    /// t(x) - t(b) of each instance (n).
    let change (start: Tensor) (target: Target) (batch: Batch) (explained: Explained) : Tensor =
        let all = torch.arange (batch.X.shape[0], torch.int64, batch.X.device)

        Scope.forwardOnly (fun () ->
            Tensor.subtract
                (target.Quantity.Of explained (explained.Outputs.Force()))
                (Target.along target explained all start))

    /// <summary>The completeness gap |Σ IG - (t(x) - t(b))| of each instance (n), for attributions made with
    /// `multiply`.</summary>
    let completenessGap (baseline: Baseline) (target: Target) (batch: Batch) (attributions: Tensor) : Tensor =
        let change = change (baseline.Of batch) target batch (Target.explained target batch)

        (Tensor.subtract (Tensor.sumEach attributions) change).abs()

    // A Gauss-Legendre rule shares no node with another, so a sequence of them costs their sum: twice the last.
    let private fewest = 4

    /// <summary>IG by Gauss-Legendre's rule with the fewest of 4, 8, 16, … up to `most` nodes whose completeness gap is at
    /// most `tolerance` · |t(x) - t(b)|, for each instance; where none reaches it, with the most.</summary>
    let adaptive tolerance most (baseline: Baseline) (multiply: bool) (target: Target) (batch: Batch) : Adaptive =
        let start = baseline.Of batch
        let difference = Tensor.subtract batch.X start
        let explained = Target.explained target batch
        let change = change start target batch explained

        let mean = torch.zeros_like batch.X
        let steps = Array.zeroCreate<int>(int batch.X.shape[0])
        let gaps = Array.create steps.Length nan

        let rec refine count =
            use _ = torch.NewDisposeScope()
            let isOpen = steps |> Array.map ((=) 0)

            let found =
                means (Quadrature.nodes GaussLegendre count) isOpen start difference target explained

            let gap =
                (Tensor.subtract (Tensor.sumEach (difference * found)) change).abs()
                / change.abs ()
                |> _.nan_to_num(0.)
                |> fun gap -> Tensor.toArray<float>(gap.``to`` torch.float64)

            let isLast = 2 * count > most

            let isDone =
                Array.map2 (fun isOpen gap -> isOpen && (isLast || gap <= tolerance)) isOpen gap

            mean.add_ (found * (Tensor.likeInstances found (torch.tensor isDone)).``to``(found.device))
            |> ignore

            isDone
            |> Array.iteri (fun i isDone ->
                if isDone then
                    steps[i] <- count
                    gaps[i] <- gap[i])

            if Array.contains 0 steps then
                refine (2 * count)

        refine (min fewest most)

        {
            Attributions = if multiply then difference * mean else mean
            Steps = steps
            Gaps = gaps
        }
