using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Computes a report: every map and every influence once.</summary>
internal sealed class ReportBuilder
{
    private const int Steps = 50;
    private const int Views = 3;
    private const int ImageNetClasses = 1000;
    private const int LocatedOfEach = 10;
    private const int Resamples = 10_000;

    // What a unit wants to see is looked for where that takes a second or two: for small images.
    private const int SmallSide = 64;
    private const int Ideals = 2;
    private const long IdealPasses = Gradient * Ideals * (ActivationMaximisation.Steps + 1);

    // What a gradient costs, in forward passes.
    private const long Gradient = 3;
    private const long Path = Gradient * Steps;

    private readonly Model model;
    private readonly ImageSet images;
    private readonly ReportOptions options;
    private readonly ReportMaps maps;
    private readonly CancellationToken cancellation;
    private readonly Passes passes;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    private readonly PredictionCheck check = new();
    private readonly double[][] logits;
    private readonly long[] labels;
    private readonly ReportInstance[] instances;
    private readonly ReportChooser choice;
    private readonly MethodComparison comparison;
    private readonly LayerSurvey survey;
    private readonly LayerSurvey? companion;

    public ReportBuilder(
        Model model,
        ImageSet images,
        ReportOptions options,
        ReportMaps maps,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        (this.model, this.images, this.maps, this.cancellation) = (model, images, maps, cancellation);
        passes = new(20L * images.Count, progress, cancellation);

        var scores = model.ClassScores(
            images,
            options.BatchSize,
            passes.Next(images.Count, "Classifying the images"),
            cancellation
        );
        check.Add(scores);
        logits = Rows(scores);
        this.options = options with
        {
            Names = options.Names ?? (logits[0].Length == ImageNetClasses ? ClassNames.Course : ClassNames.None),
        };
        int[] predicted = Array.ConvertAll(logits, scores => Array.IndexOf(scores, scores.Max()));
        labels = images.HasTrueClasses ? [.. images.TrueClasses] : Array.ConvertAll(predicted, p => (long)p);
        instances =
        [
            .. predicted.Select(
                (p, row) =>
                    new ReportInstance(row, images.Label(row), images.HasTrueClasses ? (int)labels[row] : null, p)
            ),
        ];
        choice = new(model, images, this.options, instances, labels, logits);
        comparison = new(model, images, labels, this.options, cancellation);

        var dropRows = RowsOf(choice.DropClass);
        int[] explained =
        [
            .. choice.Figures.Concat(dropRows).Concat(options.IsFull ? comparison.Studied : []).Distinct(),
        ];
        passes.Total = Plan(explained.Length, dropRows.Length);
        var truePairs = options.Truth?.Pairs.Select(p => new ClassPair(p.First, p.Second)) ?? [];
        string[] layers = choice.Companion is { } other ? [choice.Layer, other] : [choice.Layer];
        var surveys = LayerSurvey.Take(
            model,
            layers,
            images,
            labels,
            [
                .. choice.Pairs.SelectMany(ScoresOf),
                .. choice.Pairs.SelectMany(MarginsOf),
                .. truePairs.SelectMany(MarginsOf).Where(q => q.IsOverOwnImages),
                .. explained.Select(row => ScoreOf(predicted[row])),
            ],
            options.Units,
            options.BatchSize,
            passes.Next(2L * images.Count, "Looking for experts")!,
            cancellation
        );
        survey = surveys[layers[0]];
        companion = layers.Length > 1 ? surveys[layers[1]] : null;
    }

