using System;
using System.IO;
using System.Linq;
using SkiaSharp;

namespace Attribution;

/// <summary>A picture of every class: a column for each pair, in which one scene is drawn as both classes and its part is marked.</summary>
internal static class SceneOverview
{
    private const int Cell = 3 * ConceptScenes.Size;
    private const int Gap = 12;
    private const int Caption = 26;

    /// <summary>Draws the picture from a seed, as PNG.</summary>
    internal static byte[] Png(int seed)
    {
        int columns = ConceptScenes.Pairs.Count;
        using var scenes = ConceptScenes.Draw(2 * columns, seed);
        using var twins = ConceptScenes.DrawTwins(2 * columns, seed);
        using var picture = new SKBitmap(Gap + (columns * (Cell + Gap)), Gap + (3 * (Cell + Caption + Gap)));
        using var canvas = new SKCanvas(picture);
        using var font = new SKFont(Fonts.Regular, 15);
        using var ink = new SKPaint { Color = new SKColor(30, 30, 30), IsAntialias = true };
        canvas.Clear(SKColors.White);
        foreach (ConceptPair pair in ConceptScenes.Pairs)
        {
            byte[] first = Scene(scenes, pair.First);
            byte[] second = Scene(twins, pair.First);
            bool[] part = scenes.PartMasks[pair.First].data<bool>().ToArray();
            Place(0, first, ConceptScenes.ClassNames[pair.First]);
            Place(1, second, ConceptScenes.ClassNames[pair.Second]);
            Place(2, Mark(first, part), pair.Part);

            void Place(int row, byte[] rgb, string caption)
            {
                float x = Gap + (pair.First / 2 * (Cell + Gap)),
                    y = Gap + (row * (Cell + Caption + Gap));
                using SKImage image = Image(rgb);
                canvas.DrawImage(image, SKRect.Create(x, y, Cell, Cell), new SKSamplingOptions(SKFilterMode.Nearest));
                canvas.DrawText(caption, x + (Cell / 2), y + Cell + 19, SKTextAlign.Center, font, ink);
            }
        }
        using SKData png = picture.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private static byte[] Scene(ConceptScenes scenes, int index) => scenes.X[index].bytes.ToArray();

    /// <summary>Everything but the part turns to a dim grey.</summary>
    private static byte[] Mark(byte[] rgb, bool[] part) =>
        [
            .. Enumerable
                .Range(0, rgb.Length)
                .Select(i =>
                    part[i / 3] ? rgb[i] : (byte)((rgb[i / 3 * 3] + rgb[(i / 3 * 3) + 1] + rgb[(i / 3 * 3) + 2]) / 6)
                ),
        ];

    private static SKImage Image(byte[] rgb)
    {
        byte[] rgba = [.. rgb.Chunk(3).SelectMany(p => (byte[])[p[0], p[1], p[2], 255])];
        return SKImage.FromPixelCopy(
            new SKImageInfo(ConceptScenes.Size, ConceptScenes.Size, SKColorType.Rgba8888),
            rgba
        );
    }
}
