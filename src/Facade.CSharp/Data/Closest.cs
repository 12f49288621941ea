namespace Attribution;

/// <summary>Finds what a person may have meant.</summary>
internal static class Closest
{
    // Enough of a name to recognise it, and little enough that its distance to thousands of others is quick.
    private const int MaxLength = 64;

    /// <summary>The known names nearest to the wanted one: those that contain it, then by edit distance.</summary>
    public static IReadOnlyList<string> Names(string wanted, IEnumerable<string> known, int count = 3) =>
        [
            .. known
                .OrderBy(name => !name.Contains(wanted, StringComparison.OrdinalIgnoreCase))
                .ThenBy(name => Distance(Short(wanted), Short(name)))
                .Take(count),
        ];

    /// <summary>The least number of letters inserted, deleted or replaced that turns one name into the other
    /// (Levenshtein 1966).</summary>
    public static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (
                    row[j],
                    Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1))
                );
        }
        return row[b.Length];
    }

    private static string Short(string name) => name[..Math.Min(name.Length, MaxLength)].ToLowerInvariant();
}
