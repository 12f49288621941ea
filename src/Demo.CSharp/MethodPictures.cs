using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>The pictures of <see cref="MethodDocs"/>: what each method and metric makes of scenes.</summary>
public sealed class MethodPictures
{
    // The first and the last stand in every method's section.
    private static readonly int[] classes = [0, 12, 6];
    private static readonly string[] studied =
    [
        "saliency",
        "integrated-gradients",
        "deeplift",
        "lrp-epsilon-plus",
        "grad-cam",
        "rise",
    ];
    private static readonly double[] shares = [0, 0.05, 0.2, 0.5, 1];

    private const int StudiedScenes = 28;
    private const int StudiedSamples = 50;
    private const int StudiedSteps = 16;

    private readonly Model model;
    private readonly ConceptScenes scenes;
    private readonly CancellationToken cancellation;
    private readonly Action step;
    private readonly int[] rows;
    private readonly ImageSet twins;

    private MethodPictures(
        Model model,
        ConceptScenes scenes,
        ImageSet twins,
        Action step,
        CancellationToken cancellation
    )
    {
        (this.model, this.scenes, this.twins) = (model, scenes, twins);
        (this.step, this.cancellation) = (step, cancellation);
        var (found, foundTwins) = (Predictions(scenes.Images), Predictions(twins));
        rows =
        [
            .. classes.Select(k =>
                Enumerable
                    .Range(0, scenes.Images.Count)
                    .First(i => scenes.Classes[i] == k && found[i] == k && foundTwins[i] == Sibling(k))
            ),
        ];
    }

    /// <summary>The file of a method's picture.</summary>
    public static string FileOf(AttributionMethod method) =>
        $"{method.Name.Replace("+", "-plus", StringComparison.Ordinal)}.png";

