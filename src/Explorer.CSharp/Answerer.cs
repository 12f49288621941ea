using System.Collections.Concurrent;
using System.Diagnostics;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Answers questions by the library: what a page asks for is what a program or the command line would get.</summary>
internal sealed class Answerer(Model model, ImageSet images, Pictures pictures, ExplorerOptions options)
{
    // Forward passes of single images that take a moment only; a question of more lets others go first.
    private const double QuickPasses = 150;

    // On small images a pass of many takes no longer than one of a few large ones.
    private const long PixelsAPass = 1 << 19;

    private readonly ConcurrentDictionary<string, ExpertSummary> experts = new();

    private int BatchSize =>
        options.BatchSize ?? (int)Math.Clamp(PixelsAPass / ((long)images.Height * images.Width), 1, 128);

    /// <summary>The model's scores of the first image, by which it is told from another of the same layers.</summary>
    public IReadOnlyList<double> FirstScores { get; } = First(model, images);

    /// <summary>What is asked, whether it takes a moment only, and how it is answered.</summary>
    /// <exception cref="AttributionException">The question cannot be meant.</exception>
    public (string Key, bool IsQuick, Doing Work) Plan(Question question)
    {
        if (question.Image == Question.AllImages && question.Kind is not ("experts" or "measure"))
            throw new AttributionException("The question is of one image: name it.");
        var isOfAll = question.Image == Question.AllImages;
        var image = isOfAll ? images : pictures.Of(question.Image);
        var passes = image.Count * Passes(question, image);
        // An image's key names it, and its stamp what it holds.
        var content = isOfAll ? "" : image.Stamp(0);
        return ($"{content}\n{question.Key}", passes <= QuickPasses, Of(question, image));
    }

    /// <summary>Asks what the page asks first, so that it is there when the page is, and everything is ready for the second question.</summary>
    public void WarmUp(Answers answers)
    {
        async Task Ask()
        {
            foreach (var first in new[] { Question.First("scores"), Question.First("map") })
            {
                var (key, isQuick, work) = Plan(first);
                await foreach (var _ in answers.Ask(key, isQuick, work, CancellationToken.None))
                {
                    // It is remembered.
                }
            }
        }
        _ = Task.Run(Ask).ContinueWith(failed => failed.Exception, TaskContinuationOptions.OnlyOnFaulted);
    }

    /// <summary>The map of a question as a file, png, npz or csv, or the scores of one that measures as csv.</summary>
    public byte[] File(Question question, string kind, IProgress<Progress> progress, CancellationToken cancellation)
    {
        var image = ImageOf(question);
        if (question.Kind == "measure")
            return Downloads.Written(Measured(question, image, progress, cancellation).Table.WriteCsv);
        byte[]? made = null;
        void Make(PartOfMaps part) => made = kind == "png" ? Drawn(question, image, part) : Downloads.OfMap(part.Maps);
        if (kind == "npz")
            return Downloads.Written(path => Explained(question, image, progress, cancellation, null, path));
        Explained(question, image, progress, cancellation, Make);
        return made!;
    }

    private ImageSet ImageOf(Question question) =>
        question.Image == Question.AllImages ? images : pictures.Of(question.Image);

    private byte[] Drawn(Question question, ImageSet image, PartOfMaps part)
    {
        using var scope = NewDisposeScope();
        ExplanationPicture picture = new(
            question.Method,
            part.Method.Description,
            pictures.Title(question.Image),
            options.Names,
            part.PredictedClasses[0],
            image.HasTrueClasses ? image.TrueClasses[0] : null,
            null,
            QuantityOf(question, image).RegionOf(model, part.X[0])
        );
        return picture.Draw(part.X[0], part.Maps[0].nan_to_num(0, 0, 0), image.Peak);
    }

    private double Passes(Question question, ImageSet image)
    {
        const double Gradient = 3;
        double OfMethod()
        {
            if (question.Method != StudyMethod.InfluenceDirected)
                return AttributionMethod.Find(question.Method).Work(model, Settings(question, image), image).Passes;
            return Gradient + (experts.ContainsKey(ExpertKey(question)) ? 0 : Gradient * images.Count);
        }
        var pixels = (long)image.Height * image.Width;
        return question.Kind switch
        {
            "scores" => 1,
            "map" => OfMethod(),
            "curve" => OfMethod() + (double)pixels / PixelSteps.For(null, pixels).Pixels,
            "experts" => Gradient + 1,
            _ => OfMethod() + MetricsOf(question).Sum(metric => metric.Passes(new(), pixels)),
        };
    }

