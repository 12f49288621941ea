namespace Attribution

open System
open System.Runtime.InteropServices
open SkiaSharp
open TorchSharp
open Attribution.Pages

/// <summary>The labelled picture of an explanation: the input, the point cloud of its attribution, the input seen through it
/// and the heat map with its scale, side by side, under the method, the image, its true and its predicted class.</summary>
/// <param name="method">What made the attribution.</param>
/// <param name="settings">Its settings, for people.</param>
/// <param name="instance">Which image it is.</param>
/// <param name="names">What classes are called.</param>
/// <param name="predictedClass">The class that the model gives the image.</param>
/// <param name="trueClass">The image's true class; null where it is not known.</param>
/// <param name="scale">What the pictures of several maps share; null: the map's own.</param>
/// <param name="region">What part of the image was asked about, h×w, which is outlined; null: the whole.</param>
[<Sealed>]
type ExplanationPicture
    (
        method: string,
        settings: string,
        instance: string,
        names: ClassNames,
        predictedClass: int64,
        [<Optional>] trueClass: Nullable<int64>,
        [<Optional; DefaultParameterValue(null: MapScale)>] scale: MapScale,
        [<Optional; DefaultParameterValue(null: torch.Tensor)>] region: torch.Tensor
    ) =

    let leastPanel = 224L
    let barWidth, barLabels, labelSize = 14f, 76f, 13f

    // The share of the maximum above which a mask keeps a pixel.
    let kept = 0.2

    let settings = if isNull scale then settings else $"{settings} · {scale}"

    let maximum = if isNull scale then Nullable() else Nullable scale.Maximum

    // "true: cat   predicted: dog   wrong": the names share what room the rest leaves.
    let classes canvas line room =
        let write colour left room text =
            left + Drawing.text canvas colour Drawing.TextSize (left, line) room text + 2f * Drawing.Gap

        let predicted = $"predicted: {names[int predictedClass]}"
        let apart = Drawing.Gap

        if trueClass.HasValue then
            let verdict, colour =
                if trueClass.Value = predictedClass then
                    "✓ correct", SKColor(0x11uy, 0x63uy, 0x29uy)
                else
                    "✗ wrong", SKColor(0xa4uy, 0x0euy, 0x26uy)

            use font = Drawing.font Drawing.TextSize
            let each = (room - font.MeasureText verdict - 2f * apart) / 2f - apart

            let left = write Drawing.ink Drawing.Margin each $"true: {names[int trueClass.Value]}"

            let left = write Drawing.ink left each predicted
            write colour left room verdict |> ignore
        else
            write Drawing.ink Drawing.Margin (room - apart) predicted |> ignore

    // The heat map's colours, and what numbers they stand for.
    let bar canvas left top height magnitude =
        Drawing.colourBar canvas (SKRect.Create(left, top, barWidth, height))

        for colour, line, label in
            [
                Drawing.ink, labelSize - 1f, MapScale.Number magnitude
                Drawing.faint, 2f * labelSize + 4f, "for"
                Drawing.ink, height / 2f + labelSize / 2f - 2f, "0"
                Drawing.faint, height - labelSize - 6f, "against"
                Drawing.ink, height - 2f, MapScale.Number -magnitude
            ] do
            Drawing.write canvas colour labelSize (left + barWidth + 6f, top + line) barLabels label

    // The pixels of the region that have a neighbour outside of it, in a colour that few images have.
    let outlined (pixels: torch.Tensor) =
        if isNull region then
            pixels
        else
            let inside = region.to_type(torch.ScalarType.Float32).unsqueeze(0L).unsqueeze 0L

            let outside =
                torch.nn.functional.pad (
                    inside.eq(torch.zeros_like inside).to_type inside.dtype,
                    [| 1L; 1L; 1L; 1L |],
                    value = 1.
                )

            let near = torch.nn.functional.max_pool2d (outside, [| 3L; 3L |], [| 1L; 1L |])

            let edge =
                (near * inside).to_type(torch.ScalarType.Bool).squeeze(0L).squeeze(0L).unsqueeze(-1L).unsqueeze 0L

            let colour = torch.tensor [| 255uy; 0uy; 255uy |]
            torch.where (edge, colour, pixels)

    let draw (image: torch.Tensor) (attribution: torch.Tensor) peak =
        use _ = torch.NewDisposeScope()
        let x, map = image.unsqueeze 0L, attribution.unsqueeze 0L
        let cloud = Visualization.PointCloud(map, threshold = 0., maximum = maximum)
        let brightest = cloud.max().ToDouble()
        let magnitude = (if isNull scale then MapScale.Of map else scale).Magnitude

        let panels = [
            (if isNull region then "input" else "input, region outlined"), outlined (Drawing.bytes peak x)
            (if brightest > 0. then "point cloud" else "point cloud: nothing positive"),
            Drawing.bytes 1. (cloud.unsqueeze 1L)
            (if brightest > kept then "masked input" else "masked input: nothing kept"),
            Visualization.BinaryMask(x, map, maximum = maximum)
            (if magnitude > 0. then "heat map: red for, blue against" else "heat map: zero everywhere"),
            Visualization.HeatMap(x, map, magnitude)
        ]

        let height, width = x.shape[2], x.shape[3]
        // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
        let factor = (leastPanel + min height width - 1L) / min height width
        let panel = SKSize(float32 (width * factor), float32 (height * factor))
        let step = panel.Width + Drawing.Gap
        let top = Drawing.Margin + 4f * Drawing.LineHeight + Drawing.Gap

        let whole = 2f * Drawing.Margin + float32 panels.Length * step + barWidth + barLabels

        Drawing.png whole (top + panel.Height + Drawing.LineHeight + Drawing.Margin) (fun canvas ->
            let room = whole - 2f * Drawing.Margin

            let line i = Drawing.Margin + Drawing.TitleSize + float32 i * Drawing.LineHeight

            Drawing.write canvas Drawing.ink Drawing.TitleSize (Drawing.Margin, line 0) room method
            Drawing.write canvas Drawing.faint Drawing.TextSize (Drawing.Margin, line 1) room settings
            Drawing.write canvas Drawing.ink Drawing.TextSize (Drawing.Margin, line 2) room instance
            classes canvas (line 3) room

            for i, (caption, pixels) in List.indexed panels do
                let place = SKRect.Create(SKPoint(Drawing.Margin + float32 i * step, top), panel)
                Drawing.pixels canvas pixels[0L] place
                Drawing.frame canvas place

                Drawing.write
                    canvas
                    Drawing.faint
                    Drawing.TextSize
                    (place.Left, place.Bottom + Drawing.LineHeight)
                    panel.Width
                    caption

            bar canvas (Drawing.Margin + float32 panels.Length * step) top panel.Height magnitude)

    /// <summary>Draws the picture as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">c×h×w.</param>
    /// <param name="attribution">c×h×w, or pixel attributions h×w.</param>
    /// <param name="peak">The image's value for white.</param>
    /// <exception cref="T:System.ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    member _.Write
        (
            path: string,
            image: torch.Tensor,
            attribution: torch.Tensor,
            [<Optional; DefaultParameterValue(255.)>] peak: float
        ) : unit =
        (draw image attribution peak).Write path

    /// <summary>Draws the picture as the bytes of a PNG file.</summary>
    /// <param name="image">c×h×w.</param>
    /// <param name="attribution">c×h×w, or pixel attributions h×w.</param>
    /// <param name="peak">The image's value for white.</param>
    /// <exception cref="T:System.ArgumentException">The shapes do not fit.</exception>
    member _.Draw
        (image: torch.Tensor, attribution: torch.Tensor, [<Optional; DefaultParameterValue(255.)>] peak: float)
        : byte[] =
        (draw image attribution peak).Png