    /// <summary>Draws all of them as PNG files.</summary>
    /// <param name="path">Where a file of a name is written.</param>
    /// <param name="model">The network of the scenes.</param>
    /// <param name="scenes">At least two of each class.</param>
    /// <param name="progress">Told of every picture and score.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">A file cannot be written.</exception>
    public static void Draw(
        Func<string, string> path,
        Model model,
        ConceptScenes scenes,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        using var twins = ConceptScenes.DrawTwins(scenes.Images.Count, scenes.Seed);
        var total = AttributionMethod.All.Count + studied.Length * (1 + AttributionMetric.All.Count);
        var done = 0;
        void Step()
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report(new(++done, total));
        }
        var pictures = new MethodPictures(model, scenes, twins.Images, Step, cancellation);
        var experts = pictures.Experts();
        pictures.EachMethod(path, experts);
        pictures.Influence(path("influence-directed.png"), experts);
        pictures.Order(path("metrics-order.png"));
        pictures
            .Study()
            .Figure(
                $"{StudiedScenes} scenes, the predicted class's score. Boxes hold the middle half; the best median is on top."
            )
            .Write(path("metrics.png"));
    }

    /// <summary>What the expert of a pair sees.</summary>
    /// <param name="Summary">The expert.</param>
    /// <param name="Map">Its map of a scene (1×c×h×w).</param>
    private sealed record Expert(ExpertSummary Summary, Tensor Map);

    private Expert[] Experts() =>
        [
            .. rows.Select(row =>
            {
                var k = (int)scenes.Classes[row];
                var (margin, pair) = (Quantity.Margin(k, Sibling(k)), new[] { k, Sibling(k) });
                var found = ExpertSummary.Find(
                    model,
                    Cuts.Default(model),
                    margin,
                    scenes.Images,
                    pair,
                    (k, Sibling(k))
                );
                var explainer = new InflDirected(model, found.Layer, margin);
                return new Expert(found, explainer.ExpertAttribution(found.Expert, scenes.Images.Take([row])));
            }),
        ];

    // Each method's own picture, and all methods' in one.
    private void EachMethod(Func<string, string> path, Expert[] experts)
    {
        var x = scenes.Images.Take(rows);
        var groups = new List<TileGroup>
        {
            new("The scenes", [.. rows.Select(row => new Tile(Input(scenes.Images, row)))]),
            new(MethodDocs.InfluenceDirected.Title, [.. experts.Select(expert => new Tile(Cloud(expert.Map)))]),
        };
        foreach (var method in AttributionMethod.All)
        {
            var settings = new MethodSettings { Background = scenes.Images };
            var maps = method.Create(model, settings)(x, cancellation: cancellation);
            groups.Add(new(method.Title, [.. rows.Select((_, i) => new Tile(Cloud(maps[i..(i + 1)])))]));
            TileGroup[] pairs =
            [
                .. new[] { 0, rows.Length - 1 }.Select(i =>
                {
                    var (scene, map) = (scenes.Images.Images(rows[i]..(rows[i] + 1)), maps[i..(i + 1)]);
                    var seen = Visualization.BinaryMask(scene, map, background: 0);
                    return new TileGroup("", [new(Cloud(map)), new(seen[0])]);
                }),
            ];
            Tiles.Write(path(FileOf(method)), null, columns: pairs.Length, side: 128, pairs);
            step();
        }
        Tiles.Write(
            path("methods.png"),
            (
                "The same three scenes by every method",
                "What speaks for the class; by influence-directed explanation, for what tells it from its sibling (a car without a roof, …)."
            ),
            columns: 3,
            side: 96,
            groups
        );
    }

    private void Influence(string path, Expert[] experts) =>
        Tiles.Write(
            path,
            (
                "What one unit sees",
                $"The unit of layer {experts[0].Summary.Layer} with most influence on what tells two classes apart, over the scenes of both."
            ),
            columns: 1,
            side: 160,
            [
                .. rows.Zip(experts)
                    .Select(shown =>
                    {
                        var (row, (expert, map)) = shown;
                        var k = (int)scenes.Classes[row];
                        var (first, second) = (ConceptScenes.ClassNames[k], ConceptScenes.ClassNames[Sibling(k)]);
                        var x = scenes.Images.Images(row..(row + 1));
                        var explainer = new InflDirected(model, expert.Layer, Quantity.Predicted);
                        string Value(ImageSet set) =>
                            $"the unit's value: {Number(explainer.Activity(expert.Expert, set.Take([row])).Values[0])}";
                        string Active(int ofClass) =>
                            expert
                                .Classes.First(c => c.Class == ofClass)
                                .ActiveShare.ToString("0 %", CultureInfo.InvariantCulture);
                        int[] own = [.. Enumerable.Range(0, scenes.Images.Count).Where(i => scenes.Classes[i] == k)];
                        var part = scenes.PartMasks.index_select(0, tensor(own));
                        string OnPart(Tensor maps) =>
                            $"{ConceptScenes.Pairs[k / 2].Part}: {Number(Localisation.Shares(part, maps).Average() / Localisation.Areas(part).Average())} × chance";
                        var ofOwn = explainer.ExpertAttribution(expert.Expert, scenes.Images.Take(own));
                        var paths = new IntegratedGrad(model, expert.Layer, expert.Expert).Attribute(
                            scenes.Images.Take(own)
                        );
                        var alongPath = paths[Array.IndexOf(own, row)].unsqueeze(0);
                        return new TileGroup(
                            $"{first} against {second}: unit {expert.Expert}, active on {Active(k)} and {Active(Sibling(k))} of them, selectivity {Number(expert.Selectivity!.Auc)}",
                            [
                                new(Input(scenes.Images, row), first, Value(scenes.Images)),
                                new(Cloud(map), "what the unit sees", OnPart(ofOwn)),
                                new(Visualization.BinaryMask(x, map)[0], "the scene seen through it"),
                                new(Cloud(alongPath), "by integrated gradients", OnPart(paths)),
                                new(Input(twins, row), $"as {second}", Value(twins)),
                            ]
                        );
                    }),
            ]
        );

    // What becomes of a scene on the paths of the metrics.
    private void Order(string path)
    {
        var row = rows[^1];
        var k = (int)scenes.Classes[row];
        var x = scenes.Images.Images(row..(row + 1));
        var pixels = new IntegratedGrad(model).Attribute(x).mean([1]);
        var ranks = Core.Ranking.ofPositive(pixels).Ranks.reshape(pixels.shape).unsqueeze(1);
        var count = pixels.gt(0).sum().item<long>();
        TileGroup Path(string title, Func<long, Tensor> keep) =>
            new(
                title,
                [
                    .. shares.Select(share =>
                    {
                        var image = x * keep((long)Math.Round(share * count));
                        using var logits = model.Logits(image, cancellation: cancellation);
                        return new Tile(
                            Drawing.Bytes(image[0].permute(1, 2, 0) / scenes.Images.Peak),
                            $"{share.ToString("0 %", CultureInfo.InvariantCulture)}: f_c = {Number(logits[0, k].to(ScalarType.Float64).item<double>())}"
                        );
                    }),
                ]
            );
        Tiles.Write(
            path,
            (
                "Removing pixels, and putting them back, in the order of a map",
                $"{ConceptScenes.ClassNames[k]}, by integrated gradients: the share of the {count} positive pixels that has changed, and the logit f_c."
            ),
            columns: 1,
            side: 150,
            [
                Path(
                    "Removed, the largest attribution first: necessity ordering, and ↓ of its proportionality",
                    i => ranks.ge(i)
                ),
                Path("Removed, the smallest first: ↑", i => ranks.lt(count - i).logical_or(ranks.ge(count))),
                Path(
                    "Put into black, the largest first: sufficiency ordering; the last is M(x) of average drop",
                    i => ranks.lt(i)
                ),
            ]
        );
    }

    private Study Study()
    {
        Instances x = scenes.Images.Take(Enumerable.Range(0, StudiedScenes));
        x = x.Remembered();
        var scores = studied
            .Select(AttributionMethod.Find)
            .SelectMany(method =>
            {
                Explainer Explain(Model m, Quantity q) =>
                    method.Create(
                        m,
                        new()
                        {
                            Quantity = q,
                            Samples = StudiedSamples,
                            Steps = StudiedSteps,
                        }
                    );
                var maps = Explain(model, Quantity.Predicted)(x, cancellation: cancellation);
                step();
                var settings = new MetricSettings
                {
                    Explain = Explain,
                    MultipliedFrom = method.Uses.HasFlag(MethodSetting.Multiply) ? Baseline.Black : null,
                };
                return AttributionMetric.All.Select(metric =>
                {
                    var found = metric.Create(model, settings)(maps, x, cancellation: cancellation);
                    step();
                    return new MethodScores(method.Name, metric.Name, found);
                });
            });
        return new(
            new ScoreTable([.. Enumerable.Range(0, StudiedScenes).Select(scenes.Images.Label)], [.. scores]),
            AttributionMetric.All
        );
    }

    private long[] Predictions(ImageSet images)
    {
        using var logits = model.Logits(images, cancellation: cancellation);
        return TensorModule.toArray<long>(logits.argmax(1));
    }

    private static int Sibling(int k) => k ^ 1;

    private static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static Tensor Input(ImageSet images, int row) =>
        Drawing.Bytes(images.Images(row..(row + 1))[0].permute(1, 2, 0) / images.Peak);

    private static Tensor Cloud(Tensor map) =>
        Drawing.Bytes(Visualization.PointCloud(map, threshold: 0)[0].unsqueeze(2));
}
