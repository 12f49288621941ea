using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
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

    /// <summary>Whether results of machines of several kinds may stand beside each other, though their last digits differ: another
    /// processor's or libtorch's round otherwise, which can change what a threshold or an order decides.</summary>
    public bool IsMixed { get; init; }

    /// <summary>Decides on the bootstrap's samples.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>A file that keeps what is found as it is found; a later study of the same images goes on from it, with more methods
    /// and metrics too. Null: nothing is kept.</summary>
    public string? Kept { get; init; }

    /// <summary>The files and folders that the model and the images are of: where the content of one has changed, what was kept is
    /// not used.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>What else the scores depend on, beside methods' settings that stand in <see cref="StudyMethod.Description"/>:
    /// what was kept under another is not used.</summary>
    public string Settings { get; init; } = "";
}

/// <summary>The work of a study: a unit is a method on a part of the images, by all metrics.</summary>
/// <remarks>A part follows from the images' shape and the method's cost, and the images a pass from the model's; a unit finds out anew
/// what it needs to know of its images. So its scores are the same with whatever is asked beside it.</remarks>
internal sealed class StudyRun : Workload
{
    // Small enough that a machine that is lost loses little, and large enough that its passes are full.
    private const long UnitBytes = 16L << 20;
    private const int MostOfUnit = 32;
    private const double UnitPasses = 4096;

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
    private readonly int batchSize;
    private readonly Workplace? place;

    // By method, and by metric where it is a metric's, of the first part that failed.
    private readonly Dictionary<(StudyMethod, string?), (int Start, Exception Error)> failed = [];

    public StudyRun(
        Model model,
        ImageSet images,
        IReadOnlyList<StudyMethod> methods,
        IReadOnlyList<AttributionMetric> metrics,
        StudyOptions options,
        IProgress<Progress>? progress,
        CancellationToken cancellation,
        Workplace? place
    )
    {
        (this.model, this.images, this.options, this.place) = (model, images, options, place);
        (this.progress, this.cancellation) = (progress, cancellation);
        parts = new(images, UnitBytes, MostOfUnit, isPowerOfTwo: true);
        metricFailures = new(options.IsEveryMetric);
        var applicable = Applicable(metrics);
        // Who only computes units has been told what to.
        if (place is not null)
            RequireScores(applicable);
        this.metrics = [.. applicable.Where(metric => !metricFailures.Has(Failing(metric)))];
        run = new(model, parts, methods, options, progress, cancellation);
        batchSize = ImageParts.Naming(images, () => options.BatchSize ?? model.SteadyBatch(images));
        if (place is null && !ImageParts.Naming(images, () => model.Holds(batchSize, images)))
            throw new AttributionException(
                $"This machine has too little memory free for passes of {batchSize} images, as the study has them: free some, or submit the study with a smaller --batch-size."
            );
        Subject = Digest(
            string.Join(
                '\n',
                [
                    "attribution study 4",
                    options.Settings,
                    .. options.Files.SelectMany(Content.Of),
                    string.Join(',', Enumerable.Range(0, images.Count).Select(images.Position)),
                    Steps.ToString(),
                    $"batches of {batchSize}",
                ]
            )
        );
        record = new(options.Kept, Subject, options.IsMixed ? null : place?.Arithmetic);
        if (record.IsOfAnother)
            options.Said?.Invoke("What an earlier study of other images or settings found in this folder is not used.");
        if (record.OtherMachine is { } other)
            options.Said?.Invoke(
                $"What was found in this folder on another kind of machine ({other}) is not used, since the last digits differ; --mixed uses it."
            );
        if (record.Count > 0)
            options.Said?.Invoke($"Going on from {record.Count} results of an earlier run in this folder.");
    }

    public override string Subject { get; }

    public override string? Prepared =>
        run.Methods.Select(method => method.Prepared).FirstOrDefault(prepared => prepared is not null);

    private static string Failing(AttributionMetric metric) => $"The metric {metric.Name}";

    private PixelSteps Steps => PixelSteps.For(options.Metrics.PixelsPerStep, Pixels);

    private long Pixels => (long)images.Height * images.Width;

