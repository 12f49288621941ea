using System;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using SkiaSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Masks from files, and the metrics that need some.</summary>
public static class MasksTests
{
    private const int Side = 8;

    public static Test Tests =>
        Runner.TestList(
            "Masks",
            [
                InFolder("an array of a file is a mask for each image, or one for all", Arrays),
                InFolder("pictures are found by the images' names, or else in their order", Pictures),
                InFolder("a mask of a picture is brought to the model's size as the picture is", Fitted),
                InScope("each image is scored by its own mask, wherever it is read", Own),
                InScope("a study scores parts of a set by their masks, and leaves out what has none", Studied),
            ]
        );

    private static Tensor Some(int count, int seed = 3) => Random(seed, count, Side, Side).gt(0.5);

    private static ImageSet Images(int count) => ImageSet.FromTensor(Random(5, count, 3, Side, Side).abs() * 60);

    private static void Save(string path, params (string Name, Tensor Values)[] arrays)
    {
        using NpzWriter writer = new(path);
        foreach (var (name, values) in arrays)
            writer.Add(name, values);
        writer.Commit();
    }

    private static void Arrays(string folder)
    {
        using var scope = NewDisposeScope();
        using var images = Images(3);
        var (masks, path) = (Some(3), Path.Combine(folder, "m.npz"));
        foreach (var values in new[] { masks, masks.to(float32) * -0.5, masks.to(uint8) * 255 })
        {
            Save(path, ("anything", values));
            Same(ImageMasks.Load(path, images), masks);
            Save(path, ("X", zeros(2)), ("masks", values));
            Same(ImageMasks.Load(path, images), masks);
        }
        Save(path, ("one", masks[0]));
        Same(ImageMasks.Load(path, images), masks[..1]);
        Save(path, ("two", masks[..2]));
        Refuses(() => ImageMasks.Load(path, images), "2 masks", "3 images");
        Save(path, ("narrow", masks[.., .., ..4]));
        Refuses(() => ImageMasks.Load(path, images), "3×8×4", "8×8");
        Save(path, ("a", masks), ("b", masks));
        Refuses(() => ImageMasks.Load(path, images), "'a', 'b'", "masks");
        Refuses(() => ImageMasks.Load(Path.Combine(folder, "none.npz"), images), "none.npz", "does not exist");
    }

    private static void Draw(string path, Tensor mask)
    {
        using SKBitmap bitmap = new((int)mask.shape[1], (int)mask.shape[0]);
        for (var y = 0; y < bitmap.Height; y++)
        for (var x = 0; x < bitmap.Width; x++)
            // Nearly black is inside.
            bitmap.SetPixel(x, y, mask[y, x].ToBoolean() ? new(0, 1, 0) : SKColors.Black);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, data.ToArray());
    }

    private static void Pictures(string folder)
    {
        using var scope = NewDisposeScope();
        var masks = Some(3);
        string In(params string[] parts) => Path.Combine([folder, .. parts]);
        string[] names = ["b.png", "a.png", "c.png"];
        foreach (var (name, i) in names.Select((name, i) => (name, i)))
        {
            Draw(In("images", name), masks[0]);
            Draw(In("masks", name), masks[i]);
            Draw(In("unnamed", $"{i}.png"), masks[i]);
        }
        using var images = ImageSet.LoadImages([.. names.Select(name => In("images", name))], Side);
        Same(ImageMasks.Load(In("masks"), images), masks);
        Same(ImageMasks.Load(In("unnamed"), images), masks);
        using var stored = Images(3);
        Same(ImageMasks.Load(In("unnamed"), stored), masks);

        File.Delete(In("masks", "a.png"));
        Refuses(() => ImageMasks.Load(In("masks"), images), "none for 'a.png'");
        File.Delete(In("unnamed", "1.png"));
        Refuses(() => ImageMasks.Load(In("unnamed"), images), "2 masks", "3 images");
        Draw(In("unnamed", "1.png"), masks[1][.., ..5]);
        Refuses(() => ImageMasks.Load(In("unnamed"), images), "'1.png'", "8×5", "8×8");
    }

    private static void Fitted(string folder)
    {
        using var scope = NewDisposeScope();
        string In(params string[] parts) => Path.Combine([folder, .. parts]);
        // The middle half of the picture's width is what the model sees, at half the size.
        var mask = zeros(16, 32, ScalarType.Bool);
        mask[..8, 8..24] = true;
        Draw(In("images", "a.png"), mask);
        Draw(In("masks", "a.png"), mask);
        using var images = ImageSet.LoadImages([In("images", "a.png")], Side);
        var expected = zeros(1, Side, Side, ScalarType.Bool);
        expected[0, ..4] = true;
        Same(ImageMasks.Load(In("masks"), images), expected);
    }

    private static Model Network() => Model.FromLayers(("logits", x => x.mean([2L, 3L])));

    private static void Own()
    {
        using var model = Network();
        var (maps, x, masks) = (Random(2, 3, Side, Side), Random(4, 3, 3, Side, Side).abs(), Some(3));
        var metric = AttributionMetric.Find("relevance-mass");
        var score = metric.Create(model, new() { Masks = masks });
        var expected = Localisation.Shares(masks, maps);
        Same(score(maps, x), [.. expected]);
        Instances all = x;
        Same(score(maps[1..], all.Part(1, x[1..])), [.. expected.Skip(1)]);
        var twice = cat([maps, maps]);
        Same(score(twice, all.Repeated(2)), [.. expected, .. expected]);
        var one = metric.Create(model, new() { Masks = masks[..1] });
        Same(one(maps, x), [.. Localisation.Shares(masks[..1].expand(3, -1, -1), maps)]);

        void Wrong(Tensor given, params string[] words) =>
            Refuses(() => metric.Create(model, new() { Masks = given })(maps, x), words);
        Wrong(masks[..2], "2×8×8", "3 images", "8×8");
        Wrong(masks[.., ..4], "3×4×8", "8×8");
        Wrong(masks.to(float32), "Float32", "booleans");
        Wrong(masks[0], "8×8");
        Refuses(() => new MetricOptimal(model, metric), "relevance-mass", "masks");
        var found = new MetricOptimal(model, metric, new() { Masks = masks }, iterations: 40).Find(x, maps);
        foreach (var (before, after) in expected.Zip(Localisation.Shares(masks, found)))
            Expect.isGreaterThan(after, before, "more of it is inside");
    }

    private static void Studied()
    {
        using var model = Network();
        using var images = Images(40);
        var masks = Some(40);
        StudyMethod saliency = new(AttributionMethod.Find("saliency"), new());
        AttributionMetric[] metrics = [.. new[] { "sparseness", "localisation-auc" }.Select(AttributionMetric.Find)];
        var maps = new SaliencyMap(model).Attribute(images);
        var study = Study.Run(model, images, [saliency], metrics, new() { Metrics = new() { Masks = masks } });
        var scores = study.Table.Scores.Single(scores => scores.Metric == "localisation-auc");
        foreach (var (found, expected) in scores.PerInstance.Zip(Localisation.Aucs(masks, maps)))
            Expect.isTrue(Math.Abs(found - expected) < 1e-9, $"{found} is {expected}");

        Refuses(() => Study.Run(model, images, [saliency], metrics), "localisation-auc", "--masks");
        var said = "";
        var every = Study.Run(
            model,
            images,
            [saliency],
            metrics,
            new() { IsEveryMetric = true, Said = sentence => said += sentence }
        );
        Same(every.Metrics.Select(metric => metric.Name), "sparseness");
        Expect.isTrue(said.Contains("Left out: localisation-auc"), said);
    }
}
