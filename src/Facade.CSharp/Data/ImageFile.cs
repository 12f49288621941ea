using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>A PNG, JPEG or other picture on disk, whose header was checked; its pixels are decoded when asked for.</summary>
internal sealed class ImageFile
{
    private const long MaxPixels = 100_000_000;

    private static readonly string[] extensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"];

    private readonly string path;

    private ImageFile(string path)
    {
        this.path = path;
        using var codec = Open();
        if ((long)codec.Info.Width * codec.Info.Height > MaxPixels)
            throw new FormatException(
                $"it is {codec.Info.Width} by {codec.Info.Height}, more than {MaxPixels / 1_000_000} megapixels; shrink it"
            );
    }

    /// <summary>The file's name without its folder.</summary>
    public string Name => Path.GetFileName(path);

    /// <summary>The named files, and for a folder its pictures in the order of their names.</summary>
    /// <exception cref="AttributionException">A file is missing or is no picture, or a folder has none.</exception>
    public static ImageFile[] Find(IEnumerable<string> paths) =>
        [
            .. paths
                .SelectMany(p => Directory.Exists(p) ? InFolder(p) : [p])
                .Select(p => FileErrors.Reading($"'{p}'", () => new ImageFile(p))),
        ];

    /// <summary>The picture as channels × height × width, 0-255: turned upright as its EXIF data says, transparency on
    /// black (the blank input), the largest centred window of the target's proportions, resized to it by an antialiased
    /// bicubic filter; for one channel the luma of BT.601. No colour profile is applied, as networks were trained.</summary>
    /// <exception cref="AttributionException">The file is damaged, or was removed.</exception>
    public Tensor Read(int height, int width, int channels) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var rgb = Window(Upright(), (double)width / height);
                var resized = functional.interpolate(
                    rgb.unsqueeze(0).to(ScalarType.Float32),
                    [height, width],
                    mode: InterpolationMode.Bicubic,
                    align_corners: false,
                    antialias: true
                );
                var image = resized.squeeze(0).round().clamp(0, 255);
                if (channels == 1)
                    image = image.mul(tensor([0.299f, 0.587f, 0.114f]).view(3, 1, 1)).sum(0, keepdim: true);
                return image.MoveToOuterDisposeScope();
            }
        );

    private static IEnumerable<string> InFolder(string folder)
    {
        var files = FileErrors.Reading(
            $"the folder '{folder}'",
            () => Directory.GetFiles(folder).Where(IsPicture).Order(StringComparer.Ordinal).ToArray()
        );
        return files.Length > 0
            ? files
            : throw new AttributionException($"The folder '{folder}' has no pictures; put PNG or JPEG files in it.");
    }

    private static bool IsPicture(string path) =>
        extensions.Contains(Path.GetExtension(path).ToLowerInvariant()) && !Path.GetFileName(path).StartsWith('.');

    private SKCodec Open()
    {
        // The codec itself does not say why a file cannot be opened.
        File.OpenRead(path).Dispose();
        return SKCodec.Create(path)
            ?? throw new FormatException("it is no picture, or a damaged one; give a PNG or JPEG file");
    }

    // Bytes of 3 × height × width.
    private Tensor Upright()
    {
        using var codec = Open();
        // Colours multiplied by their alpha are the colours on black.
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul);
        var pixels = empty([info.Height, info.Width, 4], ScalarType.Byte, CPU);
        var result = codec.GetPixels(info, TensorBytes.Pointer(pixels));
        if (result != SKCodecResult.Success)
            throw new FormatException("its picture is damaged or cut short; copy it again from its source");

        var rgb = pixels.narrow(2, 0, 3).permute(2, 0, 1);
        var origin = codec.EncodedOrigin;
        if (origin >= SKEncodedOrigin.LeftTop)
            rgb = rgb.transpose(1, 2);
        if (
            origin
            is SKEncodedOrigin.BottomRight
                or SKEncodedOrigin.BottomLeft
                or SKEncodedOrigin.RightBottom
                or SKEncodedOrigin.LeftBottom
        )
            rgb = rgb.flip(1);
        if (
            origin
            is SKEncodedOrigin.TopRight
                or SKEncodedOrigin.BottomRight
                or SKEncodedOrigin.RightTop
                or SKEncodedOrigin.RightBottom
        )
            rgb = rgb.flip(2);
        return rgb;
    }

    // Cut before resizing, since the other side of a long strip could grow without bound.
    private static Tensor Window(Tensor image, double proportions)
    {
        var (height, width) = (image.shape[1], image.shape[2]);
        var newWidth = Math.Clamp((long)Math.Round(height * proportions), 1, width);
        var newHeight = Math.Clamp((long)Math.Round(width / proportions), 1, height);
        return image.narrow(1, (height - newHeight) / 2, newHeight).narrow(2, (width - newWidth) / 2, newWidth);
    }
}
