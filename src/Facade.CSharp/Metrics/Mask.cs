using System;

namespace Attribution;

/// <summary>What a mask M(x) keeps of an image's pixels.</summary>
public enum Mask
{
    /// <summary>Those of positive attribution, whole; the others become black.</summary>
    Hard,

    /// <summary>Each in proportion to its positive attribution, x ⊙ max(A, 0) / max A: the image's largest is kept whole.</summary>
    Soft,
}

internal static class MaskExtensions
{
    internal static Core.Mask InCore(this Mask mask) =>
        mask switch
        {
            Mask.Hard => Core.Mask.Hard,
            Mask.Soft => Core.Mask.Soft,
            _ => throw new ArgumentOutOfRangeException(nameof(mask), mask, "There is no such mask."),
        };
}
