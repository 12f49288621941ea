using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

namespace Attribution;

/// <summary>The scores of a study by method, metric and part of the images, and the file that keeps them for a later run: under a
/// line that says of what they are, a line for each.</summary>
internal sealed class StudyRecord
{
    /// <summary>Under which name stands what a method's maps are, beside its scores by each metric.</summary>
    public const string Maps = "maps";

    private readonly string? file;
    private readonly string subject;
    private readonly Dictionary<string, double[]> known = [];
    private readonly SortedSet<int> starts = [];

    /// <summary>What an earlier run kept in a file, if it is of the same subject.</summary>
    /// <param name="file">The file; null: nothing is kept.</param>
    /// <param name="subject">What the scores depend on beside the method and the metric.</param>
    /// <exception cref="AttributionException">The file cannot be read.</exception>
    public StudyRecord(string? file, IEnumerable<string> subject)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', subject)));
        (this.file, this.subject) = (file, $"attribution study 3 {Convert.ToHexString(hash)}");
        if (file is null)
            return;
        string[] lines = [];
        Keeping(() => lines = Path.Exists(file) ? File.ReadAllLines(file) : []);
        if (lines.FirstOrDefault() != this.subject)
        {
            IsOfAnother = lines.Length > 0;
            return;
        }
        foreach (var line in lines.Skip(1))
            // Of a line that was cut short the end is missing.
            if (line.LastIndexOf('\t') is > 0 and var at && line.EndsWith(" .", StringComparison.Ordinal))
                if (Numbers(line[(at + 1)..^2]) is { } scores)
                    known[line[..at]] = scores;
    }

    /// <summary>Whether the file holds what a study of another subject found.</summary>
    public bool IsOfAnother { get; }

    /// <summary>How many scores of a method by a metric for a part of the images are known.</summary>
    public int Count => known.Keys.Count(key => !key.Contains($"\t{Maps}\t"));

    /// <summary>What stands for a file: its path, length and time; for a folder, those of the files in it.</summary>
    public static IEnumerable<string> Stamp(string path)
    {
        static string One(string file) => $"{file} {new FileInfo(file).Length} {File.GetLastWriteTimeUtc(file).Ticks}";
        return File.Exists(path) ? [One(path)]
            : Directory.Exists(path) ? Directory.GetFiles(path).Order(StringComparer.Ordinal).Select(One)
            : [path];
    }

    /// <summary>Whether that is known of a part of the images.</summary>
    public bool Has(StudyMethod method, string what, ImagePart part)
    {
        starts.Add(part.Start);
        return known.TryGetValue(Key(method, what, part.Start), out var scores) && scores.Length == part.Images.Count;
    }

    /// <summary>Keeps what was found of a part of the images.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Keep(StudyMethod method, string what, ImagePart part, double[] scores)
    {
        starts.Add(part.Start);
        var key = Key(method, what, part.Start);
        if (file is not null)
        {
            var numbers = string.Join(' ', scores.Select(s => s.ToString("R", CultureInfo.InvariantCulture)));
            // Lines begin with their break, so that none goes on where one was cut short.
            var line = $"\n{key}\t{numbers} .";
            Keeping(() =>
            {
                if (known.Count == 0)
                    File.WriteAllText(file, subject + line);
                else
                    File.AppendAllText(file, line);
            });
        }
        known[key] = scores;
    }

    /// <summary>What is known of all images.</summary>
    public double[] Of(StudyMethod method, string what) =>
        [.. starts.SelectMany(start => known.GetValueOrDefault(Key(method, what, start), []))];

    private static string Key(StudyMethod method, string what, int start) =>
        string.Join('\t', method.Name, method.Description, what, start);

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
