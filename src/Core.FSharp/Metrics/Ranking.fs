namespace Attribution.Core

open Attribution
open TorchSharp

/// What metrics read of attribution maps: pixels, magnitudes, orders, ranks.
[<RequireQualifiedAccess>]
module Ranking =
    let internal requireFinite (first: int64) (pixels: Tensor) =
        match Tensor.notFinite pixels with
        | [||] -> pixels
        | bad -> fail $"The attribution of instance {first + bad[0]} holds a NaN or an infinity."

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

        Scope.quietly (fun () -> Instances.ofTensor attributions |> Instances.map 64 part)

    /// The order of a map's positive pixels (n×h×w), the largest first; the others are in none.
    let ofPositive (pixels: Tensor) : Order =
        let flat = pixels.flatten 1L

        Relax.order (
            flat.masked_fill ((Tensor.isPositive flat).logical_not(), Number.Of System.Double.NegativeInfinity)
        )

    /// <summary>Spearman's rank correlation, pixel by pixel, of each of some attributions' maps with the other's, both through f
    /// first: n; NaN where one is constant.</summary>
    let correlations relaxation (f: Tensor -> Tensor) (attributions: Tensor) (others: Tensor) : Tensor =
        let ranks (maps: Tensor) =
            let pixels = (Tensor.pixels maps).``to``(torch.float64, torch.CPU).flatten 1L
            Relax.ranks relaxation (f pixels)

        // Map by map: ranks take several times a map's memory.
        let one (i: int64) =
            Scope.run (fun () ->
                Relax.correlations (ranks (attributions.narrow (0L, i, 1L))) (ranks (others.narrow (0L, i, 1L))))

        Scope.runQuietly (fun () -> torch.cat [| for i in 0L .. attributions.shape[0] - 1L -> one i |])

    /// The number of pixels with positive attribution in each map: n×h×w → n.
    let positives (pixels: Tensor) : int64[] = Tensor.toArray<int64>((Tensor.isPositive pixels).flatten(1L).sum 1L)

    /// Removal counts M, 2M, … up to n, the last block maybe short.
    let steps (pixelsPerStep: int) (n: int64) : int64[] =
        if pixelsPerStep < 1 then
            invalidArg "pixelsPerStep" $"A step removes at least 1 pixel, but pixelsPerStep is {pixelsPerStep}."

        let step = int64 pixelsPerStep
        [| for i in 1L .. (n + step - 1L) / step -> min n (i * step) |]
