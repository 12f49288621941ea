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

/// <summary>The metrics that run the model on images with pixels removed or put back.</summary>
public static class Metrics1Tests
{
    public static Test Tests =>
        Runner.TestList(
            "Metrics of changed images",
            [
                InScope("insertion and deletion of Σx in two steps have the areas 0.6 and 0.4", Areas),
                InScope("pixel flipping of Σx is the mean loss", Flipping),
                InScope("the orderings are raw or of the image's own score", Orderings),
                InScope("total proportionality is the area between its two curves", Proportionality),
                InScope("a mask drops 60% of Σx, and increases nothing", Drops),
                InScope("probabilities are the softmax of the logits", Probabilities),
                InScope("each image's map is divided by its own maximum, whatever its neighbours", SoftMask),
                InScope("white and random baselines stand for the pixels that are not there", Baselines),
                InScope("what is not set up rightly is refused by its name", Refusals),
                Runner.TestCase("the method with the best score wins, and equals share", Wins),
                InScope("progress ends at what was announced", ProgressEnds),
            ]
        );

    private static Model Sum => Model.FromLayers(("sum", x => x.sum([1, 2, 3]).unsqueeze(1)));

    /// <summary>Σx, and always 0: the probability of the first is the sigmoid of Σx.</summary>
    private static Model SumOrNot =>
        Model.FromLayers(("logits", x => x.sum([1, 2, 3]).unsqueeze(1) * tensor(new[] { 1.0, 0 })));

    /// <summary>Images or maps n×1×1×w.</summary>
    private static Tensor Rows(params double[][] rows) =>
        stack([.. rows.Select(row => tensor(row))]).reshape(rows.Length, 1, 1, rows[0].Length);

    private static Tensor Four => Rows([0.4, 0.3, 0.2, 0.1]);

    private static void Near(IEnumerable<double> actual, params double[] expected)
    {
        double[] found = [.. actual];
        Expect.equal(found.Length, expected.Length, "the number of scores");
        for (var i = 0; i < found.Length; i++)
            Expect.isTrue(Math.Abs(found[i] - expected[i]) < 1e-9, $"{i}: {found[i]} is {expected[i]}");
    }

    private static void Areas()
    {
        var deletion = new Deletion(Sum, pixelsPerStep: 2, scale: Scale.Logits);
        var insertion = new Insertion(Sum, pixelsPerStep: 2, scale: Scale.Logits);
        Near(deletion.Evaluate(Four, Four), 0.4);
        Near(insertion.Evaluate(Four, Four), 0.6);

        var curve = insertion.Curves(Four, Four)[0];
        Check.Same(curve.Pixels, 0L, 2, 4);
        Near(curve.Axis, 0, 0.5, 1);
        Near(curve.Scores, 0, 0.7, 1);
        Near(deletion.Curves(Four, Four)[0].Scores, 1, 0.3, 0);
    }

    private static void Flipping()
    {
        Near(new PixelFlipping(Sum, pixelsPerStep: 1).Evaluate(Four, Four), 0.6);
        Near(new PixelFlipping(Sum, pixelsPerStep: 2).Evaluate(Four, Four), 1.7 / 3);
    }

    private static void Orderings()
    {
        var (x, map) = (Rows([2, 40, 5], [1, -2, 1]), Rows([1, -1, 3], [1, 1, 1]));
        Near(new S_Ord(Sum, pixelsPerStep: 1).Evaluate(map, x), (5 + 7) / 3.0, 1 / 4.0);
        Near(new N_Ord(Sum, pixelsPerStep: 1).Evaluate(map, x), (42 + 40) / 3.0, 1 / 4.0);
        Near(new S_Ord(Sum, pixelsPerStep: 1, normalised: true).Evaluate(map, x).Take(1), 4 / 47.0);
        Near(new N_Ord(Sum, pixelsPerStep: 1, normalised: true).Evaluate(map, x).Take(1), 82 / 3.0 / 47);
        foreach (var metric in new[] { true, false })
            Expect.isTrue(
                double.IsNaN(
                    metric
                        ? new S_Ord(Sum, normalised: true).Evaluate(map, x)[1]
                        : new N_Ord(Sum, normalised: true).Evaluate(map, x)[1]
                ),
                "f(x) = 0"
            );

        var removal = new N_Ord(Sum, pixelsPerStep: 1).Curves(map, x)[0];
        Check.Same(removal.Removed, 1L, 2);
        Near(removal.Scores, 42, 40);
        var put = new S_Ord(Sum, pixelsPerStep: 1).Curves(map, x)[0];
        Check.Same(put.Pixels, 0L, 1, 2);
        Near(put.Axis, 0, 0.5, 1);
        Near(put.Scores, 0, 5, 7);
    }

