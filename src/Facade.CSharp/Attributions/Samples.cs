using System;

namespace Attribution;

/// <summary>How many random samples a method may be asked for.</summary>
internal static class Samples
{
    private const int Most = 100_000;

    /// <summary>The number, where it is one that memory has room for.</summary>
    public static int InRange(int samples) =>
        samples is >= 1 and <= Most
            ? samples
            : throw new ArgumentOutOfRangeException(nameof(samples), samples, $"Samples are 1 to {Most}.");
}
