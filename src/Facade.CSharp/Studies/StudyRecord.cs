using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Attribution;

/// <summary>The scores of a study by method, metric and part of the images, and the file that keeps them for a later run: under a
/// line that says of what they are, a line for each, and one for each kind of machine that computed some.</summary>
internal sealed class StudyRecord
{
    /// <summary>Under which name stands what a method's maps are, beside its scores by each metric.</summary>
    public const string Maps = "maps";

    /// <summary>And how much of the score's change its maps miss, where it says so.</summary>
    public const string Gaps = "gaps";

    /// <summary>And how many steps each took.</summary>
    public const string Steps = "steps";

    private const string Machine = "machine";

    private const string Title = "attribution study ";

    private readonly string? file;
    private readonly string head;
    private readonly Dictionary<string, double[]> known = [];
    private readonly Dictionary<(string, string), SortedSet<int>> starts = [];
    private readonly SortedSet<string> machines = new(StringComparer.Ordinal);

    /// <summary>What an earlier run kept in a file, if it is of the same subject.</summary>
    /// <param name="file">The file; null: nothing is kept.</param>
    /// <param name="subject">What the scores depend on beside the method and the metric.</param>
    /// <param name="machine">The kind of machine that goes on, where none other's results are to be used; null: any may be.</param>
    /// <exception cref="AttributionException">The file cannot be read.</exception>
    public StudyRecord(string? file, string subject, string? machine)
    {
        (this.file, head) = (file, Title + subject);
        if (file is null)
            return;
        string[] lines = [];
        Keeping(() => lines = Path.Exists(file) ? File.ReadAllLines(file) : []);
        if (lines.FirstOrDefault() != head)
        {
            IsOfAnother = lines.Length > 0;
            return;
        }
        // Of a line that was cut short the end is missing.
        string[] whole = [.. lines.Skip(1).Where(line => line.EndsWith(" .", StringComparison.Ordinal))];
        foreach (var line in whole)
            if (line.LastIndexOf('\t') is > 0 and var at)
            {
                if (line[..at] == Machine)
                    machines.Add(line[(at + 1)..^2]);
                else if (Numbers(line[(at + 1)..^2]) is { } scores)
                    known[line[..at]] = scores;
            }
        OtherMachine = machine is null ? null : machines.FirstOrDefault(other => other != machine);
        if (OtherMachine is null)
            return;
        known.Clear();
        machines.Clear();
    }

    /// <summary>Whether the file holds what a study of another subject found.</summary>
    public bool IsOfAnother { get; }

    /// <summary>The other kind of machine whose results the file holds, which are not used; null: there are none.</summary>
    public string? OtherMachine { get; }

    /// <summary>The kinds of machines that computed scores.</summary>
    public IReadOnlyCollection<string> Machines => machines;

    /// <summary>How many scores of a method by a metric for a part of the images are known.</summary>
    public int Count => known.Keys.Count(key => !new[] { Maps, Gaps, Steps }.Any(note => key.Contains($"\t{note}\t")));

    /// <summary>Whether that is known of so many images.</summary>
    public bool Has(StudyMethod method, string what, int start, int count)
    {
        Starts(method).Add(start);
        return known.TryGetValue(Key(method, what, start), out var scores) && scores.Length == count;
    }

    /// <summary>Keeps what was found of a part of the images.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Keep(StudyMethod method, int start, IReadOnlyDictionary<string, double[]> rows, string machine)
    {
        Starts(method).Add(start);
        var isFirst = known.Count == 0;
        // Lines begin with their break, so that none goes on where one was cut short.
        StringBuilder lines = new();
        if (machines.Add(machine))
            lines.Append('\n').Append(MachineLine(machine));
        foreach (var (what, numbers) in rows)
        {
            var key = Key(method, what, start);
            known[key] = numbers;
            lines.Append('\n').Append(Line(key, numbers));
        }
        if (file is not null)
            Keeping(() =>
            {
                if (isFirst)
                    File.WriteAllText(file, head + lines);
                else
                    File.AppendAllText(file, lines.ToString());
            });
    }

    /// <summary>Puts the lines of the file in order, so that it is the same whatever the order of the work.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Settle()
    {
        if (file is not null && known.Count > 0)
            Write(file);
    }

    private void Write(string file)
    {
        var lines = known
            .OrderBy(row => row.Key, StringComparer.Ordinal)
            .Select(row => Line(row.Key, row.Value))
            .Prepend(string.Join('\n', machines.Select(MachineLine)));
        Keeping(() =>
            AtomicFile.Write(
                file,
                stream => stream.Write(Encoding.UTF8.GetBytes($"{head}\n{string.Join('\n', lines)}"))
            )
        );
    }

    /// <summary>Joins what several files keep in another.</summary>
    /// <returns>How many results there are.</returns>
    /// <exception cref="AttributionException">A file cannot be read, or they are of several subjects or kinds of machines.</exception>
    public static int Merge(IReadOnlyList<string> files, string kept, bool isMixed)
    {
        string Head(string file)
        {
            var line = FileErrors.Reading($"'{file}'", () => File.ReadLines(file).FirstOrDefault());
            return line?.StartsWith(Title, StringComparison.Ordinal) == true
                ? line[Title.Length..]
                : throw new AttributionException($"'{file}' holds nothing that a study found.");
        }

        string[] subjects = [.. files.Select(Head).Distinct()];
        if (subjects is not [var subject])
            throw new AttributionException(
                files.Count == 0
                    ? "No part of a study was given."
                    : "The parts are of several studies: of other images, models or settings."
            );
        StudyRecord whole = new(null, subject, null);
        foreach (var file in files)
        {
            StudyRecord part = new(file, subject, null);
            foreach (var (key, numbers) in part.known)
                whole.known[key] = numbers;
            whole.machines.UnionWith(part.machines);
        }
        if (whole.machines.Count > 1 && !isMixed)
            throw new AttributionException(
                $"The parts were computed by several kinds of machines, whose last digits differ ({string.Join("; ", whole.machines)}): --mixed joins them all the same."
            );
        whole.Write(kept);
        return whole.Count;
    }

    /// <summary>What is known of all images.</summary>
    public double[] Of(StudyMethod method, string what) =>
        [.. Starts(method).SelectMany(start => known.GetValueOrDefault(Key(method, what, start), []))];

    private SortedSet<int> Starts(StudyMethod method) =>
        starts.TryGetValue((method.Name, method.Description), out var found)
            ? found
            : starts[(method.Name, method.Description)] = [];

    private static string Key(StudyMethod method, string what, int start) =>
        string.Join('\t', method.Name, method.Description, what, start);

    private static string Line(string key, double[] numbers) =>
        $"{key}\t{string.Join(' ', numbers.Select(s => s.ToString("R", CultureInfo.InvariantCulture)))} .";

    private static string MachineLine(string machine) => $"{Machine}\t{machine} .";

    private static double[]? Numbers(string text)
    {
        List<double> found = [];
        foreach (var word in text.Split(' '))
        {
            if (!double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
                return null;
            found.Add(number);
        }
        return [.. found];
    }

    private void Keeping(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AttributionException(
                $"The study cannot keep what it finds in '{file}': {e.Message.TrimEnd('.')}; remove what is there, or choose another folder.",
                e
            );
        }
    }
}