    private static void Proportionality()
    {
        var (x, map) = (Rows([3, 1], [1, 3], [1, -1]), Rows([1, 3], [1, 3], [1, 1]));
        // The attributions of the first are swapped, those of the second are right, and the third has no score.
        Near(new TPN(Sum, pixelsPerStep: 1).Evaluate(map, x).Take(2), 0.5, 0);
        Near(new TPS(Sum, pixelsPerStep: 1).Evaluate(map, x).Take(2), 0.5, 0);
        Near(new TPN(Sum, pixelsPerStep: 1, normalised: false).Evaluate(map, x).Take(2), 2, 0);
        Near(new TPS(Sum, pixelsPerStep: 1, normalised: false).Evaluate(map, x).Take(2), 2, 0);
        Expect.isTrue(double.IsNaN(new TPN(Sum, pixelsPerStep: 1).Evaluate(map, x)[2]), "f(x) = 0");

        var curves = new TPN(Sum, pixelsPerStep: 1).Curves(map, x)[0];
        Near(curves.Descending.Axis, 0, 0.75, 1);
        Near(curves.Descending.Scores, 1, 0.75, 0);
        Near(curves.Ascending.Axis, 0, 0.25, 1);
        Near(curves.Ascending.Scores, 1, 0.25, 0);
    }

    private static void Drops()
    {
        var mask = Rows([1, 0, 0, 0]);
        Near([new AverageDrop(Sum).Evaluate(mask, Four).Score], 60);
        Near(new AverageDrop(Sum, mask: Mask.Soft).Drops(mask, Four), 60);
        Near(new AverageDrop(Sum, mask: Mask.Soft).Drops(Rows([4, 2, 2, -1]), Four), 100 * (0.15 + 0.1 + 0.1));
        Near(new AverageIncrease(Sum).Evaluate(mask, Four), 0);
        Near(new AverageIncrease(Sum).Evaluate(Rows([1, 0]), Rows([3, -1])), 100);
    }

    private static void Probabilities()
    {
        double P(double logit) => 1 / (1 + Math.Exp(-logit));
        var (x, map) = (Rows([3, -1], [1, 1]), Rows([1, 0], [1, 0]));
        Near(new AverageDrop(SumOrNot, 0, scale: Scale.Probabilities).Drops(map, x), 0, 100 * (1 - P(1) / P(2)));
        Near(new AverageIncrease(SumOrNot, 0, scale: Scale.Probabilities).Evaluate(map, x), 100, 0);
        Near(new AverageGain(SumOrNot, 0).Evaluate(map, x), 100 * (P(3) - P(2)) / (1 - P(2)), 0);
        Near(
            new Deletion(SumOrNot, 0, pixelsPerStep: 1).Evaluate(map, x),
            (P(2) + 2 * P(-1) + P(0)) / 4,
            (P(2) + 2 * P(1) + P(0)) / 4
        );
        Near(
            new PixelFlipping(SumOrNot, 0, 1, Scale.Probabilities).Evaluate(map, x),
            (P(2) - P(-1) + P(2) - P(0)) / 3,
            (P(2) - P(1) + P(2) - P(0)) / 3
        );
    }

    private static void SoftMask()
    {
        var (x, map) = (Rows([1, 2, 3], [4, 5, 6], [7, 8, 9]), Rows([1e-3, 2e-3, -1], [1e6, 3e6, 2e6], [-1, -2, -3]));
        var drops = new AverageDrop(Sum, mask: Mask.Soft);
        var whole = drops.Drops(map, x);
        Near(whole, 100 * (1 - 2.5 / 6), 100 * (1 - (4 / 3.0 + 5 + 4) / 15), 100);
        Near(drops.Drops(map, x, batchSize: 1), whole);
        Near(Enumerable.Range(0, 3).Select(i => drops.Drops(map[i..(i + 1)], x[i..(i + 1)])[0]), whole);
    }

