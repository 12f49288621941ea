using System;
using System.Linq;
using SkiaSharp;
using TorchSharp;
using static Attribution.Drawing;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// The labelled picture of an explanation: the input, the point cloud of its attribution, the input seen through it and the heat
/// map with its scale, side by side, under the method, the image, its true and its predicted class.
/// </summary>
public sealed class ExplanationPicture
{
    private const int LeastPanel = 224;
    private const float BarWidth = 14;
    private const float BarLabels = 76;
    private const float LabelSize = 13;

    // The share of the maximum above which a mask keeps a pixel.
    private const double Kept = 0.2;

    private static readonly SKColor green = new(0x11, 0x63, 0x29);
    private static readonly SKColor red = new(0xa4, 0x0e, 0x26);

    private readonly string method;
    private readonly string settings;
    private readonly string instance;
    private readonly string predicted;
    private readonly string? truth;
    private readonly bool isCorrect;
    private readonly MapScale? scale;

    /// <summary>A picture's labels.</summary>
    /// <param name="method">What made the attribution.</param>
    /// <param name="settings">Its settings, for people.</param>
    /// <param name="instance">Which image it is.</param>
    /// <param name="names">What classes are called.</param>
    /// <param name="predictedClass">The class that the model gives the image.</param>
    /// <param name="trueClass">The image's true class; null where it is not known.</param>
    /// <param name="scale">What the pictures of several maps share; null: the map's own.</param>
    public ExplanationPicture(
        string method,
        string settings,
        string instance,
        ClassNames names,
        long predictedClass,
        long? trueClass = null,
        MapScale? scale = null
    )
    {
        (this.method, this.instance, this.scale) = (method, instance, scale);
        this.settings = scale is null ? settings : $"{settings} · {scale}";
        predicted = names[predictedClass];
        truth = trueClass is { } y ? names[y] : null;
        isCorrect = trueClass == predictedClass;
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
        var cloud = Visualization.PointCloud(map, threshold: 0, scale?.Maximum);
        var seen = Visualization.BinaryMask(x, map, maximum: scale?.Maximum);
        var isEmpty = !cloud.any().ToBoolean();
        var isDim = !cloud.gt(Kept).any().ToBoolean();
        var magnitude = scale?.Magnitude ?? MapScale.Of(map).Magnitude;
        (string Caption, Tensor Pixels)[] panels =
        [
            ("input", Bytes(x.permute(0, 2, 3, 1) / peak)),
            (isEmpty ? "point cloud: nothing positive" : "point cloud", Bytes(cloud.unsqueeze(3))),
            (isDim ? "masked input: nothing kept" : "masked input", seen),
            (
                magnitude == 0 ? "heat map: zero everywhere" : "heat map: red for, blue against",
                Visualization.HeatMap(x, map, magnitude)
            ),
        ];

        var (height, width) = (image.shape[^2], image.shape[^1]);
        // Whole factors and no smoothing: every pixel of a small image stays a crisp square.
        var factor = (LeastPanel + Math.Min(height, width) - 1) / Math.Min(height, width);
        var panel = new SKSize(width * factor, height * factor);
        var top = Margin + 4 * LineHeight + Gap;
        var imageWidth = 2 * Margin + panels.Length * (panel.Width + Gap) + BarWidth + BarLabels;
        return Png(
            imageWidth,
            top + panel.Height + LineHeight + Margin,
            canvas =>
            {
                var room = (int)imageWidth - 2 * Margin;
                var line = Margin + TitleSize;
                Text(canvas, method, Margin, line, room, Ink, TitleSize);
                Text(canvas, settings, Margin, line += LineHeight, room, Faint);
                Text(canvas, instance, Margin, line += LineHeight, room, Ink);
                Classes(canvas, line + LineHeight, room);

                foreach (var (i, (caption, pixels)) in panels.Index())
                {
                    var left = Margin + i * (panel.Width + Gap);
                    Pixels(canvas, pixels[0], SKRect.Create(new SKPoint(left, top), panel));
                    Text(canvas, caption, left, top + panel.Height + LineHeight, panel.Width, Faint);
                    Frame(canvas, SKRect.Create(new SKPoint(left, top), panel));
                }
                Scale(canvas, Margin + panels.Length * (panel.Width + Gap), top, panel.Height, magnitude);
            }
        );
    }

    // The heat map's colours, and what numbers they stand for.
    private static void Scale(SKCanvas canvas, float left, float top, float height, double magnitude)
    {
        ColourBar(canvas, SKRect.Create(left, top, BarWidth, height));
        var text = left + BarWidth + 6;
        void Label(string label, float line, SKColor colour) =>
            Text(canvas, label, text, line, BarLabels, colour, LabelSize);
        Label(MapScale.Number(magnitude), top + LabelSize - 1, Ink);
        Label("for", top + 2 * LabelSize + 4, Faint);
        Label("0", top + height / 2 + LabelSize / 2 - 2, Ink);
        Label("against", top + height - LabelSize - 6, Faint);
        Label(MapScale.Number(-magnitude), top + height - 2, Ink);
    }

    // "true: cat   predicted: dog   wrong": the names share what room the rest leaves.
    private void Classes(SKCanvas canvas, float line, float room)
    {
        var verdict =
            truth is null ? ""
            : isCorrect ? "✓ correct"
            : "✗ wrong";
        using var font = Font();
        var each = (room - (verdict.Length > 0 ? font.MeasureText(verdict) + 2 * Gap : 0)) / (truth is null ? 1 : 2);
        var left = Margin;
        if (truth is not null)
            left += Text(canvas, $"true: {truth}", left, line, each - Gap, Ink) + 2 * Gap;
        left += Text(canvas, $"predicted: {predicted}", left, line, each - Gap, Ink) + 2 * Gap;
        Text(canvas, verdict, left, line, room, isCorrect ? green : red);
    }
}
