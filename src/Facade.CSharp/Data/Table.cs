using System.Globalization;
using Microsoft.VisualBasic.FileIO;

namespace Attribution;

/// <summary>A table of numbers as it stands in a text file: a row an instance, a column a feature.</summary>
internal sealed class Table
{
    private static readonly string[] classColumns = ["y", "label", "class", "target"];
    private static readonly string[] idColumns = ["id", "idx", "index"];

    private Table(float[,] numbers, string[] features, long[]? classes, long[]? ids) =>
        (Numbers, Features, Classes, Ids) = (numbers, features, classes, ids);

    public float[,] Numbers { get; }

    /// <summary>The columns' names, or their numbers where the file has none.</summary>
    public string[] Features { get; }

    public long[]? Classes { get; }

    public long[]? Ids { get; }

    /// <summary>Reads a file: cells apart by commas, semicolons or tabs, in quotes where need be; a first row of names where one of
    /// its cells is no number. A column named y, label, class or target holds the true classes, one named id, idx or index the
    /// ids.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or a cell is no finite number.</exception>
    public static Table Read(string path) => FileErrors.Reading($"'{path}'", () => Parsed(path));

    private static Table Parsed(string path)
    {
        var rows = Rows(path);
        if (rows.Count == 0)
            throw new FormatException("it is empty; give a row for each instance");
        var hasNames = rows[0].Cells.Any(cell => Number(cell) is null);
        string[] names = hasNames
            ? [.. rows[0].Cells.Select(name => name.Trim())]
            : [.. Enumerable.Range(0, rows[0].Cells.Length).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        var lines = hasNames ? rows[1..] : rows;
        if (lines.Count == 0)
            throw new FormatException("it has names of columns and no row below them");
        int Named(string[] known) =>
            hasNames ? Array.FindIndex(names, name => known.Contains(name.ToLowerInvariant())) : -1;
        var (ofClass, ofId) = (Named(classColumns), Named(idColumns));
        int[] features = [.. Enumerable.Range(0, names.Length).Where(i => i != ofClass && i != ofId)];
        if (features.Length == 0)
            throw new FormatException("it has no column of numbers beside classes and ids");
        var numbers = new float[lines.Count, features.Length];
        var (classes, ids) = (new long[lines.Count], new long[lines.Count]);
        for (var row = 0; row < lines.Count; row++)
        {
            var (line, cells) = lines[row];
            if (cells.Length != names.Length)
                throw new FormatException(
                    $"line {line} has {cells.Length} cells, but the first has {names.Length}; give each row as many"
                );
            double At(int column) =>
                Number(cells[column])
                ?? throw new FormatException(
                    $"line {line} has '{cells[column]}' in column '{names[column]}', which is no finite number; replace it by one"
                );
            long Whole(int column) =>
                At(column) is var number && number == Math.Floor(number) && Math.Abs(number) < 1e15
                    ? (long)number
                    : throw new FormatException(
                        $"line {line} has {number} in column '{names[column]}', which should be a whole number"
                    );
            for (var i = 0; i < features.Length; i++)
                numbers[row, i] = (float)At(features[i]);
            classes[row] = ofClass < 0 ? 0 : Whole(ofClass);
            ids[row] = ofId < 0 ? 0 : Whole(ofId);
        }
        return new(numbers, [.. features.Select(i => names[i])], ofClass < 0 ? null : classes, ofId < 0 ? null : ids);
    }

    private static List<(long Line, string[] Cells)> Rows(string path)
    {
        string first;
        using (var reader = new StreamReader(path))
            first = reader.ReadLine() ?? "";
        var delimiter = new[] { ",", ";", "\t" }.MaxBy(mark => first.Split(mark).Length)!;
        using TextFieldParser parser = new(path) { HasFieldsEnclosedInQuotes = true, TrimWhiteSpace = true };
        parser.SetDelimiters(delimiter);
        List<(long, string[])> rows = [];
        while (!parser.EndOfData)
            try
            {
                var line = parser.LineNumber;
                rows.Add((line, parser.ReadFields() ?? []));
            }
            catch (MalformedLineException)
            {
                throw new FormatException(
                    $"line {parser.ErrorLineNumber} cannot be divided into cells; close its quotes"
                );
            }
        return rows;
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && float.IsFinite((float)number)
            ? number
            : null;
}
