using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>How few units of a layer recognise a class.</summary>
public static class ClassEssenceTests
{
    // Images of one pixel, whose three colours are the three units; each class is where its own colour is largest.
    private static readonly float[,] colours =
    {
        { 5, 1, 1 },
        { 3, 2, 0 },
        { 1, 4, 0 },
        { 0, 6, 3 },
        { 0, 0, 2 },
        { 2, 1, 7 },
    };

    private static readonly string[] rankings = ["influence", "influence-magnitude", "activation", "random"];

    public static Test Tests =>
        Runner.TestList(
            "Class essence",
            [
                Given(
                    "each unit's own class ranks it first by influence, and the rankings hold every unit once",
                    Ranks
                ),
                Given("one unit by influence recognises what all of them do, and without it nothing is left", Keeps),
                Given("several orders' counts are added up", Pools),
                Given("units ranked on some images are measured on others, whatever the batch", Splits),
                Given("the files hold every point", Files),
                Given("what does not fit is refused in a sentence", Refusals),
            ]
        );

    private static Test Given(string name, Action<Model, ImageSet, string> test) =>
        Check.InFolder(
            name,
            folder =>
            {
                using var scope = NewDisposeScope();
                using var images = Images(folder, withTruth: true);
                // The second class weighs against the others, and least against itself.
                var weights = tensor(
                    new float[,]
                    {
                        { 2, -1, 0 },
                        { -4, 3, -3 },
                        { 0, -1, 2 },
                    }
                );
                using var model = Model.FromLayers(
                    ("h", x => x.flatten(1).relu()),
                    ("s", h => h.matmul(weights.t().to(h.dtype)))
                );
                test(model, images, folder);
            }
        );

    private static ImageSet Images(string folder, bool withTruth)
    {
        var path = Path.Combine(folder, $"{withTruth}.npz");
        using (var writer = new NpzWriter(path))
        {
            writer.Add("X", tensor(colours).reshape(6, 1, 1, 3));
            if (withTruth)
                writer.Add("Y", tensor(new long[] { 0, 0, 1, 1, 2, 2 }));
            writer.Commit();
        }
        return ImageSet.LoadNpz(path);
    }

    private static void Ranks(Model model, ImageSet images, string folder)
    {
        var found = new ClassEssence(model, "h").Rank(images, [1, 0], randomOrders: 3, seed: 7);
        Check.Same(found.Select(r => r.Class), 1, 1, 1, 1, 0, 0, 0, 0);
        Check.Same(found.Select(r => r.Name), [.. rankings, .. rankings]);
        // The ReLU is below the cut, so that the influence on a class is its row of weights.
        Check.Same(found[0].Orders[0], 1, 2, 0);
        Check.Same(found[1].Orders[0], 0, 1, 2);
        Check.Same(found[2].Orders[0], 1, 2, 0);
        Check.Same(found[4].Orders[0], 0, 2, 1);
        Check.Same(found[5].Orders[0], 0, 1, 2);
        Check.Same(found[6].Orders[0], 0, 1, 2);
        Expect.equal(found[3].Orders.Count, 3, "drawn orders");
        foreach (var order in found[3].Orders)
            Check.Same(order.Order(), 0, 1, 2);
        Expect.equal(found[0].Distribution, "class:1", "each class over its own images");

        var again = new ClassEssence(model, "h").Rank(images, [1], [0, 2], randomOrders: 3, seed: 7);
        Expect.equal(again[0].Distribution, "class:0,2", "over those of other classes");
        // Their mean values are 2.5, 1 and 2.5.
        Check.Same(again[2].Orders[0], 0, 2, 1);
        foreach (var (a, b) in again[3].Orders.Zip(found[3].Orders))
            Check.Same(a, [.. b]);
    }

    private static void Keeps(Model model, ImageSet images, string folder)
    {
        var essence = new ClassEssence(model, "h");
        var found = essence.Rank(images, [0, 2]);
        var kept = essence.Evaluate(found, images);
        Check.Same(kept.Counts, 1, 2, 3);
        Check.Same(kept.Classes, 0, 2);
        foreach (var k in kept.Classes)
        {
            Expect.equal(kept.Images(k), 2, "images");
            var alone = kept.Curve(k, "influence")[0];
            Expect.equal((alone.Units, alone.Recall), (1, 1.0), "one unit");
            foreach (var ranking in kept.Rankings)
                Expect.equal(
                    kept.Curve(k, ranking)[^1] with
                    {
                        Ranking = EssenceCurves.WholeModel,
                    },
                    kept.Whole(k),
                    "all units"
                );
        }
        // By hand: class 0 alone with its colour wins wherever there is any, and elsewhere by being the first of equals.
        Expect.equal(
            kept.Curve(0, "influence")[0],
            new EssencePoint(0, "influence", 1, 1, 2 / 6.0, 2 / 6.0, 0.5),
            "by hand"
        );

        var left = essence.Evaluate(found, images, [1, 3], silence: true);
        Check.Same(left.Counts, 1, 3);
        Expect.equal(left.Whole(2), kept.Whole(2), "the whole model");
        Expect.equal(left.Curve(2, "influence")[0].Recall, 0.0, "without its unit");
        // Of equal logits the first class has the largest.
        Expect.equal(left.Curve(0, "influence")[1].Recall, 1.0, "nothing but the constant");
        Expect.equal(left.Decisive(2, "influence"), 1, "decisive");
        Expect.equal(
            left.Mean("influence", 1, p => p.Recall),
            left.Classes.Average(k => left.Curve(k, "influence")[0].Recall),
            "mean"
        );
        Expect.isTrue(double.IsNaN(left.Mean("influence", 2, p => p.Recall)), "what was not measured");
    }

