using System;
using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>The scores that a metric gave to the maps of a method.</summary>
/// <param name="Method">The method's name.</param>
/// <param name="Metric">The metric's name.</param>
/// <param name="PerInstance">One score an instance, in their order; NaN where it was skipped.</param>
public sealed record MethodScores(string Method, string Metric, IReadOnlyList<double> PerInstance)
{
    /// <summary>The settings of the method, for people, such as the layer that it looks at; null where nobody says.</summary>
    public string? Settings { get; init; }

    private double[] Known => [.. PerInstance.Where(double.IsFinite)];

    /// <summary>The number of instances that were not skipped.</summary>
    public int Count => Known.Length;

    /// <summary>The mean over them.</summary>
    public double Score => Count > 0 ? Known.Average() : double.NaN;

    /// <summary>The standard error of that mean, s/√n; NaN of fewer than two.</summary>
    public double StandardError =>
        Count > 1 ? Math.Sqrt(Known.Sum(s => (s - Score) * (s - Score)) / (Count - 1) / Count) : double.NaN;

    /// <summary>The positions of the instances that were skipped.</summary>
    public IReadOnlyList<int> Skipped =>
        [.. Enumerable.Range(0, PerInstance.Count).Where(i => !double.IsFinite(PerInstance[i]))];
}

/// <summary>Scores of several methods by several metrics on the same images.</summary>
public sealed class ScoreTable
{
    private readonly IReadOnlyList<string> instances;

    /// <summary>A table.</summary>
    /// <param name="instances">A short name for each image, such as its id.</param>
    /// <param name="scores">The scores, in the order in which they are listed.</param>
    /// <exception cref="ArgumentException">Some scores are not one an image.</exception>
    public ScoreTable(IReadOnlyList<string> instances, IReadOnlyList<MethodScores> scores)
    {
        if (scores.FirstOrDefault(s => s.PerInstance.Count != instances.Count) is { } wrong)
            throw new ArgumentException(
                $"'{wrong.Metric}' of '{wrong.Method}' has {wrong.PerInstance.Count} scores for {instances.Count} images.",
                nameof(scores)
            );
        (this.instances, Scores) = (instances, scores);
    }

    /// <summary>The scores, in order.</summary>
    public IReadOnlyList<MethodScores> Scores { get; }

    /// <summary>Writes <c>Idx,method,metric,score</c>, one row an instance; the score is empty where it was skipped.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path) =>
        ScoreRows.Write(
            path,
            from scores in Scores
            from row in instances.Zip(scores.PerInstance)
            select (row.First, scores.Method, scores.Metric, row.Second)
        );

    /// <summary>Writes <c>{method: {metric: {score, per_instance, skipped, settings}}}</c>; a skipped instance is null in
    /// <c>per_instance</c>, and its position stands in <c>skipped</c>.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            Scores
                .GroupBy(s => s.Method)
                .ToDictionary(
                    method => method.Key,
                    method =>
                        method.ToDictionary(
                            s => s.Metric,
                            s => new
                            {
                                Score = Json.Number(s.Score),
                                PerInstance = s.PerInstance.Select(Json.Number),
                                s.Skipped,
                                s.Settings,
                            }
                        )
                )
        );
}
