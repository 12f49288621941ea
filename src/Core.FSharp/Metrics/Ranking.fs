namespace Attribution.Core

open Attribution
open TorchSharp

/// Pixels in the order of their attribution, and images of which some pixels are removed.
[<RequireQualifiedAccess>]
module Ranking =
    /// The rank that pixels of no positive attribution have: after every other.
    let private unranked = 0x7fffffffffffffffL

    let private requireFinite (first: int64) (pixels: Tensor) =
        match Tensor.notFinite pixels with
        | [||] -> pixels
        | bad ->
            raise (AttributionException $"The attribution of instance {first + bad[0]} holds a NaN or an infinity.")

    /// <summary>Requires finite attributions, one map an instance: n×c×h×w or n×h×w for instances n×c×h×w.</summary>
    let requireMaps (x: Tensor) (attributions: Tensor) =
        let pixels = Tensor.pixels attributions
        Tensor.requireDims "x" [ 4 ] x
        Tensor.requireShape "The pixel attribution" [| x.shape[0]; x.shape[2]; x.shape[3] |] pixels
        requireFinite 0L pixels

    /// <summary>f of the magnitudes |A_p| of some maps' pixels (m×p, float64), for all maps: n×….</summary>
    let ofMagnitudes (f: Tensor -> Tensor) (attributions: Tensor) : Tensor =
        Tensor.requireDims "attributions" [ 3; 4 ] attributions

        let part (batch: Batch) =
            let pixels = requireFinite (batch.Rows[0].item<int64>()) (Tensor.pixels batch.X)
            f (pixels.flatten(1L).``to``(torch.float64).abs())

        Scope.forwardOnly (fun () -> Instances.ofTensor attributions |> Instances.map 64 part)

    /// <summary>Spearman's rank correlation, pixel by pixel, of each of some attributions' maps (n) with the other's, both
    /// through f first; NaN where one is constant.</summary>
    let correlations (f: float -> float) (attributions: Tensor) (others: Tensor) : float[] =
        let pixels (i: int64) (all: Tensor) =
            use _ = torch.NewDisposeScope()

            Tensor.toArray<float>((Tensor.pixels (all.narrow (0L, i, 1L))).``to`` torch.float64)
            |> Array.map f

        Array.init (int attributions.shape[0]) (fun i ->
            Statistics.rankCorrelation (pixels i attributions) (pixels i others))

    /// The number of pixels with positive attribution in each map: n×h×w → n.
    let positives (pixels: Tensor) : int64[] =
        Tensor.toArray<int64>((Tensor.isPositive pixels).flatten(1L).sum 1L)

    /// The rank of each pixel, of the pixels in their order: n×hw → n×hw, both int64.
    let ofOrder (order: Tensor) : Tensor =
        let position =
            torch.arange(order.shape[1], torch.int64, order.device).expand_as order

        torch.empty_like(order).scatter_(1L, order, position)

    /// <summary>The rank of each pixel among its map's positive ones (n×h×w → n×h×w int64): 0 for the largest, ties by
    /// row-major position; pixels that are not positive rank after every other.</summary>
    let ranks (pixels: Tensor) : Tensor =
        let flat = pixels.flatten 1L
        let struct (_, order) = flat.sort (1L, true, true)
        (ofOrder order).masked_fill((Tensor.isPositive flat).logical_not(), unranked).reshape pixels.shape

    /// Images (m×c×h×w) times what is kept of each pixel (m×h×w): true or false, or a share.
    let mask (keep: Tensor) (x: Tensor) = x * keep.unsqueeze(1L).``to`` x.dtype

    /// Images with their first i ranked pixels, all channels, from others (m×c×h×w), i one number an image.
    let replace (ranks: Tensor) (count: Tensor) (others: Tensor) (x: Tensor) =
        let isReplaced = ranks.lt (count.reshape [| -1L; 1L; 1L |])
        torch.where (isReplaced.unsqueeze 1L, others, x)

    /// Removal counts M, 2M, … up to n, the last block maybe short.
    let steps (pixelsPerStep: int) (n: int64) : int64[] =
        if pixelsPerStep < 1 then
            invalidArg "pixelsPerStep" $"A step removes at least 1 pixel, but pixelsPerStep is {pixelsPerStep}."

        let step = int64 pixelsPerStep
        [| for i in 1L .. (n + step - 1L) / step -> min n (i * step) |]
