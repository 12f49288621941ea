namespace Attribution;

/// <summary>How many pixels change from one score of a curve to the next.</summary>
/// <param name="Pixels">M: so many.</param>
/// <param name="Fewest">As many steps at the least, where a path has the pixels: where M would leave fewer, steps are shorter.
/// 1 where M was asked for.</param>
public readonly record struct PixelSteps(int Pixels, int Fewest = 1)
{
    /// <summary>What was asked for, or else chosen for images of so many pixels: M = 1000 from 224×224 on, as the course takes;
    /// for smaller images as large a share of the pixels, and 25 steps at the least.</summary>
    /// <param name="asked">M; null: it is chosen.</param>
    /// <param name="pixels">Height times width.</param>
    public static PixelSteps For(int? asked, long pixels)
    {
        if (asked is { } m)
            return new(m);
        var (chosen, fewest) = PixelCurves.chosenSteps(pixels);
        return new(chosen, fewest);
    }

    /// <summary>The same for maps; what has no height and width is refused where it is measured.</summary>
    internal static PixelSteps Of(int? asked, Tensor maps) => maps.ndim < 2 ? new(1) : For(asked, PixelsOf(maps));

    /// <summary>The pixels of a map.</summary>
    internal static long PixelsOf(Tensor maps) => maps.ndim < 2 ? 1 : maps.shape[^2] * maps.shape[^1];

    /// <summary>"15 pixels a step", for people.</summary>
    public string Short => $"{Words.Count(Pixels, "pixel")} a step";

    /// <summary>The same, with what becomes of maps that would have too few of them.</summary>
    public override string ToString() =>
        Short + (Fewest > 1 && Pixels > 1 ? $" (less where a map would have fewer than {Fewest} steps)" : "");

    internal static int? Required(int? asked)
    {
        if (asked is { } m)
            ArgumentOutOfRangeException.ThrowIfLessThan(m, 1, "pixelsPerStep");
        return asked;
    }
}
