using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;
using Progress = Attribution.Progress;

namespace Facade.Tests;

/// <summary>Concepts: those that are given, and those that are found.</summary>
public static class ConceptsTests
{
    public static Test Tests =>
        Runner.TestList(
            "Concepts",
            [
                InScope("a concept along which a score grows is significant, and random images are none", Significant),
                InScope("a concept's test depends on no other concept but by the correction", Alone),
                InScope("a concept activation vector has the layer's shape and the length 1", Vectors),
                InScope("too few images, and none to draw from, are refused in a sentence", TooFew),
                InScope("numbers out of range are refused at once", Ranges),
                InScope("work on concepts tells of its passes, and stops when it is cancelled", Cancels),
                InScope("the parts of images are found, the one that matters first", Parts),
                InScope("crops cannot be fewer than concepts, nor values negative", NoConcepts),
            ]
        );

    private const int Channels = 8;

    // Channels that are the layer, and a score that is tanh of weighted means: its gradient turns with the image.
    private static Model Network()
    {
        var weights = Random(9, Channels, 6);
        return Model.FromLayers(
            ("h", x => x.relu()),
            ("s", h => h.mean([2L, 3L]).matmul(weights.to(h.dtype)).tanh().sum(1, keepdim: true))
        );
    }

    private static Tensor Drawn(int seed, int count) => Random(seed, count, Channels, 4, 4).abs();

    // Images with more of the channels whose weights are positive in the sum.
    private static Tensor Along(int seed, int count)
    {
        var direction = Random(9, Channels, 6).sum(1);
        return (Drawn(seed, count) + 3 * (direction / direction.norm()).reshape(1, Channels, 1, 1)).clamp_min(0);
    }

    private static IReadOnlyList<ConceptTest> Tested(params Concept[] concepts) =>
        new Tcav(Network(), "h", Quantity.Class(0), runs: 8).Test(concepts, Drawn(2, 60), Drawn(3, 12));

    private static void Significant()
    {
        var found = Tested(new("along", Along(4, 20)), new("random", Drawn(5, 20)));
        var (along, random) = (found[0], found[1]);
        Expect.isTrue(along.IsSeparable && along.IsSignificant, $"along: p = {along.CorrectedP}, {along.Accuracy}");
        Expect.isTrue(along.Score > 0.9, $"score {along.Score}");
        Expect.isTrue(along.Slope > along.RandomInterval.High, "beyond random sets");
        Expect.isFalse(random.IsSignificant, $"random: p = {random.CorrectedP}, {random.Accuracy}");
        Expect.equal(along.Images, 20, "all images of the concept");
        Same(found.Select(test => test.Tests), 2, 2);
        Expect.isTrue(Math.Abs(along.CorrectedP - Math.Min(1, 2 * along.P)) < 1e-12, "Bonferroni");
    }

    private static void Alone()
    {
        var concept = new Concept("along", Along(4, 20));
        var among = Tested(new("random", Drawn(5, 14)), concept)[1];
        var alone = Tested(concept)[0];
        Same(among.Scores, [.. alone.Scores]);
        Expect.isTrue(among.Slopes.Zip(alone.Slopes, (a, b) => Math.Abs(a - b)).Max() < 1e-9, "slopes");
        Expect.equal(among.Tests, 2 * alone.Tests, "tests");
    }

    private static void Vectors()
    {
        var tcav = new Tcav(Network(), "h", Quantity.Class(0));
        var vector = tcav.Vectors(new("along", Along(4, 20)), Drawn(2, 60))[0];
        Same(vector.shape, Channels, 4, 4);
        Expect.isTrue(Math.Abs(vector.norm().ToDouble() - 1) < 1e-6, "length");
        var direction = Random(9, Channels, 6).sum(1).clamp_min(0);
        Expect.isTrue((vector.mean([1L, 2L]) * direction).sum().ToDouble() > 0, "towards the concept");
    }

    private static void TooFew()
    {
        Refuses(() => Tested(new Concept("few", Drawn(4, 9))), "'few'", "9 images", "at least 10");
        Tcav tcav = new(Network(), "h", Quantity.Class(0));
        Concept enough = new("enough", Drawn(4, 10));
        Refuses(() => tcav.Test([enough], Drawn(2, 19), Drawn(3, 2)), "19 images", "at least 20");
        Throws<ArgumentException>(() => tcav.Test([], Drawn(2, 20), Drawn(3, 2)), "no concept");
        Throws<ArgumentException>(() => tcav.Test([enough, enough], Drawn(2, 20), Drawn(3, 2)), "one name");
        Concept flat = new("flat", zeros(10, Channels, 4, 4));
        Refuses(() => tcav.Test([flat], zeros(20, Channels, 4, 4), Drawn(3, 2)), "same values");
    }