    private static void Pools(Model model, ImageSet images, string folder)
    {
        var essence = new ClassEssence(model, "h");
        int[][] orders =
        [
            [0, 1, 2],
            [1, 0, 2],
            [2, 0, 1],
        ];
        EssenceCurves Of(params int[][] some) => essence.Evaluate([new(0, "mine", some)], images, [1, 2]);
        foreach (var k in new[] { 0, 1 })
        {
            EssencePoint[] each = [.. orders.Select(order => Of(order).Curve(0, "mine")[k])];
            var pooled = Of(orders).Curve(0, "mine")[k];
            Near(pooled.Recall, each.Average(p => p.Recall), "recall");
            Near(pooled.Accuracy, each.Average(p => p.Accuracy), "accuracy");
        }
    }

    private static void Splits(Model model, ImageSet images, string folder)
    {
        var essence = new ClassEssence(model, "h");
        var (train, test) = (images.Take([0, 2, 4]), images.Take([1, 3, 5]));
        var found = essence.Rank(train, [0, 1, 2]);
        var curves = essence.Evaluate(found, test);
        Expect.equal(curves.Images(1), 1, "the images measured");
        foreach (var size in new[] { 1, 2 })
        {
            var again = essence.Evaluate(essence.Rank(train, [0, 1, 2], batchSize: size), test, batchSize: size);
            Check.Same(again.Points.Select(p => $"{p}"), [.. curves.Points.Select(p => $"{p}")]);
        }
    }

    private static void Files(Model model, ImageSet images, string folder)
    {
        var essence = new ClassEssence(model, "h", Units.Each);
        var curves = essence.Evaluate(essence.Rank(images, [2, 0]), images, [1, 3]);
        var (csv, json) = (Path.Combine(folder, "c.csv"), Path.Combine(folder, "c.json"));
        curves.WriteCsv(csv);
        var lines = File.ReadAllLines(csv);
        Expect.equal(lines[0], "class,ranking,mode,k,recall,precision,accuracy,f1", "header");
        // The whole model, and four rankings at two numbers of units, for two classes.
        Expect.equal(lines.Length, 1 + 2 * (1 + 4 * 2), "rows");
        Expect.equal(lines[1], "2,whole-model,keep,3,1,1,1,1", "a row");

        curves.WriteJson(json);
        var root = JsonDocument.Parse(File.ReadAllText(json)).RootElement;
        Expect.equal(root.GetProperty("units").GetString(), "each", "units");
        var first = root.GetProperty("classes")[0];
        Expect.equal(first.GetProperty("class").GetInt32(), 2, "class");
        var influence = first.GetProperty("rankings").GetProperty("influence");
        Check.Same(influence.GetProperty("top").EnumerateArray().Select(u => u.GetInt32()), 2, 0, 1);
        Expect.equal(influence.GetProperty("curve")[0].GetProperty("k").GetInt32(), 1, "k");
        Expect.equal(influence.GetProperty("distribution").GetString(), "class:2", "distribution");
        Expect.isFalse(
            first.GetProperty("rankings").GetProperty("random").TryGetProperty("top", out _),
            "no one order"
        );
    }

    private static void Refusals(Model model, ImageSet images, string folder)
    {
        var essence = new ClassEssence(model, "h");
        using var unknown = Images(folder, withTruth: false);
        Check.Refuses(() => essence.Rank(unknown, [0]), "'Y'", "true class");
        Check.Refuses(() => essence.Rank(images, []), "at least one");
        Check.Refuses(() => essence.Rank(images, [3]), "class 3");
        Check.Refuses(() => essence.Rank(images, [3], [0]), "class 3");
        var found = essence.Rank(images, [0]);
        Check.Refuses(() => essence.Evaluate(found, unknown), "'Y'");
        foreach (var k in new[] { 0, 4 })
            Check.Refuses(() => essence.Evaluate(found, images, [k]), "3 units", $"not {k}");
        Check.Refuses(() => essence.Evaluate([found[0] with { Class = 3 }], images), "class 3");
        foreach (var order in new int[][] { [0, 0, 1], [1, 2, 3], [] })
            try
            {
                essence.Evaluate([new(0, "mine", [order])], images);
                throw new InvalidOperationException("an order of other units was accepted");
            }
            catch (ArgumentException e)
            {
                Expect.equal(e.ParamName, "rankings", "what is wrong");
            }
    }

    private static void Near(double actual, double expected, string what) =>
        Expect.isLessThan(Math.Abs(actual - expected), 1e-12, what);
}
