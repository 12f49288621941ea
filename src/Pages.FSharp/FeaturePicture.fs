namespace Attribution

open System
open System.Collections.Generic
open System.Globalization
open SkiaSharp
open TorchSharp
open Attribution.Pages

/// <summary>The labelled picture of an explanation of a row of numbers: a bar for each feature of a table, the largest first, or the course
/// of a signal over its times, with what speaks for and against at each.</summary>
/// <param name="method">What made the attribution.</param>
/// <param name="settings">Its settings, for people.</param>
/// <param name="instance">Which row it is.</param>
/// <param name="predicted">The class that the model gives it, and its true one, in words.</param>
/// <param name="features">What its numbers are called; null: they are a signal's times.</param>
[<Sealed>]
type FeaturePicture
    (method: string, settings: string, instance: string, predicted: string, features: IReadOnlyList<string>) =

    let most = 20
    let width, bar, label, number = 900f, 18f, 240f, 110f
    let red, blue = SKColor(0xb2uy, 0x18uy, 0x2buy), SKColor(0x21uy, 0x66uy, 0xacuy)

    let shown (value: float) = value.ToString("G4", CultureInfo.InvariantCulture)

    let fill (canvas: SKCanvas) colour (place: SKRect) =
        use paint = new SKPaint(Color = colour)
        canvas.DrawRect(place, paint)

    let colourOf value = if value > 0. then red else blue

    let heading canvas =
        let line i = Drawing.Margin + Drawing.TitleSize + float32 i * Drawing.LineHeight
        let room = width - 2f * Drawing.Margin
        Drawing.write canvas Drawing.ink Drawing.TitleSize (Drawing.Margin, line 0) room method
        Drawing.write canvas Drawing.faint Drawing.TextSize (Drawing.Margin, line 1) room settings
        Drawing.write canvas Drawing.ink Drawing.TextSize (Drawing.Margin, line 2) room instance
        Drawing.write canvas Drawing.ink Drawing.TextSize (Drawing.Margin, line 3) room predicted

    let top = Drawing.Margin + 4f * Drawing.LineHeight + 2f * Drawing.Gap

    /// A bar a feature: its name and value, and its attribution to the left and to the right of a line.
    let bars (values: float[]) (parts: float[]) =
        let order = [ 0 .. parts.Length - 1 ] |> List.sortByDescending (fun i -> abs parts[i])
        let told = List.truncate most order
        let largest = max 1e-30 (parts |> Array.map abs |> Array.max)
        let height = top + float32 told.Length * (bar + 6f) + 2f * Drawing.LineHeight
        let left = Drawing.Margin + label
        let half = (width - left - number - 2f * Drawing.Margin) / 2f

        Drawing.png width height (fun canvas ->
            heading canvas

            for line, i in List.indexed told do
                let y = top + float32 line * (bar + 6f)
                let name = $"{features[i]} = {shown values[i]}"

                Drawing.write
                    canvas
                    Drawing.ink
                    Drawing.TextSize
                    (Drawing.Margin, y + bar - 4f)
                    (label - Drawing.Gap)
                    name

                let length = float32 (abs parts[i] / largest) * half
                let start = if parts[i] > 0. then left + half else left + half - length
                fill canvas (colourOf parts[i]) (SKRect.Create(start, y, max 1f length, bar))

                Drawing.write
                    canvas
                    Drawing.faint
                    Drawing.TextSize
                    (left + 2f * half + Drawing.Gap, y + bar - 4f)
                    number
                    (shown parts[i])

            let rest = order.Length - told.Length
            let others = if rest > 0 then $"; {rest} more are smaller" else ""

            Drawing.write
                canvas
                Drawing.faint
                Drawing.TextSize
                (Drawing.Margin, height - Drawing.Gap)
                (width - 2f * Drawing.Margin)
                $"red for, blue against{others}")

    /// A signal's line, a channel each, over columns of its attribution.
    let course (channels: float[][]) (parts: float[]) =
        let plot = 220f
        let height = top + plot + 2f * Drawing.LineHeight
        let room = width - 2f * Drawing.Margin
        let step = room / float32 parts.Length
        let largest = max 1e-30 (parts |> Array.map abs |> Array.max)
        let least, highest = channels |> Array.collect id |> (fun all -> Array.min all, Array.max all)
        let at (value: float) = top + plot * float32 (1. - (value - least) / max 1e-30 (highest - least))

        Drawing.png width height (fun canvas ->
            heading canvas

            for i in 0 .. parts.Length - 1 do
                let strength = byte (200. * abs parts[i] / largest)
                let colour = (colourOf parts[i]).WithAlpha strength
                fill canvas colour (SKRect.Create(Drawing.Margin + float32 i * step, top, max 1f step, plot))

            use paint =
                new SKPaint(Color = Drawing.ink, Style = SKPaintStyle.Stroke, StrokeWidth = 1.5f, IsAntialias = true)

            for values in channels do
                let x i = Drawing.Margin + (float32 i + 0.5f) * step

                for i in 1 .. values.Length - 1 do
                    canvas.DrawLine(x (i - 1), at values[i - 1], x i, at values[i], paint)

            Drawing.frame canvas (SKRect.Create(Drawing.Margin, top, room, plot))

            Drawing.write
                canvas
                Drawing.faint
                Drawing.TextSize
                (Drawing.Margin, height - Drawing.Gap)
                room
                $"{shown least} to {shown highest} over {parts.Length} times; red for, blue against, up to {shown largest}")

    let draw (row: torch.Tensor) (attribution: torch.Tensor) =
        use _ = torch.NewDisposeScope()
        let numbers (t: torch.Tensor) = (t.``to``(torch.float64).contiguous()).data<float>().ToArray()
        let channels = row.flatten 1L
        let parts = (if attribution.ndim > 2L then attribution.mean [| 0L |] else attribution).flatten()

        if isNull features then
            course [| for c in 0L .. channels.shape[0] - 1L -> numbers channels[c] |] (numbers parts)
        else
            bars (numbers channels[0L]) (numbers parts)

    /// <summary>Draws the picture as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="row">c×1×w.</param>
    /// <param name="attribution">c×1×w, or 1×w.</param>
    /// <exception cref="T:Attribution.AttributionException">The file cannot be written.</exception>
    member _.Write(path: string, row: torch.Tensor, attribution: torch.Tensor) : unit =
        (draw row attribution).Write path
