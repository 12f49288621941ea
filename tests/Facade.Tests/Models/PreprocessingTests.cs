using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

internal static class PreprocessingTests
{
    private static readonly (string Name, Preprocessing Preset, Func<double, int, double> Formula)[] presets =
    [
        // Of the pixel at a place, by the network's channel.
        ("none", Preprocessing.None, (x, _) => x),
        ("unit", Preprocessing.Unit, (x, _) => x / 255),
        (
            "imagenet",
            Preprocessing.ImageNet,
            (x, c) => ((x / 255) - new[] { 0.485, 0.456, 0.406 }[c]) / new[] { 0.229, 0.224, 0.225 }[c]
        ),
        ("caffe", Preprocessing.Caffe, (x, c) => x - new[] { 103.939, 116.779, 123.68 }[c]),
        (
            "cifar10",
            Preprocessing.Cifar10,
            (x, c) => ((x / 255) - new[] { 0.4914, 0.4822, 0.4465 }[c]) / new[] { 0.2470, 0.2435, 0.2616 }[c]
        ),
    ];

    private static OnnxGraph Classifier() =>
        new OnnxGraph(0, 3, 6, 6)
            .Weights("w", 4, 3, 3, 3)
            .Node("Conv", "x w", "c")
            .Node("Relu", "c", "r")
            .Node("Flatten", "r", "y");

    // The means of the channels.
    private static OnnxGraph Means(int channels = 3, params (string Key, string Value)[] metadata)
    {
        var graph = new OnnxGraph(0, channels, 2, 2).Node("GlobalAveragePool", "x", "m").Node("Flatten", "m", "y");
        graph.Model.MetadataProps.Add(
            metadata.Select(entry => new StringStringEntryProto { Key = entry.Key, Value = entry.Value })
        );
        return graph;
    }

    private static double[] Logits(string path, Preprocessing? preprocessing, params double[] pixel)
    {
        using var scope = NewDisposeScope();
        using var model = Model.LoadOnnx(path, preprocessing);
        var x = tensor(pixel).to(ScalarType.Float32).reshape(1, -1, 1, 1).expand(1, -1, 2, 2);
        return [.. model.Logits(x).flatten().to(ScalarType.Float64).data<double>()];
    }

    private static void Close(double[] actual, params double[] expected)
    {
        Check.Same(actual.Length, expected.Length);
        foreach (var (a, e) in actual.Zip(expected))
            Expect.isLessThan(Math.Abs(a - e), 1e-5 * Math.Max(1, Math.Abs(e)), $"{a} is {e}");
    }

