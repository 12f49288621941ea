namespace Attribution.Core

open TorchSharp

/// <summary>RISE: the target at randomly masked images, averaged for each pixel over the masks that show it.</summary>
/// <remarks>Petsiuk, Das and Saenko, arXiv 1806.07421.</remarks>
[<RequireQualifiedAccess>]
module Rise =
    /// Masks (m×1×h×w, from 0 hidden to 1 shown) of grids of cells (m×1×s×s): bilinearly upsampled to (s+1) cells a side, and
    /// cut out at a shift (m×2, between 0 and 1) of less than a cell. Of signals and volumes with one side and three.
    let private masks (sides: int64[]) (grids: Tensor) (shifts: Tensor) =
        let cell = sides |> Array.mapi (fun i side -> (side + grids.shape[2 + i] - 1L) / grids.shape[2 + i])
        let size = cell |> Array.mapi (fun i length -> length * (grids.shape[2 + i] + 1L))

        let mode =
            match sides.Length with
            | 1 -> torch.InterpolationMode.Linear
            | 2 -> torch.InterpolationMode.Bilinear
            | _ -> torch.InterpolationMode.Trilinear

        let large = torch.nn.functional.interpolate (grids, size, mode = mode, align_corners = false)
        let shift = Tensor.toArray<float> shifts

        let cut i =
            Seq.fold
                (fun (t: Tensor) axis ->
                    let start = int64 (shift[sides.Length * i + axis] * float cell[axis])
                    t.narrow (2L + int64 axis, start, sides[axis]))
                (large.narrow (0L, int64 i, 1L))
                [ 0 .. sides.Length - 1 ]

        torch.cat [| for i in 0 .. int grids.shape[0] - 1 -> cut i |]

    /// <summary>Σₖ t(b + Mₖ ⊙ (x - b)) Mₖ / Σₖ Mₖ over N random masks, the same for every instance: n×c×h×w → n×h×w; 0 where no
    /// mask shows the pixel. Of tables n×f → n×f, each feature a cell; of signals n×c×t → n×t, of volumes n×c×d×h×w → n×d×h×w. With `centred`, less the mean of the t's: what showing a pixel adds.</summary>
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

        if x.ndim < 2L || x.ndim > 5L then
            invalidArg
                "x"
                $"Masks hide parts of images, tables, signals and volumes, but x has the shape {Tensor.shapeText x.shape}."

        let n = x.shape[0]
        let isTable = x.ndim = 2L
        let sides = if isTable then x.shape[1..] else x.shape[2..]
        let dimensions = int64 sides.Length

        // The features of a table have no neighbours: each is a cell.
        let cells =
            sides
            |> Array.map (fun side ->
                if isTable then side
                elif dimensions = 2L then int64 cells
                else min side (int64 cells))

        let all = Array.fold (*) 1L cells
        let drawn = Noise.uniformOf seed [| all + dimensions |] [| 0L .. int64 count - 1L |]

        let grids =
            drawn
                .narrow(1L, 0L, all)
                .lt(Number.Of shown)
                .``to``(x.dtype, x.device)
                .reshape(Array.append [| -1L; 1L |] cells)

        let shifts = drawn.narrow (1L, all, dimensions)

        let masksOf (steps: Tensor) =
            if isTable then
                (Sweep.pick steps grids).squeeze 1L
            else
                masks sides (Sweep.pick steps grids) (Sweep.pick (steps.cpu ()) shifts)

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

        (share - mean).nan_to_num(0.).reshape(Array.append [| n |] sides).``to`` x.dtype
