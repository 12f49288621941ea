using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using Attribution;
using Expecto;
using Expecto.CSharp;
using SkiaSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>What a page of questions asks of the library beside maps and scores.</summary>
public static class ExploredTests
{
    private static (Model Model, Tensor X) Made()
    {
        random.manual_seed(11);
        var module = nn.Sequential(
            ("conv", nn.Conv2d(3, 4, 3, padding: 1L)),
            ("relu", nn.ReLU()),
            ("flat", nn.Flatten()),
            ("logits", nn.Linear(4 * 36, 5))
        );
        module.to(float64);
        module.eval();
        return (Model.FromModule(module), Random(7, [6, 3, 6, 6]).abs() * 100);
    }

    private static void Close(IEnumerable<double> expected, IEnumerable<double> actual, double tolerance) =>
        Near(tensor(expected.ToArray()), tensor(actual.ToArray()), tolerance);

    private static void Assert(bool holds, [CallerArgumentExpression(nameof(holds))] string what = "") =>
        Expect.isTrue(holds, what);

    private static double[] Numbers(Tensor t) => [.. t.to(float64).flatten().data<double>()];

    private static byte[] Png(int width, int height)
    {
        using SKBitmap bitmap = new(width, height);
        for (var row = 0; row < height; row++)
        for (var column = 0; column < width; column++)
            bitmap.SetPixel(column, row, new((byte)(7 * row), (byte)(5 * column), (byte)(row * column)));
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    public static Test Tests =>
        Runner.TestList(
            "What is explored",
            [
                Runner.TestCase(
                    "the value of a quantity is the scores' own",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var (model, x) = Made();
                        var scores = model.ClassScores(x);
                        Close(Numbers(scores.select(1, 2)), model.Values(Quantity.Class(2), x), 1e-12);
                        Close(
                            Numbers(scores.select(1, 0) - scores.select(1, 3)),
                            model.Values(Quantity.Margin(0, 3), x, batchSize: 2),
                            1e-12
                        );
                        Close(Numbers(scores.amax([1L])), model.Values(Quantity.Predicted, x), 1e-12);
                        var unit = new InflDirected(model, "relu", Quantity.Predicted).Activity(1, x);
                        Close([.. unit.Values.Select(v => (double)v)], model.Values(Quantity.Unit("relu", 1), x), 1e-5);
                    }
                ),
                Runner.TestCase(
                    "probabilities are by what the scores are",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var (model, x) = Made();
                        var s = model.ClassScores(x);
                        Close(Numbers(s.softmax(1)), Numbers(model.Probabilities(s)), 1e-12);
                        Close(
                            Numbers(s.sigmoid()),
                            Numbers(model.WithScores(ScoreKind.IndependentLogits).Probabilities(s)),
                            1e-12
                        );
                        Close(Numbers(s), Numbers(model.WithScores(ScoreKind.Probabilities).Probabilities(s)), 1e-12);
                    }
                ),
                Runner.TestCase(
                    "several units are watched as each alone",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var (model, x) = Made();
                        InflDirected cut = new(model, "conv", Quantity.Predicted);
                        int[] units = [3, 0, 3];
                        var all = cut.Activities(units, x, batchSize: 4);
                        foreach (var (i, unit) in units.Index())
                            Close(
                                [.. cut.Activity(unit, x).Values.Select(v => (double)v)],
                                [.. all[i].Values.Select(v => (double)v)],
                                1e-6
                            );
                    }
                ),
                Runner.TestCase(
                    "the removal of pixels is pixel flipping for a class, and holds for any quantity",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var (model, x) = Made();
                        var maps = new SaliencyMap(model, Quantity.Class(1)).Attribute(x);
                        Close(
                            Numbers(new PixelFlipping(model, 1, 2).Scores(maps, x)),
                            Numbers(new PixelRemoval(model, Quantity.Class(1), 2).Scores(maps, x)),
                            1e-12
                        );
                        var order = PixelRemoval.Order(maps);
                        var curve = new PixelRemoval(model, Quantity.Margin(0, 4), 5).Curves(maps, x)[2];
                        foreach (var (k, removed) in curve.Pixels.Index())
                        {
                            var kept = order[2].ge(tensor(removed)).to(float64);
                            var without = (x[2] * kept).unsqueeze(0);
                            Close(model.Values(Quantity.Margin(0, 4), without), [curve.Scores[k]], 1e-10);
                        }
                    }
                ),
                Runner.TestCase(
                    "layers say what they are computed of",
                    () =>
                    {
                        using var scope = NewDisposeScope();
                        var (model, _) = Made();
                        var layers = model.Describe();
                        Assert(layers[0].Inputs.Count == 0);
                        for (var i = 1; i < layers.Count; i++)
                            Assert(layers[i].Inputs.SequenceEqual([layers[i - 1].Name]));
                    }
                ),
                Runner.TestCase(
                    "a picture in memory is the file's, in the numbers of the set that it joins",
                    () =>
                    {
                        var folder = Directory.CreateTempSubdirectory("attribution-test-").FullName;
                        try
                        {
                            var file = Path.Combine(folder, "a.png");
                            File.WriteAllBytes(file, Png(20, 30));
                            using var read = ImageSet.LoadImages([file], 16, 12);
                            using var alike = read.LoadLike("b", File.ReadAllBytes(file));
                            Close(Numbers(read.Images()), Numbers(alike.Images()), 0);
                            Assert(alike.Label(0) == "b" && alike.Peak == 255);
                            Assert(read.Stamp(0) != "" && alike.Stamp(0) == "");
                            using var shares = ImageSet.FromTensor(ones(2, 3, 16, 12) * 0.5);
                            using var share = shares.LoadLike("c", File.ReadAllBytes(file));
                            Close(Numbers(read.Images() / 255), Numbers(share.Images()), 1e-6);
                            Assert(share.Peak == 1);
                            using var table = ImageSet.FromTensor(rand(3, 1, 1, 8));
                            Assert(!table.TakesPictures);
                        }
                        finally
                        {
                            Directory.Delete(folder, true);
                        }
                    }
                ),
                Runner.TestCase(
                    "a mean stands in its interval, which is a point where all numbers are the same",
                    () =>
                    {
                        Assert(Estimate.OfMean([3, 3, 3]) == new Estimate(3, 3, 3));
                        Assert(double.IsNaN(Estimate.OfMean([]).Value));
                        double[] numbers = [.. Enumerable.Range(0, 400).Select(i => (double)(i % 20))];
                        var mean = Estimate.OfMean(numbers);
                        Close([9.5], [mean.Value], 1e-12);
                        // The normal interval's half-width: 1.96 · 5.77 / √400.
                        Close([0.565], [(mean.High - mean.Low) / 2], 0.1);
                    }
                ),
            ]
        );
}
