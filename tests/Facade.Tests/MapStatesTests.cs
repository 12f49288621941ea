using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Maps that are empty, constant, without positive pixels or not finite, in every metric; and the steps of pixels.</summary>
public static class MapStatesTests
{
    private const int Side = 12;

    public static Test Tests =>
        Runner.TestList(
            "Maps that are not sound",
            [
                .. AttributionMetric.All.Select(Metric),
                InScope("scores say what each map is, and which are compared", Told),
                InScope("an empty map wins no image, by whatever metric", NeverWins),
                InScope("a map that is not finite costs the others nothing", NotFinite),
                InScope("words for them", Words),
                Check.InFolder("a table of scores keeps them, and names them", Table),
                InScope("steps of 224×224 images are 1000 pixels, exactly", CourseSteps),
                InScope("steps of small images are a share of them, in every curve metric alike", SmallSteps),
            ]
        );

    private static Tensor Uniform(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return rand(shape, dtype: float64, generator: generator);
    }

    /// <summary>Three classes: weighted sums of the pixels, through a ReLU.</summary>
    private static Model Network(int side = Side)
    {
        var weights = Uniform(3, 3 * side * side, 3) - 0.3;
        return Model.FromLayers(("flat", x => x.flatten(1)), ("logits", x => x.matmul(weights).relu() + 0.1));
    }

    private static (MapState State, Tensor Map)[] Kinds(int side = Side)
    {
        var map = Uniform(5, 1, 3, side, side);
        var broken = map - 0.5;
        broken[0, 1, 2, 3] = tensor(double.NaN);
        return
        [
            (MapState.Sound, map - 0.5),
            (MapState.Empty, zeros_like(map)),
            (MapState.NothingPositive, -map),
            (MapState.Constant, ones_like(map)),
            (MapState.NotFinite, broken),
            (MapState.Sound, map),
        ];
    }

    private static (Tensor Maps, Tensor Images, MapState[] States) Case()
    {
        var kinds = Kinds();
        return (
            cat([.. kinds.Select(kind => kind.Map)]),
            Uniform(9, kinds.Length, 3, Side, Side) * 255,
            [.. kinds.Select(kind => kind.State)]
        );
    }

    private static MetricSettings Settings =>
        new()
        {
            TargetClass = 0,
            Samples = 4,
            Masks = Uniform(8, 1, Side, Side).gt(0.7),
            Explain = (model, quantity) =>
                (x, batch, progress, stop) =>
                    new SaliencyMap(model, quantity).Attribute(x, batch, true, progress, stop),
        };

    private static Model Module()
    {
        random.manual_seed(2);
        var module = nn.Sequential(
            ("flat", nn.Flatten()),
            ("dense", nn.Linear(3 * Side * Side, 6)),
            ("relu", nn.ReLU()),
            ("logits", nn.Linear(6, 3))
        );
        module.to(float64);
        return Model.FromModule(module);
    }

    // What a metric says of a sound map does not depend on the others, and none of the others is compared.
    private static Test Metric(AttributionMetric metric) =>
        InScope(
            $"{metric.Name} keeps their scores by definition, and compares none of them",
            () =>
            {
                using var model = Module();
                var (maps, x, states) = Case();
                var scorer = metric.Create(model, Settings);
                var all = MapScores.Of(scorer, maps, x);
                Check.Same(all.Maps, states);
                Expect.isTrue(double.IsNaN(all[4]), "NaN where the map is not finite");
                Expect.equal(all.Steps is not null, metric.HasSteps, "steps");
                int[] finite = [0, 1, 2, 3, 5];
                var rows = tensor(finite.Select(i => (long)i).ToArray());
                var found = scorer(maps[rows], x[rows]);
                Check.Same(((MapScores)found).Maps, [.. finite.Select(i => states[i])]);
                foreach (var (place, i) in finite.Index())
                    // Those draw by an image's number, which its place among the others decides.
                    if (
                        metric.Name
                        is not (
                            "random-logit"
                            or "infidelity"
                            or "sensitivity-n"
                            or "faithfulness-correlation"
                            or "monotonicity-correlation"
                            or "non-sensitivity"
                            or "region-perturbation"
                            or "road"
                            or "max-sensitivity"
                            or "average-sensitivity"
                            or "local-lipschitz"
                            or "relative-input-stability"
                            or "relative-output-stability"
                            or "relative-representation-stability"
                            or "smooth-parameter-randomisation"
                            or "effective-complexity-loss"
                        )
                    )
                        Expect.isTrue(
                            found[place].Equals(all[i]) || Math.Abs(found[place] - all[i]) <= 1e-9 * Math.Abs(all[i]),
                            $"map {i} scores {all[i]}, and by definition {found[place]}"
                        );
                for (var i = 0; i < states.Length; i++)
                    Expect.isTrue(
                        states[i] == MapState.Sound ? all.OfSound[i].Equals(all[i]) : double.IsNaN(all.OfSound[i]),
                        $"what is compared of map {i}"
                    );
            }
        );

