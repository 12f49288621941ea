using System;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static Facade.Tests.Check;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Networks that give more than one row of scores an image: segmentations, heat maps, detectors.</summary>
public static class OnnxTasksTests
{
    private static readonly long[] image = [3, 8, 12];

    private static Tensor X => Random(3, 2, 3, 8, 12).abs().to(float32) * 60;

    // Scores of 4 classes at 4×6 positions.
    private static string Segmentation(string folder, string? last = null, long batch = 0) =>
        new OnnxGraph([batch, .. image])
            .Weights("w", 4, 3, 2, 2)
            .Weights("b", 4)
            .Node("Conv", "x w b", "scores", ("strides", new long[] { 2, 2 }))
            .Node(last ?? "Identity", "scores", "out", last == "Softmax" ? [("axis", 1)] : [])
            .Save(folder, "out");

    // Boxes of 6 places, and scores of 5 classes of each.
    private static OnnxGraph Detector() =>
        new OnnxGraph([0, .. image])
            .Weights("w", 9, 3, 4, 4)
            .Ints("flat", 0, 9, -1)
            .Ints("0", 0)
            .Ints("4", 4)
            .Ints("9", 9)
            .Ints("2", 2)
            .Node("Conv", "x w", "c", ("strides", new long[] { 4, 4 }))
            .Node("Reshape", "c flat", "rows")
            .Node("Transpose", "rows", "all", ("perm", new long[] { 0, 2, 1 }))
            .Node("Slice", "all 0 4 2", "places")
            .Node("Sigmoid", "places", "boxes")
            .Node("Slice", "all 4 9 2", "scores");

