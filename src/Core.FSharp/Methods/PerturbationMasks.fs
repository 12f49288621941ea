namespace Attribution.Core

open TorchSharp

/// <summary>Masks of images that are found by optimisation.</summary>
/// <remarks>Both look for a smooth mask m, the bilinear enlargement of at most 12×12 cells, by the score of what it leaves of an
/// image: t(b + m ⊙ (x - b)).</remarks>
[<RequireQualifiedAccess>]
module PerturbationMasks =
    [<Literal>]
    let private MostCells = 12L

    /// The length of a first step, in the range of a mask.
    [<Literal>]
    let private Rate = 0.3

    let private cells (x: Tensor) = [| x.shape[0]; 1L; min MostCells x.shape[2]; min MostCells x.shape[3] |]

    /// n×1×r×c cells as n×h×w pixels.
    let private enlarge (x: Tensor) (cells: Tensor) =
        if cells.shape[2..] = x.shape[2..] then
            cells.squeeze 1L
        else
            torch.nn.functional
                .interpolate(cells, x.shape[2..], mode = torch.InterpolationMode.Bilinear, align_corners = false)
                .squeeze
                1L

    /// What a mask (n×h×w) leaves of the instances, the baseline's where it is 0.
    let private masked (start: Tensor) (x: Tensor) (mask: Tensor) = Tensor.add start (mask.unsqueeze 1L * (x - start))

    /// The gradient in p of the score at the images of p, batch by batch.
    let private slope explained (target: Target) batch (image: Tensor -> Tensor) (p: Tensor) : Tensor =
        let images, pull = Diff.evalReverseDiff image p
        let all = Array.create (int p.shape[0]) true
        let here (i: Tensor) _ = Sweep.pick i images, ()
        let one = torch.ones (1L, torch.float64)

        pull (
            (Sweep.gradientsAmong explained all one here (fun () gradient -> gradient) target batch).``to`` images.dtype
        )

    let private requireImages (batch: Batch) =
        if batch.X.ndim <> 4L then
            fail
                $"Masks of cells are found of images (n×c×h×w), but the instances have the shape {Tensor.shapeText batch.X.shape}: choose another method, such as occlusion or rise."

        batch.X

    let private requireSteps (steps: int) =
        if steps < 1 then
            invalidArg "iterations" $"A mask is found in at least 1 iteration, but {steps} were asked for."

    let private power, few, smooth = 3., 10., 2.

    /// λ₁ mean(1 - m) + λ₂ Σ ‖∇m‖^β / cells of each grid of cells.
    let private price (cells: Tensor) =
        let squares (dimension: int64) = Tensor.square (cells.diff (1L, dimension))
        let common (t: Tensor) = t.narrow(2L, 0L, cells.shape[2] - 1L).narrow(3L, 0L, cells.shape[3] - 1L)

        let variation =
            if cells.shape[2] = 1L || cells.shape[3] = 1L then
                torch.zeros (cells.shape[0], cells.dtype)
            else
                // Whose derivative at 0 is 0.
                (Tensor.add (common (squares 2L)) (common (squares 3L)) |> Tensor.shift 1e-12)
                    .pow(Number.Of(power / 2.))
                |> Tensor.sumEach

        let each = Number.Of(float (cells.shape[2] * cells.shape[3]))
        let removed = Tensor.sumEach (Tensor.complement cells)
        Tensor.add (removed * Number.Of few) (variation * Number.Of smooth) / each

    /// <summary>1 - m of the mask m that destroys the score at the least price: the minimum of
    /// t(b + m ⊙ (x - b)) / |t(x) - t(b)| + λ₁ mean(1 - m) + λ₂ mean ‖∇m‖³, λ₁ = 10, λ₂ = 2: n×c×h×w → n×h×w, from 0 to 1.</summary>
    /// <remarks>Fong and Vedaldi, Interpretable explanations of black boxes by meaningful perturbation, arXiv 1704.03296. Chosen:
    /// the scale of the score, the prices, and steps of descent without their jitter.</remarks>
    let meaningful (steps: int) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = requireImages batch
        requireSteps steps

        Scope.runQuietly (fun () ->
            let start = baseline.Of batch
            let explained = Sweep.explained target batch

            let scale =
                let change = (IntegratedGradients.changeOf explained start target batch).abs()
                (change.masked_fill (Tensor.isZero change, Number.Of 1.)).``to``(x.dtype, x.device)

            let slope (grid: Tensor) =
                let ofScore = slope explained target batch (enlarge x >> masked start x) grid
                Tensor.add (ofScore / Tensor.likeInstances grid scale) (Diff.gradEach price grid)

            let half = torch.full (cells x, Number.Of 0.5, x.dtype, x.device)
            let inside (mask: Tensor) = mask.clamp (Number.Of 0., Number.Of 1.)
            Optimise.descend steps Rate inside slope half |> enlarge x |> Tensor.complement)

    let private sharpness = 0.1

    /// <summary>m - ½ of the smooth mask m of area a that keeps the score best, or destroys it best: n×c×h×w → n×h×w, positive in
    /// as many pixels as a says: those that are kept, or removed.</summary>
    /// <remarks>Fong, Patrick and Vedaldi, Understanding deep networks via extremal perturbations and smooth masks, arXiv
    /// 1910.08485. Chosen: where the paper pays for an area that is not a, the area holds by construction, m = σ((z - θ(z)) / τ) with
    /// the threshold θ that as many pixels of a smooth field z reach; z is found.</remarks>
    /// <param name="isKept">Whether the mask shows what it covers, and hides the rest; else the other way round.</param>
    /// <param name="area">a, between 0 and 1.</param>
    let extremal isKept (area: float) (steps: int) (baseline: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = requireImages batch
        requireSteps steps

        if not (area > 0. && area < 1.) then
            invalidArg "area" $"An area is a share between 0 and 1 of the image, but is {area}."

        Scope.runQuietly (fun () ->
            let start = baseline.Of batch
            let explained = Sweep.explained target batch
            let pixels = x.shape[2] * x.shape[3]
            let count = max 1L (min (pixels - 1L) (int64 (System.Math.Round(area * float pixels))))
            let counts = torch.full (x.shape[0], Number.Of count, torch.int64, x.device)

            let mask (field: Tensor) =
                let order = Relax.order ((enlarge x field).flatten 1L)
                (Relax.first (Relaxation.Soft sharpness) order counts).reshape(-1L, x.shape[2], x.shape[3])

            let image field =
                let mask = mask field
                masked start x (if isKept then mask else Tensor.complement mask)

            let down = slope explained target batch image >> if isKept then Tensor.neg else id
            let flat = torch.zeros (cells x, x.dtype, x.device)
            Optimise.descend steps Rate id down flat |> mask |> Tensor.shift -0.5)
