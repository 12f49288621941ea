using System;
using SkiaSharp;

namespace Attribution;

/// <summary>Two muted colours, woven into a gradient, stripes, checks, dots or clouds.</summary>
internal sealed class SceneBackground
{
    private const int Knots = 9;
    private const float KnotSpacing = SceneStudio.Size / (Knots - 1f);

    private readonly int kind;
    private readonly float sin;
    private readonly float cos;
    private readonly float period;
    private readonly float shift;
    private readonly float[] knots = new float[Knots * Knots];

    internal SceneBackground(SceneRandom random)
    {
        Low = random.Colour(0, 60, 15, 75);
        High = SceneStyle.Mix(Low, random.Colour(0, 60, 15, 75), 0.6f);
        kind = random.Below(5);
        (sin, cos) = MathF.SinCos(random.Between(0, MathF.Tau));
        period = random.Between(6, 18);
        shift = random.Between(0, period);
        foreach (ref var knot in knots.AsSpan())
            knot = random.Between(0, 1);
    }

    internal SKColor Low { get; }

    internal SKColor High { get; }

    /// <summary>One channel of the colour, 0-255, that lies a share of the way from low to high.</summary>
    internal float Value(float weave, int channel)
    {
        var (low, high) = channel switch
        {
            0 => (Low.Red, High.Red),
            1 => (Low.Green, High.Green),
            _ => (Low.Blue, High.Blue),
        };
        return low + (weave * (high - low));
    }

    /// <summary>The share, 0 to 1, of the high colour at a pixel.</summary>
    internal float Weave(int x, int y)
    {
        const float middle = SceneStudio.Size / 2f;
        var (u, v) = ((cos * (x - middle)) + (sin * (y - middle)), (cos * (y - middle)) - (sin * (x - middle)));
        return kind switch
        {
            0 => 0.5f + (u / 92),
            1 => Wave(u),
            2 => Wave(u) > 0.5f == Wave(v) > 0.5f ? 1 : 0,
            3 => Wave(u) + Wave(v) > 1.5f ? 1 : 0,
            _ => Cloud(x / KnotSpacing, y / KnotSpacing),
        };
    }

    private float Wave(float t) => 0.5f + (0.5f * MathF.Sin(MathF.Tau * (t + shift) / period));

    /// <summary>Bilinear interpolation of the knots.</summary>
    private float Cloud(float x, float y)
    {
        var (left, top) = ((int)x, (int)y);
        float Along(int at) => float.Lerp(knots[at], knots[at + 1], x - left);
        return float.Lerp(Along((Knots * top) + left), Along((Knots * (top + 1)) + left), y - top);
    }
}
