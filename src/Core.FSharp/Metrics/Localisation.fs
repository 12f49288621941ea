namespace Attribution.Core

open TorchSharp

/// <summary>Where the positive attribution lies, for images in which a region is known (masks n×h×w of booleans).</summary>
/// <remarks>The share inside is the energy-based pointing game of Wang et al., Score-CAM, arXiv 1910.01279; the hit rate of the
/// largest pixel is the pointing game of Zhang et al., arXiv 1608.00507. A uniform map scores its mask's share of the image
/// in both. Mass and rank accuracy are those of Arras et al., CLEVR-XAI, arXiv 2003.07258: the mass accuracy is the share
/// inside. The top-k intersection is that of Theiner et al., arXiv 2104.14995. Only positive attribution points
/// anywhere.</remarks>
[<RequireQualifiedAccess>]
module Localisation =
    let private numbers (f: unit -> Tensor) : float[] =
        use _ = torch.NewDisposeScope()
        Scope.forwardOnly (fun () -> Tensor.toArray<float>(f().``to`` torch.float64))

    /// <summary>Σ_{p ∈ mask} max(A_p, 0) / Σ_p max(A_p, 0) of each map (n); NaN where no attribution is positive.</summary>
    let shares (masks: Tensor) (attributions: Tensor) : float[] =
        numbers (fun () ->
            let positive = (Tensor.pixels attributions).``to``(torch.float64).relu()
            (positive * masks).sum [| 1L; 2L |] / positive.sum [| 1L; 2L |])

    /// <summary>Whether the largest attribution of each map, the first on ties, lies inside: 1 or 0 (n); NaN where none is
    /// positive.</summary>
    let hits (masks: Tensor) (attributions: Tensor) : float[] =
        numbers (fun () ->
            // The first of π_A is the pixel of rank 0.
            let largest = (Ranking.ranks (Tensor.pixels attributions)).logical_not()

            (largest * masks).sum([| 1L; 2L |]).``to`` torch.float64
            / largest.sum [| 1L; 2L |])

    /// |{p ∈ mask : rank p < k}| / k, k one number a map (n); NaN where none is positive, or k is 0.
    let private topShares (masks: Tensor) (k: Tensor) (attributions: Tensor) =
        let ranks = Ranking.ranks (Tensor.pixels attributions)
        let top = ranks.lt (k.reshape [| -1L; 1L; 1L |])
        let share = (top * masks).sum([| 1L; 2L |]).``to`` torch.float64 / k
        share.masked_fill ((top.any(1L).any 1L).logical_not(), nan)

    /// <summary>Relevance rank accuracy: of the K pixels of largest attribution, K as many as the mask has, the share that
    /// lies inside (n); NaN where none is positive, or the mask is empty.</summary>
    let rankAccuracies (masks: Tensor) (attributions: Tensor) : float[] =
        numbers (fun () -> topShares masks (masks.sum [| 1L; 2L |]) attributions)

    /// <summary>Top-k intersection: of the k pixels of largest attribution, the share that lies inside (n); NaN where none
    /// is positive.</summary>
    let topKIntersections (k: int) (masks: Tensor) (attributions: Tensor) : float[] =
        numbers (fun () -> topShares masks (torch.full (masks.shape[0], k, torch.int64, masks.device)) attributions)

    /// The share of each image that its mask covers (n).
    let areas (masks: Tensor) : float[] =
        numbers (fun () -> masks.``to``(torch.float64).mean [| 1L; 2L |])
