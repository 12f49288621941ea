namespace Attribution.Core

open TorchSharp

/// <summary>RISE: the target at randomly masked images, averaged for each pixel over the masks that show it.</summary>
/// <remarks>Petsiuk, Das and Saenko, arXiv 1806.07421.</remarks>
[<RequireQualifiedAccess>]
module Rise =
    /// Masks (m×1×h×w, from 0 hidden to 1 shown) of grids of cells (m×1×s×s): bilinearly upsampled to (s+1) cells a side, and
    /// cut out at a shift (m×2, between 0 and 1) of less than a cell.
    let private masks (h: int64) (w: int64) (grids: Tensor) (shifts: Tensor) =
        let cells = grids.shape[2]
        let cellOf side = (side + cells - 1L) / cells
        let cell = [| cellOf h; cellOf w |]
        let size = cell |> Array.map ((*) (cells + 1L))

        let large =
            torch.nn.functional.interpolate (
                grids,
                size,
                mode = torch.InterpolationMode.Bilinear,
                align_corners = false
            )

        let shift = Tensor.toArray<float> shifts

        let at i axis =
            int64 (shift[2 * i + axis] * float cell[axis])

        torch.cat [|
            for i in 0 .. int grids.shape[0] - 1 -> large.narrow(0L, i, 1L).narrow(2L, at i 0, h).narrow(3L, at i 1, w)
        |]

    /// <summary>Σₖ t(b + Mₖ ⊙ (x - b)) Mₖ / Σₖ Mₖ over N random masks, the same for every instance: n×c×h×w → n×h×w; 0 where no
    /// mask shows the pixel. With `centred`, less the mean of the t's: what showing a pixel adds.</summary>
    let attribute
        (count: int)
        (cells: int)
        (shown: float)
        (seed: int64)
        (centred: bool)
        (baseline: Baseline)
        (target: Target)
        (batch: Batch)
        : Tensor =
        let x = batch.X
        Tensor.requireDims "x" [ 4 ] x
        let n, h, w = x.shape[0], x.shape[2], x.shape[3]

        Scope.run (fun () ->
            Scope.forwardOnly (fun () ->
                let start = baseline.Of batch
                let difference = Tensor.subtract x start
                let explained = Target.explained target batch
                let cells = int64 cells

                let drawn =
                    Samples.uniform seed [| cells * cells + 2L |] [| 0L .. int64 count - 1L |]

                let grids =
                    drawn
                        .narrow(1L, 0L, cells * cells)
                        .lt(shown.ToScalar())
                        .``to``(x.dtype, x.device)
                        .reshape(-1L, 1L, cells, cells)

                let shifts = drawn.narrow (1L, cells * cells, 2L)
                let scored = torch.zeros ([| n; h; w |], torch.float64, x.device)
                let covered = torch.zeros_like scored
                let scores = torch.zeros ([| n; 1L; 1L |], torch.float64, x.device)
                let size = target.BatchSize Forward (Instances.ofTensor x)

                // All instances of a mask before the next, so that each mask is made once.
                Instances.tile size (Array.create count n) x.device (fun mask instance ->
                    let first = mask[0L].item<int64>()
                    let length = mask[-1L].item<int64>() - first + 1L

                    let some =
                        masks h w (grids.narrow (0L, first, length)) (shifts.narrow (0L, first, length))

                    let mask = some.index_select (0L, mask - first)
                    let pick (t: Tensor) = t.index_select (0L, instance)

                    let score =
                        Target.along target explained instance (Tensor.add (pick start) (mask * pick difference))

                    let score = score.``to``(torch.float64, x.device).reshape(-1L, 1L, 1L)
                    let mask = mask.squeeze(1L).``to`` torch.float64
                    scored.index_add_ (0L, instance, score * mask, 1.) |> ignore
                    covered.index_add_ (0L, instance, mask, 1.) |> ignore
                    scores.index_add_ (0L, instance, score, 1.) |> ignore)

                let mean =
                    if centred then
                        scores / float count
                    else
                        torch.zeros_like scores

                (Tensor.subtract (scored / covered) mean).nan_to_num(0.).``to`` x.dtype))
