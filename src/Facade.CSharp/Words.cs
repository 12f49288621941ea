using System.Globalization;

namespace Attribution;

/// <summary>Words for people.</summary>
public static class Words
{
    /// <summary>How many there are of something: "1 image", "2 images".</summary>
    /// <param name="count">How many.</param>
    /// <param name="thing">One of them, a word whose plural is made by an s.</param>
    public static string Count(long count, string thing) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {thing}{(count == 1 ? "" : "s")}");

    /// <summary>The text with a capital at its beginning.</summary>
    public static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
