using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>How a study is done.</summary>
public sealed record StudyOptions : RunOptions
{
    /// <summary>What metrics are set up with. How maps are made, and what they were multiplied from, each method says.</summary>
    public MetricSettings Metrics { get; init; } = new();

    /// <summary>Whether the metrics stand for all that there are, so that one that the model does not allow is left out by name, and
    /// no failure of the study.</summary>
    public bool IsEveryMetric { get; init; }

    /// <summary>What becomes of average drop where the score of an image is not positive: an error that names the images, told
    /// before the work begins, or nothing, as long as some image has a positive one; null: it is undefined there.</summary>
    public NonPositive? OnNonPositive { get; init; }

    /// <summary>Decides on the bootstrap's samples.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>A file that keeps what is found as it is found; a later study of the same images goes on from it, with more methods
    /// and metrics too. Null: nothing is kept.</summary>
    public string? Kept { get; init; }

    /// <summary>The files and folders that the model and the images are of: where one has changed, what was kept is not used.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>What else the scores depend on, beside methods' settings that stand in <see cref="StudyMethod.Description"/>:
    /// what was kept under another is not used.</summary>
    public string Settings { get; init; } = "";
}

/// <summary>Maps of methods, and their scores by metrics, for a part of the images after the other.</summary>
internal sealed class StudyRun
{
    // Maps of several methods are scored together, so that their passes are full; so many of them are held.
    private const long MostMapBytes = 256L << 20;

    // Enough to see that a model is not what the images are for, and few against the work that follows.
    private const int MostDoubted = 100;

    private readonly Model model;
    private readonly ImageSet images;
    private readonly StudyOptions options;
    private readonly IProgress<Progress>? progress;
    private readonly CancellationToken cancellation;
    private readonly AttributionMetric[] metrics;
    private readonly Failures metricFailures;
    private readonly ImageParts parts;
    private readonly MethodRun run;
    private readonly StudyRecord record;
    private readonly Dictionary<(StudyMethod, AttributionMetric), Exception> failed = [];

    public StudyRun(
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        IReadOnlyList<AttributionMetric> metrics,
        StudyOptions options,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        (this.model, this.images, this.options) = (model, images, options);
        (this.progress, this.cancellation, parts) = (progress, cancellation, new(images));
        metricFailures = new(options.IsEveryMetric);
        var applicable = Applicable(metrics);
        RequireScores(applicable);
        this.metrics = [.. applicable.Where(metric => !metricFailures.Has(Failing(metric)))];
        run = new(model, parts, methods, options, progress, cancellation);
        record = new(
            options.Kept,
            [
                options.Settings,
                .. options.Files.SelectMany(StudyRecord.Stamp),
                string.Join(',', Enumerable.Range(0, images.Count).Select(images.Position)),
                Steps.ToString(),
            ]
        );
        if (record.IsOfAnother)
            options.Said?.Invoke("What an earlier study of other images or settings found in this folder is not used.");
        if (record.Count > 0)
            options.Said?.Invoke($"Going on from {record.Count} results of an earlier run in this folder.");
    }

    private static string Failing(AttributionMetric metric) => $"The metric {metric.Name}";

    private PixelSteps Steps => PixelSteps.For(options.Metrics.PixelsPerStep, Pixels);

    private long Pixels => (long)images.Height * images.Width;

    public Study Study()
    {
        var together = (int)Math.Max(1, MostMapBytes / ImageParts.Bytes(images, Math.Min(256, images.Count)));
        var perImage = run.Methods.Sum(method => method.Passes(parts.All)) + run.Methods.Count * metrics.Sum(PassesOf);
        Passes passes = new(
            (long)Math.Ceiling(perImage * images.Count),
            progress.In($"Evaluating {Words.Count(images.Count, "image")}"),
            cancellation
        );
        run.Each(part =>
        {
            foreach (var group in run.Methods.Chunk(together))
                Score(group, part, passes);
        });
        NoteFailures();
        var scores = from metric in metrics from method in run.Methods select Found(method, metric);
        return new(new([.. Enumerable.Range(0, images.Count).Select(images.Label)], [.. scores]), metrics, options.Seed)
        {
            Methods = run.Methods,
            Remarks = [.. run.Notes, .. Redraws()],
            Failures = [.. run.Failures.Fatal, .. metricFailures.Fatal],
            LeftOut = [.. run.Failures.LeftOut, .. metricFailures.LeftOut],
        };
    }

    private double PassesOf(AttributionMetric metric) => metric.Passes(options.Metrics, Pixels);

    private AttributionMetric[] Applicable(IReadOnlyList<AttributionMetric> asked)
    {
        AttributionMetric[] left = [.. asked.Where(metric => !(model.IsBinary && metric.ComparesClasses))];
        var others = string.Join(", ", asked.Except(left).Select(metric => metric.Name));
        if (others == "")
            return left;
        if (left.Length == 0)
            throw new AttributionException(
                $"{others} compares a class's map with another's, but the model has one logit, whose other class's map is its negative: choose another metric."
            );
        options.Said?.Invoke(
            $"Left out: {others}, which compares a class's map with another's; of a single logit the two are each other's negative."
        );
        return left;
    }

    /// <summary>Looks at the model's predictions, and at average drop's scores, before the long work begins.</summary>
    private void RequireScores(AttributionMetric[] asked)
    {
        using var scope = NewDisposeScope();
        if (options.OnNonPositive is not { } onNonPositive)
        {
            if (model.Doubt(images, options.Names, options.BatchSize, MostDoubted, progress, cancellation) is { } some)
                options.Said?.Invoke(some);
            return;
        }
        var scores = ImageParts.Naming(
            images,
            () =>
                model.ClassScores(
                    parts.All,
                    options.BatchSize,
                    progress.In($"Scoring {Words.Count(images.Count, "image")}"),
                    cancellation
                )
        );
        PredictionCheck check = new();
        check.Add(scores);
        if (check.Doubt(images, options.Names) is { } doubt)
            options.Said?.Invoke(doubt);
        if (asked.FirstOrDefault(metric => metric.Name == "average-drop") is { } drop)
            metricFailures.Try(Failing(drop), () => RequirePositive(scores, onNonPositive));
        metricFailures.RequireSome([.. asked.Select(Failing)]);
    }

