namespace Attribution.Core

open System
open TorchSharp

/// <summary>XRAI: regions of the image, ranked by how much attribution each adds for its area.</summary>
/// <remarks>Kapishnikov et al., arXiv 1906.02825: the attribution is integrated gradients from black and from white, summed; regions are
/// segments of several scales, which overlap. Of all regions the one with the largest mean attribution over what is not covered yet is
/// covered next, and its pixels get that mean. Segments are superpixels here, of SLIC, where the paper's are Felzenszwalb's.</remarks>
[<RequireQualifiedAccess>]
module Xrai =
    /// About how many segments each scale has.
    let private scales = [ 8; 16; 32; 64; 128 ]

    /// The turn in which each pixel of an image is covered, from 0.
    let private turns (attribution: float[]) (segments: int64[] list) : int64[] =
        let turn = Array.create attribution.Length -1L

        let regions =
            segments
            |> List.collect (fun labels ->
                labels |> Array.indexed |> Array.groupBy snd |> Array.map (snd >> Array.map fst) |> List.ofArray)

        let rec cover k (regions: int[] list) =
            let left =
                regions |> List.map (Array.filter (fun p -> turn[p] < 0L)) |> List.filter (Array.isEmpty >> not)

            if not left.IsEmpty then
                let best = left |> List.maxBy (Array.averageBy (fun p -> attribution[p]))

                for p in best do
                    turn[p] <- k

                cover (k + 1L) left

        cover 0L regions
        turn

    /// <summary>Of each pixel the mean attribution of what its region added: n×h×w.</summary>
    /// <exception cref="T:Attribution.AttributionException">The instances are no images.</exception>
    let attribute nodes (white: Baseline) (target: Target) (batch: Batch) : Tensor =
        let x = batch.X
        Images.require "XRAI is" x

        Scope.runQuietly (fun () ->
            let from baseline = (IntegratedGradients.attribute nodes baseline true target batch).sum 1L
            let attribution = Tensor.add (from Baseline.black) (from white)
            let n, pixels = x.shape[0], x.shape[2] * x.shape[3]
            let flat = (attribution.reshape (n, pixels)).``to`` torch.float64

            let rows (t: Tensor) = Tensor.toArray<int64>(t.cpu ()) |> Array.chunkBySize (int pixels)
            let segments = scales |> List.map (fun count -> rows (Superpixels.slic count x))

            let turn =
                Tensor.toArray<float> flat
                |> Array.chunkBySize (int pixels)
                |> Array.mapi (fun i map -> turns map (segments |> List.map (fun each -> each[i])))
                |> array2D
                |> torch.tensor
                |> _.``to``(x.device)

            let zeros = torch.zeros (n, turn.max().item<int64>() + 1L, torch.float64, x.device)
            let sums = zeros.scatter_add (1L, turn, flat)
            let counts = zeros.scatter_add (1L, turn, torch.ones_like flat)
            let means = sums / counts.clamp_min (Number.Of 1.)
            means.gather(1L, turn).reshape(n, x.shape[2], x.shape[3]).``to`` x.dtype)
