using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

public static class ImageFileTests
{
    private static readonly SKColor[] corners = [SKColors.Red, SKColors.Lime, SKColors.Blue, SKColors.White];

    private static string Save(string path, int width, int height, Func<int, int, SKColor> colour, bool jpeg = false)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
            bitmap.SetPixel(x, y, colour(x, y));
        using var data = bitmap.Encode(jpeg ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, data.ToArray());
        return path;
    }

    // Red and lime above blue and white, in quarters.
    private static SKColor Quarters(int x, int y, int width, int height) =>
        corners[(2 * y / height * 2) + (2 * x / width)];

    private static Tensor Load(string path, int height, int width, int channels = 3)
    {
        using var set = ImageSet.LoadImages([path], height, width, channels);
        return set.Images();
    }

    private static double[] Pixel(Tensor images, int y, int x) =>
        images[0, .., y, x].to(ScalarType.Float64).data<double>().ToArray();

    private static void Near(Tensor images, int y, int x, SKColor colour, double tolerance = 0)
    {
        double[] expected = [colour.Red, colour.Green, colour.Blue];
        foreach (var (a, b) in Pixel(images, y, x).Zip(expected))
            Expect.isLessThanOrEqual(Math.Abs(a - b), tolerance, $"({y}, {x}) is {colour}, found {a} for {b}");
    }

    // An APP1 segment after a JPEG's first two bytes: EXIF with one entry, 0x0112, the orientation.
    private static byte[] WithOrientation(byte[] jpeg, byte orientation) =>
        [
            .. jpeg[..2],
            .. (byte[])[0xff, 0xe1, 0, 34, .. "Exif\0\0II"u8, 42, 0, 8, 0, 0, 0],
            .. (byte[])[1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0],
            .. jpeg[2..],
        ];

    private static byte[] Chunk(string type, byte[] data)
    {
        byte[] body = [.. System.Text.Encoding.ASCII.GetBytes(type), .. data];
        var crc = uint.MaxValue;
        foreach (var b in body)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (0xedb88320 & (0 - (crc & 1)));
        }
        return [.. BigEndian((uint)data.Length), .. body, .. BigEndian(~crc)];
    }

    private static byte[] BigEndian(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] PngOf(uint width, uint height) =>
        [
            0x89,
            .. "PNG\r\n\x1a\n"u8,
            .. Chunk("IHDR", [.. BigEndian(width), .. BigEndian(height), 8, 2, 0, 0, 0]),
            .. Chunk("IDAT", [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]),
            .. Chunk("IEND", []),
        ];

    public static Test Tests =>
        Runner.TestList(
            "An image file",
            [
                Check.InFolder(
                    "of the set's own size is read as it is",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        static SKColor Colour(int x, int y) => new((byte)(40 * x), (byte)(60 * y), (byte)(x * y));
                        var images = Load(Save(Path.Combine(folder, "a.png"), 6, 4, Colour), 4, 6);
                        Check.Same(images.shape, 1, 3, 4, 6);
                        Expect.equal(images.dtype, ScalarType.Float32, "type");
                        for (var y = 0; y < 4; y++)
                        for (var x = 0; x < 6; x++)
                            Near(images, y, x, Colour(x, y));
                    }
                ),
                Check.InFolder(
                    "is turned upright by each of EXIF's eight orientations",
                    folder =>
                    {
                        // How a camera held otherwise stored the picture of which the upright pixel is (x, y).
                        Func<int, int, (int X, int Y)>[] upright =
                        [
                            (x, y) => (x, y),
                            (x, y) => (31 - x, y),
                            (x, y) => (31 - x, 15 - y),
                            (x, y) => (x, 15 - y),
                            (x, y) => (y, x),
                            (x, y) => (31 - y, x),
                            (x, y) => (31 - y, 15 - x),
                            (x, y) => (y, 15 - x),
                        ];
                        using var scope = NewDisposeScope();
                        for (var i = 0; i < 8; i++)
                        {
                            var (width, height) = i < 4 ? (32, 16) : (16, 32);
                            var at = upright[i];
                            var path = Save(
                                Path.Combine(folder, $"{i}.jpg"),
                                width,
                                height,
                                (x, y) => Quarters(at(x, y).X, at(x, y).Y, 32, 16),
                                jpeg: true
                            );
                            File.WriteAllBytes(path, WithOrientation(File.ReadAllBytes(path), (byte)(i + 1)));
                            var images = Load(path, 16, 32);
                            Near(images, 3, 5, SKColors.Red, 12);
                            Near(images, 3, 26, SKColors.Lime, 12);
                            Near(images, 12, 5, SKColors.Blue, 12);
                            Near(images, 12, 26, SKColors.White, 12);
                        }
                    }
                ),
                Check.InFolder(
                    "has black behind what is transparent",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = Save(
                            Path.Combine(folder, "a.png"),
                            2,
                            1,
                            (x, _) => new SKColor(200, 100, 50, (byte)(x * 128))
                        );
                        var images = Load(path, 1, 2);
                        Near(images, 0, 0, SKColors.Black);
                        Near(images, 0, 1, new SKColor(100, 50, 25), 1);
                    }
                ),
                Check.InFolder(
                    "in grey has three equal channels, and one channel is its luma",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        using var bitmap = new SKBitmap(3, 2, SKColorType.Gray8, SKAlphaType.Opaque);
                        bitmap.Erase(new SKColor(90, 90, 90));
                        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
                        var grey = Path.Combine(folder, "grey.png");
                        File.WriteAllBytes(grey, data.ToArray());
                        Near(Load(grey, 2, 3), 1, 2, new SKColor(90, 90, 90));
                        Expect.isLessThan(Math.Abs(Pixel(Load(grey, 2, 3, 1), 0, 0)[0] - 90), 1e-4, "grey");
                        var colour = Save(Path.Combine(folder, "a.png"), 2, 2, (_, _) => new SKColor(100, 200, 50));
                        var luma = 0.299 * 100 + 0.587 * 200 + 0.114 * 50;
                        Expect.isLessThan(Math.Abs(Pixel(Load(colour, 2, 2, 1), 0, 0)[0] - luma), 1e-4, "luma");
                    }
                ),
                Check.InFolder(
                    "wider or higher than the set's proportions loses its edges evenly",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        static SKColor Band(int i) =>
                            i is < 10 or >= 30 ? SKColors.Red
                            : i < 20 ? SKColors.Lime
                            : SKColors.Blue;
                        var wide = Load(Save(Path.Combine(folder, "w.png"), 40, 20, (x, _) => Band(x)), 10, 10);
                        var high = Load(Save(Path.Combine(folder, "h.png"), 20, 40, (_, y) => Band(y)), 10, 10);
                        for (var i = 0; i < 10; i++)
                        {
                            Near(wide, i, 1, SKColors.Lime, 1);
                            Near(wide, i, 8, SKColors.Blue, 1);
                            Near(high, 1, i, SKColors.Lime, 1);
                            Near(high, 8, i, SKColors.Blue, 1);
                        }
                    }
                ),
                Check.InFolder(
                    "is averaged when it shrinks, so that fine stripes turn grey",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var stripes = Save(
                            Path.Combine(folder, "a.png"),
                            256,
                            256,
                            (x, _) => x % 2 == 0 ? SKColors.Black : SKColors.White
                        );
                        var small = Load(stripes, 16, 16);
                        Expect.isLessThan((small - 127.5).abs().max().ToDouble(), 4.0, "grey");
                    }
                ),
                Check.InFolder(
                    "of any proportions fits any size, without much memory",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        foreach (var (width, height) in new[] { (1, 1), (3000, 1), (1, 3000), (2, 3), (7, 500) })
                        {
                            var path = Save(
                                Path.Combine(folder, "a.png"),
                                width,
                                height,
                                (_, _) => new SKColor(10, 20, 30)
                            );
                            var images = Load(path, 100, 37);
                            Check.Same(images.shape, 1, 3, 100, 37);
                            Near(images, 50, 18, new SKColor(10, 20, 30));
                        }
                    }
                ),
                Check.InFolder(
                    "is found in a folder, by the order of names, among files of other kinds",
                    folder =>
                    {
                        foreach (var name in new[] { "b.png", "A.PNG", "c.jpeg" })
                            Save(Path.Combine(folder, name), 2, 2, (_, _) => SKColors.Red, jpeg: name == "c.jpeg");
                        File.WriteAllText(Path.Combine(folder, "notes.txt"), "no image");
                        File.WriteAllText(Path.Combine(folder, "._b.png"), "what another system left");
                        Save(
                            Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "sub")).FullName, "d.png"),
                            2,
                            2,
                            (_, _) => SKColors.Red
                        );
                        using var set = ImageSet.LoadImages([folder, Path.Combine(folder, "b.png")], 2);
                        Check.Same(
                            Enumerable.Range(0, set.Count).Select(set.Label),
                            "A.PNG",
                            "b.png",
                            "c.jpeg",
                            "b.png"
                        );
                        using var images = set.Images(1..3);
                        Check.Same(images.shape, 2, 3, 2, 2);
                    }
                ),
                Check.InFolder(
                    "that is missing, broken or too large is refused at load by name",
                    folder =>
                    {
                        string File(string name, byte[] bytes)
                        {
                            System.IO.File.WriteAllBytes(Path.Combine(folder, name), bytes);
                            return Path.Combine(folder, name);
                        }
                        void Refuses(string path, string word) =>
                            Check.Refuses(() => ImageSet.LoadImages([path], 8), path, word);

                        Refuses(Path.Combine(folder, "none.png"), "does not exist");
                        Refuses(File("notes.txt", [.. "no image"u8]), "no picture");
                        Refuses(folder, "no pictures");
                        Refuses(File("huge.png", PngOf(20_000, 20_000)), "100 megapixels");
                        Refuses(File("empty.png", []), "no picture");
                        Refuses(folder, "empty.png");
                        Check.Refuses(() => ImageSet.LoadImages([], 8), "No image");
                        var good = Save(Path.Combine(folder, "good.png"), 2, 2, (_, _) => SKColors.Red);
                        foreach (
                            var (height, width, channels) in new[] { (0, 8, 3), (8, 100_000, 3), (8, 8, 2), (8, -1, 1) }
                        )
                            Check.Refuses(() => ImageSet.LoadImages([good], height, width, channels), "sides");
                    }
                ),
                Check.InFolder(
                    "cut short is refused by name when it is decoded",
                    folder =>
                    {
                        foreach (var jpeg in new[] { false, true })
                        {
                            var path = Save(
                                Path.Combine(folder, "a.img"),
                                64,
                                64,
                                (x, y) => new SKColor((byte)(x * y), (byte)(37 * x), (byte)y),
                                jpeg
                            );
                            File.WriteAllBytes(path, File.ReadAllBytes(path)[..^200]);
                            using var set = ImageSet.LoadImages([path], 8);
                            Check.Refuses(() => set.Images(), path, "cut short");
                        }
                    }
                ),
                Check.InFolder(
                    "damaged in any of 500 ways is refused or decoded",
                    folder =>
                    {
                        var random = new Random(1111);
                        foreach (var jpeg in new[] { false, true })
                        {
                            var path = Save(
                                Path.Combine(folder, "a.img"),
                                24,
                                24,
                                (x, y) => Quarters(x, y, 24, 24),
                                jpeg
                            );
                            var whole = File.ReadAllBytes(path);
                            for (var i = 0; i < 250; i++)
                            {
                                var bytes = whole.ToArray();
                                random.NextBytes(bytes.AsSpan(random.Next(bytes.Length - 4), random.Next(1, 4)));
                                File.WriteAllBytes(path, bytes);
                                try
                                {
                                    Load(path, 8, 8).Dispose();
                                }
                                catch (AttributionException e)
                                {
                                    Expect.isTrue(e.Message.Contains(path), e.Message);
                                }
                            }
                        }
                    }
                ),
                Check.Shared(
                    "of the photographs is read upright and in colour",
                    "data/photos",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        using var set = ImageSet.LoadImages([folder], 224);
                        Expect.equal(set.Count, 8, "photographs");
                        var images = set.Images();
                        Check.Same(images.shape, 8, 3, 224, 224);
                        foreach (
                            var i in Enumerable
                                .Range(0, 8)
                                .Where(i => !set.Label(i).StartsWith("digit", StringComparison.Ordinal))
                        )
                            Expect.isGreaterThan(
                                (images[i, 0] - images[i, 2]).abs().mean().ToDouble(),
                                1.0,
                                set.Label(i)
                            );
                    }
                ),
            ]
        );
}