    public AttributionReport Build()
    {
        Func<long, string, IProgress<Progress>?> next = passes.Next;
        var study = options.IsFull
            ? comparison.Study(rows => MapsOf(ReportMethods.InfluenceDirected, rows), next)
            : null;
        var truth = options is { IsFull: true, Truth: { } known } ? comparison.Truth(known, next) : null;
        var essence = options.IsFull && images.HasTrueClasses ? Essence() : [];
        var drop = Drop(RowsOf(choice.DropClass));
        var necessity = Necessity(choice.Figures);
        return new(maps)
        {
            Images = images,
            Options = options,
            Instances = instances,
            HasTrueClasses = images.HasTrueClasses,
            Pairs = choice.Pairs,
            Layer = choice.Layer,
            Noun = survey.Units.Noun(),
            Companion = choice.Companion,
            IsCutBeforeActivation = choice.IsCutBeforeActivation,
            Experts = Experts(ScoresOf),
            Margins = Experts(MarginsOf),
            Methods = [.. choice.Figures.Select(MethodRow)],
            Drop = drop,
            Steps = choice.Steps,
            Failures = comparison.Failures,
            Unsound = Unsound(drop, necessity, study),
            Necessity = necessity,
            Locations = options.Truth is { } regions ? Locations(regions) : null,
            Study = study,
            Truth = truth,
            Essence = essence,
            Choices = choice.Reasons,
            Notes = Notes(),
            Duration = clock.Elapsed,
        };
    }

    private long Plan(int explained, int drop)
    {
        const long View = Gradient + Path;
        var located = 2L * (options.Truth?.Pairs.Count ?? 0) * 2 * LocatedOfEach * View;
        return 3L * images.Count
            + 8L * choice.Pairs.Count * (Views * View + (HasIdeals ? IdealPasses : 0))
            + explained * (Gradient + View)
            + ReportMethods.All.Count * (2L * drop + 200L * choice.Figures.Length)
            + located
            + (options.IsFull ? comparison.Passes : 0);
    }

    private EssenceCurves[] Essence()
    {
        int[] classes = [.. labels.Distinct().Order().Select(k => (int)k)];
        var essence = new ClassEssence(model, survey.Layer, options.Units);
        var rankings = essence.Rank(
            images,
            classes,
            seed: options.Seed,
            batchSize: options.BatchSize,
            progress: passes.Next(Gradient * images.Count, "Ranking units for each class"),
            cancellation: cancellation
        );
        EssenceCurves Curves(bool silence) =>
            essence.Evaluate(
                rankings,
                images,
                silence: silence,
                batchSize: options.BatchSize,
                progress: passes.Next(images.Count, "Reducing classes to their essence"),
                cancellation: cancellation
            );
        return [Curves(false), Curves(true)];
    }

    // A class's own images, or all where it has none: a wrong prediction may be of a class without images.
    private Question ScoreOf(int k) => new(k, null, Array.IndexOf(labels, (long)k) >= 0);

    private static IEnumerable<Question> ScoresOf(ClassPair pair) =>
        from k in new[] { pair.First, pair.Second }
        from own in new[] { false, true }
        select new Question(k, null, own);

    private static IEnumerable<Question> MarginsOf(ClassPair pair) =>
        from direction in new[] { (pair.First, pair.Second), (pair.Second, pair.First) }
        from own in new[] { false, true }
        select new Question(direction.Item1, direction.Item2, own);

    private ExpertSection Experts(Func<ClassPair, IEnumerable<Question>> questionsOf)
    {
        var experts = new List<ReportExpert>();
        var companions = new List<ReportExpert>();
        var comparisons = new List<ExpertComparison>();
        foreach (var pair in choice.Pairs)
        {
            int Sibling(Question q) => q.Class == pair.First ? pair.Second : pair.First;
            Question[] questions = [.. questionsOf(pair)];
            ReportExpert[] answers = [.. questions.Select(q => survey.Answer(q, Sibling(q)))];
            experts.AddRange(answers);
            if (companion is not null)
                companions.AddRange(questions.Select(q => companion.Answer(q, Sibling(q))));

            // A class: the whole set with its own images. Two classes: the one's score with the other's, but not a margin
            // with its own negative.
            (int, int)[] compared = [(0, 1), (2, 3), .. questions[0].Against is null ? new[] { (0, 2), (1, 3) } : []];
            comparisons.AddRange(
                compared.Select(c => new ExpertComparison(
                    answers[c.Item1],
                    answers[c.Item2],
                    Statistics.rankCorrelation(
                        survey.Influences(questions[c.Item1]),
                        survey.Influences(questions[c.Item2])
                    )
                ))
            );
        }
        return new(
            experts,
            comparisons,
            [
                .. experts
                    .GroupBy(expert => (expert.Class, expert.Unit))
                    .Select(same => new ExpertFigure(
                        [.. same.DistinctBy(e => (e.Against, e.Distribution))],
                        ViewsOf(same.Key.Unit, same.Key.Class, Views)
                    )
                    {
                        Ideal = HasIdeals ? IdealOf(same.Key.Unit) : null,
                        IdealLayer = HasIdeals ? Cuts.Unbent(model, survey.Layer) : null,
                    }),
            ],
            companions
        );
    }

