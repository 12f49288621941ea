using System;
using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>Chooses what a report's options leave open, and says why.</summary>
internal sealed class ReportChooser
{
    private const int Camel = 354;
    private const int Weasel = 356;
    private const int EachKind = 5;

    private static readonly int[] coursesClasses = [1, 163, 250, 283, 284, 340, 354, 356, 386, 397, 479, 511, 734, 817];

    // The course's figures: correctly, and wrongly classified.
    private static readonly long[] coursesFigures =
    [
        .. "11490 12228 11436 11691 1434 1594 16075 1504 13329 1568 12510 12153 111 12727 18094 1174 431 11993 430 2167 27643 1338 10857 1206 11055 10657 3690 12574"
            .Split(' ')
            .Select(long.Parse),
    ];

    private readonly ImageSet images;
    private readonly ReportOptions options;
    private readonly IReadOnlyList<ReportInstance> instances;
    private readonly IReadOnlyList<long> labels;
    private readonly double[][] logits;
    private readonly Dictionary<int, int> counts;
    private readonly List<ReportChoice> reasons = [];

    public ReportChooser(
        Model model,
        ImageSet images,
        ReportOptions options,
        IReadOnlyList<ReportInstance> instances,
        IReadOnlyList<long> labels,
        double[][] logits
    )
    {
        (this.images, this.options, this.instances, this.labels, this.logits) = (
            images,
            options,
            instances,
            labels,
            logits
        );
        var classes = logits[0].Length;
        if (labels.Any(y => y < 0 || y >= classes))
            throw new AttributionException(
                $"An image is of class {labels.First(y => y < 0 || y >= classes)}, but the model has {classes} classes: give the images that it was trained for."
            );
        counts = labels.CountBy(y => (int)y).ToDictionary();
        if (counts.Count < 2)
            throw new AttributionException(
                $"A report compares classes, but all images are of class {counts.Keys.First()}: give images of two classes at least."
            );

        var first = Required(options.Classes) ?? Classes();
        var related = Required(options.Related) ?? Related(first);
        Pairs = related is null || Same(first, related) ? [first] : [first, related];
        Add("classes", Name(first), options.Classes, Why(first));
        if (Pairs.Count > 1)
            Add(
                "related classes",
                Name(Pairs[1]),
                options.Related,
                options.Truth is null
                    ? "the two classes that the model tells apart least, by the mean margin over their images"
                    : "a pair that differs in one part"
            );

        Layer = options.Layer is { } layer ? model.RequireLayer(layer) : CoursesLayer(model) ?? Cuts.Default(model);
        var before = Cuts.BeforeActivation(model, Layer);
        IsCutBeforeActivation = before is null;
        Companion = before ?? model.Layers.FirstOrDefault(name => Cuts.BeforeActivation(model, name) == Layer);
        Add(
            "layer",
            Layer,
            options.Layer,
            IsCutBeforeActivation ? "a cut before the last hidden activation" : "the course's layer"
        );

        DropClass = options.DropClass is { } k ? Required(k) : first.First;
        Add("class of the average drop", Name(DropClass), options.DropClass, "the first of the classes");

        if (options.PixelsPerStep < 1)
            throw new AttributionException(
                $"A step removes at least 1 pixel, but {options.PixelsPerStep} are asked for."
            );
        Steps = PixelSteps.For(options.PixelsPerStep, (long)images.Height * images.Width);
        Add(
            "pixels per step",
            $"{Steps}",
            options.PixelsPerStep,
            "1000 for an image of the course's size or larger, else as large a share of it"
        );

        Figures = options.Figures is { } ids ? Asked(ids) : ChosenFigures();
        Add(
            "images side by side",
            string.Join(", ", Figures.Select(images.Label)),
            options.Figures,
            IsCourse
                ? "the course's figure indices, and the first of each kind where those do not suffice"
                : "the first five of each kind"
        );
    }

    public IReadOnlyList<ClassPair> Pairs { get; }

    public string Layer { get; }

    public string? Companion { get; }

    public bool IsCutBeforeActivation { get; }

    public int DropClass { get; }

    public PixelSteps Steps { get; }

    public int[] Figures { get; }

    public IReadOnlyList<ReportChoice> Reasons => reasons;

