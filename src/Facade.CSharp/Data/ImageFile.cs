using System.Buffers.Binary;
using SkiaSharp;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>A PNG, JPEG, WebP, BMP or GIF picture, on disk or in memory, whose header was checked; its pixels are decoded when
/// asked for.</summary>
internal sealed class ImageFile
{
    private const long MaxPixels = 100_000_000;

    private static readonly string[] extensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"];

    private readonly string path;

    // Null where the path is a file's.
    private readonly byte[]? content;

    private ImageFile(string path, string name, string? folder, byte[]? content = null)
    {
        (this.path, Name, Folder, this.content) = (path, name, folder, content);
        using var codec = Open();
        IsAnimated = codec.FrameCount > 1;
    }

    /// <summary>What changes when the file does.</summary>
    public string Stamp =>
        content is null && new FileInfo(path) is { Exists: true } file
            ? $"{file.Length} {file.LastWriteTimeUtc.Ticks}"
            : "";

    /// <summary>A picture in memory.</summary>
    /// <exception cref="AttributionException">It is no picture, or too large.</exception>
    public static ImageFile Of(string name, byte[] content) =>
        FileErrors.Reading($"'{name}'", () => new ImageFile(name, name, null, content));

    /// <summary>The file's name; with the folders that tell it from others, where some have the same name.</summary>
    public string Name { get; }

    /// <summary>The subfolder that it is of, where a folder of folders was named.</summary>
    public string? Folder { get; }

    /// <summary>Whether a GIF or WebP has more frames than the first, which alone is read.</summary>
    public bool IsAnimated { get; }

    /// <summary>The named files, and for a folder its pictures in the order of their names; of a folder that has none, those of
    /// its subfolders, one after the other by their names, as torchvision's ImageFolder has them.</summary>
    /// <exception cref="AttributionException">A file is missing or is no picture, or a folder has none.</exception>
    public static ImageFile[] Find(IEnumerable<string> paths)
    {
        (string Path, string? Folder)[] found =
        [
            .. paths.SelectMany(p => Directory.Exists(p) ? InFolder(p) : [(p, null)]),
        ];
        var names = Names([.. found.Select(file => file.Path)]);
        return
        [
            .. found.Zip(
                names,
                (file, name) => FileErrors.Reading($"'{file.Path}'", () => new ImageFile(file.Path, name, file.Folder))
            ),
        ];
    }

