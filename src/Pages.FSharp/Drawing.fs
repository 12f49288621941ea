namespace Attribution.Pages

open System
open System.Runtime.InteropServices
open SkiaSharp
open TorchSharp
open Attribution

/// A picture as the bytes of a PNG file, and its size in pixels.
type internal Figure = {
    Png: byte[]
    Width: int
    Height: int
} with

    /// Writes it as a file.
    member figure.Write(path: string) =
        AtomicFile.Write(path, fun stream -> stream.Write(figure.Png, 0, figure.Png.Length))

/// What labelled pictures are drawn with.
[<RequireQualifiedAccess>]
module internal Drawing =
    [<Literal>]
    let Margin = 20f

    [<Literal>]
    let Gap = 12f

    [<Literal>]
    let TitleSize = 18f

    [<Literal>]
    let TextSize = 14f

    [<Literal>]
    let LineHeight = 22f

    let ink = SKColor(0x1fuy, 0x23uy, 0x28uy)
    let faint = SKColor(0x59uy, 0x63uy, 0x6euy)
    let private line = SKColor(0xd1uy, 0xd9uy, 0xe0uy)

    // Embedded, because Skia without fontconfig finds no font of the host.
    let typeface =
        use font = Reflection.Assembly.GetExecutingAssembly().GetManifestResourceStream "DejaVuSans.ttf"

        SKTypeface.FromStream font

    // Skia's default tries every filter on every row, which takes longer than many an explanation.
    let private compression = SKPngEncoderOptions(SKPngEncoderFilterFlags.Up, 6)

    /// DejaVu Sans of a size in pixels.
    let font size = new SKFont(typeface, size, Subpixel = true)

    /// A picture of that size, drawn on white.
    let png (width: float32) (height: float32) (draw: SKCanvas -> unit) : Figure =
        let info = SKImageInfo(int width, int height, SKColorType.Rgba8888, SKAlphaType.Opaque)

        use surface = SKSurface.Create info
        surface.Canvas.Clear SKColors.White
        draw surface.Canvas
        use pixels = surface.PeekPixels()
        use data = pixels.Encode compression


        { Png = data.ToArray(); Width = info.Width; Height = info.Height }

    /// Draws as much of a text as fits a room, with an ellipsis where not all does, and returns its width.
    let text
        (canvas: SKCanvas)
        (colour: SKColor)
        size
        (left: float32, baseline: float32)
        (room: float32)
        (text: string)
        =
        use font = font size
        use paint = new SKPaint(Color = colour, IsAntialias = true)
        let whole = text.ReplaceLineEndings " "

        let fitting =
            seq {
                yield whole

                for length in whole.Length - 1 .. -1 .. 1 do
                    yield whole.Substring(0, length).TrimEnd() + "…"
            }
            |> Seq.tryFind (fun text -> font.MeasureText text <= room)
            |> Option.defaultValue "…"

        canvas.DrawText(fitting, left, baseline, SKTextAlign.Left, font, paint)
        font.MeasureText fitting

    /// The same, whatever its width.
    let write canvas colour size place room line = text canvas colour size place room line |> ignore

    /// Draws a thin line around what would not stand out from the page.
    let frame (canvas: SKCanvas) (place: SKRect) =
        use paint = new SKPaint(Color = line, Style = SKPaintStyle.Stroke)
        let mutable inside = place
        inside.Inflate(-0.5f, -0.5f)
        canvas.DrawRect(inside, paint)

    /// Draws h×w×c bytes into a rectangle, without smoothing where they are enlarged; channels that are no colours are shown
    /// as their mean.
    let pixels (canvas: SKCanvas) (pixels: torch.Tensor) (place: SKRect) =
        use _ = torch.NewDisposeScope()

        let colours =
            if pixels.shape[2] = 3L then
                pixels
            else
                pixels.``to``(torch.float32).mean([| 2L |], keepdim = true).``to``(torch.uint8).expand(-1L, -1L, 3L)

        let opaque = (torch.zeros (pixels.shape[0], pixels.shape[1], 1L, dtype = torch.uint8)).bitwise_not()

        let rgba = torch.cat ([| colours; opaque |], 2L)

        let info =
            SKImageInfo(int pixels.shape[1], int pixels.shape[0], SKColorType.Rgba8888, SKAlphaType.Opaque)

        use image = SKImage.FromPixelCopy(info, ReadOnlySpan<byte>(rgba.contiguous().data<byte>().ToArray()))

        let filter = if place.Width < float32 info.Width then SKFilterMode.Linear else SKFilterMode.Nearest

        canvas.DrawImage(image, place, SKSamplingOptions filter)

    /// Draws the colours of heat maps as a bar, what is for on top or on the right.
    let colourBar (canvas: SKCanvas) (place: SKRect) =
        use _ = torch.NewDisposeScope()
        let colours = Visualization.HeatScale(int (max place.Width place.Height))

        if place.Height > place.Width then
            pixels canvas colours place
        else
            pixels canvas (colours.flip(0L).transpose(0L, 1L)) place

        frame canvas place

    /// n×c×h×w numbers from 0 to white as n×h×w×c bytes.
    let bytes (white: float) (images: torch.Tensor) =
        use scale = (255. / white).ToScalar()
        use black = 0.0.ToScalar()
        use brightest = 255.0.ToScalar()
        (images.permute (0L, 2L, 3L, 1L) * scale).round().clamp(black, brightest).``to`` torch.uint8

    /// h×w×c bytes as a picture of their size.
    let encode (bytes: torch.Tensor) =
        let width, height = float32 bytes.shape[1], float32 bytes.shape[0]
        png width height (fun canvas -> pixels canvas bytes (SKRect.Create(width, height)))
