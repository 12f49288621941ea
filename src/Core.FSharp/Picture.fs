namespace Attribution.Core

open System
open TorchSharp

/// Pictures of attributions. No argument is changed.
[<RequireQualifiedAccess>]
module Picture =
    let private tiny = 1e-9

    let private byOwnMaximum (maps: Tensor) =
        maps / (maps.amax ([| 1L; 2L |], true) + tiny.ToScalar())

    /// <summary>Point clouds (n×h×w) of attributions (n×c×h×w or n×h×w): the mean over channels; what is below the
    /// threshold becomes 0 (minus infinity: nothing does); divided by its own maximum + 1e-9, image by image.</summary>
    let pointCloud (threshold: float) (attributions: Tensor) : Tensor =
        Scope.run (fun () ->
            let pixels = (Tensor.pixels attributions).``to`` torch.float64
            (byOwnMaximum (pixels.masked_fill (pixels.lt (threshold.ToScalar()), 0.))).``to`` torch.float32)

    // scipy.ndimage.gaussian_filter's defaults: truncated at 4 sigma, edges reflected (d c b a | a b c d | d c b a).
    let private blurred (sigma: float) (maps: Tensor) =
        let radius = int (4. * sigma + 0.5)
        let bell = [| for i in -radius .. radius -> exp (-0.5 * (float i / sigma) ** 2.) |]
        let total = Array.sum bell

        /// What each pixel along a line of that many takes from each.
        let weights size =
            let weights = Array2D.zeroCreate size size

            for i in 0 .. size - 1 do
                for k in -radius .. radius do
                    let folded = (((i + k) % (2 * size)) + 2 * size) % (2 * size)
                    let from = min folded (2 * size - 1 - folded)
                    weights[i, from] <- weights[i, from] + bell[k + radius] / total

            torch.tensor(weights).``to`` maps.device

        let height, width = int maps.shape[1], int maps.shape[2]
        (weights height).matmul(maps).matmul ((weights width).t ())

    /// <summary>Images (n×c×h×w) seen through their attributions, as bytes n×h×w×c: the mean over channels; divided by its
    /// maximum + 1e-9 where `normalise`; blurred by a Gaussian of `blur` pixels, and divided again, where blur > 0; pixels
    /// above the threshold keep their colour and the others are dimmed to `background`; the whole scaled so that its
    /// maximum is 255.</summary>
    /// <exception cref="T:System.ArgumentException">The shapes differ, or blur is negative.</exception>
    let binaryMask
        (normalise: bool)
        (threshold: float)
        (blur: float)
        (background: float)
        (attributions: Tensor)
        (x: Tensor)
        : Tensor =
        if not (blur >= 0. && blur <= 1000.) then
            invalidArg "blur" $"blur is a number of pixels from 0 to 1000, but is {blur}."

        Scope.run (fun () ->
            let score = (Ranking.requireMaps x attributions).``to`` torch.float64
            let score = if normalise then byOwnMaximum score else score

            let score =
                if blur > 0. then
                    byOwnMaximum (blurred blur score)
                else
                    score

            let dimmed = torch.full_like (score, background.ToScalar())

            let keep =
                torch.where (score.gt (threshold.ToScalar()), torch.ones_like score, dimmed)

            let seen = x.``to`` (torch.float64) * keep.unsqueeze 1L

            let scaled =
                255.0.ToScalar() * seen / (seen.amax ([| 1L; 2L; 3L |], true) + tiny.ToScalar())

            scaled.permute(0L, 2L, 3L, 1L).``to``(torch.uint8).contiguous())