    private static void Baselines()
    {
        Instances x = Rows([5, 7], [50, 70]);
        var map = Rows([2, 1], [2, 1]);
        Near(
            new Insertion(Sum, null, 1, Scale.Logits, Baseline.White).Evaluate(map, x),
            (510 + 2 * 260 + 12) / 4.0,
            (510 + 2 * 305 + 120) / 4.0
        );

        // What is drawn for an image does not depend on its neighbours.
        var noisy = new Deletion(Sum, null, 1, Scale.Logits, Baseline.Random(3, 10));
        var whole = noisy.Evaluate(map, x);
        Near(noisy.Evaluate(map, x, batchSize: 1), [.. whole]);
        Near(noisy.Evaluate(map[1..], x.Part(1, Rows([50, 70]))), whole[1]);
        Expect.isTrue(Math.Abs(whole[0] - (12 + 2 * 7) / 4.0) > 1e-3, "noise is not black");
    }

    private static void Refusals()
    {
        void Throws<T>(Action act, string argument)
            where T : ArgumentException
        {
            try
            {
                act();
            }
            catch (T e)
            {
                Expect.equal(e.ParamName, argument, "the argument");
                return;
            }
            throw new InvalidOperationException($"Expected a {typeof(T).Name} that names {argument}.");
        }

        Throws<ArgumentOutOfRangeException>(() => _ = new S_Ord(Sum, pixelsPerStep: 0), "pixelsPerStep");
        Throws<ArgumentOutOfRangeException>(() => _ = new TPS(Sum, pixelsPerStep: -1), "pixelsPerStep");
        Throws<ArgumentOutOfRangeException>(() => _ = new Insertion(Sum, scale: Scale.Map), "scale");
        Throws<ArgumentOutOfRangeException>(() => _ = new AverageIncrease(Sum, scale: Scale.Map), "scale");
        Throws<ArgumentOutOfRangeException>(() => _ = new AverageDrop(Sum, mask: (Mask)7), "mask");
        Throws<ArgumentException>(() => new TPN(Sum).Evaluate(Rows([1, 2], [3, 4]), Rows([1, 2])), "attributions");
        Throws<ArgumentException>(() => new AverageGain(Sum).Evaluate(Rows([1], [3]), Rows([1])), "attributions");
        Check.Refuses(() => new Deletion(Sum, 3).Evaluate(Four, Four), "class 3", "1 classes");
        Check.Refuses(() => new S_Ord(Sum).Evaluate(Four / 0, Four), "instance 0", "NaN or an infinity");
        Throws<ArgumentException>(
            () =>
                WinRate.Of([
                    [1, 2],
                    [1],
                ]),
            "scores"
        );
    }

    private static void Wins()
    {
        Near(
            WinRate.Of([
                [1, 5, double.NaN],
                [2, 5, double.NaN],
            ]),
            75,
            25
        );
        Near(
            WinRate.Of(
                [
                    [1, 5],
                    [2, 5],
                ],
                Better.Higher
            ),
            25,
            75
        );
    }

    private sealed class Last : IProgress<Attribution.Progress>
    {
        public Attribution.Progress Value { get; private set; }

        public void Report(Attribution.Progress value) => Value = value;
    }

    private static void ProgressEnds()
    {
        var x = Rows([1, 2, 3, 4], [4, 3, 2, 1]);
        string[] names =
        [
            "average-drop",
            "average-increase",
            "average-gain",
            "necessity-ordering",
            "sufficiency-ordering",
            "proportionality-necessity",
            "proportionality-sufficiency",
            "deletion",
            "insertion",
            "pixel-flipping",
        ];
        foreach (var name in names)
        {
            var last = new Last();
            AttributionMetric
                .Find(name)
                .Create(SumOrNot, new() { PixelsPerStep = 1 })(x, x, batchSize: 1, progress: last);
            // A report comes before its pass.
            Expect.isTrue(last.Value.Total > 0 && last.Value.Total - last.Value.Done <= 1, $"{name}: {last.Value}");
        }
    }
}
