using System;
using System.Linq;
using System.Runtime.InteropServices;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// The labelled picture of an explanation: the input, the point cloud of its attribution and the input seen through it,
/// side by side, under the method, the image, its true and its predicted class.
/// </summary>
public sealed class ExplanationPicture
{
    private const int LeastPanel = 224;
    private const float Margin = 20;
    private const float Gap = 12;
    private const float TitleSize = 18;
    private const float TextSize = 14;
    private const float LineHeight = 22;

    // Skia's default tries every filter on every row, which takes longer than many an explanation.
    private static readonly SKPngEncoderOptions compression = new(SKPngEncoderFilterFlags.Up, zLibLevel: 6);

    private static readonly SKColor ink = new(0x1f, 0x23, 0x28);
    private static readonly SKColor faint = new(0x59, 0x63, 0x6e);
    private static readonly SKColor green = new(0x11, 0x63, 0x29);
    private static readonly SKColor red = new(0xa4, 0x0e, 0x26);

    private readonly string method;
    private readonly string settings;
    private readonly string instance;
    private readonly string predicted;
    private readonly string? truth;
    private readonly bool isCorrect;

    /// <summary>A picture's labels.</summary>
    /// <param name="method">What made the attribution.</param>
    /// <param name="settings">Its settings, for people.</param>
    /// <param name="instance">Which image it is.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="predictedClass">The class that the model gives the image.</param>
    /// <param name="trueClass">The image's true class; null where it is not known.</param>
    public ExplanationPicture(
        string method,
        string settings,
        string instance,
        ClassNames names,
        long predictedClass,
        long? trueClass = null
    )
    {
        (this.method, this.settings, this.instance) = (method, settings, instance);
        predicted = Name(predictedClass);
        truth = trueClass is { } y ? Name(y) : null;
        isCorrect = trueClass == predictedClass;

        string Name(long k) => k is >= 0 and <= int.MaxValue ? names[(int)k] : $"class {k}";
    }

    /// <summary>Draws the picture as a PNG file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">c×h×w.</param>
    /// <param name="attribution">c×h×w, or pixel attributions h×w.</param>
    /// <param name="peak">The image's value for white.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Write(string path, Tensor image, Tensor attribution, double peak = 255)
    {
        using var png = Encode(image, attribution, peak);
        AtomicFile.Write(path, png.SaveTo);
    }

    /// <summary>Draws the picture as the bytes of a PNG file.</summary>
    /// <inheritdoc cref="Write" path="/param"/>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public byte[] Draw(Tensor image, Tensor attribution, double peak = 255)
    {
        using var png = Encode(image, attribution, peak);
        return png.ToArray();
    }

    private SKData Encode(Tensor image, Tensor attribution, double peak)
    {
        using var scope = NewDisposeScope();
        var (x, map) = (image.unsqueeze(0), attribution.unsqueeze(0));
        var cloud = Visualization.PointCloud(map, threshold: 0);
        var isEmpty = !cloud.any().ToBoolean();
        (string Caption, Tensor Pixels)[] panels =
        [
            ("input", Bytes(x.permute(0, 2, 3, 1) / peak)),
            (isEmpty ? "point cloud: nothing positive" : "point cloud", Bytes(cloud.unsqueeze(3))),
            (isEmpty ? "masked input: nothing kept" : "masked input", Visualization.BinaryMask(x, map)),
        ];

        var (height, width) = (image.shape[^2], image.shape[^1]);
        // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
        var factor = (LeastPanel + Math.Min(height, width) - 1) / Math.Min(height, width);
        var panel = new SKSize(width * factor, height * factor);
        var top = Margin + 4 * LineHeight + Gap;
        var info = new SKImageInfo(
            (int)(2 * Margin + panels.Length * panel.Width + (panels.Length - 1) * Gap),
            (int)(top + panel.Height + LineHeight + Margin),
            SKColorType.Rgba8888,
            SKAlphaType.Opaque
        );

        using var surface = SKSurface.Create(info);
        var canvas = surface.Canvas;
        canvas.Clear(SKColors.White);
        var room = info.Width - 2 * Margin;
        var line = Margin + TitleSize;
        Text(canvas, method, Margin, line, room, ink, TitleSize);
        Text(canvas, settings, Margin, line += LineHeight, room, faint);
        Text(canvas, instance, Margin, line += LineHeight, room, ink);
        Classes(canvas, line + LineHeight, room);

        foreach (var (i, (caption, pixels)) in panels.Index())
        {
            var left = Margin + i * (panel.Width + Gap);
            using var bitmap = Bitmap(pixels[0]);
            canvas.DrawImage(
                bitmap,
                SKRect.Create(new SKPoint(left, top), panel),
                new SKSamplingOptions(SKFilterMode.Nearest)
            );
            Text(canvas, caption, left, top + panel.Height + LineHeight, panel.Width, faint);
        }

        using var pixmap = surface.PeekPixels();
        return pixmap.Encode(compression)!;
    }

    // "true: cat   predicted: dog   wrong": the names share what room the rest leaves.
    private void Classes(SKCanvas canvas, float line, float room)
    {
        var verdict =
            truth is null ? ""
            : isCorrect ? "✓ correct"
            : "✗ wrong";
        using var font = Font(TextSize);
        var each = (room - (verdict.Length > 0 ? font.MeasureText(verdict) + 2 * Gap : 0)) / (truth is null ? 1 : 2);
        var left = Margin;
        if (truth is not null)
            left += Text(canvas, $"true: {truth}", left, line, each - Gap, ink) + 2 * Gap;
        left += Text(canvas, $"predicted: {predicted}", left, line, each - Gap, ink) + 2 * Gap;
        Text(canvas, verdict, left, line, room, isCorrect ? green : red);
    }

    // Draws what fits, with an ellipsis where not all does, and returns its width.
    private static float Text(
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

    private static SKFont Font(float size) => new(Fonts.Regular, size) { Subpixel = true };

    internal static Tensor Bytes(Tensor in01) => in01.mul(255).round().clamp(0, 255).to(ScalarType.Byte);

    // h×w×c bytes; channels that are no colours are shown as their mean.
    internal static SKImage Bitmap(Tensor pixels)
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
        return SKImage.FromPixelCopy(info, MemoryMarshal.AsBytes(rgba.data<byte>().ToArray().AsSpan()));
    }
}