    private int[] RowsOf(int k) => [.. Enumerable.Range(0, images.Count).Where(row => labels[row] == k)];

    // A unit on the images of a class on which it is most active.
    private ExpertView[] ViewsOf(int unit, int k, int count)
    {
        var values = survey.Values(unit);
        int[] rows = [.. RowsOf(k).OrderByDescending(row => values[row]).Take(count)];
        var (gradient, integrated) = (UnitGradient(unit, rows), UnitIntegrated(unit, rows));
        return [.. rows.Select((row, i) => new ExpertView(instances[row], values[row], gradient[i], integrated[i]))];
    }

    private bool HasIdeals => images.Height <= SmallSide && images.Width <= SmallSide && Interop.HasImages(model.Core);

    private IdealImages IdealOf(int unit) =>
        maps.Ideal(
            unit,
            () =>
                new ActivationMaximisation(model, Cuts.Unbent(model, survey.Layer), unit, options.Units).Image(
                    options.Seed,
                    ActivationMaximisation.Steps,
                    Ideals,
                    [images.Channels, images.Height, images.Width],
                    images.Peak,
                    options.BatchSize,
                    passes.Next(IdealPasses, OfUnit(unit)),
                    cancellation
                )
        );

    private string OfUnit(int unit) => $"Explaining by {survey.Units.Noun()} {unit} of {survey.Layer}";

    private Tensor[] UnitGradient(int unit, int[] rows) =>
        maps.Of(
            $"gradient:{unit}",
            rows,
            x =>
                new InflDirected(model, survey.Layer, Quantity.Predicted, options.Units).ExpertAttribution(
                    unit,
                    x,
                    options.BatchSize,
                    progress: passes.Next(Gradient * x.Count, OfUnit(unit)),
                    cancellation: cancellation
                )
        );

    private Tensor[] UnitIntegrated(int unit, int[] rows) =>
        maps.Of(
            $"integrated:{unit}",
            rows,
            x =>
                new IntegratedGrad(model, survey.Layer, unit, options.Units).Attribute(
                    x,
                    batchSize: options.BatchSize,
                    numSteps: Steps,
                    progress: passes.Next(Path * x.Count, OfUnit(unit)),
                    cancellation: cancellation
                )
        );

    private int Expert(int row) => survey.Expert(ScoreOf(instances[row].PredictedClass));

    private Tensor[] EachMap(string method, int[] rows)
    {
        if (method != ReportMethods.InfluenceDirected)
            return maps.Of(
                method,
                rows,
                x =>
                    AttributionMethod
                        .Find(method)
                        .Create(model, new() { Steps = Steps })(
                            x,
                            options.BatchSize,
                            passes.Next(
                                x.Count * (method == ReportMethods.Saliency ? Gradient : Path),
                                $"Explaining by {method}"
                            ),
                            cancellation
                        )
            );
        // Images of one expert share a pass.
        foreach (var group in rows.GroupBy(Expert))
            UnitGradient(group.Key, [.. group]);
        return [.. rows.SelectMany(row => UnitGradient(Expert(row), [row]))];
    }