    private Doing Of(Question question, ImageSet image) =>
        question.Kind switch
        {
            "scores" => (progress, cancellation) => Scores(image, progress, cancellation),
            "map" => (progress, cancellation) => Map(question, image, progress, cancellation),
            "curve" => (progress, cancellation) => Curve(question, image, progress, cancellation),
            "experts" => (progress, cancellation) => Experts(question, progress, cancellation),
            _ => (progress, cancellation) => Measure(question, image, progress, cancellation),
        };

    private object Scores(ImageSet image, IProgress<Progress> progress, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var scores = model.ClassScores(image, BatchSize, progress, cancellation);
        var probabilities = model.Probabilities(scores);
        return new
        {
            Logits = Numbers(scores),
            Probabilities = Numbers(probabilities),
            Predicted = scores.argmax(1).item<long>(),
            TrueClass = image.HasTrueClasses ? image.TrueClasses[0] : (long?)null,
            ScoreKind = model.Scores == ScoreKind.Probabilities ? "probabilities" : "logits",
        };
    }

    private object Map(Question question, ImageSet image, IProgress<Progress> progress, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var clock = Stopwatch.StartNew();
        Tensor? kept = null;
        StudyMethod? method = null;
        void Keep(PartOfMaps part) => (method, kept) = (part.Method, Mean(part.Maps));
        var found = Explained(question, image, progress, cancellation, Keep);
        var map = kept!.reshape(image.Height, image.Width);
        var state = found.Maps(method!)[0];
        var seen = state == MapState.NotFinite ? map.nan_to_num(0, 0, 0) : map;
        var expert = method!.Expert;
        return new
        {
            image.Height,
            image.Width,
            Map = Base64(map.to(ScalarType.Float32)),
            Magnitude = seen.abs().max().item<double>(),
            Largest = seen.max().item<double>(),
            Smallest = seen.min().item<double>(),
            Sum = seen.sum().item<double>(),
            State = Told(state).Name,
            StateSentence = Told(state).Sentence,
            Value = model.Values(QuantityOf(question, image), image, BatchSize, cancellation: cancellation)[0],
            method.Description,
            Notes = found.Notes.Where(note => !note.Contains("summary.json")).ToArray(),
            Seconds = clock.Elapsed.TotalSeconds,
            Expert = expert is null
                ? null
                : new
                {
                    expert.Layer,
                    Unit = expert.Expert,
                    expert.Noun,
                },
            Lines = Lines.Of(question, options),
        };
    }

    private object Curve(
        Question question,
        ImageSet image,
        IProgress<Progress> progress,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        Tensor? kept = null;
        Explained(
            question,
            image,
            progress,
            cancellation,
            part => kept = part.Maps.to(ScalarType.Float64).clone().MoveToOuterDisposeScope()
        );
        var quantity = QuantityOf(question, image);
        var curve = new PixelRemoval(model, quantity).Curves(kept!, image, BatchSize, progress, cancellation)[0];
        return new
        {
            curve.Pixels,
            curve.Scores,
            Quantity = quantity.Name,
            Order = Base64(PixelRemoval.Order(kept!).to(ScalarType.Int32)),
            Blank = new[] { 0, 0, 0 },
        };
    }