    /// <summary>Has the units computed, and makes the study of their results.</summary>
    public Study Study()
    {
        Do();
        // What is to be said once is said in the order of the images, whatever the order of the units.
        foreach (var method in run.Methods)
        {
            if (failed.TryGetValue((method, null), out var failure))
                run.Failures.Add(MethodRun.Failing(method.Name), failure.Error);
            run.Noted(method, record.Of(method, StudyRecord.Gaps), record.Of(method, StudyRecord.Steps));
        }
        run.RequireSome();
        NoteFailures();
        if (run.Sound.Count > 0 && Units.FirstOrDefault() is { } missing)
            throw new AttributionException(
                $"The study is not complete: {missing.Title} is missing; run the same command again, which goes on from what is there."
            );
        record.Settle();
        var scores = from metric in metrics from method in run.Methods select Found(method, metric);
        return new(new([.. Enumerable.Range(0, images.Count).Select(images.Label)], [.. scores]), metrics, options.Seed)
        {
            Methods = run.Methods,
            Machines = record.Machines,
            Remarks = [.. run.Notes, .. Redraws()],
            Failures = [.. run.Failures.Fatal, .. metricFailures.Fatal],
            LeftOut = [.. run.Failures.LeftOut, .. metricFailures.LeftOut],
        };
    }

    /// <summary>Has the units computed that are not known.</summary>
    public void Do() =>
        place!.Do(this, progress.InOrMore($"Evaluating {Words.Count(images.Count, "image")}"), cancellation);

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

    public override IEnumerable<WorkUnit> Units
    {
        get
        {
            foreach (var whole in parts.Starts)
            foreach (var method in run.Methods)
            foreach (var start in Starts(method).Where(start => start >= whole && start < whole + parts.Size))
            {
                // Nothing is to be had where all have failed.
                if (run.Methods.All(HasFailed))
                    yield break;
                string[] asked = [.. metrics.Where(metric => IsAsked(method, metric, start)).Select(m => m.Name)];
                if (
                    !HasFailed(method)
                    && (asked.Length > 0 || !record.Has(method, StudyRecord.Maps, start, CountFrom(method, start)))
                )
                    yield return Unit(method, start, asked);
            }
        }
    }

    // A power of two, so that small units are parts of large ones.
    private int SizeOf(StudyMethod method)
    {
        var size = Math.Clamp(UnitPasses / Math.Max(1, method.Passes(model, parts.All)), 1, parts.Size);
        return 1 << (int)Math.Log2(size);
    }

    private IEnumerable<int> Starts(StudyMethod method)
    {
        var size = SizeOf(method);
        return Enumerable.Range(0, (images.Count + size - 1) / size).Select(i => i * size);
    }

    private int CountFrom(StudyMethod method, int start) => Math.Min(SizeOf(method), images.Count - start);

    private bool HasFailed(StudyMethod method) => failed.ContainsKey((method, null));

    private bool IsAsked(StudyMethod method, AttributionMetric metric, int start) =>
        !record.Has(method, metric.Name, start, CountFrom(method, start)) && !failed.ContainsKey((method, metric.Name));

    private WorkUnit Unit(StudyMethod method, int start, string[] asked)
    {
        var count = CountFrom(method, start);
        return new(
            JsonSerializer.Serialize(new UnitKey(method.Name, method.Description, start, asked)),
            $"{method.Name}, {(count == 1 ? $"image {start}" : $"images {start} to {start + count - 1}")}",
            count * (method.Passes(model, parts.All) + metrics.Where(m => asked.Contains(m.Name)).Sum(PassesOf))
        );
    }

    public override WorkUnit Parse(string key)
    {
        var (method, asked) = Read(key);
        return Unit(method, asked.Start, asked.Metrics);
    }

    private (StudyMethod Method, UnitKey Key) Read(string key)
    {
        UnitKey? asked = null;
        try
        {
            asked = JsonSerializer.Deserialize<UnitKey>(key);
        }
        catch (JsonException)
        {
            // Told below.
        }
        return
            asked is { Method: not null, Description: not null, Metrics: not null }
            && asked.Metrics.All(name => Array.Exists(metrics, metric => metric.Name == name))
            && run.Methods.FirstOrDefault(m => m.Name == asked.Method && m.Description == asked.Description)
                is { } method
            && Starts(method).Contains(asked.Start)
            ? (method, asked)
            : throw new AttributionException("A unit of work is none of this study's.");
    }

