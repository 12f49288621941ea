using System;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace Attribution;

/// <summary>Paints one scene at a time on surfaces that it keeps; one studio serves one thread.</summary>
internal sealed class SceneStudio : IDisposable
{
    internal const int Size = 64;
    internal const int Pixels = Size * Size;

    private static readonly Action<SceneBrush, SceneStyle, Member>[] Objects =
    [
        SceneObjects.Car,
        SceneObjects.Cat,
        SceneObjects.Boat,
        SceneObjects.Camel,
        SceneObjects.Flower,
        SceneObjects.Mug,
        SceneObjects.Snowman,
    ];

    private readonly SKBitmap bitmap = new(new SKImageInfo(Size, Size, SKColorType.Rgba8888, SKAlphaType.Premul));
    private readonly SKCanvas canvas;
    private readonly SceneBrush brush;
    private readonly Layer neither = new();
    private readonly Layer first = new();
    private readonly Layer second = new();
    private readonly Layer clutter = new();

    internal SceneStudio()
    {
        canvas = new SKCanvas(bitmap);
        brush = new SceneBrush(canvas);
    }

    /// <summary>Paints image <paramref name="index"/> of a seed as a member of a pair.</summary>
    /// <param name="seed">The seed of the set.</param>
    /// <param name="index">The image's number in the set.</param>
    /// <param name="pair">The object, 0 to 6.</param>
    /// <param name="member">The member of the pair, which decides on nothing but the part.</param>
    /// <param name="rgb">Receives height x width x 3 bytes.</param>
    /// <param name="objectMask">Receives height x width: the object's pixels, its part included.</param>
    /// <param name="partMask">Receives height x width: the pixels in which either member's part shows.</param>
    internal void Paint(
        int seed,
        int index,
        int pair,
        Member member,
        Span<byte> rgb,
        Span<bool> objectMask,
        Span<bool> partMask
    )
    {
        var random = new SceneRandom(seed, index);
        var background = new SceneBackground(random);
        var style = SceneStyle.Draw(random, background.Low, background.High);
        var pose = Pose(random);
        Show(neither, pose, () => Objects[pair](brush, style, Member.Neither));
        Show(first, pose, () => Objects[pair](brush, style, Member.First));
        Show(second, pose, () => Objects[pair](brush, style, Member.Second));
        for (var at = 0; at < Pixels; at++)
            partMask[at] = first[at] != neither[at] || second[at] != neither[at];

        var clear = new SceneClutter(partMask);
        Show(clutter, SKMatrix.Identity, () => clear.Scatter(random, canvas, brush));
        var light = new SceneLight(random);
        var shown = member == Member.First ? first : second;
        for (var at = 0; at < Pixels; at++)
        {
            objectMask[at] = shown[at] >> 24 != 0;
            var (x, y) = (at % Size, at / Size);
            var (weave, shade) = (background.Weave(x, y), light.Shade(x, y));
            for (var channel = 0; channel < 3; channel++)
            {
                var behind = clutter.Over(at, channel, background.Value(weave, channel));
                var value = (shown.Over(at, channel, behind) * shade) + light.Noise(random);
                rgb[(3 * at) + channel] = (byte)Math.Clamp(value, 0, 255);
            }
        }
    }

    public void Dispose()
    {
        brush.Dispose();
        canvas.Dispose();
        bitmap.Dispose();
    }

    private void Show(Layer layer, SKMatrix matrix, Action draw)
    {
        canvas.Clear(SKColors.Transparent);
        canvas.SetMatrix(matrix);
        draw();
        layer.CopyFrom(bitmap);
    }

    /// <summary>From the unit disc to a place in the picture: the whole disc stays inside.</summary>
    private static SKMatrix Pose(SceneRandom random)
    {
        var scale = random.Between(17, 30);
        var slack = (Size / 2f) - 1 - scale;
        var turned = SKMatrix
            .CreateScale(random.Either(-scale, scale), scale)
            .PostConcat(SKMatrix.CreateRotationDegrees(random.Between(-25, 25)));
        var (x, y) = (random.Between(-slack, slack), random.Between(-slack, slack));
        return turned.PostConcat(SKMatrix.CreateTranslation((Size / 2f) + x, (Size / 2f) + y));
    }

    /// <summary>A premultiplied picture with transparency.</summary>
    private sealed class Layer
    {
        private readonly uint[] pixels = new uint[Pixels];

        internal uint this[int at] => pixels[at];

        internal void CopyFrom(SKBitmap bitmap) => MemoryMarshal.Cast<byte, uint>(bitmap.GetPixelSpan()).CopyTo(pixels);

        internal float Over(int at, int channel, float below) =>
            ((pixels[at] >> (8 * channel)) & 255) + (below * (1 - ((pixels[at] >> 24) / 255f)));
    }
}
