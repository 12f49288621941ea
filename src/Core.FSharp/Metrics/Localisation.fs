namespace Attribution.Core

open TorchSharp

/// <summary>Where the positive attribution lies, for images in which a region is known (masks n×h×w of booleans).</summary>
/// <remarks>The share inside is the energy-based pointing game of Wang et al., Score-CAM, arXiv 1910.01279; the hit rate of the
/// largest pixel is the pointing game of Zhang et al., arXiv 1608.00507. A uniform map scores its mask's share of the image
/// in both. Mass and rank accuracy are those of Arras et al., CLEVR-XAI, arXiv 2003.07258: the mass accuracy is the share
/// inside. The top-k intersection is that of Theiner et al., arXiv 2104.14995. Only positive attribution points
/// anywhere. All are n numbers, float64.</remarks>
[<RequireQualifiedAccess>]
module Localisation =
    let private quietly (f: unit -> Tensor) = Scope.runQuietly (fun () -> f().``to`` torch.float64)

    let private sum (maps: Tensor) = maps.sum [| 1L; 2L |]

    /// <summary>Σ_{p ∈ mask} max(A_p, 0) / Σ_p max(A_p, 0) of each map; NaN where no attribution is positive.</summary>
    let shares (masks: Tensor) (attributions: Tensor) : Tensor =
        quietly (fun () ->
            let positive = (Tensor.pixels attributions).``to``(torch.float64).relu()
            let all = sum positive
            Tensor.ratio (Tensor.isPositive all) (sum (positive * masks)) all)

    /// |{p ∈ mask : rank p < k}| / k, k one number a map; NaN where none is positive, or k is 0.
    let private topShares relaxation (masks: Tensor) (k: Tensor) (attributions: Tensor) =
        quietly (fun () ->
            let pixels = (Tensor.pixels attributions).``to`` torch.float64

            let top = (Relax.first relaxation (Ranking.ofPositive pixels) k).reshape pixels.shape

            let share = (sum (top * masks)).``to`` torch.float64 / k
            share.masked_fill (pixels.gt(Number.Of 0.).any(1L).any(1L).logical_not(), Number.Of nan))

    let private constant (k: int) (masks: Tensor) =
        torch.full (masks.shape[0], Number.Of(int64 k), torch.int64, masks.device)

    /// <summary>Whether the largest attribution of each map, the first on ties, lies inside: 1 or 0; NaN where none is
    /// positive.</summary>
    let hits relaxation (masks: Tensor) (attributions: Tensor) : Tensor =
        topShares relaxation masks (constant 1 masks) attributions

    /// <summary>Relevance rank accuracy: of the K pixels of largest attribution, K as many as the mask has, the share that
    /// lies inside; NaN where none is positive, or the mask is empty.</summary>
    let rankAccuracies relaxation (masks: Tensor) (attributions: Tensor) : Tensor =
        topShares relaxation masks (sum masks) attributions

    /// <summary>Top-k intersection: of the k pixels of largest attribution, the share that lies inside; NaN where none is
    /// positive.</summary>
    let topKIntersections relaxation (k: int) (masks: Tensor) (attributions: Tensor) : Tensor =
        topShares relaxation masks (constant k masks) attributions

    /// The share of each image that its mask covers.
    let areas (masks: Tensor) : Tensor = quietly (fun () -> masks.``to``(torch.float64).mean [| 1L; 2L |])
