using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Attribution;

/// <summary>The rows of a file of scores.</summary>
internal static class ScoreRows
{
    /// <summary>Writes <c>Idx,method,metric,score</c>; a score that is not finite is left empty.</summary>
    public static void Write(
        string path,
        IEnumerable<(string Instance, string Method, string Metric, double Score)> rows
    ) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true)
                {
                    NewLine = "\n",
                };
                writer.WriteLine("Idx,method,metric,score");
                foreach (var (instance, method, metric, score) in rows)
                    writer.WriteLine($"{Field(instance)},{Field(method)},{Field(metric)},{Text(score)}");
            }
        );

    private static string Text(double score) =>
        double.IsFinite(score) ? score.ToString("R", CultureInfo.InvariantCulture) : "";

    private static string Field(string text) =>
        text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"")}\"" : text;
}
