using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Attribution.Core;
using SkiaSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Makes a report's pictures, each once.</summary>
internal sealed class ReportPainter(ImageSet images)
{
    private const int LeastSide = 224;

    private readonly Dictionary<string, ReportImage> drawn = [];

    // Whole factors: every pixel of a small image stays a crisp square.
    private readonly int factor = Math.Max(
        1,
        (LeastSide + Math.Max(images.Height, images.Width) - 1) / Math.Max(images.Height, images.Width)
    );

    /// <summary>The blur of binary masks in pixels: on a large image, single pixels are too small to see.</summary>
    public double Blur { get; } = Math.Max(1, Math.Max(images.Height, images.Width) / 64.0);

    /// <summary>All pictures made so far.</summary>
    public IReadOnlyCollection<ReportImage> Images => drawn.Values;

    /// <summary>An image as it is.</summary>
    public ReportImage Input(int row, string description) =>
        Draw($"input-{Number(row)}", description, () => Bytes(Image(row), White));

    /// <summary>A map (h×w) as grey on black.</summary>
    public ReportImage PointCloud(string name, int row, Tensor map, string description) =>
        Draw(
            $"{name}-{Number(row)}-point-cloud",
            description,
            () => Bytes(Visualization.PointCloud(map.unsqueeze(0), threshold: 0).unsqueeze(1), 255)
        );

    /// <summary>A map (h×w) over the image, and below it the colours of its scale.</summary>
    public ReportImage HeatMap(string name, int row, Tensor map, string description) =>
        Draw(
            $"{name}-{Number(row)}-heat-map",
            description,
            () =>
            {
                var heat = Visualization.HeatMap(Image(row), map.unsqueeze(0))[0];
                var colours = Picture.heatScale(images.Width).flip(0).transpose(0, 1);
                var apart = full_like(colours, 255);
                var bar = colours.expand(ScaleHeight, -1, -1);
                return TensorModule.toArray<byte>(cat([heat, apart.expand(ScaleHeight, -1, -1), bar]).contiguous());
            },
            images.Height + 2 * ScaleHeight
        );

    // A fortieth of the image, as its distance from it is.
    private int ScaleHeight => Math.Max(1, images.Height / 40);

    /// <summary>An image seen through a map (h×w).</summary>
    public ReportImage Mask(string name, int row, Tensor map, string description) =>
        Draw(
            $"{name}-{Number(row)}-binary-mask",
            description,
            () => TensorModule.toArray<byte>(Visualization.BinaryMask(Image(row), map.unsqueeze(0), blur: Blur))
        );

    /// <summary>An image of which all but a region (h×w booleans) is dimmed.</summary>
    public ReportImage Region(string name, int row, Tensor region, string description) =>
        Draw(
            $"{name}-{Number(row)}",
            description,
            () =>
            {
                var inside = TensorModule.toArray<bool>(region);
                var bytes = Bytes(Image(row), White);
                for (var i = 0; i < bytes.Length; i++)
                    bytes[i] = inside[i / images.Channels] ? bytes[i] : (byte)(bytes[i] / 5);
                return bytes;
            }
        );

    private float White => 255 / images.Peak;

    private string Number(int row) => row.ToString().PadLeft((images.Count - 1).ToString().Length, '0');

    private Tensor Image(int row) => images.Images(row..(row + 1));

    // 1×c×h×w to h×w×c bytes.
    private static byte[] Bytes(Tensor values, float scale) =>
        Array.ConvertAll(
            TensorModule.toArray<float>(values.permute(0, 2, 3, 1)),
            value => (byte)Math.Clamp(MathF.Round(value * scale), 0, 255)
        );

    // pixels: h×w×c bytes.
    private ReportImage Draw(string name, string description, Func<byte[]> pixels, int? rows = null)
    {
        name += ".png";
        if (drawn.TryGetValue(name, out var known))
            return known;

        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var small = pixels();
        var channels = small.Length / ((rows ?? images.Height) * images.Width);
        var (width, height) = (images.Width * factor, (rows ?? images.Height) * factor);
        var isGrey = channels == 1;
        var large = new byte[width * height * (isGrey ? 1 : 4)];
        for (var i = 0; i < width * height; i++)
        {
            var from = channels * (i / width / factor * images.Width + i % width / factor);
            if (isGrey)
                large[i] = small[from];
            else
                (large[4 * i], large[4 * i + 1], large[4 * i + 2], large[4 * i + 3]) = (
                    small[from],
                    small[from + 1],
                    small[from + 2],
                    255
                );
        }
        using var bitmap = new SKBitmap(
            new SKImageInfo(width, height, isGrey ? SKColorType.Gray8 : SKColorType.Rgba8888, SKAlphaType.Opaque)
        );
        Marshal.Copy(large, 0, bitmap.GetPixels(), large.Length);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return drawn[name] = new(name, description, width, height, png.ToArray());
    }
}
