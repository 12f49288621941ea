using System;

namespace Attribution;

/// <summary>Small words that sentences are made of.</summary>
public static class Words
{
    /// <summary>"1 image", "2 images".</summary>
    public static string Count(int n, string thing) => n == 1 ? $"1 {thing}" : $"{n} {thing}s";

    /// <summary>The text with a capital at its beginning.</summary>
    public static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>Progress that is told as that of a stage.</summary>
    internal static IProgress<Progress>? In(this IProgress<Progress>? progress, string stage) =>
        progress is null ? null : new Staged(progress, stage);

    private sealed class Staged(IProgress<Progress> whole, string stage) : IProgress<Progress>
    {
        public void Report(Progress part) => whole.Report(part with { Stage = stage });
    }
}
