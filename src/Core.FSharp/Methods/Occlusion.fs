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

    /// The sides that windows slide along: of images rows and columns, of tables the features, of signals the times, of volumes all
    /// three.
    let private sides (x: Tensor) =
        if x.ndim < 2L || x.ndim > 5L then
            invalidArg
                "x"
                $"Windows slide over images, tables, signals and volumes, but x has the shape {Tensor.shapeText x.shape}."

        [ (if x.ndim = 2L then 1 else 2) .. int x.ndim - 1 ]

    /// The number of windows on each of the instances.
    let count size stride (instances: Instances) : int64 =
        if instances.Count = 0 then
            0L
        else
            use _ = torch.NewDisposeScope()
            let x = instances.Read 0 1

            sides x |> List.fold (fun product axis -> product * (windows size stride x.shape[axis]).shape[0]) 1L

    /// <summary>Each pixel's is the mean of t(x) - t(x with a window's pixels taken from the baseline) over the windows that
    /// cover it: n×c×h×w → n×h×w; of tables n×f → n×f, of signals n×c×t → n×t, of volumes n×c×d×h×w → n×d×h×w.</summary>
    let attribute (size: Nullable<int>) (stride: Nullable<int>) (baseline: Baseline) (target: Target) (batch: Batch) =
        let x = batch.X
        let axes = sides x
        let along = axes |> List.map (fun axis -> windows size stride x.shape[axis])
        let counts = along |> List.map (fun windows -> windows.shape[0])
        let total = List.fold (*) 1L counts

        // Which window of each side the k-th window is, the last side's the fastest.
        let each =
            List.zip3 axes along (List.scanBack (*) counts 1L |> List.tail)
            |> List.map (fun (axis, windows, faster) ->
                let shape = [| yield -1L; for i in 1 .. int x.ndim - 1 -> if i = axis then x.shape[axis] else 1L |]

                let place =
                    (Number.Range(0L, total, torch.CPU)).floor_divide(Number.Of faster) % Number.Of windows.shape[0]

                windows.index_select(0L, place.``to`` torch.int64).reshape(shape).``to`` x.device)

        let masks _ k = each |> List.map (Sweep.pick k) |> List.reduce (fun a b -> a.logical_and b)
        let windows = Array.create (int x.shape[0]) total
        let losses = FeatureAblation.losses windows masks baseline target batch

        // Summed over the windows of a side after the other: n×windows×… → n×…×side.
        let sum =
            along
            |> List.fold
                (fun (t: Tensor) windows -> torch.tensordot (t, windows.``to`` torch.float64, [| 1L |], [| 0L |]))
                (losses.reshape (Array.append [| -1L |] (Array.ofList counts)))

        let covering =
            along
            |> List.map (fun windows -> (windows.``to`` torch.float64).sum 0L)
            |> List.reduce (fun a b -> a.unsqueeze -1L * b)

        (sum / covering).``to``(x.dtype, x.device)
