using System;
using SkiaSharp;

namespace Attribution;

/// <summary>What varies between two objects of one class, settled before the member of the pair is known.</summary>
/// <param name="Body">Colour of the shared body.</param>
/// <param name="Accent">Colour of the details, and of a part that has a colour of its own.</param>
/// <param name="Slim">From 0 to 1: the object's proportions.</param>
/// <param name="Tall">From 0 to 1: the part's proportions.</param>
internal sealed record SceneStyle(SKColor Body, SKColor Accent, float Slim, float Tall)
{
    internal static readonly SKColor Dark = new(34, 30, 38);
    internal static readonly SKColor Glass = new(205, 232, 245);
    internal static readonly SKColor Leaf = new(76, 168, 70);
    internal static readonly SKColor Carrot = new(240, 130, 30);

    internal SKColor PaleBody { get; } = Mix(Body, SKColors.White, 0.75f);
    internal SKColor DeepBody { get; } = Mix(Body, Dark, 0.35f);
    internal SKColor PaleAccent { get; } = Mix(Accent, SKColors.White, 0.6f);

    /// <summary>A style whose colours stand out from the background's and from each other.</summary>
    internal static SceneStyle Draw(SceneRandom random, SKColor low, SKColor high)
    {
        var body = StandOut(random, [low, high]);
        var accent = StandOut(random, [low, high, body]);
        return new(body, accent, random.Between(0, 1), random.Between(0, 1));
    }

    /// <summary>A colour that is a share of the way from one to another.</summary>
    internal static SKColor Mix(SKColor from, SKColor to, float share)
    {
        byte Blend(byte a, byte b) => (byte)(a + ((b - a) * share));
        return new(Blend(from.Red, to.Red), Blend(from.Green, to.Green), Blend(from.Blue, to.Blue));
    }

    private static SKColor StandOut(SceneRandom random, SKColor[] others)
    {
        const float enough = 80;
        var (best, farthest) = (default(SKColor), -1f);
        for (var trial = 0; trial < 12 && farthest < enough; trial++)
        {
            var colour = random.Colour(45, 100, 65, 100);
            var nearest = float.MaxValue;
            foreach (var other in others)
                nearest = MathF.Min(nearest, Distance(colour, other));
            if (nearest > farthest)
                (best, farthest) = (colour, nearest);
        }
        return best;
    }

    private static float Distance(SKColor a, SKColor b) =>
        MathF.Sqrt(MathF.Pow(a.Red - b.Red, 2) + MathF.Pow(a.Green - b.Green, 2) + MathF.Pow(a.Blue - b.Blue, 2));
}