    private Tensor MapsOf(string method, int[] rows) => stack(EachMap(method, rows));

    private MethodRow MethodRow(int row)
    {
        // All figures' maps are made together, and found again here.
        var shown = ReportMethods.All.Select(method =>
        {
            var map = EachMap(method, choice.Figures)[Array.IndexOf(choice.Figures, row)];
            return new MethodView(
                method,
                method == ReportMethods.InfluenceDirected ? Expert(row) : null,
                TensorModule.toArray<float>(map).Count(a => a > 0),
                map
            );
        });
        return new(instances[row], [.. shown]);
    }

    private DropSection Drop(int[] rows)
    {
        using var drop = NewDisposeScope();
        var x = ((Instances)images.Take(rows)).Remembered();
        MethodDrop Of(string method)
        {
            var scored = MapScores.Of(
                AttributionMetric.Find("average-drop").Create(model, new()),
                MapsOf(method, rows),
                x,
                options.BatchSize,
                passes.Next(2 * rows.Length, "Taking the average drop"),
                cancellation
            );
            double[] known = [.. scored.OfSound.Where(double.IsFinite)];
            var (low, high) =
                known.Length > 0
                    ? Statistics.bootstrapInterval(new Random(options.Seed), Resamples, 0.95, known)
                    : (double.NaN, double.NaN);
            return new(method, Mean(known), low, high, [.. scored], scored.Maps);
        }
        return new(choice.DropClass, [.. rows.Select(row => instances[row])], [.. ReportMethods.All.Select(Of)]);
    }

    private NecessityRow[] Necessity(int[] rows)
    {
        using var necessity = NewDisposeScope();
        var x = ((Instances)images.Take(rows)).Remembered();
        var blank = Rows(model.ClassScores(zeros(1, images.Channels, images.Height, images.Width)))[0];
        var metric = new N_Ord(model, pixelsPerStep: options.PixelsPerStep);
        MethodCurve[] CurvesOf(string method)
        {
            var found = MapsOf(method, rows);
            var states = MapStates.Of(found);
            var curves = metric.Curves(
                Attribution.Maps.Finite(found, states),
                x,
                options.BatchSize,
                passes.Next(200 * rows.Length, "Removing pixels"),
                cancellation
            );
            return
            [
                .. curves.Zip(
                    states,
                    (curve, state) =>
                        new MethodCurve(
                            method,
                            state == MapState.NotFinite
                                ? double.NaN
                                : Interop.Ordering([0, .. curve.Removed], [0, .. curve.Scores]),
                            curve,
                            state
                        )
                ),
            ];
        }
        MethodCurve[][] methods = [.. ReportMethods.All.Select(CurvesOf)];
        return
        [
            .. rows.Select(
                (row, k) =>
                    new NecessityRow(
                        instances[row],
                        Math.Max(logits[row].Max() - blank[instances[row].PredictedClass], 0),
                        [.. methods.Select(curves => curves[k])]
                    )
            ),
        ];
    }

    // Each image counts once, in whichever section its map is used.
    private static string[] Unsound(DropSection drop, NecessityRow[] necessity, Study? study)
    {
        var own = ReportMethods.All.Select(
            (method, i) =>
                (
                    method,
                    new MapStates(
                        drop.Instances.Zip(drop.Drops[i].Maps)
                            .Concat(necessity.Select(row => (row.Instance, row.Curves[i].Map)))
                            .DistinctBy(m => m.Item1)
                            .Select(m => m.Item2)
                    )
                )
        );
        var others = study
            ?.Rows.Select(row => row.Method)
            .Distinct()
            .Except(ReportMethods.All)
            .Select(method => (method, study.Maps(method)));
        return [.. own.Concat(others ?? []).Select(method => method.Item2.Sentence(method.method)).OfType<string>()];
    }

