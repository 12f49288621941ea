using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Mosaics, and where maps of them look.</summary>
public static class FocusTests
{
    private const int Side = 6;

    public static Test Tests =>
        Runner.TestList(
            "Focus",
            [
                InScope("a mosaic has two images of its class and two of others, each halved in its quadrant", Made),
                InScope("the same seed makes the same mosaics, and another one others", Seeds),
                InScope("a map of what the class is scores 1, one of the other classes 0, a uniform one ½", Scored),
                InScope("sets and maps that do not fit are refused", Refused),
            ]
        );

    // Channel k of an image of class k is bright.
    private static ImageSet Images(params long[] classes)
    {
        var x = zeros(classes.Length, 3, Side, Side);
        foreach (var (k, i) in classes.Select((k, i) => (k, i)))
            x[i, k] = 100 + i;
        return ImageSet.FromTensor(x, classes);
    }

    private static readonly long[] labels = [0, 0, 1, 2, 2, 2, 0];

    private static void Made()
    {
        using var images = Images(labels);
        using var mosaics = FocusMosaics.Of(images, 9);
        Expect.equal(mosaics.Images.Count, 9, "how many");
        // Class 1 has a single image.
        Same(mosaics.Classes.Distinct().Order(), 0, 2);
        Same(mosaics.Classes.GroupBy(k => k).Select(of => of.Count()).Order(), 4, 5);
        var x = mosaics.Images.Images();
        for (var i = 0; i < 9; i++)
        {
            var sources = mosaics.Sources[i];
            Expect.equal(sources.Distinct().Count(), 4, "four images");
            Same(sources.Select(row => labels[row] == mosaics.Classes[i]), [.. mosaics.AreOfClass[i].data<bool>()]);
            Expect.equal(sources.Count(row => labels[row] == mosaics.Classes[i]), 2, "two of the class");
            foreach (var (row, q) in sources.Select((row, q) => (row, q)))
            {
                var quadrant = x[i, .., (3 * (q / 2))..(3 * (q / 2) + 3), (3 * (q % 2))..(3 * (q % 2) + 3)];
                Near(images.Images()[row, .., ..3, ..3], quadrant, 1e-4);
            }
        }
    }

    private static void Seeds()
    {
        using var images = Images(labels);
        IEnumerable<int> Sources(int seed)
        {
            using var mosaics = FocusMosaics.Of(images, 6, seed);
            return [.. mosaics.Sources.SelectMany(rows => rows)];
        }
        Same(Sources(4), [.. Sources(4)]);
        Expect.isFalse(Sources(4).SequenceEqual(Sources(5)), "another seed");
    }

    private static void Scored()
    {
        using var images = Images(labels);
        using var mosaics = FocusMosaics.Of(images, 5);
        // Logit k is the mean of channel k, so that its gradient times the input is where images of class k are.
        using var model = Model.FromLayers(("logits", x => x.mean([2L, 3L])));
        Func<Model, Quantity, Explainer> saliency = (m, quantity) =>
            AttributionMethod.Find("saliency").Create(m, new() { Quantity = quantity });
        Same(new Focus(model, saliency).Evaluate(mosaics), 1, 1, 1, 1, 1);
        var x = mosaics.Images.Images();
        var others = x.sum([1]) - stack([.. mosaics.Classes.Select((k, i) => x[i, k])]);
        Explainer Others(Model _, Quantity __) => (_, _, _, _) => others;
        foreach (var score in new Focus(model, Others).Evaluate(mosaics))
            Expect.isTrue(Math.Abs(score) < 1e-6, $"{score} is 0");
        var uniform = new Focus(model, (_, _) => (x, _, _, _) => ones(x.Count, Side, Side)).Evaluate(mosaics);
        Same(uniform, 0.5, 0.5, 0.5, 0.5, 0.5);
        Expect.equal(uniform.Maps[0], MapState.Constant, "which compares with nothing");
    }

    private static void Refused()
    {
        using var one = Images(0, 0, 0);
        Refuses(() => FocusMosaics.Of(one, 1), "two images of a class and two of others");
        using var unknown = ImageSet.FromTensor(zeros(4, 3, Side, Side));
        Refuses(() => FocusMosaics.Of(unknown, 1), "true class");
        using var images = Images(labels);
        Throws<ArgumentOutOfRangeException>(() => FocusMosaics.Of(images, 0), "none");
        using var mosaics = FocusMosaics.Of(images, 2);
        Throws<ArgumentException>(() => Focus.Scores(mosaics, zeros(3, Side, Side)), "three maps of two mosaics");
        Throws<ArgumentException>(() => Focus.Scores(mosaics, zeros(2, Side, 3)), "another size");
    }
}
