using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Computes a report: every map, influence and picture once.</summary>
internal sealed class ReportBuilder : IDisposable
{
    private const int Steps = 50;
    private const int Views = 3;
    private const int ImageNetClasses = 1000;
    private const int LocatedOfEach = 10;
    private const int Resamples = 10_000;

    // What a gradient costs, in forward passes.
    private const long Gradient = 3;
    private const long Path = Gradient * Steps;

    private readonly Model model;
    private readonly ImageSet images;
    private readonly ReportOptions options;
    private readonly CancellationToken cancellation;
    private readonly Stages stages;
    private readonly ReportMaps maps;
    private readonly ReportPainter painter;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    private readonly PredictionCheck check = new();
    private readonly double[][] logits;
    private readonly int[] predicted;
    private readonly long[] labels;
    private readonly ReportInstance[] instances;
    private readonly ReportChooser choice;

    public ReportBuilder(
        Model model,
        ImageSet images,
        ReportOptions options,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        (this.model, this.images, this.cancellation) = (model, images, cancellation);
        stages = new(progress) { Total = 20L * images.Count };
        maps = new(images);
        painter = new(images);

        var scores = model.ClassScores(images, options.BatchSize, stages.Next(images.Count), cancellation);
        check.Add(scores);
        logits = Rows(scores);
        this.options = options with
        {
            Names = options.Names ?? (logits[0].Length == ImageNetClasses ? ClassNames.Course : ClassNames.None),
        };
        predicted = Array.ConvertAll(logits, scores => Array.IndexOf(scores, scores.Max()));
        labels = images.HasTrueClasses ? [.. images.TrueClasses] : Array.ConvertAll(predicted, p => (long)p);
        instances =
        [
            .. predicted.Select(
                (p, row) =>
                    new ReportInstance(row, images.Label(row), images.HasTrueClasses ? (int)labels[row] : null, p)
            ),
        ];
        choice = new(model, images, this.options, instances, labels, logits);
    }

    private ClassNames Names => options.Names!;

    public AttributionReport Build()
    {
        var dropRows = RowsOf(choice.DropClass);
        var comparison = new MethodComparison(model, images, labels, options, choice.Steps, cancellation);
        int[] studied = options.IsFull ? comparison.Studied : [];
        int[] explained = [.. choice.Figures.Concat(dropRows).Concat(studied).Distinct()];
        var methodQuestions = explained.Select(row => predicted[row]).Distinct().ToDictionary(p => p, ScoreOf);
        var truePairs = options.Truth?.Pairs ?? [];
        Question[] margins =
        [
            .. truePairs.SelectMany(p => new Question[] { new(p.First, p.Second, true), new(p.Second, p.First, true) }),
        ];
        Plan(explained.Length, dropRows.Length, options.IsFull ? comparison.Passes : 0);

        var scoreQuestions = choice.Pairs.SelectMany(ScoresOf).ToArray();
        var marginQuestions = choice.Pairs.SelectMany(MarginsOf).ToArray();
        var surveys = LayerSurvey.Take(
            model,
            [choice.Layer, .. choice.Companion is { } layer ? [layer] : Array.Empty<string>()],
            images,
            labels,
            [.. scoreQuestions, .. marginQuestions, .. margins, .. methodQuestions.Values],
            options.Units,
            options.BatchSize,
            stages.Next(2L * images.Count),
            cancellation
        );
        var survey = surveys[choice.Layer];
        var companion = choice.Companion is { } other ? surveys[other] : null;

        int Expert(int row) => survey.Expert(methodQuestions[predicted[row]]);
        var pixelMaps = ReportMethods
            .All.Select(method => (Func<int[], Tensor>)(rows => MapsOf(method, rows, Expert)))
            .ToArray();

        var study = options.IsFull ? comparison.Study(pixelMaps[2], stages.Next) : null;
        var truths = options is { IsFull: true, Truth: { } known } ? comparison.Truth(known, stages.Next) : null;
        var essence = options.IsFull && images.HasTrueClasses ? Essence(survey.Layer) : null;
        var drop = Drop(dropRows, pixelMaps);
        var necessity = Necessity(choice.Figures, pixelMaps);
        var figures = new[] { study?.Figure, essence?.KeptFigure, essence?.SilencedFigure }.OfType<ReportImage>();

        return new()
        {
            Names = Names,
            Instances = instances,
            HasTrueClasses = images.HasTrueClasses,
            Pairs = choice.Pairs,
            Layer = choice.Layer,
            Noun = survey.Units.Noun(),
            Companion = choice.Companion,
            IsCutBeforeActivation = choice.IsCutBeforeActivation,
            Experts = Experts(survey, companion, ScoresOf),
            Margins = Experts(survey, companion, MarginsOf),
            Methods = [.. choice.Figures.Select(row => MethodRow(row, pixelMaps, survey.Units.Noun(), Expert(row)))],
            Drop = drop,
            Steps = choice.Steps,
            Failures = comparison.Failures,
            Unsound = Unsound(drop, necessity, study?.Study),
            Necessity = necessity,
            Locations = options.Truth is { } truth ? Locations(truth, survey, pixelMaps) : null,
            Study = study,
            Truth = truths,
            Essence = essence,
            Choices = choice.Reasons,
            Notes = Notes(),
            Images = [.. painter.Images, .. figures],
            Blur = painter.Blur,
            Height = images.Height,
            Width = images.Width,
            Seed = options.Seed,
            Duration = clock.Elapsed,
        };
    }

