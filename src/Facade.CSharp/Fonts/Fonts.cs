using SkiaSharp;

namespace Attribution;

/// <summary>The typeface for text in pictures. It is embedded because Skia without fontconfig finds no font of the host.</summary>
internal static class Fonts
{
    /// <summary>DejaVu Sans, loaded once and never to be disposed.</summary>
    internal static SKTypeface Regular { get; } = Load();

    private static SKTypeface Load()
    {
        using Stream font = typeof(Fonts).Assembly.GetManifestResourceStream("DejaVuSans.ttf")!;
        return SKTypeface.FromStream(font);
    }
}
