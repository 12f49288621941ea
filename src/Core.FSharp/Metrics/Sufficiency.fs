namespace Attribution.Core

open TorchSharp

/// <summary>Sufficiency: whether images with maps that are near each other are of one class. Higher is better.</summary>
/// <remarks>Dasgupta, Frost and Moshkovitz, Framework for evaluating faithfulness of local explanations, arXiv 2202.00734, a map
/// applying to the images whose maps are near it. An image's score needs the others.</remarks>
[<RequireQualifiedAccess>]
module Sufficiency =
    /// <summary>Of the other images whose maps are near an image's, the share that has its class: n, float64. Two maps are near
    /// where ‖A/‖A‖ - A'/‖A'‖‖ &lt; threshold, by pixel attribution. NaN where none is near, or the map is 0.</summary>
    /// <param name="relaxation">How nearness is decided, by the cosine of the angle between two maps.</param>
    /// <param name="threshold">Between 0, the same direction, and 2, the opposite one.</param>
    /// <param name="classes">The class predicted for each image.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    let scores relaxation (threshold: float) (classes: int64[]) (attributions: Tensor) : Tensor =
        Scope.runQuietly (fun () ->
            let pixels = (Tensor.pixels attributions).``to``(torch.float64, torch.CPU) |> Ranking.requireFinite 0L
            let size = Nearby.norms pixels
            let isMap = Tensor.isPositive size
            let unit = pixels.flatten 1L / size.masked_fill(isMap.logical_not (), Number.Of 1.).unsqueeze 1L

            // ‖a - b‖² = 2 - 2 a·b
            let nearness = unit.mm (unit.t ()) |> Tensor.shift (threshold * threshold / 2. - 1.)

            let isOther = torch.eye(unit.shape[0], dtype = torch.bool).logical_not()
            let isPair = (isMap.unsqueeze 1L).logical_and(isMap.unsqueeze 0L).logical_and isOther
            let near = Relax.isPositive relaxation (torch.ones (1L, torch.float64)) nearness * isPair

            let classes = torch.tensor classes
            let isSame = (classes.unsqueeze 1L).eq(classes.unsqueeze 0L)
            let all = near.sum 1L
            Tensor.ratio (Tensor.isPositive all) ((near * isSame).sum 1L) all)