    private static IEnumerable<Test> Presets()
    {
        foreach (var (name, preset, formula) in presets)
            yield return Check.InFolder(
                $"{name} is its formula, and ONNX Runtime agrees on the network after it",
                folder =>
                {
                    using var scope = NewDisposeScope();
                    var order = name == "caffe" ? new[] { 2, 1, 0 } : [0, 1, 2];
                    using var generator = new Generator(3);
                    var x = (rand([2, 3, 6, 6], generator: generator) * 255).round();
                    var pixels = x.data<float>().ToArray();
                    var preprocessed = new float[pixels.Length];
                    for (var i = 0; i < pixels.Length; i++)
                    {
                        var (image, channel, place) = (i / 108, i / 36 % 3, i % 36);
                        var pixel = pixels[(image * 108) + (order[channel] * 36) + place];
                        preprocessed[i] = (float)formula(pixel, channel);
                    }
                    var path = Classifier().Save(folder, "y");
                    using var model = Model.LoadOnnx(path, preset);
                    var expected = OnnxGraph.Expected(path, tensor(preprocessed).reshape(x.shape));
                    Expect.isLessThan(OnnxModelsTests.Error(model.Logits(x), expected), 1e-5, "logits");
                }
            );
        yield return Check.InFolder(
            "in the order bgr is undone in gradients, which are of the image itself",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var model = Model.LoadOnnx(Means().Save(folder, "y"), Preprocessing.Caffe);
                var x = ones(1, 3, 2, 2) * 100;
                var blue = new SaliencyMap(model, Quantity.Class(0)).Attribute(x);
                Check.Same(blue, tensor(new[] { 0f, 0f, 25f }).reshape(1, 3, 1, 1).expand(1, 3, 2, 2));
                Expect.isTrue(model.Layers.Contains("bgr"), "it can be cut after it");
            }
        );
        yield return Check.InFolder(
            "of one number serves images of one channel, and what is for three is refused",
            folder =>
            {
                var path = Means(1).Save(folder, "y");
                Close(Logits(path, Preprocessing.Unit, 51), 0.2);
                Check.Refuses(() => Model.LoadOnnx(path, Preprocessing.ImageNet), "3 numbers", "1 channels");
                Check.Refuses(() => Model.LoadOnnx(path, new(channelOrder: ChannelOrder.Bgr)), "bgr", "3 channels");
            }
        );
        yield return Runner.TestCase(
            "that leaves something out takes it from another, and is told for people",
            () =>
            {
                var all = new Preprocessing(2, [1]).Or(Preprocessing.Caffe);
                Expect.equal(all.ToString(), "scale 2, mean 1, std 1, channel order bgr", "text");
                Expect.isTrue(all == new Preprocessing(2, [1], [1], ChannelOrder.Bgr), "equal by its numbers");
                Expect.isFalse(all == Preprocessing.Caffe, "different");
                Expect.equal(new Preprocessing().ToString(), "", "nothing");
            }
        );
    }

    private static IEnumerable<Test> Metadata()
    {
        ((string, string)[] Entries, Preprocessing Said)[] rows =
        [
            ([], new()),
            ([("author", "somebody")], new()),
            (
                [
                    ("attribution.scale", "255"),
                    ("attribution.mean", "0.1,0.2,0.3"),
                    ("attribution.std", "[0.5]"),
                    ("attribution.channel_order", "BGR"),
                ],
                new(255, [0.1, 0.2, 0.3], [0.5], ChannelOrder.Bgr)
            ),
            ([("attribution.mean", "0.5")], new(mean: [0.5])),
            ([("Image.NominalPixelRange", "NominalRange_0_255")], new(1)),
            ([("Image.NominalPixelRange", "Normalized_0_1")], new(255)),
            ([("Image.NominalPixelRange", "Normalized_1_1")], new(127.5, [1])),
            ([("Image.BitmapPixelFormat", "Bgr8")], new(channelOrder: ChannelOrder.Bgr)),
            ([("Image.BitmapPixelFormat", "Rgba8")], new(channelOrder: ChannelOrder.Rgb)),
            ([("Image.BitmapPixelFormat", "Gray8")], new()),
            // Numbers within 0-1 are of pixels within 0-1; others, and those that change nothing, are of pixels as they are.
            (
                [("mean", "(0.485, 0.456, 0.406)"), ("std", "0.229 0.224 0.225")],
                new(255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
            ),
            (
                [("mean", "[123.675,116.28,103.53]"), ("std", "[58.395,57.12,57.375]")],
                new(mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375])
            ),
            ([("mean", "0"), ("std", "1")], new(mean: [0], std: [1])),
            ([("mean", "0"), ("std", "255")], new(mean: [0], std: [255])),
            ([("mean", "0.5"), ("Image.NominalPixelRange", "NominalRange_0_255")], new(1, [0.5])),
            ([("mean", "0.5"), ("attribution.mean", "7"), ("attribution.scale", "2")], new(2, [7])),
        ];
        foreach (var (entries, said) in rows)
            yield return Check.InFolder(
                entries.Length == 0
                    ? "of a file without any says nothing"
                    : $"{string.Join(", ", entries.Select(e => $"{e.Item1} = {e.Item2}"))} is read, noted and followed",
                folder =>
                {
                    var graph = Means(3, entries);
                    var metadata = new OnnxMetadata("f", graph.Model);
                    Expect.equal(metadata.Preprocessing.ToString(), said.ToString(), "what it says");
                    Check.Same(metadata.Notes);
                    var path = graph.Save(folder, "y");
                    using var model = Model.LoadOnnx(path);
                    Expect.equal(model.Notes.Count, said == new Preprocessing() ? 0 : 1, "notes");
                    Expect.isTrue(model.Notes.All(n => n.Contains(said.ToString())), "the note tells the numbers");
                    double[] pixel = [30, 120, 210];
                    Close(Logits(path, null, pixel), Logits(path, said.Or(Preprocessing.None), pixel));
                }
            );
        yield return Check.InFolder(
            "gives way to what is asked for, number by number",
            folder =>
            {
                var path = Means(
                        3,
                        ("attribution.scale", "2"),
                        ("attribution.mean", "7"),
                        ("attribution.channel_order", "bgr")
                    )
                    .Save(folder, "y");
                Close(Logits(path, null, 10, 20, 30), 8, 3, -2);
                Close(Logits(path, new(mean: [1]), 10, 20, 30), 14, 9, 4);
                Close(Logits(path, new(channelOrder: ChannelOrder.Rgb), 10, 20, 30), -2, 3, 8);
                Close(Logits(path, Preprocessing.None, 10, 20, 30), 10, 20, 30);
                using var model = Model.LoadOnnx(path, Preprocessing.None);
                Check.Same(model.Notes);
            }
        );
        foreach (
            var (key, text) in new[]
            {
                ("attribution.scale", "0"),
                ("attribution.scale", "1,2"),
                ("attribution.mean", "see the paper"),
                ("attribution.std", "0.5,-1"),
                ("attribution.channel_order", "grb"),
                ("Image.NominalPixelRange", "all"),
                ("Image.BitmapPixelFormat", "Yuv"),
                ("mean", ""),
                ("std", "nan"),
            }
        )
            yield return Check.InFolder(
                $"{key} = '{text}' is left out, and this is said",
                folder =>
                {
                    var path = Means(3, (key, text)).Save(folder, "y");
                    using var model = Model.LoadOnnx(path);
                    var note = model.Notes.Single();
                    Expect.isTrue(note.Contains($"'{key}' = '{text}'"), note);
                    Close(Logits(path, null, 10, 20, 30), 10, 20, 30);
                    using var told = Model.LoadOnnx(path, Preprocessing.Unit);
                    Check.Same(told.Notes);
                }
            );
    }

    private static IEnumerable<Test> Predictions()
    {
        static string? Warning(Tensor logits, ImageSet images)
        {
            var check = new PredictionCheck();
            foreach (var part in logits.split(7))
                check.Add(part);
            return check.Warning(images);
        }
        static ImageSet Images(int count, long[]? trueClasses = null) =>
            ImageSet.FromTensor(
                arange(count).to(ScalarType.Float32).reshape(-1, 1, 1, 1).expand(count, 3, 2, 2),
                trueClasses
            );

        yield return Runner.TestCase(
            "that are equal for images that are not are warned of",
            () =>
            {
                using var scope = NewDisposeScope();
                var logits = tensor(new[] { 5f, -3f, 1f }).expand(20, 3);
                using var images = Images(20);
                Expect.isTrue(Warning(logits, images)?.Contains("all 20 images the same scores") ?? false, "equal");
                Expect.isNotNull(Warning(logits + 1e-6f * rand(20, 3), images), "equal but for rounding");
                var last = logits.clone();
                last[19, 0] = tensor(5.01f);
                Expect.isNull(Warning(last, images), "the last one differs");
                using var same = ImageSet.FromTensor(ones(20, 3, 2, 2));
                Expect.isNull(Warning(logits, same), "equal images");
                using var one = Images(1);
                Expect.isNull(Warning(logits[0..1], one), "one image");
            }
        );
        yield return Runner.TestCase(
            "that are right no more often than guesses are warned of, from 20 images on",
            () =>
            {
                using var scope = NewDisposeScope();
                // Class 0 for all, by scores that differ.
                static Tensor Logits(int count) => cat([arange(count).reshape(-1, 1) + 10, zeros(count, 3)], 1);
                static long[] Truth(int count, int right) =>
                    [.. Enumerable.Range(0, count).Select(i => i < right ? 0L : 1L)];
                string? Of(int count, int right)
                {
                    using var images = Images(count, Truth(count, right));
                    return Warning(Logits(count), images);
                }
                Expect.isTrue(Of(20, 5)?.Contains("right on 5 of 20 images") ?? false, "a guess among 4 classes");
                Expect.isNull(Of(20, 6), "more than guesses");
                Expect.isNull(Of(19, 0), "too few images");
                using var unknown = Images(20);
                Expect.isNull(Warning(Logits(20), unknown), "true classes are not known");
            }
        );
        yield return Runner.TestCase(
            "that are one class for nearly all, or right for none of a few, are doubted",
            () =>
            {
                using var scope = NewDisposeScope();
                static string? Doubt(long[] predicted, long[]? truth, bool isSame = false)
                {
                    var count = predicted.Length;
                    // Scores that differ, largest for the class.
                    var logits =
                        nn.functional.one_hot(tensor(predicted), 4).to(ScalarType.Float32) * 9
                        + arange(count).reshape(-1, 1) / 7f;
                    using var images = isSame ? ImageSet.FromTensor(ones(count, 3, 2, 2), truth) : Images(count, truth);
                    var check = new PredictionCheck();
                    check.Add(logits);
                    return check.Doubt(images, ClassNames.Of(["ant", "bee", "cow", "dog"]));
                }
                static long[] Mostly(long k, int times, params long[] rest) =>
                    [.. Enumerable.Repeat(k, times), .. rest];
                static void Says(string? told, params string[] words) =>
                    Expect.isTrue(told is not null && words.All(told.Contains), $"{told}");

                Says(Doubt(Mostly(2, 19, 1), null), "19 of 20 images the same class, cow", "if they are of several");
                Expect.isNull(Doubt(Mostly(2, 18, 1, 1), null), "nine of ten");
                Expect.isNull(Doubt(Mostly(2, 19), null), "few images");
                Expect.isNull(Doubt(Mostly(2, 20), null, isSame: true), "one image, twenty times");
                Says(Doubt(Mostly(2, 20), [.. Mostly(2, 12), .. Mostly(1, 8)]), "20 of 20", "cow", "are several");
                Expect.isNull(Doubt(Mostly(2, 20), Mostly(2, 20)), "images of one class");
                Expect.isNull(Doubt(Mostly(2, 20), Mostly(2, 17, 1, 1, 0)), "nearly all of one class");
                // The warning comes first.
                Says(Doubt(Mostly(2, 20), Mostly(1, 20)), "right on 0 of 20");

                Says(Doubt(Mostly(2, 5), Mostly(1, 5)), "none of 5 images its true class");
                Says(Doubt(Mostly(2, 19), Mostly(1, 19)), "none of 19");
                Expect.isNull(Doubt(Mostly(2, 5), Mostly(1, 4, 2)), "one is right");
                Expect.isNull(Doubt(Mostly(2, 4), Mostly(1, 4)), "too few images");
            }
        );
    }

    public static Test Tests =>
        Runner.TestList(
            "Preprocessing",
            [
                Runner.TestList("steps", [.. Presets()]),
                Runner.TestList("metadata", [.. Metadata()]),
                Runner.TestList("predictions", [.. Predictions()]),
            ]
        );
}
