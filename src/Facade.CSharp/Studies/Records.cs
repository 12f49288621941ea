using System.Globalization;
using System.Text;

namespace Attribution;

/// <summary>Rows of words and numbers under named columns, for files.</summary>
/// <param name="columns">The names of the columns.</param>
public sealed class Records(params string[] columns)
{
    private readonly List<object?[]> rows = [];

    /// <summary>The names of the columns.</summary>
    public IReadOnlyList<string> Columns => columns;

    /// <summary>The rows.</summary>
    public IReadOnlyList<IReadOnlyList<object?>> Rows => rows;

    /// <summary>Adds a row. A number that is not finite is left empty.</summary>
    /// <exception cref="ArgumentException">It has another number of cells than there are columns.</exception>
    public void Add(params object?[] row)
    {
        if (row.Length != columns.Length)
            throw new ArgumentException($"A row has {columns.Length} cells, but {row.Length} were given.");
        rows.Add([.. row.Select(cell => cell is double number && !double.IsFinite(number) ? null : cell)]);
    }

    /// <summary>Writes the names of the columns, and the rows, separated by commas; a word that holds a comma in quotes.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path)
    {
        static string Cell(object? cell)
        {
            var text = Convert.ToString(cell, CultureInfo.InvariantCulture) ?? "";
            return text.AsSpan().ContainsAny(',', '"', '\n') ? $"\"{text.Replace("\"", "\"\"")}\"" : text;
        }
        StringBuilder text = new();
        foreach (var row in rows.Prepend([.. columns]))
            text.AppendJoin(',', row.Select(Cell)).Append('\n');
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Writes what the rows are about, and each row as an object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="about">What else there is to say.</param>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path, IReadOnlyDictionary<string, object?> about) =>
        Json.Write(
            path,
            new
            {
                About = about,
                Rows = rows.Select(row => columns.Zip(row).ToDictionary(cell => cell.First, cell => cell.Second)),
            }
        );
}