    private static void Told()
    {
        var (maps, x, _) = Case();
        using var model = Network();
        int[] finite = [0, 1, 2, 3, 5];
        var rows = tensor(finite.Select(i => (long)i).ToArray());
        var found = new N_Ord(model, targetClass: 0, pixelsPerStep: 7).Evaluate(maps[rows], x[rows]);
        Expect.equal(found.Count, 5, "a score an image");
        Expect.equal(found[1], 0.0, "an empty map's necessity ordering is 0 by definition");
        Expect.equal(found[2], 0.0, "and so is that of a map without positive pixels");
        Check.Same(found.Maps.Positions(MapState.Empty), 1);
        Expect.equal((found.Maps.Sound, found.Maps.Unsound), (2, 3), "how many");
        Expect.equal(found.Steps, new PixelSteps(7), "the steps that were asked for");

        var drop = new AverageDrop(model, targetClass: 0).Evaluate(maps[rows], x[rows]);
        Check.Same(drop.Maps, [.. found.Maps]);
        Expect.equal(drop.Drops[3], 0.0, "a constant map keeps all, and so loses nothing, by definition");
    }

    private static void NeverWins()
    {
        using var model = Module();
        var x = Uniform(9, 4, 3, Side, Side) * 255;
        var sound = new SaliencyMap(model).Attribute(x);
        Tensor[] unsound = [zeros_like(sound), ones_like(sound), -ones_like(sound) - Uniform(1, 4, 3, Side, Side)];
        foreach (var metric in AttributionMetric.All)
        {
            var scorer = metric.Create(model, Settings);
            var scores = unsound.Prepend(sound).Select(maps => MapScores.Of(scorer, maps, x)).ToArray();
            var won = WinRate.Of(scores, metric.Better);
            Expect.isTrue(
                won.Skip(1).All(share => share is 0 or double.NaN),
                $"{metric.Name}: {string.Join(", ", won)}"
            );

            var table = new ScoreTable(
                ["a", "b", "c", "d"],
                [.. scores.Index().Select(s => new MethodScores($"m{s.Index}", metric.Name, s.Item))]
            );
            var study = new Study(table, [metric]);
            Expect.equal(study.Rows[0].Method, "m0", $"{metric.Name}: the sound maps come first");
            Expect.isTrue(
                study.Rows.Skip(1).All(row => !row.IsRanked && row.Count == 0 && double.IsNaN(row.Rank.Value)),
                $"{metric.Name}: no ranks"
            );
            Expect.isTrue(study.Pairs.All(pair => pair.Count == 0 && pair.Corrected == 1), $"{metric.Name}: no tests");
            Expect.equal(study.Notes.Count(note => note.Contains("4 of 4 images")), 3, $"{metric.Name}: notes");
        }
    }

    private static void NotFinite()
    {
        using var model = Network();
        var (maps, x, _) = Case();
        Check.Refuses(() => new N_Ord(model).Evaluate(maps, x), "instance 4", "NaN");
        var method = new MethodScores("m", "necessity-ordering", MapScores.Of(new N_Ord(model).Evaluate, maps, x));
        Check.Same(method.Skipped, 4);
        Expect.equal((method.Count, method.OfSound.Count), (5, 2), "of six");
        var before = maps.clone();
        MapScores.Of(new N_Ord(model).Evaluate, maps, x);
        Expect.isTrue(maps.equal_nan(before), "the maps stay as they are");
    }

    private static bool equal_nan(this Tensor a, Tensor b) =>
        a.eq(b).logical_or(a.isnan().logical_and(b.isnan())).all().ToBoolean();

    private static void Words()
    {
        var states = MapStates.Of(Case().Maps);
        Expect.equal(
            states.Summary,
            "1 of 6 zero everywhere, 1 of 6 constant, 1 of 6 without positive pixels, 1 of 6 not finite",
            "summary"
        );
        Expect.equal(
            states.Sentence("rise"),
            "The map of rise is zero everywhere for 1 of 6 images and is the same number everywhere for 1 of 6 images and "
                + "has no positive pixel for 1 of 6 images and is not finite for 1 of 6 images.",
            "sentence"
        );
        Expect.isNull(MapStates.AllSound(3).Summary, "nothing to say");
        Expect.isNull(MapStates.AllSound(3).Sentence("rise"), "nothing to say");
    }