    private static void Ranges()
    {
        var model = Network();
        var k = Quantity.Class(0);
        Throws<ArgumentOutOfRangeException>(() => new Tcav(model, "h", k, runs: 1), "one random set");
        Throws<ArgumentOutOfRangeException>(() => new Tcav(model, "h", k, ridge: 0), "no ridge");
        Throws<ArgumentException>(() => new Tcav(model, Array.Empty<string>(), k), "no layer");
        Throws<AttributionException>(() => new Tcav(model, "g", k), "no such layer");
        Throws<ArgumentOutOfRangeException>(() => new Craft(model, "h", k, concepts: 0), "no concept");
        Throws<ArgumentOutOfRangeException>(() => new Craft(model, "h", k, crop: 1.5), "a crop larger than the image");
        Throws<ArgumentOutOfRangeException>(() => new Craft(model, "h", k, designs: 0), "no design");
        Throws<AttributionException>(() => new Craft(model, "g", k), "no such layer");
    }

    private sealed class Told : IProgress<Progress>
    {
        public List<Progress> All { get; } = [];

        public void Report(Progress value) => All.Add(value);
    }

    private static void Cancels()
    {
        Tcav tcav = new(Network(), "h", Quantity.Class(0), runs: 2);
        Concept concept = new("along", Along(4, 10));
        Craft craft = new(Network(), "h", Quantity.Class(0), concepts: 2, designs: 2);
        Told told = new();
        tcav.Test([concept], Drawn(2, 20), Drawn(3, 4), progress: told);
        Expect.equal(told.All[^1].Total, 10L + 20 + 4, "passes");
        told = new();
        craft.Find(Drawn(3, 4), progress: told).Dispose();
        Expect.isTrue(told.All.Count > 0 && told.All[^1].Done <= told.All[^1].Total, "passes");
        CancellationToken cancelled = new(true);
        Throws<OperationCanceledException>(
            () => tcav.Test([concept], Drawn(2, 20), Drawn(3, 4), cancellation: cancelled),
            "cancelled"
        );
        Throws<OperationCanceledException>(() => craft.Find(Drawn(3, 4), cancellation: cancelled), "cancelled");
    }

    private static void Parts()
    {
        // Each image has one of two parts in each half, and only the second counts.
        var x = zeros(6, 2, 8, 8, dtype: float64);
        foreach (var i in Enumerable.Range(0, 6))
        {
            x[i, 0].narrow(0, 0, 4).fill_(1 + (0.1 * i));
            x[i, 1].narrow(0, 4, 4).fill_(2 - (0.1 * i));
        }
        var model = Model.FromLayers(("h", x => x.relu()), ("s", h => h.narrow(1, 1, 1).mean([2L, 3L]).pow(2)));
        Craft craft = new(model, "h", Quantity.Class(0), concepts: 2, crop: 0.5);
        using var found = craft.Find(x);
        Expect.equal(found.CropSize, 4, "crop");
        Expect.isTrue(found.Error < 1e-3, $"error {found.Error}");
        Expect.isTrue(found.All[0].Importance > 0.7 && found.All[1].Importance < 0.05, "importance");
        var first = found.All[0];
        Expect.isTrue(found.Directions[first.Index, 1].ToDouble() > 0.99, "the second channel");
        Expect.equal(first.Crops[0].Top, 4, "the crops that show it");
        Expect.isTrue(first.Crops[0].Coefficient >= first.Crops[^1].Coefficient, "in order");
        var maps = craft.Maps(found, x);
        Same(maps.shape, 6, 2, 8, 8);
        Near(x.select(1, 1), maps.select(1, first.Index), 1e-3);
        using var set = ImageSet.FromTensor(x);
        Same(found.Pixels(set, first, 3).shape, 3, 2, 4, 4);
    }

    private static void NoConcepts()
    {
        Craft craft = new(Network(), "h", Quantity.Class(0), concepts: 5, crop: 1);
        Refuses(() => craft.Find(Drawn(3, 4)), "4 crops", "5 concepts");
        Craft negative = new(Model.FromLayers(("h", x => x), ("s", h => h.mean([2L, 3L]))), "h", Quantity.Class(0));
        Refuses(() => negative.Find(-Drawn(3, 4)), "negative", "ReLU");
    }
}
