using System;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace Attribution;

/// <summary>Paints one scene at a time on surfaces that it keeps; one studio serves one thread.</summary>
internal sealed class SceneStudio : IDisposable
{
    internal const int Size = 64;
    private const int Pixels = Size * Size;

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
    private readonly float[] texture = new float[Pixels];

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
    /// <param name="partMask">Receives height x width: the pixels that either member's part covers visibly.</param>
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
        var (low, high, style) = Colours(random);
        SKMatrix pose = Pose(random);
        foreach (
            (Layer layer, Member drawn) in ((Layer, Member)[])
                [(neither, Member.Neither), (first, Member.First), (second, Member.Second)]
        )
        {
            canvas.Clear(SKColors.Transparent);
            canvas.SetMatrix(pose);
            Objects[pair](brush, style, drawn);
            layer.CopyFrom(bitmap);
        }
        for (int at = 0; at < Pixels; at++)
        {
            partMask[at] = first[at] != neither[at] || second[at] != neither[at];
        }
        canvas.Clear(SKColors.Transparent);
        canvas.ResetMatrix();
        Scatter(random, partMask, style);
        clutter.CopyFrom(bitmap);
        Weave(random);
        var light = new Light(random);
        Layer shown = member == Member.First ? first : second;
        for (int at = 0; at < Pixels; at++)
        {
            objectMask[at] = shown[at] >> 24 != 0;
            float shade = light.At(at % Size, at / Size);
            for (int channel = 0; channel < 3; channel++)
            {
                float value =
                    Component(low, channel) + (texture[at] * (Component(high, channel) - Component(low, channel)));
                value = shown.Over(at, channel, clutter.Over(at, channel, value));
                rgb[(3 * at) + channel] = (byte)Math.Clamp((value * shade) + light.Noise(random), 0, 255);
            }
        }
    }

    public void Dispose()
    {
        brush.Dispose();
        canvas.Dispose();
        bitmap.Dispose();
    }

    /// <summary>Two colours of the background, and an object's colours that stand out from both and from each other.</summary>
    private static (SKColor Low, SKColor High, SceneStyle Style) Colours(SceneRandom random)
    {
        SKColor low = Tint(random, 0, 60, 15, 75);
        SKColor high = SceneStyle.Mix(low, Tint(random, 0, 60, 15, 75), 0.6f);
        SKColor body = StandOut(low, high);
        SKColor accent = StandOut(low, high, body);
        return (low, high, new SceneStyle(body, accent, random.Between(0, 1), random.Between(0, 1)));

        SKColor StandOut(params ReadOnlySpan<SKColor> others)
        {
            SKColor best = default;
            float farthest = -1;
            for (int trial = 0; trial < 12 && farthest < 120; trial++)
            {
                SKColor candidate = Tint(random, 45, 100, 65, 100);
                float nearest = float.MaxValue;
                foreach (SKColor other in others)
                {
                    nearest = MathF.Min(nearest, Distance(candidate, other));
                }
                if (nearest > farthest)
                {
                    (best, farthest) = (candidate, nearest);
                }
            }
            return best;
        }
    }

    private static SKColor Tint(SceneRandom random, float dull, float vivid, float dim, float bright) =>
        SKColor.FromHsv(random.Between(0, 360), random.Between(dull, vivid), random.Between(dim, bright));

    private static float Distance(SKColor a, SKColor b)
    {
        float red = a.Red - b.Red,
            green = a.Green - b.Green,
            blue = a.Blue - b.Blue;
        return MathF.Sqrt((red * red) + (green * green) + (blue * blue));
    }

    /// <summary>From the unit disc to a place in the picture: the whole disc stays inside.</summary>
    private static SKMatrix Pose(SceneRandom random)
    {
        const float middle = Size / 2f;
        float scale = random.Between(22, 30);
        float slack = middle - 1 - scale;
        return SKMatrix
            .CreateScale(random.Either(-scale, scale), scale)
            .PostConcat(SKMatrix.CreateRotationDegrees(random.Between(-18, 18)))
            .PostConcat(
                SKMatrix.CreateTranslation(
                    middle + random.Between(-slack, slack),
                    middle + random.Between(-slack, slack)
                )
            );
    }

    /// <summary>Small shapes that are no class's part, behind the object and clear of both parts.</summary>
    private void Scatter(SceneRandom random, ReadOnlySpan<bool> partMask, SceneStyle style)
    {
        int count = 2 + random.Below(4);
        for (int shape = 0; shape < count; shape++)
        {
            float radius = random.Between(3, 5.5f);
            float x = random.Between(radius, Size - radius),
                y = random.Between(radius, Size - radius);
            float angle = random.Between(0, 90);
            SKColor color = Tint(random, 20, 100, 45, 100);
            int kind = random.Below(4);
            if (Touches(partMask, x, y, radius + 2))
            {
                continue;
            }
            canvas.SetMatrix(
                SKMatrix
                    .CreateScale(radius, radius)
                    .PostConcat(SKMatrix.CreateRotationDegrees(angle))
                    .PostConcat(SKMatrix.CreateTranslation(x, y))
            );
            switch (kind)
            {
                case 0:
                    brush.Box(color, -0.9f, -0.25f, 0.9f, 0.25f);
                    brush.Box(color, -0.25f, -0.9f, 0.25f, 0.9f);
                    break;
                case 1:
                    brush.Arc(color, 0.4f, 0, 0, 0.7f, 0.7f, 20, 200);
                    break;
                case 2:
                    brush.Line(color, 0.35f, (-0.8f, 0.3f), (-0.4f, -0.3f), (0, 0.3f), (0.4f, -0.3f), (0.8f, 0.3f));
                    break;
                default:
                    brush.Line(color, 0.3f, (-0.8f, -0.3f), (0.8f, -0.3f));
                    brush.Line(color, 0.3f, (-0.8f, 0.3f), (0.8f, 0.3f));
                    break;
            }
        }
    }

    private static bool Touches(ReadOnlySpan<bool> mask, float x, float y, float radius)
    {
        for (int at = 0; at < Pixels; at++)
        {
            if (mask[at] && MathF.Abs((at % Size) - x) < radius && MathF.Abs((at / Size) - y) < radius)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Fills the texture with values from 0 to 1: a gradient, stripes, checks, dots or clouds.</summary>
    private void Weave(SceneRandom random)
    {
        int kind = random.Below(5);
        (float sin, float cos) = MathF.SinCos(random.Between(0, MathF.Tau));
        float period = random.Between(6, 18);
        float shift = random.Between(0, period);
        Span<float> knots = stackalloc float[81];
        foreach (ref float knot in knots)
        {
            knot = random.Between(0, 1);
        }
        for (int at = 0; at < Pixels; at++)
        {
            float x = at % Size,
                y = at / Size;
            float u = (cos * x) + (sin * y) + shift,
                v = (cos * y) - (sin * x) + shift;
            texture[at] = kind switch
            {
                0 => Math.Clamp(0.5f + (u - shift - (32 * (cos + sin))) / 80, 0, 1),
                1 => Wave(u),
                2 => Wave(u) > 0.5f == Wave(v) > 0.5f ? 1 : 0,
                3 => Wave(u) + Wave(v) > 1.5f ? 1 : 0,
                _ => Cloud(knots, x / 8, y / 8),
            };
        }

        float Wave(float t) => 0.5f + (0.5f * MathF.Sin(MathF.Tau * t / period));
    }

    /// <summary>Bilinear interpolation of a 9 x 9 grid.</summary>
    private static float Cloud(ReadOnlySpan<float> knots, float x, float y)
    {
        int left = (int)x,
            top = (int)y,
            at = (9 * top) + left;
        float right = x - left,
            down = y - top;
        float above = knots[at] + (right * (knots[at + 1] - knots[at]));
        float below = knots[at + 9] + (right * (knots[at + 10] - knots[at + 9]));
        return above + (down * (below - above));
    }

    private static int Component(SKColor color, int channel) =>
        channel switch
        {
            0 => color.Red,
            1 => color.Green,
            _ => color.Blue,
        };

    /// <summary>A premultiplied picture with transparency.</summary>
    private sealed class Layer
    {
        private readonly uint[] pixels = new uint[Pixels];

        internal uint this[int at] => pixels[at];

        internal void CopyFrom(SKBitmap bitmap) => MemoryMarshal.Cast<byte, uint>(bitmap.GetPixelSpan()).CopyTo(pixels);

        internal float Over(int at, int channel, float below) =>
            ((pixels[at] >> (8 * channel)) & 255) + (below * (1 - ((pixels[at] >> 24) / 255f)));
    }

    /// <summary>Brightness that changes across the picture, and the camera's noise.</summary>
    private sealed class Light
    {
        private readonly float level;
        private readonly float across;
        private readonly float down;
        private readonly float noise;

        internal Light(SceneRandom random)
        {
            level = random.Between(0.75f, 1.1f);
            across = random.Between(-0.25f, 0.25f) / Size;
            down = random.Between(-0.25f, 0.25f) / Size;
            noise = random.Between(2, 12);
        }

        internal float At(int x, int y) => level + (across * (x - (Size / 2))) + (down * (y - (Size / 2)));

        internal float Noise(SceneRandom random) => random.Between(-noise, noise);
    }
}
