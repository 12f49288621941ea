using System;
using System.Runtime.InteropServices;
using Attribution.Core;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What labelled pictures are drawn with.</summary>
internal static class Drawing
{
    public const float Margin = 20;
    public const float Gap = 12;
    public const float TitleSize = 18;
    public const float TextSize = 14;
    public const float LineHeight = 22;

    public static readonly SKColor Ink = new(0x1f, 0x23, 0x28);
    public static readonly SKColor Faint = new(0x59, 0x63, 0x6e);
    private static readonly SKColor Line = new(0xd1, 0xd9, 0xe0);

    // Skia's default tries every filter on every row, which takes longer than many an explanation.
    private static readonly SKPngEncoderOptions compression = new(SKPngEncoderFilterFlags.Up, zLibLevel: 6);

    /// <summary>A PNG file of that size, drawn on white.</summary>
    public static SKData Png(float width, float height, Action<SKCanvas> draw)
    {
        var info = new SKImageInfo((int)width, (int)height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var surface = SKSurface.Create(info);
        surface.Canvas.Clear(SKColors.White);
        draw(surface.Canvas);
        using var pixmap = surface.PeekPixels();
        return pixmap.Encode(compression)!;
    }

    /// <summary>Draws what fits, with an ellipsis where not all does, and returns its width.</summary>
    public static float Text(
        SKCanvas canvas,
        string text,
        float left,
        float line,
        float room,
        SKColor colour,
        float size = TextSize
    )
    {
        using var font = Font(size);
        using var paint = new SKPaint { Color = colour, IsAntialias = true };
        var whole = text.ReplaceLineEndings(" ");
        var fitting = whole;
        for (var length = whole.Length - 1; length > 0 && font.MeasureText(fitting) > room; length--)
            fitting = $"{whole.AsSpan(0, length).TrimEnd()}…";
        canvas.DrawText(fitting, left, line, SKTextAlign.Left, font, paint);
        return font.MeasureText(fitting);
    }

    public static SKFont Font(float size = TextSize) => new(Fonts.Regular, size) { Subpixel = true };

    /// <summary>Draws h×w×c bytes into a rectangle, without smoothing where they are enlarged; channels that are no colours
    /// are shown as their mean.</summary>
    public static void Pixels(SKCanvas canvas, Tensor pixels, SKRect place)
    {
        var rgba = ones(pixels.shape[0], pixels.shape[1], 4, ScalarType.Byte).mul(255);
        rgba.narrow(2, 0, 3)
            .copy_(pixels.shape[2] is 3 ? pixels : pixels.to(ScalarType.Float32).mean([2], keepdim: true));
        var info = new SKImageInfo(
            (int)pixels.shape[1],
            (int)pixels.shape[0],
            SKColorType.Rgba8888,
            SKAlphaType.Opaque
        );
        using var image = SKImage.FromPixelCopy(info, MemoryMarshal.AsBytes(rgba.data<byte>().ToArray().AsSpan()));
        var filter = place.Width < info.Width ? SKFilterMode.Linear : SKFilterMode.Nearest;
        canvas.DrawImage(image, place, new SKSamplingOptions(filter));
    }

    /// <summary>Draws the colours of heat maps as a bar, what is for on top or on the right.</summary>
    public static void ColourBar(SKCanvas canvas, SKRect place)
    {
        using var scope = NewDisposeScope();
        var isUpright = place.Height > place.Width;
        var colours = Picture.heatScale((int)Math.Max(place.Width, place.Height));
        Pixels(canvas, isUpright ? colours : colours.flip(0).transpose(0, 1), place);
        Frame(canvas, place);
    }

    /// <summary>Draws a thin line around what would not stand out from the page.</summary>
    public static void Frame(SKCanvas canvas, SKRect place)
    {
        using var paint = new SKPaint { Color = Line, Style = SKPaintStyle.Stroke };
        place.Inflate(-0.5f, -0.5f);
        canvas.DrawRect(place, paint);
    }

    /// <summary>0-1 as bytes.</summary>
    public static Tensor Bytes(Tensor in01) => in01.mul(255).round().clamp(0, 255).to(ScalarType.Byte);
}