    private static void Table(string folder)
    {
        var path = Path.Combine(folder, "scores.json");
        MapState[] half = [MapState.Sound, MapState.Empty];
        var table = new ScoreTable(
            ["a", "b"],
            [
                new("one", "necessity-ordering", new MapScores([4, 0], new(half), new(15, 25))),
                new("two", "necessity-ordering", new MapScores([4, 6], MapStates.AllSound(2), new(15, 25))),
                MethodScores.Failed("three", "necessity-ordering", 2, "It cannot be done."),
            ]
        );
        table.WriteJson(path);
        using var file = JsonDocument.Parse(File.ReadAllText(path));
        JsonElement Of(string method) => file.RootElement.GetProperty(method).GetProperty("necessity-ordering");
        Expect.equal(Of("one").GetProperty("score").GetDouble(), 2.0, "the mean by definition");
        Expect.equal(Of("one").GetProperty("sound_score").GetDouble(), 4.0, "that of sound maps");
        Expect.equal(Of("one").GetProperty("maps").GetProperty("sound").GetInt32(), 1, "how many");
        Expect.equal(Of("one").GetProperty("maps").GetProperty("empty")[0].GetInt32(), 1, "which is empty");
        Expect.equal(Of("one").GetProperty("pixels_per_step").GetInt32(), 15, "steps");
        Expect.equal(Of("one").GetProperty("fewest_steps").GetInt32(), 25, "steps");
        Expect.isFalse(Of("two").TryGetProperty("maps", out _), "all are sound");
        Expect.equal(Of("three").GetProperty("failed").GetString(), "It cannot be done.", "why");
        Check.Same(
            table.Notes.Select(note => note[..note.IndexOf(':')]),
            "The map of one is zero everywhere for 1 of 2 images"
        );

        table.WriteCsv(path);
        Check.Same(
            File.ReadAllLines(path),
            "Idx,method,metric,score",
            "a,one,necessity-ordering,4",
            "b,one,necessity-ordering,0",
            "a,two,necessity-ordering,4",
            "b,two,necessity-ordering,6"
        );
    }

    private static void CourseSteps()
    {
        using var model = Network(224);
        var map = Uniform(4, 1, 224, 224) - 0.9;
        var x = Uniform(6, 1, 3, 224, 224);
        var chosen = new N_Ord(model).Evaluate(map, x);
        Check.Same(chosen, [.. new N_Ord(model, pixelsPerStep: 1000).Evaluate(map, x)]);
        Expect.equal(chosen.Steps, new PixelSteps(1000), "steps");
        Expect.isTrue(map.gt(0).sum().ToInt64() is > 3000 and < 7000, "though few pixels are positive");
    }

    private static void SmallSteps()
    {
        const int Side = 28;
        using var model = Network(Side);
        var x = Uniform(6, 2, 3, Side, Side) * 255;
        Instances all = x;
        foreach (var share in new[] { 0.95, 0.5, 0.02 })
        {
            // Some 40, 400 and 770 of 784 pixels are positive.
            var maps = Uniform(4, 2, Side, Side) - share;
            long[] positive = [.. maps.gt(0).sum([1, 2]).data<long>()];
            foreach (var metric in AttributionMetric.All.Where(metric => metric.HasSteps))
            {
                IReadOnlyList<double> Scores(int? step, int i) =>
                    metric.Create(model, Settings with { PixelsPerStep = step })(
                        maps[i..(i + 1)],
                        all.Part(i, x[i..(i + 1)])
                    );

                var chosen = metric.Create(model, Settings)(maps, x);
                Expect.equal(((MapScores)chosen).Steps, new PixelSteps(15, 25), metric.Name);
                for (var i = 0; i < 2; i++)
                {
                    var isOfAll =
                        metric.Name
                        is "deletion"
                            or "insertion"
                            or "pixel-flipping"
                            or "effective-complexity-loss"
                            or "faithfulness-estimate"
                            or "monotonicity"
                            or "monotonicity-correlation"
                            or "non-sensitivity";
                    var step = isOfAll ? 15 : (int)Math.Min(15, Math.Max(1, positive[i] / 25));
                    var asked = Scores(step, i)[0];
                    Expect.isTrue(
                        Math.Abs(asked - chosen[i]) <= 1e-9 * Math.Abs(asked),
                        $"{metric.Name}, {positive[i]} pixels: {chosen[i]} is that of {step} a step, {asked}"
                    );
                }
            }
            var curve = new N_Ord(model).Curves(maps, x)[0];
            Expect.isTrue(curve.Scores.Count >= 25, $"{curve.Scores.Count} steps of {positive[0]} pixels");
        }
        Expect.equal(new Deletion(model).Steps(Side, Side), new PixelSteps(15, 25), "by the size");
        Expect.equal(new Deletion(model, pixelsPerStep: 3).Steps(Side, Side), new PixelSteps(3), "as asked");
        Expect.equal($"{new PixelSteps(1)}; {new PixelSteps(9)}", "1 pixel a step; 9 pixels a step", "words");
    }
}
