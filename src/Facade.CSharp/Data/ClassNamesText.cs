using System.Text.Json;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>Names of classes, by their numbers, in the forms of text that people keep them in.</summary>
internal static partial class ClassNamesText
{
    /// <summary>The names, and what was decided about the text where that is not plain; a <see cref="FormatException"/> says
    /// what is wrong with it.</summary>
    public static (Dictionary<int, string> Names, string? Note) Parse(string text)
    {
        string[] lines = [.. text.Split('\n').Select(line => line.TrimEnd())];
        return text.TrimStart() switch
        {
            ['{', ..] table => (Json(table) ?? Python(table), null),
            ['[', ..] list => (Numbered(Strings(list)), null),
            _ when Yaml(lines) is { } names => (names, null),
            _ => Table(lines) ?? (Numbered(lines.Select(WithoutId)), null),
        };
    }

    /// <summary>The names of the classes 0, 1, …, of which an empty one is none.</summary>
    public static Dictionary<int, string> Numbered(IEnumerable<string> names) =>
        names.Select((name, i) => (i, name)).Where(n => n.name.Length > 0).ToDictionary(n => n.i, n => n.name);

    private static string WithoutId(string line) => Id().Replace(line.Trim(), "");

    // Each line has a number and a name, but for a header; null where that is not so.
    private static (Dictionary<int, string>, string?)? Table(string[] lines)
    {
        string[] filled = [.. lines.Where(line => line.Trim().Length > 0)];
        foreach (var form in new[] { NumberFirst(), NumberLast() })
        foreach (var header in new[] { 0, 1 })
            if (filled.Length > header && Rows(form, filled[header..]) is { } table)
                return (table, header == 0 ? null : $"its first line, '{filled[0].Trim()}', is taken for a header");
        return null;
    }

    private static Dictionary<int, string>? Rows(Regex form, string[] lines)
    {
        Match[] rows = [.. lines.Select(line => form.Match(line))];
        if (rows.Length == 0 || !rows.All(row => row.Success))
            return null;
        (int Number, string Name)[] named =
        [
            .. rows.Select(row => (Number(row.Groups["k"].Value), WithoutId(Unquoted(row.Groups["name"].Value)))),
        ];
        int[] numbers = [.. named.Select(row => row.Number)];
        var isFromOne = numbers.SequenceEqual(Enumerable.Range(1, numbers.Length));
        var isFromZero = numbers.Order().SequenceEqual(Enumerable.Range(0, numbers.Length));
        // Other numbers may be parts of names, unless a comma or the like sets them apart.
        var areApart = rows.All(row => row.Groups["apart"].Success) && numbers.Distinct().Count() == numbers.Length;
        return isFromOne || isFromZero || areApart
            ? named.ToDictionary(row => isFromOne ? row.Number - 1 : row.Number, row => row.Name)
            : null;
    }

    // The list or table under "names:"; null where there is no such line.
    private static Dictionary<int, string>? Yaml(string[] lines)
    {
        var start = Array.FindIndex(lines, line => line.StartsWith("names:", StringComparison.Ordinal));
        if (start < 0)
            return null;
        var flow = string.Join(' ', [lines[start]["names:".Length..], .. lines[(start + 1)..]]).Trim();
        if (flow is ['[', ..] && flow.IndexOf(']') is var end and > 0)
            return Numbered(flow[1..end].Split(',').Select(name => Unquoted(name.Trim())));
        if (flow is ['{', ..])
            return Rows(NumberFirst(), flow.Trim('{', '}', ' ').Split(','))
                ?? throw new FormatException("its 'names:' must be a list, or have a number before each name");
        string[] items =
        [
            .. lines[(start + 1)..]
                .TakeWhile(line => line.Length == 0 || line[0] is ' ' or '-' or '#' or '\t')
                .Select(line => Comment().Replace(line, "").Trim())
                .Where(line => line.Length > 0),
        ];
        return items.All(item => item.StartsWith('-'))
            ? Numbered(items.Select(item => Unquoted(item[1..].Trim())))
            : Rows(NumberFirst(), items)
                ?? throw new FormatException("its 'names:' must be a list, or have a number before each name");
    }

    // Null where it is not JSON.
    private static Dictionary<int, string>? Json(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.EnumerateObject().Select(Entry).ToDictionary(e => e.Number, e => e.Name);
        }
        catch (JsonException)
        {
            return null;
        }
        catch (Exception e)
            when (e is FormatException or InvalidOperationException or IndexOutOfRangeException or ArgumentException)
        {
            throw new FormatException("its JSON must be an object of index -> [id, name], or a list of names", e);
        }
    }

    // index -> name, index -> [id, name], or name -> index.
    private static (int Number, string Name) Entry(JsonProperty entry) =>
        entry.Value.ValueKind switch
        {
            JsonValueKind.Number when !int.TryParse(entry.Name, out _) => (entry.Value.GetInt32(), entry.Name),
            JsonValueKind.Array => (Number(entry.Name), Text(entry.Value[1])),
            _ => (Number(entry.Name), Text(entry.Value)),
        };

    private static string Text(JsonElement name) => name.GetString() ?? throw new FormatException();

    private static int Number(string digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException($"'{digits}' is no number of a class");

    // {0: 'tench, Tinca tinca', 1: …}
    private static Dictionary<int, string> Python(string text)
    {
        var table = new Dictionary<int, string>();
        foreach (Match entry in PythonEntry().Matches(text))
            if (!table.TryAdd(Number(entry.Groups["k"].Value), Regex.Unescape(entry.Groups["name"].Value)))
                throw new FormatException($"it names class {entry.Groups["k"].Value} twice");
        return table.Count > 0
            ? table
            : throw new FormatException(
                "it must be an object of index -> [id, name] as JSON or Python writes it, or a list of names"
            );
    }

    // The elements of a list, in either quote and with the escapes of Python and JSON.
    private static IEnumerable<string> Strings(string list) =>
        List().Match(list) is { Success: true } found
            ? found.Groups["name"].Captures.Select(name => Regex.Unescape(name.Value))
            : throw new FormatException("it must be a list of strings, with commas between them and a ] at the end");

    private static string Unquoted(string text) =>
        text is ['"', .. var twice, '"'] ? twice
        : text is ['\'', .. var once, '\''] ? once
        : text;

    [GeneratedRegex(@"^n\d{8}[ \t,]+")]
    private static partial Regex Id();

    [GeneratedRegex(@"^\s*(?<k>\d{1,9})(\s*(?<apart>[,;:\t])\s*|\s+)(?<name>\S.*?)\s*$")]
    private static partial Regex NumberFirst();

    [GeneratedRegex(@"^\s*(?<name>\S.*?)(\s*(?<apart>[;\t])\s*|\s*,\s*)(?<k>\d{1,9})\s*$")]
    private static partial Regex NumberLast();

    [GeneratedRegex(@"\s+#.*$|^#.*$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"^\[(?>\s*(?<q>['""])(?<name>(?:(?!\k<q>)[^\\]|\\.)*)\k<q>\s*,?)*\s*\]$", RegexOptions.Singleline)]
    private static partial Regex List();

    [GeneratedRegex(@"(?<k>\d{1,9})\s*:\s*(?<q>['""])(?<name>(?:(?!\k<q>)[^\\]|\\.)*)\k<q>")]
    private static partial Regex PythonEntry();
}
