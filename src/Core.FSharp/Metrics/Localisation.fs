namespace Attribution.Core

open TorchSharp

/// <summary>Where the positive attribution lies, for images in which a region is known (masks n×h×w of booleans).</summary>
/// <remarks>The share inside is the energy-based pointing game of Wang et al., Score-CAM, arXiv 1910.01279; the hit rate of the
/// largest pixel is the pointing game of Zhang et al., arXiv 1608.00507. A uniform map scores its mask's share of the image
/// in both. Mass and rank accuracy are those of Arras et al., CLEVR-XAI, arXiv 2003.07258: the mass accuracy is the share
/// inside. The top-k intersection is that of Theiner et al., arXiv 2104.14995. Only positive attribution points
/// anywhere. The area under the curve is that of the receiver operating characteristic: Fawcett, Pattern Recognition Letters
/// 27(8), 2006. All are n numbers, float64.</remarks>
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

            let share =
                Tensor.ratio (Tensor.isPositive k) ((sum (top * masks)).``to`` torch.float64) (k.``to`` torch.float64)

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

    /// The margin of the pointing game, in pixels: 15 where the longer side has 224, as large a share of other images.
    let margin (height: int64) (width: int64) : float = 15. * float (max height width) / 224.

    /// <summary>The masks, and every pixel that is no further than the margin from one of theirs, from centre to centre.</summary>
    let widened (margin: float) (masks: Tensor) : Tensor =
        let reach = int64 margin

        let widen () =
            let steps = Number.Range(-reach, 2L * reach + 1L, masks.device)
            let squares = steps * steps
            let distances = Tensor.add (squares.unsqueeze 0L) (squares.unsqueeze 1L)
            let disc = (distances.le (Number.Of(margin * margin))).unsqueeze(0L).unsqueeze 0L
            let inside (t: Tensor) = t.``to`` torch.float32

            torch.nn.functional
                .conv2d(inside (masks.unsqueeze 1L), inside disc, padding = [| reach; reach |])
                .squeeze(1L)
                .gt(Number.Of 0.5)

        if reach < 1L then masks else Scope.runQuietly widen

    /// <summary>The area under the curve of true against false positives, of the attribution as what tells the mask's pixels from
    /// the others: (1/|in||out|) Σ_{p ∈ in, q ∈ out} [A_p > A_q], a tie counting half; NaN where the mask is empty, or everything.</summary>
    /// <remarks>By the sum of the ranks inside, U = Σ_{p ∈ in} rank p - |in|(|in| + 1)/2 of Mann and Whitney, Annals of Mathematical
    /// Statistics 18(1), 1947. Negative attribution ranks below none.</remarks>
    let aucs relaxation (masks: Tensor) (attributions: Tensor) : Tensor =
        quietly (fun () ->
            let pixels = ((Tensor.pixels attributions).``to`` torch.float64).flatten 1L
            let masks = (masks.flatten 1L).``to`` torch.float64
            let inside, outside = masks.sum 1L, (Tensor.complement masks).sum 1L
            let ranks = (Relax.ranks relaxation pixels * masks).sum 1L
            let least = inside * Tensor.shift 1. inside / Number.Of 2.
            let pairs = inside * outside
            Tensor.ratio (Tensor.isPositive pairs) (ranks - least) pairs)

    /// The share of each image that its mask covers.
    let areas (masks: Tensor) : Tensor = quietly (fun () -> masks.``to``(torch.float64).mean [| 1L; 2L |])