    public static Test Tests { get; } =
        Runner.TestList(
            "Tasks of ONNX files",
            [
                InFolder(
                    "a segmentation's scores are its positions' means, and its regions can be asked about",
                    folder =>
                    {
                        foreach (
                            var (last, batch) in new (string?, long)[]
                            {
                                (null, 0),
                                (null, 1),
                                ("Softmax", 0),
                                ("Sigmoid", 0),
                            }
                        )
                        {
                            using var scope = NewDisposeScope();
                            var path = Segmentation(folder, last, batch);
                            using var model = Model.LoadOnnx(path);
                            Expect.isTrue(
                                model.Notes.Any(note =>
                                    note.Contains("scores of 4 classes at each of 4×6 positions")
                                    && note.Contains("in its place") == last is not null
                                ),
                                string.Join(" ", model.Notes)
                            );
                            Same(model.Regions!.Shape, [4, 4, 6]);
                            var scores = OnnxGraph.Expected(path, X).reshape(2, 4, 4, 6).to(float64);
                            if (last is null)
                                Near(model.Logits(X).to(float64), scores.mean([2L, 3L]), 1e-5);
                            var mask = zeros(8, 12);
                            mask[0..4, 6..12] = 1;
                            var asked = Quantity.Region(model, 2, mask);
                            var found = new SaliencyMap(model, asked).Attribute(X);
                            var outside = found * (1 - mask);
                            Expect.equal(outside.abs().sum().ToDouble(), 0, "nothing outside of the mask matters");
                            Expect.isGreaterThan(found.abs().sum().ToDouble(), 0, "and something inside does");
                            Near(asked.RegionOf(model, X[0])!.to(float64), mask.to(float64), 0);
                            Near(
                                new SaliencyMap(model, Quantity.Point(model, 1, 11, 7))
                                    .Attribute(X)
                                    .abs()
                                    .sum([1L])
                                    .gt(0)
                                    .sum([1L, 2L])
                                    .to(float64),
                                tensor(new[] { 4.0, 4.0 }),
                                0
                            );
                            foreach (var quantity in new[] { Quantity.Output(model, 30), Quantity.Class(3) })
                            foreach (
                                var method in new[] { "integrated-gradients", "occlusion", "lrp-epsilon", "deeplift" }
                            )
                                Expect.isTrue(
                                    AttributionMethod
                                        .Find(method)
                                        .Create(model, new() { Quantity = quantity })(X)
                                        .isfinite()
                                        .all()
                                        .ToBoolean(),
                                    method
                                );
                        }
                    }
                ),
                InFolder(
                    "a head of dilated convolutions that is enlarged to the image is explained by every method that applies",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = new OnnxGraph([0, .. image])
                            .Weights("w1", 6, 3, 3, 3)
                            .Weights("w2", 6, 6, 3, 3)
                            .Weights("w3", 4, 6, 1, 1)
                            .Weights("w4", 4, 6, 1, 1)
                            .Weights("scales", [4], [1, 1, 2, 2])
                            .Node(
                                "Conv",
                                "x w1",
                                "c1",
                                ("pads", new long[] { 1, 1, 1, 1 }),
                                ("strides", new long[] { 2, 2 })
                            )
                            .Node("Relu", "c1", "r1")
                            .Node(
                                "Conv",
                                "r1 w2",
                                "c2",
                                ("pads", new long[] { 2, 2, 2, 2 }),
                                ("dilations", new long[] { 2, 2 })
                            )
                            .Node("Relu", "c2", "r2")
                            .Node("Conv", "r2 w3", "small")
                            .Node("Resize", "small - scales", "out", ("mode", "linear"))
                            .Node("Conv", "r1 w4", "aux")
                            .Save(folder, "out", "aux");
                        using var model = Model.LoadOnnx(path);
                        Same(model.Regions!.Shape, [4, 8, 12]);
                        Expect.isTrue(model.Notes[0].Contains("'out' is taken"), model.Notes[0]);
                        var k = (int)model.Logits(X).argmax(1)[0].ToInt64();
                        var mask = zeros(8, 12);
                        mask[2..6, 3..9] = 1;
                        foreach (var quantity in new[] { Quantity.Predicted, Quantity.Region(model, k, mask) })
                        foreach (var method in AttributionMethod.All.Where(method => method.AppliesTo(model)))
                        {
                            var maps = method.Create(
                                model,
                                new()
                                {
                                    Quantity = quantity,
                                    Samples = 4,
                                    Steps = 4,
                                    Iterations = 2,
                                    Background = X,
                                }
                            )(X);
                            Expect.isTrue(maps.isfinite().all().ToBoolean(), $"{method.Name} of {quantity.Name}");
                        }
                        var expert = new InflDirected(model, "c2", Quantity.Region(model, k, mask));
                        var influence = expert.Influence(X);
                        Expect.equal(influence.argmax().ToInt64(), expert.DisInfluence(X), "an expert of a region");
                        Expect.isTrue((influence != 0).any().ToBoolean(), "which has influence");
                    }
                ),
                InFolder(
                    "a mask of another size, a point beyond, and a question that is none of the model's are refused",
                    folder =>
                    {
                        using var model = Model.LoadOnnx(Segmentation(folder));
                        Refuses(() => Quantity.Region(model, 0, ones(5, 5)), "5×5", "4×6");
                        Refuses(() => Quantity.Region(model, 4), "no class 4", "0 to 3");
                        Refuses(() => Quantity.Point(model, 0, 12, 0), "12×8 pixels", "12,0");
                        Refuses(() => Quantity.Box(model, (0, 0, 4, 4)), "no boxes", "region:K");
                        var rows = Path.Combine(folder, "rows");
                        Directory.CreateDirectory(rows);
                        using var classifier = Model.LoadOnnx(
                            new OnnxGraph(0, 3, 8, 12)
                                .Weights("w", 4, 3, 1, 1)
                                .Node("Conv", "x w", "c")
                                .Node("GlobalAveragePool", "c", "m")
                                .Node("Flatten", "m", "s")
                                .Save(rows, "s")
                        );
                        Refuses(() => Quantity.Region(classifier, 0), "one row of scores", "--output");
                        Refuses(() => classifier.WithBoxes(BoxNumbers.Corners), "no boxes");
                    }
                ),
                InFolder(
                    "a detector's boxes and scores are taken together, whichever output is named first",
                    folder =>
                    {
                        foreach (var outputs in new[] { new[] { "boxes", "scores" }, ["scores", "boxes"] })
                        {
                            using var scope = NewDisposeScope();
                            var path = Detector().Save(folder, outputs);
                            using var model = Model.LoadOnnx(path);
                            Expect.isTrue(
                                model.Notes.Any(note => note.Contains("6 boxes") && note.Contains("5 classes")),
                                string.Join(" ", model.Notes)
                            );
                            Same(model.Detections!.Shape, [6, 9]);
                            Expect.equal(model.Detections.Boxes, BoxNumbers.Corners, "by their name");
                            var all = model.Describe().Single(layer => layer.Name == model.Detections.Layer);
                            Same(all.Shape, [6, 9]);
                            var scores = Attribution
                                .Core.ModelModule.value(model.Detections.Layer, model.Core, X)
                                .narrow(2, 4, 5);
                            Near(model.Logits(X).to(float64), scores.amax([1L]).to(float64), 1e-4);
                            var centred = model.WithBoxes(BoxNumbers.CentreAndSize);
                            var box = Quantity.Box(centred, (0, 0, 12, 8), 3);
                            Expect.equal(box.Name, "box:0,0,12,8@3", "as it is spelled");
                            var maps = new SaliencyMap(centred, box).Attribute(X);
                            Expect.isGreaterThan(maps.abs().sum().ToDouble(), 0, "a map");
                            // The score of one place depends on its own 4×4 pixels.
                            Expect.equal(maps[0].abs().sum([0L]).gt(0).sum().ToInt64(), 16, "of the box's place");
                            var rise = new Rise(centred, Quantity.Detection(centred, (0, 0, 12, 8)), samples: 8);
                            Expect.isTrue(rise.Attribute(X).isfinite().all().ToBoolean(), "D-RISE");
                        }
                    }
                ),
                InFolder(
                    "boxes and scores are told apart by their sizes where their names say nothing",
                    folder =>
                    {
                        var graph = Detector()
                            .Ints("1", 1)
                            .Node("Slice", "all 0 1 2", "311")
                            .Node("Identity", "boxes", "312")
                            .Node("Identity", "scores", "313");
                        using var model = Model.LoadOnnx(graph.Save(folder, "311", "312", "313"));
                        Same(model.Detections!.Shape, [6, 9]);
                        Expect.equal(model.Detections.Boxes, BoxNumbers.Corners, "as most programs have them");
                    }
                ),
                InFolder(
                    "one output of boxes and scores is read as such programs write it",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var rows = new OnnxGraph(0, 3, 64, 64)
                            .Weights("w", 9, 3, 4, 4)
                            .Ints("flat", 0, 9, -1)
                            .Node("Conv", "x w", "c", ("strides", new long[] { 4, 4 }))
                            .Node("Reshape", "c flat", "output0")
                            .Save(folder, "output0");
                        using (var model = Model.LoadOnnx(rows))
                        {
                            Same(model.Detections!.Shape, [256, 9]);
                            Expect.equal(model.Detections.Boxes, BoxNumbers.CentreAndSize, "boxes");
                        }
                        var columns = new OnnxGraph(0, 3, 64, 64)
                            .Weights("w", 9, 3, 4, 4)
                            .Ints("flat", 0, 9, -1)
                            .Node("Conv", "x w", "c", ("strides", new long[] { 4, 4 }))
                            .Node("Reshape", "c flat", "rows")
                            .Node("Transpose", "rows", "output", ("perm", new long[] { 0, 2, 1 }))
                            .Save(folder, "output");
                        using (var model = Model.LoadOnnx(columns))
                        {
                            Same(model.Detections!.Shape, [256, 8]);
                            var x = Random(4, 1, 3, 64, 64).to(float32);
                            var all = OnnxGraph.Expected(columns, x).reshape(256, 9).to(float64);
                            var scores = all.narrow(1, 4, 1) * all.narrow(1, 5, 4);
                            Near(model.Logits(x)[0].to(float64), scores.amax([0L]), 1e-4);
                        }
                    }
                ),
                InFolder(
                    "a signal's scores at each time are asked about as a segmentation's",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        var path = new OnnxGraph(0, 2, 9)
                            .Weights("w", 3, 2, 3)
                            .Node("Conv", "x w", "y", ("pads", new long[] { 1, 1 }))
                            .Save(folder, "y");
                        using var model = Model.LoadOnnx(path);
                        Same(model.InputShape!, [2, 9]);
                        Same(model.Regions!.Shape, [3, 9]);
                        var x = Random(4, 2, 2, 9);
                        var mask = zeros(9);
                        mask[4] = 1;
                        var maps = new SaliencyMap(model, Quantity.Region(model, 1, mask)).Attribute(x);
                        Same(
                            maps.abs().sum([0L, 1L]).gt(0),
                            tensor(new[] { false, false, false, true, true, true, false, false, false })
                        );
                    }
                ),
                InFolder(
                    "attention as one operator is softmax(QKᵀ/√d) V, and is seen",
                    folder =>
                    {
                        foreach (
                            var (isFlat, isCausal, scale) in new[] { (true, 0, 0.0), (false, 1, 0.0), (true, 1, 0.7) }
                        )
                        {
                            using var scope = NewDisposeScope();
                            var graph = new OnnxGraph(23, [0, 6, 8]).Ints("apart", 0, 6, 2, 4).Ints("0", 0);
                            foreach (var part in new[] { "q", "k", "v" })
                            {
                                graph.Weights($"w{part}", 8, 8).Node("MatMul", $"x w{part}", part);
                                if (!isFlat)
                                    graph
                                        .Node("Reshape", $"{part} apart", $"{part}s")
                                        .Node("Transpose", $"{part}s", $"{part}h", ("perm", new long[] { 0, 2, 1, 3 }));
                            }
                            (string, object)[] heads = isFlat ? [("q_num_heads", 2), ("kv_num_heads", 2)] : [];
                            (string, object)[] scaled = scale > 0 ? [("scale", scale)] : [];
                            var path = graph
                                .Node(
                                    "Attention",
                                    isFlat ? "q k v" : "qh kh vh",
                                    "y",
                                    [.. heads, .. scaled, ("is_causal", isCausal)]
                                )
                                .Node("Flatten", "y", "s")
                                .Save(folder, "s");
                            using var model = Model.LoadOnnx(path);
                            var x = Random(8, 3, 1, 6, 8);
                            Tensor By(string part) =>
                                Attribution
                                    .Core.ModelModule.value(part, model.Core, x)
                                    .reshape(3, 6, 2, 4)
                                    .permute(0, 2, 1, 3);
                            var scores = By("q").matmul(By("k").transpose(2, 3)) * (scale > 0 ? scale : 0.5);
                            if (isCausal == 1)
                                scores = scores.masked_fill(
                                    ones(6, 6, dtype: ScalarType.Bool).triu(1),
                                    double.NegativeInfinity
                                );
                            var heard = scores.softmax(3).matmul(By("v"));
                            var expected = isFlat ? heard.permute(0, 2, 1, 3) : heard;
                            Near(model.Logits(x).to(float64), expected.reshape(3, 48), 1e-5);
                            Expect.equal(
                                Attribution.Core.AttentionModule.find(model.Core.Graph).Length,
                                1,
                                "it is seen"
                            );
                        }
                    }
                ),
                InFolder(
                    "a classifier with a map beside its scores stays one",
                    folder =>
                    {
                        using var model = Model.LoadOnnx(
                            new OnnxGraph(0, 3, 8, 12)
                                .Weights("w", 4, 3, 1, 1)
                                .Node("Conv", "x w", "output")
                                .Node("GlobalAveragePool", "output", "m")
                                .Node("Flatten", "m", "aux")
                                .Save(folder, "output", "aux")
                        );
                        Expect.isNull(model.Regions, "the row of scores comes first");
                    }
                ),
            ]
        );
}
