namespace Attribution.Core

open TorchSharp

/// <summary>Integrated Hessians: how much of a score is due to each pair of regions together.</summary>
/// <remarks>Janizek, Sturmfels and Lee, Explaining explanations: axiomatic feature interactions for deep networks, arXiv 2002.04138. A
/// region's interactions sum to its integrated gradients, and all of them to t(x) - t(b). Their double integral along the path is a
/// single one, ∫∫ αβ g(αβ) dα dβ = ∫ u g(u) (-ln u) du, and that of the Hessians the derivative in x of that of the gradients.</remarks>
[<RequireQualifiedAccess>]
module IntegratedHessians =
    /// u and the weights of ∫₀¹ g(u) (-ln u) du: Gauss-Legendre's rule in s, u = s², where the integrand is smooth enough.
    let private nodes count =
        Quadrature.nodes GaussLegendre count
        |> Array.map (fun (s, weight) -> s * s, weight * -4. * s * log s)

    /// The cells of a g×g grid over the instances: g²×1×h×w, 1 inside.
    let private regions (grid: int) (x: Tensor) : Tensor =
        let along (size: int64) =
            let place = Number.Range(0L, size, x.device) * Number.Of(int64 grid)
            let cell = place.div (Number.Of size, torch.RoundingMode.floor)
            (Number.Range(0L, int64 grid, x.device)).unsqueeze(1L).eq(cell).``to`` x.dtype

        (torch.einsum ("ah,bw->abhw", along x.shape[2], along x.shape[3])).reshape(-1L, 1L, x.shape[2], x.shape[3])

    /// <summary>Γ_RS = Σ_{i ∈ R, j ∈ S} Γ_ij of the cells R, S of a g×g grid, row by row: n×c×h×w → n×g²×g², symmetric.
    /// Γ_ij = (x_i - b_i)(x_j - b_j) ∫∫ αβ ∂²t(b + αβ(x - b)) / ∂x_i∂x_j dα dβ, and where i = j also
    /// (x_i - b_i) ∫∫ ∂t(b + αβ(x - b)) / ∂x_i dα dβ.</summary>
    /// <param name="grid">g: at most the image's height and width.</param>
    /// <param name="count">The points on the path.</param>
    /// <exception cref="T:System.ArgumentException">g is less than 1, or more than a side.</exception>
    let attribute (grid: int) (count: int) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X
        Tensor.requireDims "x" [ 4 ] x

        if grid < 1 || int64 grid > min x.shape[2] x.shape[3] then
            invalidArg
                "grid"
                $"A grid has 1 to {min x.shape[2] x.shape[3]} cells a side here, but {grid} were asked for."

        Scope.runQuietly (fun () ->
            let nodes = nodes count
            let start = baseline.Of batch
            let difference = x - start
            let regions = regions grid x
            let along = torch.tensor(Array.map fst nodes).``to``(x.dtype, x.device)

            // Σₖ wₖ ∇t at the points between b and x, as a function of x.
            let mean (x: Tensor) =
                let points i k =
                    let share = Tensor.likeInstances x (Sweep.pick k along)
                    Tensor.add (Sweep.pick i start) (share * (Sweep.pick i x - Sweep.pick i start))

                (Sweep.meanGradient (torch.tensor (Array.map snd nodes)) points target { batch with X = x }).``to``
                    x.dtype

            let first, pull = Diff.evalReverseDiff mean x

            let sums (maps: Tensor) =
                torch.einsum ("nchw,rchw->nr", difference * maps, regions.expand (-1L, x.shape[1], -1L, -1L))

            let pairs =
                torch.stack (
                    [|
                        for r in 0L .. regions.shape[0] - 1L ->
                            Scope.run (fun () -> sums (pull (difference * regions[r])))
                    |],
                    1L
                )

            Tensor.add pairs (torch.diag_embed (sums first)))