    private Tensor RequirePositive(Tensor scores, NonPositive onNonPositive)
    {
        const int MostNamed = 20;
        var asked = options.Metrics.TargetClass is { } k ? scores.select(1, k) : scores.amax([1]);
        var isPositive = asked.gt(zeros_like(asked)).data<bool>().ToArray();
        int[] others = [.. isPositive.Index().Where(image => !image.Item).Select(image => image.Index)];
        if (others.Length > 0 && onNonPositive == NonPositive.Throw)
        {
            var more = others.Length > MostNamed ? $" and {others.Length - MostNamed} more" : "";
            throw new AttributionException(
                $"Average drop is undefined where the score is not positive, as for {others.Length} of {isPositive.Length} images ({string.Join(", ", others.Take(MostNamed).Select(images.Label))}{more}): leave them out with --skip-non-positive."
            );
        }
        return others.Length < isPositive.Length
            ? scores
            : throw new AttributionException("Average drop is undefined: no image has a positive score.");
    }

    private bool IsAsked(StudyMethod method, AttributionMetric metric, ImagePart part) =>
        !record.Has(method, metric.Name, part) && !failed.ContainsKey((method, metric));

    private void Score(StudyMethod[] group, ImagePart part, Passes passes)
    {
        List<(StudyMethod Method, Tensor Maps)> made = [];
        foreach (var method in group)
            if (!record.Has(method, StudyRecord.Maps, part) || metrics.Any(metric => IsAsked(method, metric, part)))
                if (run.Maps(method, part, passes) is { } maps)
                    made.Add((method, maps));
        foreach (var (method, maps) in made)
            record.Keep(method, StudyRecord.Maps, part, [.. MapStates.Of(maps).Select(state => (double)state)]);
        foreach (var metric in metrics)
        {
            var asked = made.Where(of => IsAsked(of.Method, metric, part));
            // Each by itself where the metric explains again, and apart what is multiplied with the distance from different
            // baselines: a metric may ask for it.
            var groups = metric.NeedsExplain
                ? asked.Select(one => new[] { one })
                : asked.GroupBy(of => of.Method.MultipliedFrom).Select(same => same.ToArray());
            foreach (var some in groups.ToArray())
                Score(metric, some, part, passes);
        }
        foreach (var (_, maps) in made)
            maps.Dispose();
    }

    /// <summary>The scores of maps of several methods at once; where that fails, of each by itself.</summary>
    private void Score(
        AttributionMetric metric,
        (StudyMethod Method, Tensor Maps)[] group,
        ImagePart part,
        Passes passes
    )
    {
        var method = group[0].Method;
        var settings = options.Metrics with { Explain = method.Explainer, MultipliedFrom = method.MultipliedFrom };
        var next = passes.Next((long)(PassesOf(metric) * part.Images.Count * group.Length));
        try
        {
            using var every = cat([.. group.Select(of => of.Maps)]);
            var scores = MapScores.Of(
                metric.Create(model, settings),
                every,
                part.Instances.Repeated(group.Length),
                options.BatchSize,
                next,
                cancellation
            );
            foreach (var (of, own) in group.Zip(scores.Chunk(part.Images.Count)))
                record.Keep(of.Method, metric.Name, part, own);
        }
        catch (Exception e) when (e is not (OperationCanceledException or UsageException))
        {
            if (group.Length == 1)
                failed[(method, metric)] = e;
            else
                foreach (var one in group)
                    Score(metric, [one], part, passes);
        }
    }

    private void NoteFailures()
    {
        foreach (var metric in metrics)
        {
            (StudyMethod Method, Exception Error)[] some =
            [
                .. run.Sound.Where(m => failed.ContainsKey((m, metric))).Select(m => (m, failed[(m, metric)])),
            ];
            if (some.Length > 0 && some.Length == run.Sound.Count)
                metricFailures.Add(Failing(metric), some[0].Error);
            else
                foreach (var (method, error) in some)
                    metricFailures.Add($"{Failing(metric)} of {method.Name}", error);
        }
        metricFailures.RequireSome([.. metrics.Select(Failing)]);
    }

    private MethodScores Found(StudyMethod method, AttributionMetric metric)
    {
        var reason =
            run.HasFailed(method) ? run.Failures.Reason(MethodRun.Failing(method.Name))
            : failed.TryGetValue((method, metric), out var error) ? Sentence.Of(error)
            : null;
        return reason is not null
            ? MethodScores.Failed(method.Name, metric.Name, images.Count, reason)
            : new(method.Name, metric.Name, record.Of(method, metric.Name))
            {
                Settings = method.Description,
                Maps = new(record.Of(method, StudyRecord.Maps).Select(state => (MapState)(int)state)),
                Steps = metric.HasSteps ? Steps : null,
            };
    }

    // What the metrics did to the model, where that is to be known.
    private IEnumerable<string> Redraws()
    {
        if (metrics.All(metric => metric.Name != "parameter-randomisation"))
            return [];
        try
        {
            return [$"Parameter randomisation redraws {ParameterRandomisation.Redraws(model)}, from the logits down."];
        }
        catch (AttributionException)
        {
            // Of a model without weights the metric itself has said so.
            return [];
        }
    }
}