    public void Dispose() => maps.Dispose();

    private void Plan(int explained, int drop, long comparison)
    {
        long perView = Views * (Gradient + Path);
        var located = 2L * (options.Truth?.Pairs.Count ?? 0) * 2 * LocatedOfEach * (Gradient + Path);
        stages.Total =
            3L * images.Count
            + 8L * choice.Pairs.Count * perView
            + explained * (2 * Gradient + Path)
            + ReportMethods.All.Count * (2L * drop + 200L * choice.Figures.Length)
            + located
            + comparison;
    }

    private EssenceSection Essence(string layer)
    {
        int[] classes = [.. labels.Distinct().Order().Select(k => (int)k)];
        var essence = new ClassEssence(model, layer, options.Units);
        var rankings = essence.Rank(
            images,
            classes,
            seed: options.Seed,
            batchSize: options.BatchSize,
            progress: stages.Next(Gradient * images.Count),
            cancellation: cancellation
        );
        EssenceCurves Curves(bool silence) =>
            essence.Evaluate(
                rankings,
                images,
                silence: silence,
                batchSize: options.BatchSize,
                progress: stages.Next(images.Count),
                cancellation: cancellation
            );
        var (kept, silenced) = (Curves(false), Curves(true));
        const string Described = "Recall, precision, F1 and accuracy against the number of units";
        return new(
            kept,
            silenced,
            kept.Draw(Names).Named("essence-kept.png", $"{Described} kept."),
            silenced.Draw(Names).Named("essence-silenced.png", $"{Described} silenced.")
        );
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

    private ExpertSection Experts(
        LayerSurvey survey,
        LayerSurvey? companion,
        Func<ClassPair, IEnumerable<Question>> questionsOf
    )
    {
        static int Sibling(ClassPair pair, Question q) => q.Class == pair.First ? pair.Second : pair.First;

        var experts = new List<ReportExpert>();
        var companions = new List<ReportExpert>();
        var comparisons = new List<ExpertComparison>();
        foreach (var pair in choice.Pairs)
        {
            Question[] questions = [.. questionsOf(pair)];
            ReportExpert[] answers = [.. questions.Select(q => survey.Answer(q, Sibling(pair, q)))];
            experts.AddRange(answers);
            if (companion is not null)
                companions.AddRange(questions.Select(q => companion.Answer(q, Sibling(pair, q))));

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
                        ViewsOf(survey, same.Key.Unit, MostActive(survey, same.Key.Unit, same.Key.Class, Views))
                    )),
            ],
            companions
        );
    }

    private int[] RowsOf(int k) => [.. Enumerable.Range(0, images.Count).Where(row => labels[row] == k)];

    private int[] MostActive(LayerSurvey survey, int unit, int k, int count) =>
        [.. RowsOf(k).OrderByDescending(row => survey.Values(unit)[row]).Take(count)];

    private ExpertView[] ViewsOf(LayerSurvey survey, int unit, int[] rows, Func<int, ReportPanel>? extra = null)
    {
        using var views = NewDisposeScope();
        var (gradient, integrated) = (UnitGradient(survey.Layer, unit, rows), UnitIntegrated(survey.Layer, unit, rows));
        return
        [
            .. rows.Select(
                (row, i) =>
                {
                    var noun = survey.Units.Noun();
                    var of = $"of {noun} {unit} of layer {survey.Layer} for {Describe(row)}";
                    ReportPanel[] panels =
                    [
                        new("input", painter.Input(row, $"Image {Describe(row)}")),
                        .. extra is null ? [] : new[] { extra(row) },
                        new(
                            "x ⊙ ∇h, point cloud",
                            painter.PointCloud(
                                $"{noun}-{unit}-gradient",
                                row,
                                gradient[i],
                                $"Point cloud of x ⊙ ∇h {of}"
                            )
                        ),
                        new(
                            "x ⊙ ∇h, binary mask",
                            painter.Mask($"{noun}-{unit}-gradient", row, gradient[i], $"Binary mask of x ⊙ ∇h {of}")
                        ),
                        new(
                            "integrated gradients, point cloud",
                            painter.PointCloud(
                                $"{noun}-{unit}-integrated",
                                row,
                                integrated[i],
                                $"Point cloud of integrated gradients {of}"
                            )
                        ),
                        new(
                            "integrated gradients, binary mask",
                            painter.Mask(
                                $"{noun}-{unit}-integrated",
                                row,
                                integrated[i],
                                $"Binary mask of integrated gradients {of}"
                            )
                        ),
                    ];
                    return new ExpertView(instances[row], survey.Values(unit)[row], panels);
                }
            ),
        ];
    }

    private string Describe(int row)
    {
        var (label, y, p) = (instances[row].Label, instances[row].TrueClass, instances[row].PredictedClass);
        var truth = y is { } k ? $"true class {Names[k]}, " : "";
        return $"{label} ({truth}predicted {Names[p]})";
    }

    private Tensor UnitGradient(string layer, int unit, int[] rows) =>
        maps.Of(
            $"gradient:{layer}:{unit}",
            rows,
            x =>
                new InflDirected(model, layer, Quantity.Predicted, options.Units).ExpertAttribution(
                    unit,
                    x,
                    options.BatchSize,
                    progress: stages.Next(Gradient * x.Count),
                    cancellation: cancellation
                )
        );

    private Tensor UnitIntegrated(string layer, int unit, int[] rows) =>
        maps.Of(
            $"integrated:{layer}:{unit}",
            rows,
            x =>
                new IntegratedGrad(model, layer, unit, options.Units).Attribute(
                    x,
                    batchSize: options.BatchSize,
                    numSteps: Steps,
                    progress: stages.Next(Path * x.Count),
                    cancellation: cancellation
                )
        );

    private Tensor MapsOf(string method, int[] rows, Func<int, int> expert) =>
        method switch
        {
            ReportMethods.Saliency => maps.Of(
                method,
                rows,
                x =>
                    new SaliencyMap(model).Attribute(
                        x,
                        options.BatchSize,
                        progress: stages.Next(Gradient * x.Count),
                        cancellation: cancellation
                    )
            ),
            ReportMethods.IntegratedGradients => maps.Of(
                method,
                rows,
                x =>
                    new IntegratedGrad(model).Attribute(
                        x,
                        batchSize: options.BatchSize,
                        numSteps: Steps,
                        progress: stages.Next(Path * x.Count),
                        cancellation: cancellation
                    )
            ),
            _ => ByExpert(rows, expert),
        };

    // Images of one expert share a pass.
    private Tensor ByExpert(int[] rows, Func<int, int> expert)
    {
        foreach (var group in rows.GroupBy(expert))
            UnitGradient(choice.Layer, group.Key, [.. group]).Dispose();
        return cat([.. rows.Select(row => UnitGradient(choice.Layer, expert(row), [row]))]);
    }

    private MethodRow MethodRow(int row, Func<int[], Tensor>[] pixelMaps, string noun, int expert)
    {
        using var views = NewDisposeScope();
        // All figures' maps are made together, and found again here.
        var shown = ReportMethods.All.Select(
            (method, i) =>
            {
                var map = pixelMaps[i](choice.Figures)[Array.IndexOf(choice.Figures, row)];
                int? unit = method == ReportMethods.InfluenceDirected ? expert : null;
                var name = unit is { } u ? $"{noun}-{u}-gradient" : method;
                var of = $"of {method} for {Describe(row)}";
                return new MethodView(
                    method,
                    unit,
                    TensorModule.toArray<float>(map).Count(a => a > 0),
                    painter.PointCloud(name, row, map, $"Point cloud {of}"),
                    painter.Mask(name, row, map, $"Binary mask {of}"),
                    painter.HeatMap(name, row, map, $"Heat map {of}"),
                    MapScale.Of(map.unsqueeze(0)).Magnitude
                );
            }
        );
        return new(instances[row], painter.Input(row, $"Image {Describe(row)}"), [.. shown]);
    }

    private DropSection Drop(int[] rows, Func<int[], Tensor>[] pixelMaps)
    {
        using var drop = NewDisposeScope();
        var x = ((Instances)images.Take(rows)).Remembered();
        return new(
            choice.DropClass,
            [.. rows.Select(row => instances[row])],
            [
                .. ReportMethods.All.Select(
                    (method, i) =>
                    {
                        var scored = MapScores.Of(
                            AttributionMetric.Find("average-drop").Create(model, new()),
                            pixelMaps[i](rows),
                            x,
                            options.BatchSize,
                            stages.Next(2 * rows.Length),
                            cancellation
                        );
                        double[] known = [.. scored.OfSound.Where(double.IsFinite)];
                        var (low, high) =
                            known.Length > 0
                                ? Statistics.bootstrapInterval(new Random(options.Seed), Resamples, 0.95, known)
                                : (double.NaN, double.NaN);
                        var mean = known.DefaultIfEmpty(double.NaN).Average();
                        return new MethodDrop(method, mean, low, high, [.. scored], scored.Maps);
                    }
                ),
            ]
        );
    }

    private NecessityRow[] Necessity(int[] rows, Func<int[], Tensor>[] pixelMaps)
    {
        using var necessity = NewDisposeScope();
        var x = ((Instances)images.Take(rows)).Remembered();
        var blank = Rows(model.ClassScores(zeros(1, images.Channels, images.Height, images.Width)))[0];
        var metric = new N_Ord(model, pixelsPerStep: options.PixelsPerStep);
        MapStates[] states = [.. pixelMaps.Select(maps => MapStates.Of(maps(rows)))];
        var curves = ReportMethods
            .All.Select(
                (_, i) =>
                    metric.Curves(
                        Attribution.Maps.Finite(pixelMaps[i](rows), states[i]),
                        x,
                        options.BatchSize,
                        stages.Next(200 * rows.Length),
                        cancellation
                    )
            )
            .ToArray();
        return
        [
            .. rows.Select(
                (row, k) =>
                    new NecessityRow(
                        instances[row],
                        Math.Max(logits[row].Max() - blank[predicted[row]], 0),
                        [
                            .. ReportMethods.All.Select(
                                (method, i) =>
                                    new MethodCurve(
                                        method,
                                        states[i][k] == MapState.NotFinite ? double.NaN : Score(curves[i][k]),
                                        curves[i][k],
                                        states[i][k]
                                    )
                            ),
                        ]
                    )
            ),
        ];
    }

    // Each image counts once, in whichever section its map is used.
    private static string[] Unsound(DropSection drop, IReadOnlyList<NecessityRow> necessity, Study? study)
    {
        var own = ReportMethods.All.Select(
            (method, i) =>
            {
                var ofDrop = drop.Instances.Zip(drop.Drops[i].Maps);
                var ofNecessity = necessity.Select(row => (row.Instance, row.Curves[i].Map));
                return (
                    method,
                    new MapStates(ofDrop.Concat(ofNecessity).DistinctBy(m => m.Item1).Select(m => m.Item2))
                );
            }
        );
        var others = study
            ?.Rows.Select(row => row.Method)
            .Distinct()
            .Except(ReportMethods.All)
            .Select(method => (method, study.Maps(method)));
        return [.. own.Concat(others ?? []).Select(method => method.Item2.Sentence(method.method)).OfType<string>()];
    }

    private static double Score(RemovalCurve curve) => Interop.Ordering([0, .. curve.Removed], [0, .. curve.Scores]);

    private LocationSection Locations(ReportTruth truth, LayerSurvey survey, Func<int[], Tensor>[] pixelMaps)
    {
        using var locations = NewDisposeScope();
        var gradients = new List<(int[] Rows, Tensor Maps)>();
        var integrated = new List<(int[] Rows, Tensor Maps)>();
        var pairs = new List<PairLocation>();
        foreach (var pair in truth.Pairs)
        foreach (var (k, other) in new[] { (pair.First, pair.Second), (pair.Second, pair.First) })
        {
            var expert = survey.Answer(new(k, other, true), other);
            int[] rows = [.. RowsOf(k).Take(LocatedOfEach)];
            gradients.Add((rows, UnitGradient(survey.Layer, expert.Unit, rows)));
            integrated.Add((rows, UnitIntegrated(survey.Layer, expert.Unit, rows)));
            pairs.Add(
                new(
                    expert,
                    pair.Part,
                    k == pair.First,
                    Locate(ReportMethods.InfluenceDirected, truth, [gradients[^1]]),
                    Locate(ReportMethods.IntegratedGradients, truth, [integrated[^1]]),
                    ViewsOf(
                        survey,
                        expert.Unit,
                        MostActive(survey, expert.Unit, k, 1),
                        row =>
                            new(
                                "distinguishing part",
                                painter.Region(
                                    "part",
                                    row,
                                    truth.Parts[row],
                                    $"The distinguishing part of {Describe(row)}"
                                )
                            )
                    )[0]
                )
            );
        }
        int[] located = [.. gradients.SelectMany(group => group.Rows)];
        Location[] methods =
        [
            Locate(ReportMethods.Saliency, truth, [(located, pixelMaps[0](located))]),
            Locate(ReportMethods.IntegratedGradients, truth, [(located, pixelMaps[1](located))]),
            Locate("expert of the margin, x\u00a0⊙\u00a0∇h", truth, gradients),
            Locate("expert of the margin, integrated gradients", truth, integrated),
        ];
        return new(located.Length, methods, pairs, Verdict(pairs));
    }

    private static Location Locate(string method, ReportTruth truth, IReadOnlyList<(int[] Rows, Tensor Maps)> groups)
    {
        using var locate = NewDisposeScope();
        var rows = tensor(groups.SelectMany(g => g.Rows).Select(row => (long)row).ToArray());
        var attributions = cat([.. groups.Select(g => g.Maps)]);
        (double Share, double Area, double Hits, int Count) Inside(Tensor masks)
        {
            masks = masks.index_select(0, rows);
            double[] shares = [.. Localisation.Shares(masks, attributions)];
            bool[] isKnown = Array.ConvertAll(shares, double.IsFinite);
            double Mean(double[] values) => values.Where((_, i) => isKnown[i]).DefaultIfEmpty(double.NaN).Average();
            return (
                Mean(shares),
                Mean([.. Localisation.Areas(masks)]),
                Mean([.. Localisation.Hits(masks, attributions)]),
                isKnown.Count(known => known)
            );
        }
        var (whole, part) = (Inside(truth.Objects), Inside(truth.Parts));
        return new(method, whole.Count, whole.Share, whole.Area, whole.Hits, part.Share, part.Area, part.Hits);
    }

    private static string[] Verdict(IReadOnlyList<PairLocation> pairs)
    {
        string More(IReadOnlyList<PairLocation> some, Func<PairLocation, Location> of) =>
            $"{some.Count(p => of(p).PartRatio > 1)} of {some.Count} pairs (median ratio {Median(some.Select(p => of(p).PartRatio)):0.0})";
        string Auc(IReadOnlyList<PairLocation> some) =>
            $"{some.Min(p => p.Expert.Selectivity):0.00} to {some.Max(p => p.Expert.Selectivity):0.00} (median {Median(some.Select(p => p.Expert.Selectivity)):0.00})";

        PairLocation[] first = [.. pairs.Where(p => p.IsFirstForm)];
        PairLocation[] second = [.. pairs.Where(p => !p.IsFirstForm)];
        return
        [
            $"The expert of the margin puts more of its positive attribution on the distinguishing part than a uniform map does in {More(first, p => p.Gradient)}, and by integrated gradients of the expert in {More(first, p => p.Integrated)}.",
            $"For the margin the other way round it does so in {More(second, p => p.Gradient)}, and by integrated gradients in {More(second, p => p.Integrated)}.",
            $"The experts tell the two classes of their pair apart with a selectivity of {Auc(first)}, and the other way round of {Auc(second)}; 0.5 tells nothing, 1 tells every image.",
        ];
    }

    private static double Median(IEnumerable<double> values) => Statistics.median([.. values]);

    private string[] Notes()
    {
        var differ = images.HasPredictedClasses
            ? predicted.Zip(images.PredictedClasses).Count(pair => pair.First != pair.Second)
            : 0;
        return
        [
            .. model.Notes,
            .. images.Notes,
            .. new[] { check.Doubt(images, Names) }.OfType<string>(),
            .. differ > 0
                ? new[]
                {
                    $"The model's prediction is not the file's Pred for {differ} of {images.Count} images; the report has the model's.",
                }
                : [],
            .. options.IsFull && MapLayer() is { } layer
                ? new[] { $"Class activation maps (Grad-CAM and its kin) look at layer '{layer}'." }
                : [],
            .. images.HasTrueClasses
                ? []
                : new[]
                {
                    "The true classes are not known: the images that the model gives a class stand for its own.",
                },
        ];
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

    private static double[][] Rows(Tensor values)
    {
        using var rows = values;
        using var flat = rows.to(ScalarType.Float64);
        var width = (int)flat.shape[1];
        return [.. TensorModule.toArray<double>(flat).Chunk(width)];
    }

    /// <summary>Progress over all stages, each of a weight in forward passes.</summary>
    private sealed class Stages(IProgress<Progress>? progress)
    {
        private long done;

        public long Total { get; set; }

        public IProgress<Progress> Next(long weight)
        {
            var start = done;
            done += weight;
            return new Relay(part =>
                progress?.Report(new(start + weight * part.Done / Math.Max(1, part.Total), Math.Max(Total, done)))
            );
        }
    }

    private sealed class Relay(Action<Progress> report) : IProgress<Progress>
    {
        public void Report(Progress value) => report(value);
    }
}
