namespace Attribution.Core

open System
open TorchSharp

/// <summary>Occlusion: what the target loses when a window that slides over the image is hidden.</summary>
/// <remarks>Zeiler and Fergus, arXiv 1311.2901.</remarks>
[<RequireQualifiedAccess>]
module Occlusion =
    /// What each of the windows along a side covers: windows×side, booleans. They start every `stride` pixels; the last one may
    /// overhang. By default a window is an eighth of the side, and a stride half a window; it is a window at most.
    let private windows (size: Nullable<int>) (stride: Nullable<int>) (side: int64) : Tensor =
        let size = if size.HasValue then int64 size.Value else max 1L (side / 8L)

        let stride = if stride.HasValue then min size (int64 stride.Value) else max 1L (size / 2L)

        let starts = torch.tensor([| 0L .. stride .. max 0L (side - size) + stride - 1L |]).unsqueeze 1L

        let pixel = Number.Range(0L, side, torch.CPU)
        pixel.ge(starts).logical_and(pixel.lt (Tensor.add starts (torch.tensor size)))

    /// The number of windows on each of the instances.
    let count size stride (instances: Instances) : int64 =
        if instances.Count = 0 then
            0L
        else
            use _ = torch.NewDisposeScope()
            let x = instances.Read 0 1
            Tensor.requireDims "x" [ 4 ] x

            (windows size stride x.shape[2]).shape[0] * (windows size stride x.shape[3]).shape[0]

    /// <summary>Each pixel's is the mean of t(x) - t(x with a window's pixels taken from the baseline) over the windows that
    /// cover it: n×c×h×w → n×h×w.</summary>
    let attribute (size: Nullable<int>) (stride: Nullable<int>) (baseline: Baseline) (target: Target) (batch: Batch) =
        let x = batch.X
        Tensor.requireDims "x" [ 4 ] x
        let rows, columns = windows size stride x.shape[2], windows size stride x.shape[3]
        let across, down = columns.shape[0], rows.shape[0]

        let tops = rows.repeat_interleave(across, 0L).unsqueeze(1L).unsqueeze(3L).``to`` x.device

        let lefts = columns.repeat([| down; 1L |]).unsqueeze(1L).unsqueeze(2L).``to`` x.device

        let masks k = (Sweep.pick k tops).logical_and(Sweep.pick k lefts)

        let losses = FeatureAblation.losses (down * across) masks baseline target batch
        let rows, columns = rows.``to`` torch.float64, columns.``to`` torch.float64

        let sum = torch.einsum ("nrc,rh,cw->nhw", losses.reshape (-1L, down, across), rows, columns)

        let covering = rows.sum(0L).unsqueeze 1L * columns.sum 0L
        (sum / covering).``to``(x.dtype, x.device)