    private object Experts(Question question, IProgress<Progress> progress, CancellationToken cancellation)
    {
        var summary = ExpertOf(question, progress, cancellation);
        var asked = Spelled.Quantity(question.Quantity, UnitsOf(question));
        int[] ranked = [.. summary.Influence.Index().OrderByDescending(u => u.Item).Select(u => u.Index)];
        int[] top = [.. ranked.Take(question.Top)];
        int[] bottom = [.. ranked.Skip(top.Length).Where(u => summary.Influence[u] < 0).TakeLast(3).Reverse()];
        InflDirected cut = new(model, summary.Layer, Quantity.Predicted, summary.Units);
        int[] watched = [.. top, .. bottom];
        var activities = cut.Activities(watched, images, BatchSize, progress, cancellation);
        var byClass = images.HasTrueClasses
            ? Enumerable
                .Range(0, images.Count)
                .GroupBy(i => images.TrueClasses[i])
                .ToDictionary(g => g.Key, g => g.ToArray())
            : [];
        var members = Members(question, asked);
        var (ones, others, meaning, opposite) = Told(asked, byClass);
        object Seen(int unit, int place) =>
            new
            {
                Unit = unit,
                Influence = (double)summary.Influence[unit],
                ActiveShare = activities[place].ActiveShare(members),
                IsDead = activities[place].ActiveShare(members) == 0,
                Auc = meaning.Length == 0 ? (double?)null : activities[place].Selectivity(ones, others),
                Classes = byClass
                    .OrderBy(c => c.Key)
                    .Select(c => new
                    {
                        Class = c.Key,
                        Images = c.Value.Length,
                        ActiveShare = activities[place].ActiveShare(c.Value),
                    }),
                MostActive = members
                    .OrderByDescending(i => activities[place].Values[i])
                    .Take(6)
                    .Select(i => new { Image = $"{i}", Value = (double)activities[place].Values[i] }),
            };
        return new
        {
            summary.Layer,
            Noun = About.Noun(model, summary),
            Units = summary.Influence.Count,
            summary.Quantity,
            summary.Distribution,
            summary.Instances,
            Influence = Convert.ToBase64String(
                System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>([.. summary.Influence])
            ),
            summary.Warning,
            Remedy = summary.IsDead ? summary.Remedy : null,
            Top = top.Select((unit, i) => Seen(unit, i)).ToArray(),
            Bottom = bottom.Select((unit, i) => Seen(unit, top.Length + i)).ToArray(),
            AucMeaning = meaning,
            AucOpposite = opposite,
            Lines = Lines.Of(question, options),
        };
    }

    // The images that tell how selective a unit is, and how to say it.
    private (int[] Ones, int[] Others, string Meaning, string Opposite) Told(
        SpelledQuantity asked,
        Dictionary<long, int[]> byClass
    )
    {
        string Words(string a, string b) => $"tells {a} from {b}";
        string Named(string k) => options.Names[ClassOf(k)];
        if (
            asked.Sides is var (a, b)
            && byClass.TryGetValue(ClassOf(a), out var first)
            && byClass.TryGetValue(ClassOf(b), out var second)
        )
            return (first, second, Words(Named(a), Named(b)), Words(Named(b), Named(a)));
        if (asked.Classes is [var k] && byClass.TryGetValue(ClassOf(k), out var own) && byClass.Count > 1)
        {
            int[] rest = [.. byClass.Where(c => c.Key != ClassOf(k)).SelectMany(c => c.Value)];
            return (own, rest, Words(Named(k), "all else"), Words("all else", Named(k)));
        }
        return ([], [], "", "");
    }

    private int[] Members(Question question, SpelledQuantity asked)
    {
        var over = asked.Ask(question.Distribution, model, images, ClassOf).Distribution;
        return
        [
            .. Enumerable.Range(0, images.Count).Where(i => over is null || over.Contains((int)images.TrueClasses[i])),
        ];
    }

    private object Measure(
        Question question,
        ImageSet image,
        IProgress<Progress> progress,
        CancellationToken cancellation
    )
    {
        List<string> said = [];
        var study = Measured(question, image, progress, cancellation, said.Add);
        object Row(AttributionMetric metric)
        {
            var scores = study.Table.Scores.FirstOrDefault(scores => scores.Metric == metric.Name);
            if (scores is null || scores.Failure is not null)
                return new { Metric = metric.Name, Failure = scores?.Failure ?? Why(metric) };
            double[] sound = [.. scores.OfSound.PerInstance.Where(double.IsFinite)];
            var mean = Estimate.OfMean(sound, options.Seed);
            return new
            {
                Metric = metric.Name,
                // The score of a map that is not sound keeps its definition, but compares with nothing.
                Value = image.Count == 1 ? scores.PerInstance[0] : mean.Value,
                Low = image.Count == 1 ? (double?)null : mean.Low,
                High = image.Count == 1 ? (double?)null : mean.High,
                Count = sound.Length,
                scores.Maps.Unsound,
            };
        }
        string Why(AttributionMetric metric) =>
            said.Concat(study.LeftOut).Concat(study.Failures).FirstOrDefault(sentence => sentence.Contains(metric.Name))
            ?? "The metric does not apply to this model.";
        return new
        {
            question.Method,
            Images = image.Count,
            Of = TargetOf(question) is { } k ? $"the score of class {k}" : "the predicted class's score",
            Rows = MetricsOf(question).Select(Row).ToArray(),
            Notes = study.Remarks,
            Lines = Lines.Of(question, options),
        };
    }

