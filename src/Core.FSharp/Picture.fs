namespace Attribution.Core

open System
open TorchSharp

/// Pictures of attributions. No argument is changed.
[<RequireQualifiedAccess>]
module Picture =
    let private tiny = 1e-9

    /// What a maximum divides by: itself + 1e-9, or + 1e-9 of itself where it is below 1, so that a map of 1e-12 is drawn as
    /// one of 1 is; 1 where it is 0.
    let private divisor (maximum: Tensor) =
        let divisor = Tensor.add maximum (maximum.abs().clamp_max(Number.Of 1.) * Number.Of tiny)

        divisor.masked_fill (Tensor.isZero divisor, Number.Of 1.)

    let private byOwnMaximum (maps: Tensor) = maps / divisor (maps.amax ([| 1L; 2L |], true))

    /// By a maximum that several maps share, or else by each one's own.
    let private byMaximum (shared: float option) (maps: Tensor) =
        match shared with
        | Some maximum -> maps / divisor (torch.full ([| 1L; 1L; 1L |], Number.Of maximum, torch.float64, maps.device))
        | None -> byOwnMaximum maps

    // Sums of large float32 numbers may overflow.
    let private exact (attributions: Tensor) = attributions.``to`` torch.float64

    /// <summary>Point clouds (n×h×w) of attributions (n×c×h×w or n×h×w): the mean over channels; what is below the
    /// threshold becomes 0 (minus infinity: nothing does); divided by its own maximum, image by image, or by the one that
    /// the maps share.</summary>
    let pointCloudBy (shared: float option) (threshold: float) (attributions: Tensor) : Tensor =
        Scope.run (fun () ->
            let pixels = Tensor.pixels (exact attributions)

            (byMaximum shared (pixels.masked_fill (pixels.lt (Number.Of threshold), Number.Of 0.))).``to``
                torch.float32)

    /// Point clouds, each by its own maximum.
    let pointCloud (threshold: float) (attributions: Tensor) : Tensor = pointCloudBy None threshold attributions

    /// <summary>Images (n×c×h×w) seen through their attributions, as bytes n×h×w×c: the mean over channels; divided by its
    /// maximum, or by the one that the maps share, where `normalise`; blurred by a Gaussian of `blur` pixels, and divided by
    /// its own maximum again, where blur > 0; pixels above the threshold keep their colour and the others are dimmed to
    /// `background`; the whole scaled so that its maximum is 255. An image of which nothing is kept stays dim: it is scaled
    /// as if all of it were.</summary>
    /// <exception cref="T:System.ArgumentException">The shapes differ, or blur is negative.</exception>
    let binaryMaskBy
        (shared: float option)
        (normalise: bool)
        (threshold: float)
        (blur: float)
        (background: float)
        (attributions: Tensor)
        (x: Tensor)
        : Tensor =
        if not (blur >= 0. && blur <= Blur.Most) then
            invalidArg "blur" $"blur is a number of pixels from 0 to {Blur.Most}, but is {blur}."

        Scope.run (fun () ->
            let score = Ranking.requireMaps x (exact attributions)
            let score = if normalise then byMaximum shared score else score

            let score =
                match shared with
                | _ when blur = 0. -> score
                | Some _ -> Blur.gaussian blur score
                | None -> byOwnMaximum (Blur.gaussian blur score)

            let isKept = score.gt (Number.Of threshold)
            let dimmed = torch.full_like (score, Number.Of background)
            let keep = torch.where (isKept, torch.ones_like score, dimmed)
            let x = x.``to`` torch.float64
            let seen = x * keep.unsqueeze 1L
            let isEmpty = (isKept.any 1L).any(1L).logical_not().reshape(-1L, 1L, 1L, 1L)
            let brightest = torch.where(isEmpty, x, seen).amax([| 1L; 2L; 3L |], true)
            let scaled = Number.Of 255. * seen / divisor brightest
            scaled.permute(0L, 2L, 3L, 1L).``to``(torch.uint8).contiguous())

    /// The same, each map by its own maximum.
    let binaryMask normalise threshold blur background attributions x =
        binaryMaskBy None normalise threshold blur background attributions x

    // ColorBrewer's red and blue (RdBu), which people who do not tell red from green tell apart.
    let private against, favour = [| 33.; 102.; 172. |], [| 178.; 24.; 43. |]

    // The image's darkest place is this much darker than white, so that both colours are seen on any of it.
    [<Literal>]
    let private Contrast = 0.32

    // Equal steps of colour for steps of the square root: most of a map's pixels are far below its largest.
    let private strength (share: Tensor) = share.abs().clamp(Number.Of 0., Number.Of 1.).sqrt()

    /// The colours (…×3, 0-255) of shares of the scale (…, -1 to 1) on greys (…, 0-255).
    let private diverging (shares: Tensor) (ground: Tensor) =
        let colour =
            torch.where (
                shares.gt(Number.Of 0.).unsqueeze -1L,
                torch.tensor (favour, device = shares.device),
                torch.tensor (against, device = shares.device)
            )

        torch.lerp ((ground.unsqueeze -1L).expand_as colour, colour, (strength shares).unsqueeze(-1L).expand_as colour)

    let private asBytes (colours: Tensor) =
        colours.round().clamp(Number.Of 0., Number.Of 255.).``to``(torch.uint8).contiguous()

    /// The largest |A_p| of each map's pixels: n×c×h×w or n×h×w → n, float64.
    let magnitude (attributions: Tensor) : Tensor =
        Scope.run (fun () -> (Tensor.pixels (exact attributions)).abs().amax [| 1L; 2L |])

    /// <summary>Heat maps over images (n×c×h×w) as bytes n×h×w×3: the mean over channels, divided by its largest magnitude
    /// or by the one that the maps share; red for, blue against, the more of the colour the larger the share (by its square
    /// root), and none at 0; the image in light grey below, from its darkest place to its lightest.</summary>
    /// <param name="shared">The magnitude of the full colours; None: each map's own.</param>
    /// <exception cref="T:System.ArgumentException">The shapes differ.</exception>
    let heatMap (shared: float option) (attributions: Tensor) (x: Tensor) : Tensor =
        Scope.run (fun () ->
            let pixels = Ranking.requireMaps x (exact attributions)
            let own = (magnitude pixels).reshape(-1L, 1L, 1L)

            let largest =
                match shared with
                | Some magnitude -> torch.full_like (own, Number.Of magnitude)
                | None -> own

            let luma =
                if x.shape[1] = 3L then
                    (exact x * torch.tensor([| 0.299; 0.587; 0.114 |], device = x.device).reshape(1L, 3L, 1L, 1L))
                        .sum(1L)
                else
                    (exact x).mean [| 1L |]

            let darkest = luma.amin ([| 1L; 2L |], true)
            let grey = (luma - darkest) / divisor (luma.amax ([| 1L; 2L |], true) - darkest)

            let ground = Tensor.shift (1. - Contrast) (grey * Number.Of Contrast) * Number.Of 255.

            asBytes (diverging (pixels / largest.masked_fill (Tensor.isZero largest, Number.Of 1.)) ground))

    /// The colours of a heat map from its largest magnitude down to its negative, on white: `count`×1×3 bytes.
    let heatScale (count: int) : Tensor =
        Scope.run (fun () ->
            let shares = torch.linspace (1., -1., int64 count, torch.float64)
            (asBytes (diverging shares (torch.full_like (shares, Number.Of 255.)))).unsqueeze 1L)
