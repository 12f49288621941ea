using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>What the classes of a model are called; a class without a name is called <c>class K</c>.</summary>
public sealed class ClassNames
{
    private const int MaxFileLength = 1 << 24;

    private readonly IReadOnlyDictionary<int, string> names;

    private ClassNames(IReadOnlyDictionary<int, string> names) => this.names = names;

    /// <summary>The fourteen ImageNet classes of the course's images.</summary>
    public static ClassNames Course { get; } =
        new(
            new Dictionary<int, string>
            {
                [1] = "goldfish",
                [163] = "bloodhound",
                [250] = "Siberian husky",
                [283] = "Persian cat",
                [284] = "Siamese cat",
                [340] = "zebra",
                [354] = "Arabian camel",
                [356] = "weasel",
                [386] = "African elephant",
                [397] = "puffer",
                [479] = "car wheel",
                [511] = "convertible",
                [734] = "police van",
                [817] = "sports car",
            }
        );

    /// <summary>No names at all.</summary>
    public static ClassNames None { get; } = new(new Dictionary<int, string>());

    /// <summary>The names used where none are given: <see cref="Course"/>.</summary>
    public static ClassNames Default => Course;

    /// <summary>The number of classes whose name is known.</summary>
    public int Count => names.Count;

    /// <summary>The name of class k.</summary>
    public string this[int k] => names.TryGetValue(k, out var name) ? name : $"class {k}";

    /// <summary>The name of a class that a file or a model names, which may be any number.</summary>
    internal string this[long k] => k is >= 0 and <= int.MaxValue ? this[(int)k] : $"class {k}";

    /// <summary>The names of the classes 0, 1, …</summary>
    public static ClassNames Of(IEnumerable<string> names) => new(Numbered(names));

    /// <summary>Reads names from a text file with one a line (an ImageNet id such as n01440764 before it is dropped),
    /// a JSON object of index -> [id, name] or index -> name, or a list of strings as JSON or Python writes it.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or is none of these.</exception>
    public static ClassNames Load(string path) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var file = File.OpenRead(path);
                using var reader = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
                // The length bounds the reading, so that a device without an end does not go on for ever.
                var buffer = new char[Math.Min(file.Length, MaxFileLength + 1)];
                var text = new string(buffer, 0, reader.ReadBlock(buffer)).Trim();
                if (buffer.Length > MaxFileLength || text.Contains('\0'))
                    throw new FormatException("it is not a list of names; give a text or JSON file");
                var names = Parse(text);
                return names.Count > 0 ? new ClassNames(names) : throw new FormatException("it holds no names");
            }
        );

    /// <summary>The index of the class with that number or name, ignoring case; one of a name's synonyms, which commas
    /// separate, is enough.</summary>
    /// <exception cref="AttributionException">No class, or more than one, has the name.</exception>
    public int Find(string nameOrNumber)
    {
        var wanted = nameOrNumber.Trim().Replace('_', ' ');
        if (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return number;

        int[] With(Func<string, IEnumerable<string>> forms) =>
            [
                .. names
                    .Where(n => forms(n.Value.Replace('_', ' ')).Contains(wanted, StringComparer.OrdinalIgnoreCase))
                    .Select(n => n.Key),
            ];
        var found = With(name => [name]);
        if (found.Length == 0)
            found = With(name => name.Split(',', StringSplitOptions.TrimEntries));

        return found switch
        {
            [var only] => only,
            [] => throw new AttributionException(
                $"There is no class '{nameOrNumber}'; the closest are "
                    + $"{string.Join(", ", Closest.Names(wanted, names.Values).Select(n => $"'{n}'"))}; a number will do too."
            ),
            _ => throw new AttributionException(
                $"More than one class is called '{nameOrNumber}'; give a number: {string.Join(", ", found.Order())}."
            ),
        };
    }

    private static Dictionary<int, string> Parse(string text) =>
        text switch
        {
            ['{', ..] => Table(text),
            ['[', ..] => Numbered(Strings(text)),
            _ => Numbered(text.Split('\n').Select(WithoutId)),
        };

    private static Dictionary<int, string> Numbered(IEnumerable<string> names) =>
        names.Select((name, i) => (i, name)).Where(n => n.name.Length > 0).ToDictionary(n => n.i, n => n.name);

    private static string WithoutId(string line)
    {
        var name = line.Trim();
        return name is ['n', _, _, _, _, _, _, _, _, ' ' or '\t', .. var rest] && name[1..9].All(char.IsAsciiDigit)
            ? rest.Trim()
            : name;
    }

    private static Dictionary<int, string> Table(string text)
    {
        var table = new Dictionary<int, string>();
        try
        {
            using var json = JsonDocument.Parse(text);
            foreach (var entry in json.RootElement.EnumerateObject())
            {
                var name = entry.Value.ValueKind == JsonValueKind.Array ? entry.Value[1] : entry.Value;
                var index = int.Parse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture);
                table[index] = name.GetString() ?? throw new FormatException();
            }
            return table;
        }
        catch (Exception e)
            when (e
                    is JsonException
                        or FormatException
                        or InvalidOperationException
                        or OverflowException
                        or IndexOutOfRangeException
            )
        {
            throw new FormatException("its JSON must be an object of index -> [id, name], or a list of names", e);
        }
    }

    // The elements of a list, in either quote and with the escapes of Python and JSON.
    private static List<string> Strings(string list)
    {
        var strings = new List<string>();
        var rest = list.AsSpan(1).TrimStart();
        while (rest is not "]")
        {
            var end = 1;
            while (end < rest.Length && rest[end] != rest[0])
                end += rest[end] == '\\' ? 2 : 1;
            if (rest is not ['\'' or '"', ..] || end >= rest.Length)
                throw new FormatException("it must be a list of strings, with commas between them and a ] at the end");
            strings.Add(Regex.Unescape(rest[1..end].ToString()));
            rest = rest[(end + 1)..].TrimStart();
            rest = rest is [',', ..] ? rest[1..].TrimStart() : rest;
        }
        return strings;
    }
}