    private Study Measured(
        Question question,
        ImageSet image,
        IProgress<Progress> progress,
        CancellationToken cancellation,
        Action<string>? said = null
    ) =>
        Study.Run(
            model,
            image,
            [MethodOf(question, image, progress, cancellation)],
            MetricsOf(question),
            new()
            {
                BatchSize = BatchSize,
                Names = options.Names,
                IsEveryMetric = true,
                Said = said,
                Seed = options.Seed,
                Metrics = new() { TargetClass = TargetOf(question), Seed = options.Seed },
            },
            progress,
            cancellation
        );

    private int? TargetOf(Question question) => Spelled.Quantity(question.Quantity).Class is { } k ? ClassOf(k) : null;

    private static AttributionMetric[] MetricsOf(Question question) =>
        question.Metrics.Count > 0
            ? [.. question.Metrics.Distinct().Select(AttributionMetric.Find)]
            : throw new AttributionException("No metric is chosen: choose at least one.");

    private Explanations Explained(
        Question question,
        ImageSet image,
        IProgress<Progress> progress,
        CancellationToken cancellation,
        Action<PartOfMaps>? made,
        string? file = null
    )
    {
        ExplanationOptions how = new()
        {
            BatchSize = BatchSize,
            Names = options.Names,
            Made = made,
            FileOf = file is null ? null : _ => file,
        };
        var method = MethodOf(question, image, progress, cancellation);
        var found = Explanations.Run(model, image, [method], how, progress, cancellation);
        return found.Failures is [var failure, ..] ? throw new AttributionException(failure) : found;
    }

    private StudyMethod MethodOf(
        Question question,
        ImageSet image,
        IProgress<Progress> progress,
        CancellationToken cancellation
    )
    {
        var settings = Settings(question, image);
        return question.Method == StudyMethod.InfluenceDirected
            ? new(ExpertOf(question, progress, cancellation), settings.MultiplyWithInput)
            : new(AttributionMethod.Find(question.Method), settings);
    }

    private ExpertSummary ExpertOf(Question question, IProgress<Progress> progress, CancellationToken cancellation)
    {
        const int MostKept = 64;
        var key = ExpertKey(question);
        if (experts.TryGetValue(key, out var known))
            return known;
        var asked = Spelled
            .Quantity(question.Quantity, UnitsOf(question))
            .Ask(question.Distribution, model, images, ClassOf);
        var found = ExpertSummary.FindAll(
            model,
            [question.Layer ?? Cuts.Default(model)],
            [asked],
            images,
            1,
            BatchSize,
            progress,
            cancellation,
            UnitsOf(question)
        )[0];
        if (experts.Count >= MostKept)
            experts.Clear();
        return experts[key] = found;
    }

    private static string ExpertKey(Question question) =>
        string.Join('\n', question.Layer, question.Quantity, question.Distribution, question.Units);

    private MethodSettings Settings(Question question, ImageSet image) =>
        question.Settings.Aggregate(
            new MethodSettings
            {
                Quantity = QuantityOf(question, image),
                Seed = options.Seed,
                // Which image is explained is no reason to compare it with fewer.
                Background = images,
            },
            (settings, given) => given.Setting.Set(settings, given.Text)
        );

    private Quantity QuantityOf(Question question, ImageSet image) =>
        Spelled.Quantity(question.Quantity, UnitsOf(question)).For(model, image, ClassOf);

    private static Units UnitsOf(Question question) => Spelled.Units(question.Units);

    private int ClassOf(string text) => Spelled.Class(text, options.Names, FirstScores.Count);

    private static double[] First(Model model, ImageSet images)
    {
        using var scope = NewDisposeScope();
        return Numbers(model.ClassScores(images.Take([0])));
    }

    // As pictures read it: the mean over the channels.
    private static Tensor Mean(Tensor maps) => maps.to(ScalarType.Float64).mean([1]).MoveToOuterDisposeScope();

    private static double[] Numbers(Tensor row) => [.. row.to(ScalarType.Float64).flatten().data<double>()];

    private static string Base64(Tensor numbers) => Convert.ToBase64String(numbers.cpu().contiguous().bytes);

    private static (string Name, string Sentence) Told(MapState state) =>
        state switch
        {
            MapState.Empty => ("empty", "The map is zero everywhere: it says nothing of this image."),
            MapState.Constant => ("constant", "The map is the same number everywhere: it tells no pixel from another."),
            MapState.NothingPositive => (
                "nothing-positive",
                "No pixel speaks for what is asked: all of the map is against it or 0."
            ),
            MapState.NotFinite => ("not-finite", "The map holds numbers that are not finite, which are shown as 0."),
            _ => ("sound", ""),
        };
}