    private bool IsCourse =>
        images is { HasIds: true, HasTrueClasses: true } && counts.Keys.All(coursesClasses.Contains);

    private void Add(string what, string value, object? given, string reason) =>
        reasons.Add(new(what, value, given is null ? $"chosen: {reason}" : "given"));

    private string Name(int k) => $"{options.Names![k]} ({k})";

    private string Name(ClassPair pair) => $"{Name(pair.First)} and {Name(pair.Second)}";

    private static bool Same(ClassPair a, ClassPair b) =>
        (a.First, a.Second) == (b.First, b.Second) || (a.First, a.Second) == (b.Second, b.First);

    private int Required(int k) =>
        counts.ContainsKey(k)
            ? k
            : throw new AttributionException(
                $"There is no image of class {Name(k)}: the images are of the classes {string.Join(", ", counts.Keys.Order().Take(20))}."
            );

    private ClassPair? Required(ClassPair? pair)
    {
        if (pair is null)
            return null;
        if (pair.First == pair.Second)
            throw new AttributionException($"A pair has two classes, but class {Name(pair.First)} is given twice.");
        return new(Required(pair.First), Required(pair.Second));
    }

    private ClassPair Classes()
    {
        if (options.Truth is { Pairs: [var one, var other, ..] })
            return new(one.First, other.First);
        if (IsImageNet)
            return new(Camel, Weasel);
        int[] most = [.. counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key).Select(c => c.Key).Take(2)];
        return new(most[0], most[1]);
    }

    // A CIFAR-100 has a class 354 no more than a network of insects has camels there.
    private bool IsImageNet => logits[0].Length == 1000 && counts.ContainsKey(Camel) && counts.ContainsKey(Weasel);

    private string Why(ClassPair pair) =>
        options.Truth is not null ? "classes of different pairs"
        : IsImageNet && pair == new ClassPair(Camel, Weasel) ? "the course's examples"
        : "those with most images";

    private ClassPair? Related(ClassPair first)
    {
        if (options.Truth is { Pairs: [var one, ..] })
            return new(one.First, one.Second);

        int[] classes = [.. counts.Keys.Order()];
        var rows = classes.ToDictionary(
            k => k,
            k => labels.Index().Where(y => y.Item == k).Select(y => y.Index).ToArray()
        );
        double Margin(int k, int other) => rows[k].Average(row => logits[row][k] - logits[row][other]);
        return (
            from a in classes
            from b in classes
            where a < b && !Same(first, new(a, b))
            orderby Margin(a, b) + Margin(b, a)
            select new ClassPair(a, b)
        ).FirstOrDefault();
    }

    private string? CoursesLayer(Model model) =>
        options.Truth is null && model.Layers.Contains("fc1") && model.Layers.Contains("fc1l") ? "fc1" : null;

    private int[] Asked(IReadOnlyList<long> ids)
    {
        if (ids.Count == 0)
            throw new AttributionException("No image is given to show side by side; name at least one.");
        return
        [
            .. ids.Select(id =>
                {
                    var row =
                        images.HasIds
                            ? images
                                .Ids.Index()
                                .Where(other => other.Item == id)
                                .Select(other => other.Index)
                                .DefaultIfEmpty(-1)
                                .First()
                        : id >= 0 && id < images.Count ? (int)id
                        : -1;
                    return row >= 0
                        ? row
                        : throw new AttributionException(
                            $"There is no image {id} to show side by side: name an id of the images, or their position where they have none."
                        );
                })
                .Distinct(),
        ];
    }

    private int[] ChosenFigures()
    {
        IEnumerable<int> preferred = IsCourse
            ? coursesFigures.SelectMany(id =>
                images.Ids.Index().Where(other => other.Item == id).Select(other => other.Index).Take(1)
            )
            : [];
        int[] order = [.. preferred.Concat(Enumerable.Range(0, images.Count)).Distinct()];
        return images.HasTrueClasses ? [.. Kind(true), .. Kind(false)] : [.. order.Take(2 * EachKind)];

        IEnumerable<int> Kind(bool isCorrect) =>
            order.Where(row => instances[row].IsCorrect == isCorrect).Take(EachKind);
    }
}
