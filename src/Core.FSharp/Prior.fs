namespace Attribution.Core

open TorchSharp

/// <summary>Losses of maps: what a network is trained to have small beside its loss of classes, so that it is right for the right
/// reasons. All are n numbers, float64, of attributions n×c×h×w or n×h×w.</summary>
/// <remarks>They are sums over a map's numbers, in the units of its attributions: the weight of a loss goes with those.</remarks>
[<RequireQualifiedAccess>]
module Prior =
    let private wide (attributions: Tensor) =
        Tensor.requireDims "attributions" [ 3; 4 ] attributions
        attributions.``to`` torch.float64

    /// <summary>Σ_{p ∉ mask} A_p² of each map: what it holds outside of the pixels that may matter.</summary>
    /// <remarks>Ross, Hughes and Doshi-Velez, Right for the right reasons, arXiv 1703.03717.</remarks>
    /// <param name="masks">n×h×w, true inside.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    let outside (masks: Tensor) (attributions: Tensor) : Tensor =
        Scope.runQuietly (fun () ->
            let maps = wide attributions
            let outside = masks.logical_not().``to``(maps.dtype, maps.device)
            let each = if maps.ndim = 4L then outside.unsqueeze 1L else outside
            Tensor.sumEach (Tensor.square maps * each))

    /// <summary>Σ_{i,j} |A_{i+1,j} - A_{i,j}| + |A_{i,j+1} - A_{i,j}| of each map, over all channels: its total
    /// variation.</summary>
    /// <remarks>The prior on pixels of Erion, Janizek, Sturmfels, Lundberg and Lee, arXiv 1906.10670, there of expected
    /// gradients.</remarks>
    let totalVariation (attributions: Tensor) : Tensor =
        Scope.runQuietly (fun () ->
            let maps = wide attributions
            let along (dimension: int64) = Tensor.sumEach (maps.diff(1L, dimension).abs())
            Tensor.add (along -2L) (along -1L))

    /// <summary>1 less the Gini index of each map's pixels: 0 where one pixel has all, 1 where all have the same. NaN where all
    /// are 0.</summary>
    /// <remarks>The prior on sparsity of Erion et al., arXiv 1906.10670.</remarks>
    let density (attributions: Tensor) : Tensor =
        Scope.runQuietly (fun () -> Tensor.complement (Sparseness.scores attributions))
