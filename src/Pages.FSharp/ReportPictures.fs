namespace Attribution.Pages

open System
open System.Collections.Generic
open SkiaSharp
open TorchSharp
open Attribution

/// A picture of a report: its file, and what it shows, in words.
type internal ReportPicture = { Name: string; Description: string; Figure: Figure }

/// The pictures of a report, each drawn once.
[<Sealed>]
type internal ReportPictures(report: AttributionReport) =
    [<Literal>]
    let LeastSide = 224

    let images = report.Images
    let side = max images.Height images.Width

    // TorchSharp lets go of a number before its native call returns: those in use must be kept.
    let zero, five, white, brightness =
        0.0.ToScalar(), 5.0.ToScalar(), 255.0.ToScalar(), (255f / images.Peak).ToScalar()

    let drawn = Dictionary<string, ReportPicture>()

    // On a large image single pixels are too small to see.
    let blur = max 1. (float side / 64.)

    // Whole factors: every pixel of a small image stays a crisp square.
    let factor = max 1L ((int64 LeastSide + int64 side - 1L) / int64 side)

    let number (row: int) = (string row).PadLeft((string (images.Count - 1)).Length, '0')

    let image (row: int) = images.Images(Range(Index row, Index(row + 1)))

    let add name description figure =
        match drawn.TryGetValue name with
        | true, known -> known
        | _ ->
            let picture = { Name = name; Description = description; Figure = figure () }

            drawn.Add(name, picture)
            picture

    // pixels: h×w×c bytes.
    let draw name description (pixels: unit -> torch.Tensor) =
        add $"{name}.png" description (fun () ->
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()

            Drawing.encode (pixels().repeat_interleave(factor, dim = 0L).repeat_interleave(factor, dim = 1L)))

    // 1×c×h×w to h×w×c bytes.
    let bytes (values: torch.Tensor) (scale: Scalar) =
        (values * scale).round().clamp(zero, white).``to``(torch.uint8).squeeze(0L).permute(1L, 2L, 0L)

    let input row = bytes (image row) brightness

    /// The blur of binary masks in pixels.
    member _.Blur = blur

    /// All that were drawn so far.
    member _.All = List.ofSeq drawn.Values

    /// A picture that someone else draws.
    member _.Add name description figure = add name description figure

    /// An image as it is.
    member _.Input row description = draw $"input-{number row}" description (fun () -> input row)

    /// One of some images (n×c×h×w) that were made.
    member _.Made name (images: torch.Tensor) (i: int) description =
        draw name description (fun () -> bytes (images.narrow (0L, int64 i, 1L)) brightness)

    /// A map (h×w) as grey on black.
    member _.PointCloud name row (map: torch.Tensor) description =
        draw $"{name}-{number row}-point-cloud" description (fun () ->
            bytes (Visualization.PointCloud(map.unsqueeze 0L, threshold = 0.).unsqueeze 1L) white)

    /// An image seen through a map (h×w).
    member _.Mask name row (map: torch.Tensor) description =
        draw $"{name}-{number row}-binary-mask" description (fun () ->
            Visualization.BinaryMask(image row, map.unsqueeze 0L, blur = blur).squeeze 0L)

    /// A map (h×w) over the image, and below it the colours of its scale; a fortieth of the image, as its distance is.
    member _.HeatMap name row (map: torch.Tensor) description =
        draw $"{name}-{number row}-heat-map" description (fun () ->
            let heat = Visualization.HeatMap(image row, map.unsqueeze 0L).squeeze 0L
            let colours = (Visualization.HeatScale images.Width).flip(0L).transpose(0L, 1L)
            let height = int64 (max 1 (images.Height / 40))
            let bar = colours.expand (height, -1L, -1L)
            torch.cat ([| heat; torch.full_like (bar, white); bar |], 0L))

    /// An image of which all but a region (h×w booleans) is dimmed.
    member _.Region name row (region: torch.Tensor) description =
        draw $"{name}-{number row}" description (fun () ->
            let pixels = input row

            torch.where (
                region.unsqueeze -1L,
                pixels,
                pixels.div (torch.full_like (pixels, five), torch.RoundingMode.floor)
            ))
