namespace Attribution.Core

open TorchSharp

/// <summary>Which images of a mosaic a map of the class of some of them looks at.</summary>
/// <remarks>Arias-Duart, Parés, Garcia-Gasulla and Giménez-Ábalos, Focus! Rating XAI Methods and Finding Biases, arXiv 2109.15035:
/// of 2×2 images two are of the class that is explained, and two of others, so that a map that knows nothing scores ½.</remarks>
[<RequireQualifiedAccess>]
module Focus =
    /// The sides of the quadrants: of an odd side the second is the longer.
    let private halves (side: int64) = [ side / 2L; side - side / 2L ]

    /// Four pieces, in the order of reading, as one.
    let private joined (dimension: int64) (pieces: Tensor list) : Tensor =
        let row (pair: Tensor list) = torch.cat (Array.ofList pair, dimension + 1L)
        torch.cat ([| row pieces[..1]; row pieces[2..] |], dimension)

    let private quadrants height width = List.allPairs (halves height) (halves width)

    /// <summary>Mosaics of 2×2 images each, of one image's size: n×4×c×h×w → n×c×h×w, in the order of reading, each image brought
    /// to its quadrant's size by the means of the pixels that fall together.</summary>
    let mosaics (images: Tensor) : Tensor =
        Tensor.requireDims "images" [ 5 ] images

        if images.shape[1] <> 4L || images.shape[3] < 2L || images.shape[4] < 2L then
            invalidArg
                "images"
                $"A mosaic is of 4 images with sides of 2 pixels or more: n×4×c×h×w, and not {Tensor.shapeText images.shape}."

        Scope.run (fun () ->
            quadrants images.shape[3] images.shape[4]
            |> List.mapi (fun i (height, width) ->
                torch.nn.functional.adaptive_avg_pool2d (images.select (1L, int64 i), [| height; width |]))
            |> joined 2L)

    /// <summary>The quadrants of some of each mosaic's images: n×4 of booleans, in the order of reading, → n×h×w.</summary>
    let masks (height: int64) (width: int64) (areOfClass: Tensor) : Tensor =
        Scope.run (fun () ->
            quadrants height width
            |> List.mapi (fun i (height, width) ->
                areOfClass.select(1L, int64 i).reshape(-1L, 1L, 1L).expand(-1L, height, width))
            |> joined 1L)

    /// <summary>The share of each map's positive attribution that lies in those quadrants: n, float64; NaN where no attribution
    /// is positive.</summary>
    /// <param name="areOfClass">n×4 of booleans.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    let scores (areOfClass: Tensor) (attributions: Tensor) : Tensor =
        Scope.run (fun () ->
            let rank = attributions.shape.Length
            let masks = masks attributions.shape[rank - 2] attributions.shape[rank - 1] areOfClass
            Localisation.shares masks attributions)
