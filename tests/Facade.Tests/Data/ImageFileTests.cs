using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
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

    // The quarters as CMYK, and a progressive JPEG in grey: 0 and 250 above 0 and 125. No encoder at hand writes either.
    private static readonly byte[] cmyk = Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAIBgYHBgUIBwcHCQkICgwUDQwLCwwZEhMPFB0aHx4dGhwcICQuJyAiLCMcHCg3KSwwMTQ0NB8nOT04MjwuMz"
            + "Qy/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABgAAAMBAQAAAAAAAAAAAAAAAAAHCAUE/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkA"
            + "SwAAPwBkE6U5/pLUs1A6iHVAFuK+bwf/2Q=="
    );
    private static readonly byte[] progressive = Convert.FromBase64String(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGB"
            + "IUFRT/wgALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABv/aAAgBAQAAAAEj/8QAFxAAAwEAAAAAAAAAAAAAAAAAAAUHFf/aAAgBAQAB"
            + "BQKVPMY//8QAGxAAAgEFAAAAAAAAAAAAAAAAERMABRIjQtH/2gAIAQEABj8CqmFzFbAC7s//xAAXEAADAQAAAAAAAAAAAAAAAAAAAVHw/9oACAEB"
            + "AAE/IcVZjH//2gAIAQEAAAAQ/wD/xAAYEAACAwAAAAAAAAAAAAAAAAARYQBx8P/aAAgBAQABPxDNGXGgDn//2Q=="
    );

    private static byte[] Encode(SKEncodedImageFormat format, int width, int height, Func<int, int, SKColor> colour)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
            bitmap.SetPixel(x, y, colour(x, y));
        using var data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    private static string Save(string path, byte[] bytes)
    {
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static string Save(string path, int width, int height, Func<int, int, SKColor> colour, bool jpeg = false) =>
        Save(path, Encode(jpeg ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png, width, height, colour));

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

    // EXIF data with one entry, 0x0112, the orientation.
    private static byte[] Exif(byte orientation) =>
        [
            .. (byte[])[.. "II"u8, 42, 0, 8, 0, 0, 0],
            .. (byte[])[1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0],
        ];

    // An APP1 segment after a JPEG's first two bytes.
    private static byte[] WithOrientation(byte[] jpeg, byte orientation) =>
        [.. jpeg[..2], 0xff, 0xe1, 0, 34, .. "Exif\0\0"u8, .. Exif(orientation), .. jpeg[2..]];

    // After a PNG's first chunk, or before its last; a chunk's first twelve bytes are none of its data.
    private static byte[] WithChunk(byte[] png, byte[] chunk, bool isLast)
    {
        var at = isLast ? png.Length - 12 : 8 + 12 + 13;
        return [.. png[..at], .. chunk, .. png[at..]];
    }

    // The same in the other order of bytes, with another entry before, and its directory further on.
    private static byte[] MotorolaExif(byte orientation) =>
        [
            .. (byte[])[.. "MM"u8, 0, 42, 0, 0, 0, 10, 0xff, 0xff],
            .. (byte[])[0, 2, 1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9],
            .. (byte[])[1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0],
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

    // In RGB; no rows unless they are given, each after the number of its filter.
    private static byte[] PngOf(uint width, uint height, byte bits = 8, byte[]? rows = null)
    {
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(rows);
        return
        [
            0x89,
            .. "PNG\r\n\x1a\n"u8,
            .. Chunk("IHDR", [.. BigEndian(width), .. BigEndian(height), bits, 2, 0, 0, 0]),
            .. Chunk("IDAT", compressed.ToArray()),
            .. Chunk("IEND", []),
        ];
    }

    private static byte[] LittleEndian(int value, int bytes) => BitConverter.GetBytes(value)[..bytes];

    private static byte[] BmpOf(int width, int height, byte[] rows) =>
        [
            .. "BM"u8,
            .. LittleEndian(54 + rows.Length, 4),
            .. (byte[])[0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0],
            .. LittleEndian(width, 4),
            .. LittleEndian(height, 4),
            .. (byte[])[1, 0, 24, 0],
            .. new byte[24],
            .. rows,
        ];

    // Frames of the four corners' colours by number: each pixel's code of three bits is after one that clears the table.
    private static byte[] GifOf(int width, int height, params byte[][] frames)
    {
        byte[] Frame(byte[] pixels)
        {
            int[] codes = [.. pixels.SelectMany(p => new[] { 4, p }), 5];
            var data = new byte[((3 * codes.Length) + 7) / 8];
            for (var i = 0; i < 3 * codes.Length; i++)
                data[i / 8] |= (byte)(((codes[i / 3] >> (i % 3)) & 1) << (i % 8));
            return
            [
                .. (byte[])[0x2c, 0, 0, 0, 0, .. LittleEndian(width, 2), .. LittleEndian(height, 2), 0],
                .. (byte[])[2, (byte)data.Length, .. data, 0],
            ];
        }
        return
        [
            .. "GIF89a"u8,
            .. LittleEndian(width, 2),
            .. LittleEndian(height, 2),
            .. (byte[])[0x91, 0, 0],
            .. corners.SelectMany(c => new[] { c.Red, c.Green, c.Blue }),
            .. frames.SelectMany(Frame),
            0x3b,
        ];
    }

    private static byte[] Riff(string type, params byte[][] data)
    {
        byte[] body = [.. data.SelectMany(d => d)];
        return [.. System.Text.Encoding.ASCII.GetBytes(type), .. LittleEndian(body.Length, 4), .. body];
    }

    // An extended WebP: what it has by flags, and its chunks.
    private static byte[] WebpOf(int width, int height, byte flags, params byte[][] chunks) =>
        Riff(
            "RIFF",
            [
                .. "WEBP"u8,
                .. Riff("VP8X", [flags, 0, 0, 0], LittleEndian(width - 1, 3), LittleEndian(height - 1, 3)),
                .. chunks.SelectMany(c => c),
            ]
        );

    // The one chunk of a lossless WebP.
    private static byte[] WebpChunk(int width, int height, Func<int, int, SKColor> colour) =>
        Encode(SKEncodedImageFormat.Webp, width, height, colour)[12..];

    // Each frame is one pixel in the corner.
    private static byte[] AnimatedWebp(int width, int height, params SKColor[] frames) =>
        WebpOf(
            width,
            height,
            2,
            [
                Riff("ANIM", new byte[6]),
                .. frames.Select(frame => Riff("ANMF", new byte[12], [100, 0, 0, 0], WebpChunk(1, 1, (_, _) => frame))),
            ]
        );

    // Four pixels of the corners' colours, in every format.
    private static IEnumerable<(string Name, byte[] Bytes)> Formats()
    {
        static SKColor Corner(int x, int y) => corners[(2 * y) + x];
        yield return ("a.png", Encode(SKEncodedImageFormat.Png, 2, 2, Corner));
        yield return ("a.webp", Encode(SKEncodedImageFormat.Webp, 2, 2, Corner));
        yield return ("a.gif", GifOf(2, 2, [0, 1, 2, 3]));
        // From the lowest row up, blue first, each row filled to four bytes.
        yield return ("a.bmp", BmpOf(2, 2, [255, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0]));
    }

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
                            byte[] Stored(SKEncodedImageFormat format) =>
                                Encode(format, width, height, (x, y) => Quarters(at(x, y).X, at(x, y).Y, 32, 16));
                            var turn = (byte)(i + 1);
                            var png = Stored(SKEncodedImageFormat.Png);
                            byte[][] files =
                            [
                                WithOrientation(Stored(SKEncodedImageFormat.Jpeg), turn),
                                WithChunk(png, Chunk("eXIf", Exif(turn)), isLast: false),
                                WithChunk(png, Chunk("eXIf", MotorolaExif(turn)), isLast: true),
                                WithChunk(png, Chunk("eXIf", [.. "Exif\0\0"u8, .. Exif(turn)]), isLast: true),
                            ];
                            foreach (var (k, bytes) in files.Index())
                            {
                                var images = Load(Save(Path.Combine(folder, $"{i}-{k}"), bytes), 16, 32);
                                Near(images, 3, 5, SKColors.Red, 12);
                                Near(images, 3, 26, SKColors.Lime, 12);
                                Near(images, 12, 5, SKColors.Blue, 12);
                                Near(images, 12, 26, SKColors.White, 12);
                            }
                        }
                        // EXIF data that say nothing of it, or nothing at all, leave a PNG as it is.
                        var plain = Encode(SKEncodedImageFormat.Png, 2, 1, (x, _) => corners[x]);
                        foreach (
                            var exif in new byte[][]
                            {
                                [],
                                [.. "II"u8],
                                Exif(0),
                                Exif(9),
                                Exif(6)[..14],
                                [.. "II*\0"u8, 255, 255, 255, 255],
                                [.. "JJ"u8, .. Exif(6)[2..]],
                            }
                        )
                        {
                            var bytes = WithChunk(plain, Chunk("eXIf", exif), isLast: false);
                            var same = Load(Save(Path.Combine(folder, "same.png"), bytes), 1, 2);
                            Near(same, 0, 0, SKColors.Red);
                            Near(same, 0, 1, SKColors.Lime);
                        }
                        // And so is WebP: a quarter turn to the right, of red beside lime.
                        var red = WebpChunk(2, 1, (x, _) => corners[x]);
                        var webp = WebpOf(2, 1, 8, red, Riff("EXIF", Exif(6)));
                        var turned = Load(Save(Path.Combine(folder, "a.webp"), webp), 2, 1);
                        Near(turned, 0, 0, SKColors.Red);
                        Near(turned, 1, 0, SKColors.Lime);
                    }
                ),
                Check.InFolder(
                    "of every format has its colours",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        foreach (var (name, bytes) in Formats())
                        {
                            var images = Load(Save(Path.Combine(folder, name), bytes), 2, 2);
                            for (var i = 0; i < 4; i++)
                                Near(images, i / 2, i % 2, corners[i]);
                        }
                        using var set = ImageSet.LoadImages([folder], 2);
                        Expect.equal(set.Count, 4, "a folder's pictures of every format are found");
                        Check.Same(set.Notes);
                    }
                ),
                Check.InFolder(
                    "that is animated is its first frame, and this is said",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        Save(Path.Combine(folder, "a.gif"), GifOf(1, 1, [2], [0], [1]));
                        Save(Path.Combine(folder, "b.webp"), AnimatedWebp(1, 1, SKColors.Lime, SKColors.Red));
                        Save(Path.Combine(folder, "c.png"), 1, 1, (_, _) => SKColors.Red);
                        using var set = ImageSet.LoadImages([folder], 1);
                        Near(set.Images(0..1), 0, 0, SKColors.Blue);
                        Near(set.Images(1..2), 0, 0, SKColors.Lime);
                        var note = set.Notes.Single();
                        Expect.isTrue(note.Contains("2 of 3") && note.Contains("'a.gif'"), note);
                    }
                ),
                Check.InFolder(
                    "in CMYK has the colours that are printed",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var images = Load(Save(Path.Combine(folder, "a.jpg"), cmyk), 16, 16);
                        Near(images, 3, 3, new SKColor(200, 30, 40), 1);
                        Near(images, 3, 12, new SKColor(20, 180, 60), 1);
                        Near(images, 12, 3, new SKColor(30, 60, 220), 1);
                        Near(images, 12, 12, new SKColor(250, 250, 250), 1);
                    }
                ),
                Check.InFolder(
                    "of 16 bits has their upper 8, and one that is progressive its details",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        byte[] row = [0, 0x12, 0xff, 0x80, 0x00, 0xff, 0xff, 0, 0, 0xfe, 0x01, 0x7f, 0xff];
                        var images = Load(Save(Path.Combine(folder, "a.png"), PngOf(2, 1, 16, row)), 1, 2);
                        Near(images, 0, 0, new SKColor(0x12, 0x80, 0xff));
                        Near(images, 0, 1, new SKColor(0, 0xfe, 0x7f));
                        var grey = Load(Save(Path.Combine(folder, "a.jpg"), progressive), 8, 8);
                        Near(grey, 1, 1, SKColors.Black, 3);
                        Near(grey, 1, 6, new SKColor(250, 250, 250), 5);
                        Near(grey, 6, 6, new SKColor(125, 125, 125), 5);
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
                    "of the name of another in another folder is told by its path",
                    folder =>
                    {
                        string Image(params string[] parts)
                        {
                            var path = Path.Combine([folder, .. parts]);
                            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                            return Save(path, 1, 1, (_, _) => SKColors.Red);
                        }
                        var (a, b, c) = (Image("a", "x", "1.png"), Image("a", "y", "1.png"), Image("b", "2.png"));
                        string[] Labels(params string[] paths)
                        {
                            using var set = ImageSet.LoadImages(paths, 1);
                            Check.Same(new[] { set.Folders is null }, true);
                            return [.. Enumerable.Range(0, set.Count).Select(set.Label)];
                        }
                        Check.Same(Labels(a, b), "x/1.png", "y/1.png");
                        Check.Same(Labels(a, b, c), "a/x/1.png", "a/y/1.png", "b/2.png");
                        Check.Same(Labels(a, c), "1.png", "2.png");
                        Check.Same(Labels(a, a), "1.png", "1.png");
                    }
                ),
                Check.InFolder(
                    "is found in the subfolders of a folder that has none of its own, in the order of their names",
                    folder =>
                    {
                        foreach (var name in new[] { "dog/2.png", "cat/deep/1.png", "cat/a.png", ".hidden/b.png" })
                        {
                            var path = Path.Combine(folder, name);
                            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                            Save(path, 1, 1, (_, _) => SKColors.Red);
                        }
                        Directory.CreateDirectory(Path.Combine(folder, "empty"));
                        using var set = ImageSet.LoadImages([folder], 1);
                        Check.Same(Enumerable.Range(0, 3).Select(set.Label), "a.png", "1.png", "2.png");
                        Check.Same(set.Folders!, "cat", "cat", "dog");
                        Check.Same(set.Take([2, 0]).Folders!, "dog", "cat");
                        var (dog, none) = (Path.Combine(folder, "dog"), Path.Combine(folder, "empty"));
                        using var mixed = ImageSet.LoadImages([folder, dog], 1);
                        Expect.isNull(mixed.Folders, "some are of no subfolder");
                        Check.Refuses(() => ImageSet.LoadImages([none], 1), none, "subfolders");
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
                        Refuses(File("empty.png", []), "is empty");
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
                    "of any format that would be giant is refused by its header, at load and when it has become so since",
                    folder =>
                    {
                        // Fewer than ten kilobytes each, and more than a gigabyte decoded.
                        (string Name, byte[] Bytes)[] bombs =
                        [
                            ("a.png", PngOf(20_000, 20_000)),
                            ("a.gif", GifOf(65_000, 65_000, [0])),
                            ("a.bmp", BmpOf(20_000, 20_000, new byte[64])),
                            ("a.webp", AnimatedWebp(16_000, 16_000, SKColors.Red)),
                            // Its height and width are after the marker of its frame and a length and a depth.
                            ("a.jpg", [.. progressive[..94], 0x4e, 0x20, 0x4e, 0x20, .. progressive[98..]]),
                        ];
                        foreach (var (name, bytes) in bombs)
                        {
                            var path = Path.Combine(folder, name);
                            Save(path, bytes);
                            Check.Refuses(() => ImageSet.LoadImages([path], 8), path, "100 megapixels");
                            Save(path, 2, 2, (_, _) => SKColors.Red);
                            using var set = ImageSet.LoadImages([path], 8);
                            Save(path, bytes);
                            Check.Refuses(() => set.Images(), path, "100 megapixels");
                        }
                    }
                ),
                Check.InFolder(
                    "without any pixel is refused",
                    folder =>
                    {
                        foreach (var (name, bytes) in new[] { ("a.png", PngOf(0, 5)), ("a.bmp", BmpOf(5, 0, [])) })
                        {
                            var path = Save(Path.Combine(folder, name), bytes);
                            Check.Refuses(() => ImageSet.LoadImages([path], 8), path, "no picture");
                        }
                    }
                ),
                Check.InFolder(
                    "of any format cut short is refused by name when it is decoded",
                    folder =>
                    {
                        static SKColor Colour(int x, int y) => new((byte)(x * y), (byte)(37 * x), (byte)y);
                        byte[] jpeg = Encode(SKEncodedImageFormat.Jpeg, 64, 64, Colour);
                        // Of the progressive JPEG all pixels are there, but for their last details.
                        (string Name, byte[] Cut)[] files =
                        [
                            ("a.png", Encode(SKEncodedImageFormat.Png, 64, 64, Colour)[..^200]),
                            ("a.jpg", jpeg[..^200]),
                            ("thumbnail.jpg", [.. jpeg[..2], 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9, .. jpeg[2..^2]]),
                            ("progressive.jpg", progressive[..^30]),
                            ("a.webp", Encode(SKEncodedImageFormat.Webp, 64, 64, Colour)[..^20]),
                            ("a.gif", GifOf(16, 9, new byte[144])[..^9]),
                            ("a.bmp", BmpOf(64, 64, new byte[64 * 192])[..^200]),
                        ];
                        foreach (var (name, cut) in files)
                        {
                            var path = Save(Path.Combine(folder, name), cut);
                            using var set = ImageSet.LoadImages([path], 8);
                            Check.Refuses(() => set.Images(), path, "cut short");
                        }
                    }
                ),
                Check.InFolder(
                    "may be one of several thousand, of which a batch alone is decoded",
                    folder =>
                    {
                        const int count = 4000;
                        for (var i = 0; i < count; i++)
                            Save(
                                Path.Combine(folder, $"{i:d4}.png"),
                                PngOf(1, 1, rows: [0, (byte)(i / 256), (byte)(i % 256), 7])
                            );
                        using var set = ImageSet.LoadImages([folder], 1);
                        Expect.equal(set.Count, count, "all are found");
                        foreach (var file in Directory.GetFiles(folder))
                            if (Path.GetFileName(file) is not ("2999.png" or "3000.png"))
                                File.Delete(file);
                        using var scope = NewDisposeScope();
                        Near(set.Images(2999..3001), 0, 0, new SKColor(2999 / 256, 2999 % 256, 7));
                        Near(set.Images(3000..3001), 0, 0, new SKColor(3000 / 256, 3000 % 256, 7));
                        Check.Refuses(() => set.Images(2998..3000), "2998.png", "does not exist");
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
