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

    /// <summary>What each instance's map is; all sound where the scores do not say.</summary>
    public MapStates Maps { get; init; } = (PerInstance as MapScores)?.Maps ?? MapStates.AllSound(PerInstance.Count);

    /// <summary>The steps that the scores were taken in; null for a metric without, or where the scores do not say.</summary>
    public PixelSteps? Steps { get; init; } = (PerInstance as MapScores)?.Steps;

    /// <summary>Why there are no scores; null where there are.</summary>
    public string? Failure { get; init; }

    /// <summary>The scores of the maps that are sound alone, NaN for the others: what methods are compared by.</summary>
    public MethodScores OfSound =>
        this with
        {
            PerInstance = [.. PerInstance.Zip(Maps, (score, map) => map == MapState.Sound ? score : double.NaN)],
        };

    /// <summary>No scores of so many instances, and why.</summary>
    public static MethodScores Failed(string method, string metric, int count, string reason) =>
        new(method, metric, [.. Enumerable.Repeat(double.NaN, count)]) { Failure = reason };

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

    /// <summary>For files.</summary>
    /// <param name="instances">The names of the instances, where they are not the same for all metrics.</param>
    internal object ForJson(IEnumerable<string>? instances) =>
        new
        {
            Score = Json.Number(Score),
            Instances = instances,
            PerInstance = PerInstance.Select(Json.Number),
            Skipped,
            PixelsPerStep = Steps?.Pixels,
            FewestSteps = Steps is { Fewest: > 1 } steps ? steps.Fewest : (int?)null,
            SoundScore = Maps.Unsound > 0 ? Json.Number(OfSound.Score) : null,
            Maps = Maps.ForJson(),
            Failed = Failure,
            Settings,
        };
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

    /// <summary>The same scores, by method and then by metric.</summary>
    public ScoreTable ByMethod() =>
        new(instances, [.. Scores.GroupBy(scores => scores.Method).SelectMany(same => same)]);

    /// <summary>The methods of which some maps are not sound, and what becomes of these: a sentence each.</summary>
    public IReadOnlyList<string> Notes =>
        [
            .. Scores
                .GroupBy(scores => scores.Method)
                .Select(method => (method.Key, method.First().Maps))
                .Where(method => method.Maps.Unsound > 0)
                .Select(method =>
                    method.Maps.Sentence(method.Key)!.TrimEnd('.')
                    + ": what these maps score stands in the files, and takes part in no mean, rank or comparison."
                ),
        ];

    /// <summary>The steps in which pixels were removed or put back, null where no metric does so.</summary>
    public PixelSteps? Steps => Scores.Select(scores => scores.Steps).FirstOrDefault(steps => steps is not null);

    /// <summary>Writes <c>Idx,method,metric,score</c>, one row an instance; the score is empty where it was skipped, and what
    /// failed has no rows.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path) =>
        ScoreRows.Write(
            path,
            from scores in Scores
            where scores.Failure is null
            from row in instances.Zip(scores.PerInstance)
            select (row.First, scores.Method, scores.Metric, row.Second)
        );

    /// <summary>Writes <c>{method: {metric: {score, per_instance, skipped, settings}}}</c>; a skipped instance is null in
    /// <c>per_instance</c>, and its position stands in <c>skipped</c>. Where it applies with <c>pixels_per_step</c>, and
    /// <c>fewest_steps</c> where that was chosen; with <c>maps</c> (how many are sound, and which are empty, constant and so
    /// on) and <c>sound_score</c>, the mean over the sound ones; with <c>failed</c>, the reason.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            Scores
                .GroupBy(s => s.Method)
                .ToDictionary(method => method.Key, method => method.ToDictionary(s => s.Metric, s => s.ForJson(null)))
        );
}