    public override WorkResult Compute(WorkUnit unit, IProgress<Progress>? progress, CancellationToken cancellation)
    {
        var (method, key) = Read(unit.Key);
        Passes passes = new((long)unit.Passes, progress, cancellation);
        UnitScores found = new() { Machine = Workplace.Machine(model.Core.Device) };
        string? trouble = null;

        T? Try<T>(Func<T> work, Action<string> note)
            where T : class
        {
            try
            {
                return work();
            }
            catch (Exception e) when (e is not (OperationCanceledException or UsageException))
            {
                if (e is not AttributionException)
                    trouble ??= Sentence.Of(e);
                note((e is AttributionException ? "" : UnitScores.Foreign) + Sentence.Of(e));
                return null;
            }
        }

        Try(
            () =>
                parts.Alone(
                    key.Start,
                    CountFrom(method, key.Start),
                    part =>
                    {
                        var next = passes.Next((long)(method.Passes(model, parts.All) * part.Images.Count));
                        var made = method.Explain(model, part, batchSize, next, cancellation);
                        found.Rows[StudyRecord.Maps] = [.. MapStates.Of(made.Maps).Select(state => (double)state)];
                        if (made.Gaps is { } gaps)
                            found.Rows[StudyRecord.Gaps] = [.. gaps];
                        if (made.Steps is { } steps)
                            found.Rows[StudyRecord.Steps] = [.. steps.Select(n => (double)n)];
                        foreach (var metric in metrics.Where(metric => key.Metrics.Contains(metric.Name)))
                            if (
                                Try(
                                    () => Scores(metric, method, made.Maps, part, passes, cancellation),
                                    why => found.Failed[metric.Name] = why
                                ) is
                                { } scores
                            )
                                found.Rows[metric.Name] = scores;
                        return found;
                    }
                ),
            why => found.Failed[UnitScores.Whole] = why
        );
        return new(found.Text, trouble, found.Failed.Values.FirstOrDefault()?.TrimStart(UnitScores.Foreign[0]));
    }

    private double[] Scores(
        AttributionMetric metric,
        StudyMethod method,
        Tensor maps,
        ImagePart part,
        Passes passes,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        var settings = options.Metrics with { Explain = method.Explainer, MultipliedFrom = method.MultipliedFrom };
        return
        [
            .. MapScores.Of(
                metric.Create(model, settings),
                maps,
                part.Instances,
                batchSize,
                passes.Next((long)(PassesOf(metric) * part.Images.Count)),
                cancellation
            ),
        ];
    }

    public override void Keep(WorkUnit unit, string result)
    {
        var (method, key) = Read(unit.Key);
        var found = UnitScores.Read(result, key, CountFrom(method, key.Start));
        foreach (var (name, why) in found.Failed)
        {
            var place = (method, name == UnitScores.Whole ? null : name);
            if (!failed.TryGetValue(place, out var known) || key.Start < known.Start)
                failed[place] = (key.Start, UnitScores.Error(why));
        }
        if (found.Rows.Count > 0)
            record.Keep(method, key.Start, found.Rows, found.Machine);
    }

    public override void Lose(WorkUnit unit, string why)
    {
        var (method, key) = Read(unit.Key);
        if (!failed.TryGetValue((method, null), out var known) || key.Start < known.Start)
            failed[(method, null)] = (
                key.Start,
                UnitScores.Error($"{UnitScores.Foreign}{unit.Title} has no result: {why}.")
            );
    }

    private void NoteFailures()
    {
        foreach (var metric in metrics)
        {
            (StudyMethod Method, Exception Error)[] some =
            [
                .. run
                    .Sound.Where(m => failed.ContainsKey((m, metric.Name)))
                    .Select(m => (m, failed[(m, metric.Name)].Error)),
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
            : failed.TryGetValue((method, metric.Name), out var failure) ? Sentence.Of(failure.Error)
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
