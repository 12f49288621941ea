using System.Text;

namespace Attribution;

/// <summary>What the classes of a model are called; a class without a name is called <c>class K</c>.</summary>
public sealed class ClassNames
{
    private const int MaxFileLength = 1 << 24;

    private readonly IReadOnlyDictionary<int, string> names;

    private ClassNames(IReadOnlyDictionary<int, string> names, string? note = null) =>
        (this.names, Note) = (names, note);

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

    /// <summary>What was decided about the file that they are from, at the end of a sentence: that its first line is a header,
    /// for example; null where nothing was.</summary>
    public string? Note { get; }

    /// <summary>The number of classes whose name is known.</summary>
    public int Count => names.Count;

    /// <summary>The name of class k.</summary>
    public string this[int k] => names.TryGetValue(k, out var name) ? name : $"class {k}";

    /// <summary>The name of a class that a file or a model names, which may be any number.</summary>
    internal string this[long k] => k is >= 0 and <= int.MaxValue ? this[(int)k] : $"class {k}";

    /// <summary>The names of the classes 0, 1, …</summary>
    public static ClassNames Of(IEnumerable<string> names) => new(ClassNamesText.Numbered(names));

    /// <summary>Reads names from a file of UTF-8 text: one a line (an empty line is a class without a name, an ImageNet id such
    /// as n01440764 before a name is dropped); a number and a name a line, as tables have them, whose first line may be a
    /// header; the <c>names:</c> of a YAML file; an object of number -> name, number -> [id, name] or name -> number as JSON or
    /// Python writes it, or a list of strings. Numbers that count the lines from 1 are taken for the classes from 0.</summary>
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
                var text = new string(buffer, 0, Read(reader, buffer)).TrimEnd();
                if (buffer.Length > MaxFileLength || text.Contains('\0'))
                    throw new FormatException("it is not a list of names; give a text or JSON file");
                var (names, note) = ClassNamesText.Parse(text);
                return names.Count > 0 ? new ClassNames(names, note) : throw new FormatException("it holds no names");
            }
        );

    /// <summary>What a person should know of these names beside a model of so many classes: that they are not as many; null
    /// where they are, and for two names of one score, which decides between them.</summary>
    /// <param name="classes">The number of the model's classes.</param>
    /// <param name="source">What the names are of, such as a file's name in quotes.</param>
    public string? Warning(int classes, string source)
    {
        if (Count == 0 || classes == 1 && Count == 2)
            return null;
        var last = names.Keys.Max();
        return last >= classes
                ? $"{source} has {Count} names, for classes up to {last}, but the model has {classes} classes, 0 to {classes - 1}: check that these are its names, in its order, without a header."
            : Count < classes
                ? $"{source} has {Count} names, but the model has {classes} classes: check that these are its names, in its order; a class without one is called by its number."
            : null;
    }

    /// <summary>The index of the one class with that name, ignoring case; null where there is none, or more than one.</summary>
    public int? NumberOf(string name)
    {
        var wanted = name.Trim().Replace('_', ' ');
        return With(wanted, n => [n]) is [var only] ? only : null;
    }

    private int[] With(string wanted, Func<string, IEnumerable<string>> forms) =>
        [
            .. names
                .Where(n => forms(n.Value.Replace('_', ' ')).Contains(wanted, StringComparer.OrdinalIgnoreCase))
                .Select(n => n.Key),
        ];

    /// <summary>The index of the class with that number or name, ignoring case; one of a name's synonyms, which commas
    /// separate, is enough.</summary>
    /// <exception cref="AttributionException">No class, or more than one, has the name.</exception>
    public int Find(string nameOrNumber)
    {
        var wanted = nameOrNumber.Trim().Replace('_', ' ');
        if (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return number;

        var found = With(wanted, name => [name]);
        if (found.Length == 0)
            found = With(wanted, name => name.Split(',', StringSplitOptions.TrimEntries));

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

    private static int Read(StreamReader reader, char[] buffer)
    {
        try
        {
            return reader.ReadBlock(buffer);
        }
        catch (DecoderFallbackException e)
        {
            throw new FormatException("it is not UTF-8 text; save it in that encoding", e);
        }
    }
}
