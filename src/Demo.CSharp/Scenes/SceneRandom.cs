using SkiaSharp;

namespace Attribution;

/// <summary>SplitMix64 (Steele, Lea and Flood 2014): a stream of its own for every (seed, index), the same on every platform.</summary>
internal sealed class SceneRandom(int seed, int index)
{
    private ulong state = Mix(((ulong)(uint)seed << 32) | (uint)index);

    /// <summary>A number from low (inclusive) to high (exclusive).</summary>
    internal float Between(float low, float high) => low + ((high - low) * Unit());

    /// <summary>An integer from 0 (inclusive) to count (exclusive).</summary>
    internal int Below(int count) => (int)(Unit() * count);

    /// <summary>Low or high, equally often.</summary>
    internal float Either(float low, float high) => Unit() < 0.5f ? low : high;

    /// <summary>Any hue, with saturation and brightness between two bounds each, in percent.</summary>
    internal SKColor Colour(float dull, float vivid, float dim, float bright) =>
        SKColor.FromHsv(Between(0, 360), Between(dull, vivid), Between(dim, bright));

    private float Unit() => (Next() >> 40) * (1f / (1 << 24));

    private ulong Next() => Mix(state += 0x9E3779B97F4A7C15);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
