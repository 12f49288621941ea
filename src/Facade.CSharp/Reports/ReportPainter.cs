using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using SkiaSharp;
using TorchSharp;
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
    public double Blur { get; } = Math.Max(images.Height, images.Width) / 64.0;

    /// <summary>All pictures made so far.</summary>
    public IReadOnlyCollection<ReportImage> Images => drawn.Values;

    /// <summary>An image as it is.</summary>
    public ReportImage Input(int row, string description) =>
        Draw($"input-{Number(row)}", description, () => Bytes(Image(row).permute(0, 2, 3, 1) * (255 / images.Peak)));

    /// <summary>A map (h×w) as grey on black.</summary>
    public ReportImage PointCloud(string name, int row, Tensor map, string description) =>
        Draw(
            $"{name}-{Number(row)}-point-cloud",
            description,
            () => Bytes(Visualization.PointCloud(map.unsqueeze(0), threshold: 0).unsqueeze(3) * 255)
        );

    /// <summary>An image seen through a map (h×w).</summary>
    public ReportImage Mask(string name, int row, Tensor map, string description) =>
        Draw(
            $"{name}-{Number(row)}-binary-mask",
            description,
            () => Visualization.BinaryMask(Image(row), map.unsqueeze(0), blur: Blur)
        );

    /// <summary>An image of which all but a region (h×w booleans) is dimmed.</summary>
    public ReportImage Region(string name, int row, Tensor region, string description) =>
        Draw(
            $"{name}-{Number(row)}",
            description,
            () =>
                Bytes(
                    Image(row).permute(0, 2, 3, 1)
                        * (255 / images.Peak)
                        * region.reshape(1, region.shape[0], -1, 1).to(float32).mul(0.8).add(0.2)
                )
        );

    private string Number(int row) => row.ToString().PadLeft((images.Count - 1).ToString().Length, '0');

    private Tensor Image(int row) => images.Images(row..(row + 1));

    private static Tensor Bytes(Tensor values) => values.round().clamp(0, 255).to(ScalarType.Byte);

    // pixels: 1×h×w×c bytes.
    private ReportImage Draw(string name, string description, Func<Tensor> pixels)
    {
        name += ".png";
        if (drawn.TryGetValue(name, out var known))
            return known;

        using var scope = NewDisposeScope();
        using var __ = no_grad();
        var large = pixels()[0].repeat_interleave(factor, 0).repeat_interleave(factor, 1);
        var (height, width, channels) = ((int)large.shape[0], (int)large.shape[1], (int)large.shape[2]);
        var isGrey = channels == 1;
        var bytes = (isGrey ? large : cat([large, full_like(large.narrow(2, 0, 1), 255)], 2))
            .contiguous()
            .data<byte>()
            .ToArray();
        var info = new SKImageInfo(
            width,
            height,
            isGrey ? SKColorType.Gray8 : SKColorType.Rgba8888,
            SKAlphaType.Opaque
        );
        using var bitmap = new SKBitmap(info);
        Marshal.Copy(bytes, 0, bitmap.GetPixels(), bytes.Length);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return drawn[name] = new(name, description, width, height, png.ToArray());
    }
}