    /// <summary>The picture (the first frame of an animated one) as channels × height × width, 0-255: turned upright as its
    /// EXIF data says, grey and CMYK as RGB, 16 bits as their upper 8, transparency on black (the blank input), the largest
    /// centred window of the target's proportions, resized to it by an antialiased bicubic filter; for one channel the luma
    /// of BT.601. No colour profile is applied, as networks were trained.</summary>
    /// <exception cref="AttributionException">The file is damaged, or was removed.</exception>
    public Tensor Read(int height, int width, int channels) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var rgb = Window(Upright(), (double)width / height);
                // One at a time, since as floats a channel needs as much memory as the whole picture.
                var resized = cat([.. rgb.unbind(0).Select(channel => Resized(channel, height, width))]);
                var image = resized.round().clamp(Number.Of(0), Number.Of(255));
                if (channels == 1)
                    image = image.mul(tensor([0.299f, 0.587f, 0.114f]).view(3, 1, 1)).sum(0, keepdim: true);
                return image.MoveToOuterDisposeScope();
            }
        );

    /// <summary>A picture of a mask, as it is: height × width, 1 where it is white.</summary>
    /// <exception cref="AttributionException">The file is missing, damaged, or no picture.</exception>
    public static Tensor Mask(string path) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var pixels = new ImageFile(path, path, null).Upright().to(ScalarType.Float64);
                return pixels.mean([0L]).div(Number.Of(255)).MoveToOuterDisposeScope();
            }
        );

    /// <summary>A picture of regions, as it is: height × width whole numbers, one for each colour.</summary>
    /// <exception cref="AttributionException">The file is missing, damaged, or no picture.</exception>
    public static Tensor Labels(string path) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var pixels = new ImageFile(path, path, null).Upright().to(ScalarType.Int64);
                return pixels.mul(tensor([65536L, 256L, 1L]).view(3, 1, 1)).sum([0L]).MoveToOuterDisposeScope();
            }
        );

    /// <summary>The picture as a mask: height × width of booleans, true where it is not black; of another size than its own brought
    /// to that one as pictures are, and then true from half of white on.</summary>
    /// <exception cref="AttributionException">The file is damaged, or was removed.</exception>
    public Tensor Mask(int height, int width, out (int Height, int Width) size)
    {
        using var scope = NewDisposeScope();
        var own = FileErrors.Reading($"'{path}'", () => Upright().amax([0]).ne(Number.Of(0)));
        size = ((int)own.shape[0], (int)own.shape[1]);
        if (size == (height, width))
            return own.MoveToOuterDisposeScope();
        var inside = Window(own.unsqueeze(0), (double)width / height);
        return Resized(inside[0], height, width).squeeze(0).ge(Number.Of(0.5)).MoveToOuterDisposeScope();
    }

    /// <summary>Its height and width, upright.</summary>
    /// <exception cref="AttributionException">The file is damaged, or was removed.</exception>
    public (int Height, int Width) Size =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var own = Upright();
                return ((int)own.shape[1], (int)own.shape[2]);
            }
        );

    private static IEnumerable<(string Path, string? Folder)> InFolder(string folder)
    {
        string[] Pictures(string inside, SearchOption depth) =>
            FileErrors.Reading(
                $"the folder '{inside}'",
                () => Directory.GetFiles(inside, "*", depth).Where(IsPicture).Order(StringComparer.Ordinal).ToArray()
            );
        if (Pictures(folder, SearchOption.TopDirectoryOnly) is { Length: > 0 } own)
            return own.Select(path => (path, (string?)null));
        (string, string?)[] inside =
        [
            .. from subfolder in Directory.GetDirectories(folder).Order(StringComparer.Ordinal)
            let name = Path.GetFileName(subfolder)
            where !name.StartsWith('.')
            from path in Pictures(subfolder, SearchOption.AllDirectories)
            select (path, name),
        ];
        return inside.Length > 0
            ? inside
            : throw new AttributionException(
                $"The folder '{folder}' and its subfolders have no pictures; put PNG, JPEG, WebP, BMP or GIF files in it."
            );
    }

    // Files' names, or where two are the same, their paths from the folder that all are in.
    private static string[] Names(string[] paths)
    {
        string[] whole = [.. paths.Where(path => path.Length > 0).Select(Path.GetFullPath).Distinct()];
        if (whole.Select(Path.GetFileName).Distinct().Count() == whole.Length)
            return [.. paths.Select(path => Path.GetFileName(path))];
        var common = whole
            .Select(path => path.Split(Path.DirectorySeparatorChar)[..^1])
            .Aggregate((a, b) => [.. a.Zip(b).TakeWhile(pair => pair.First == pair.Second).Select(pair => pair.First)]);
        return
        [
            .. paths.Select(path =>
                path.Length == 0
                    ? path
                    : string.Join('/', Path.GetFullPath(path).Split(Path.DirectorySeparatorChar)[common.Length..])
            ),
        ];
    }

    private static bool IsPicture(string path) =>
        extensions.Contains(Path.GetExtension(path).ToLowerInvariant()) && !Path.GetFileName(path).StartsWith('.');

    private SKCodec Open()
    {
        // The codec itself does not say why a file cannot be opened.
        using (var file = Bytes())
            if (file.Length == 0)
                throw new FormatException("it is empty; copy it again from its source");
        var codec =
            (content is null ? SKCodec.Create(path) : SKCodec.Create(SKData.CreateCopy(content)))
            ?? throw new FormatException("it is no picture, or a damaged one; give a PNG, JPEG, WebP, BMP or GIF file");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height <= MaxPixels)
            return codec;
        codec.Dispose();
        throw new FormatException(
            $"it is {width} by {height}, more than {MaxPixels / 1_000_000} megapixels; shrink it"
        );
    }

    private int Turned()
    {
        using var file = Bytes();
        return PngOrientation.Read(file);
    }

    private Stream Bytes() => content is null ? File.OpenRead(path) : new MemoryStream(content, writable: false);

    // Bytes of 3 × height × width.
    private Tensor Upright()
    {
        using var codec = Open();
        // Colours multiplied by their alpha are the colours on black.
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul);
        var pixels = empty([info.Height, info.Width, 4], ScalarType.Byte, CPU);
        var result = codec.GetPixels(info, TensorBytes.Pointer(pixels));
        // The codec takes a progressive JPEG without its last scans for a whole one.
        var isCut = codec.EncodedFormat == SKEncodedImageFormat.Jpeg && !HasEnd(content ?? File.ReadAllBytes(path));
        if (result != SKCodecResult.Success || isCut)
            throw new FormatException("its picture is damaged or cut short; copy it again from its source");

        var rgb = pixels.narrow(2, 0, 3).permute(2, 0, 1);
        var origin = codec.EncodedFormat == SKEncodedImageFormat.Png ? (SKEncodedOrigin)Turned() : codec.EncodedOrigin;
        // Named by the sides that hold the first row and the first column; from LeftTop on, rows and columns change places.
        var name = $"{origin}";
        rgb = origin >= SKEncodedOrigin.LeftTop ? rgb.transpose(1, 2) : rgb;
        rgb = name.Contains("Bottom") ? rgb.flip(1) : rgb;
        return name.Contains("Right") ? rgb.flip(2) : rgb;
    }

    // Whether a JPEG has the marker of its end outside of its segments, in which a thumbnail has one of its own.
    private static bool HasEnd(ReadOnlySpan<byte> jpeg)
    {
        const byte Stuffed = 0,
            Temporary = 1,
            FirstRestart = 0xd0,
            Start = 0xd8,
            End = 0xd9,
            Marker = 0xff;
        while (jpeg.IndexOf(Marker) is >= 0 and var at && at + 1 < jpeg.Length)
        {
            jpeg = jpeg[(at + 1)..];
            if (jpeg[0] == End)
                return true;
            var hasLength = jpeg[0] is not (Stuffed or Temporary or (>= FirstRestart and <= Start) or Marker);
            var length = hasLength && jpeg.Length > 2 ? 1 + BinaryPrimitives.ReadUInt16BigEndian(jpeg[1..]) : 0;
            jpeg = jpeg[Math.Min(length, jpeg.Length)..];
        }
        return false;
    }

    // Values of height × width as 1 × newHeight × newWidth floats.
    private static Tensor Resized(Tensor channel, int height, int width)
    {
        using var scope = NewDisposeScope();
        return functional
            .interpolate(
                channel.to(ScalarType.Float32).unsqueeze(0).unsqueeze(0),
                [height, width],
                mode: InterpolationMode.Bicubic,
                align_corners: false,
                antialias: true
            )
            .squeeze(0)
            .MoveToOuterDisposeScope();
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