    private LocationSection Locations(ReportTruth truth)
    {
        using var locations = NewDisposeScope();
        var gradients = new List<(int[] Rows, Tensor[] Maps)>();
        var integrated = new List<(int[] Rows, Tensor[] Maps)>();
        var pairs = new List<PairLocation>();
        foreach (var pair in truth.Pairs)
        foreach (var (k, other) in new[] { (pair.First, pair.Second), (pair.Second, pair.First) })
        {
            var expert = survey.Answer(new(k, other, true), other);
            int[] rows = [.. RowsOf(k).Take(LocatedOfEach)];
            gradients.Add((rows, UnitGradient(expert.Unit, rows)));
            integrated.Add((rows, UnitIntegrated(expert.Unit, rows)));
            pairs.Add(
                new(
                    expert,
                    pair.Part,
                    k == pair.First,
                    Locate(ReportMethods.InfluenceDirected, truth, [gradients[^1]]),
                    Locate(ReportMethods.IntegratedGradients, truth, [integrated[^1]]),
                    ViewsOf(expert.Unit, k, 1)[0]
                )
            );
        }
        int[] located = [.. gradients.SelectMany(group => group.Rows)];
        Location Plain(string method) => Locate(method, truth, [(located, EachMap(method, located))]);
        return new(
            located.Length,
            [
                Plain(ReportMethods.Saliency),
                Plain(ReportMethods.IntegratedGradients),
                Locate("expert of the margin, x\u00a0⊙\u00a0∇h", truth, gradients),
                Locate("expert of the margin, integrated gradients", truth, integrated),
            ],
            pairs
        );
    }

    private static Location Locate(string method, ReportTruth truth, IReadOnlyList<(int[] Rows, Tensor[] Maps)> groups)
    {
        using var locate = NewDisposeScope();
        var rows = tensor(groups.SelectMany(g => g.Rows).Select(row => (long)row).ToArray());
        var attributions = stack([.. groups.SelectMany(g => g.Maps)]);
        (double Share, double Area, double Hits, int Count) Inside(Tensor masks)
        {
            masks = masks.index_select(0, rows);
            double[] shares = [.. Localisation.Shares(masks, attributions)];
            double OfKnown(IReadOnlyList<double> values) => Mean(values.Where((_, i) => double.IsFinite(shares[i])));
            return (
                OfKnown(shares),
                OfKnown(Localisation.Areas(masks)),
                OfKnown(Localisation.Hits(masks, attributions)),
                shares.Count(double.IsFinite)
            );
        }
        var (whole, part) = (Inside(truth.Objects), Inside(truth.Parts));
        return new(method, whole.Count, whole.Share, whole.Area, whole.Hits, part.Share, part.Area, part.Hits);
    }

    private IReadOnlyList<string> Notes()
    {
        List<string> notes = [.. model.Notes, .. images.Notes];
        if (check.Doubt(images, options.Names) is { } doubt)
            notes.Add(doubt);
        var differ = images.HasPredictedClasses
            ? instances.Zip(images.PredictedClasses).Count(pair => pair.First.PredictedClass != pair.Second)
            : 0;
        if (differ > 0)
            notes.Add(
                $"The model's prediction is not the file's Pred for {differ} of {images.Count} images; the report has the model's."
            );
        if (options.IsFull && MapLayer() is { } layer)
            notes.Add($"Class activation maps (Grad-CAM and its kin) look at layer '{layer}'.");
        if (!images.HasTrueClasses)
            notes.Add("The true classes are not known: the images that the model gives a class stand for its own.");
        return notes;
    }

    // Null where the model has none, which each method that asks for one says itself.
    private string? MapLayer()
    {
        try
        {
            return Cuts.LastConvolution(model);
        }
        catch (AttributionException)
        {
            return null;
        }
    }

    private static double Mean(IEnumerable<double> values) => values.DefaultIfEmpty(double.NaN).Average();

    private static double[][] Rows(Tensor values)
    {
        using var rows = values;
        using var flat = rows.to(ScalarType.Float64);
        return [.. TensorModule.toArray<double>(flat).Chunk((int)flat.shape[1])];
    }
}
