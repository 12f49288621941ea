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

        let at i axis = int64 (shift[2 * i + axis] * float cell[axis])

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

        let cells = int64 cells

        let drawn = Noise.uniformOf seed [| cells * cells + 2L |] [| 0L .. int64 count - 1L |]

        let grids =
            drawn
                .narrow(1L, 0L, cells * cells)
                .lt(Number.Of shown)
                .``to``(x.dtype, x.device)
                .reshape(-1L, 1L, cells, cells)

        let shifts = drawn.narrow (1L, cells * cells, 2L)

        let masksOf (steps: Tensor) = masks h w (Sweep.pick steps grids) (Sweep.pick (steps.cpu ()) shifts)

        // Several instances' steps may be the same masks.
        let at (k: Tensor) =
            let struct (steps, place, _) = k.unique (return_inverse = true)
            Sweep.pick place (masksOf steps)

        let start = baseline.Of batch
        let difference = x - start

        let points i k = Tensor.add (Sweep.pick i start) (at k * Sweep.pick i difference)

        let scores =
            Sweep.scoresAround (Sweep.explained target batch) (Sweep.each count batch) points target batch

        let scores = scores.``to`` x.device
        // Σₖ sₖ Mₖ and Σₖ Mₖ, some of the masks at a time.
        let sums =
            Scope.run (fun () ->
                Seq.chunkBySize 64 [ 0L .. int64 count - 1L ]
                |> Seq.map (fun ks ->
                    Scope.run (fun () ->
                        let masks = (masksOf (torch.tensor (ks, device = x.device))).``to``(torch.float64).flatten 1L

                        let weights =
                            torch.cat [|
                                scores.narrow (1L, ks[0], ks.LongLength)
                                torch.ones (1L, ks.LongLength, torch.float64, x.device)
                            |]

                        weights.matmul masks))
                |> Seq.reduce Tensor.add)

        let shown = sums.narrow (0L, n, 1L)

        let mean =
            if centred then scores.mean ([| 1L |], true) else torch.zeros (n, 1L, torch.float64, x.device)

        let scored = sums.narrow (0L, 0L, n)

        let share = Tensor.ratio ((Tensor.isPositive shown).expand_as scored) scored (shown.expand_as scored)

        (share - mean).nan_to_num(0.).reshape(n, h, w).``to`` x.dtype
