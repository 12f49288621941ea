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

internal static class OnnxOutputTests
{
    private const int Classes = 5;

    public static Test Tests =>
        Runner.TestList(
            "outputs of ONNX files",
            [.. Choices(), .. Spellings.Select(IsTakenOff), .. Kept(), .. OneLogit()]
        );

    private static (string, object) Ints(string name, params long[] numbers) => (name, numbers);

    // Images to scores z, n×k: differently for each image, and of a size that a softmax tells.
    private static OnnxGraph Net(int classes = Classes, int opset = 17) =>
        new OnnxGraph(opset, [0, 3, 6, 6])
            .Weights("cw", 4, 3, 3, 3)
            .Weights("w", 4, classes)
            .Weights("b", [classes], [.. Enumerable.Range(0, classes).Select(i => 0.3f * i - 0.5f)])
            .Weights("white", [], [255])
            .Node("Div", "x white", "unit")
            .Node("Conv", "unit cw", "c")
            .Node("Relu", "c", "r")
            .Node("GlobalAveragePool", "r", "p")
            .Node("Flatten", "p", "e")
            .Node("Gemm", "e w b", "z");

    private static Tensor Images(int n = 3)
    {
        using var generator = new Generator(4);
        return rand([n, 3, 6, 6], generator: generator) * 255;
    }

    private static Test Takes(string name, OnnxGraph graph, string taken, params string[] outputs) =>
        Check.InFolder(
            name,
            folder =>
            {
                using var scope = NewDisposeScope();
                var path = graph.Save(folder, outputs);
                using var model = Model.LoadOnnx(path);
                using var asked = Model.LoadOnnx(path, output: taken);
                Check.Same(model.Logits(Images()), asked.Logits(Images()));
                Expect.isTrue(
                    model.Notes[0].Contains($"'{taken}'")
                        && outputs.All(other => other == taken || model.Notes[0].Contains($"'{other}'")),
                    "the choice and the others are said"
                );
                Expect.equal(asked.Notes.Count, model.Notes.Count - 1, "what is asked for needs no note");
            }
        );

    private static IEnumerable<Test> Choices()
    {
        yield return Takes("logits are taken before an embedding", Net(), "z", "e", "z");
        yield return Takes("the last of names that say nothing is taken", Net().Node("Neg", "z", "v"), "v", "z", "v");
        yield return Takes(
            "logits are taken before what follows them",
            Net().Node("Identity", "z", "logits").Node("Neg", "z", "v"),
            "logits",
            "logits",
            "v"
        );
        yield return Takes(
            "scores are taken before an auxiliary head's logits",
            Net().Node("Identity", "z", "aux_logits").Node("Neg", "z", "y"),
            "y",
            "y",
            "aux_logits"
        );
        yield return Takes(
            "several scores are taken before one",
            Net().Weights("v", Classes, 1).Node("MatMul", "z v", "score"),
            "z",
            "z",
            "score"
        );
        yield return Check.InFolder(
            "labels are no scores, wherever they stand",
            folder =>
            {
                var graph = Net().Node("Softmax", "z", "prob").Node("ArgMax", "prob", "label", ("axis", 1));
                foreach (var declared in new[] { 7, 0, 1 })
                {
                    graph.Model.Graph.Output.Clear();
                    graph.Outputs("label", "prob");
                    graph.Model.Graph.Output[0].Type.TensorType.ElemType = declared;
                    using var model = Model.LoadOnnx(graph.Save(folder));
                    Check.Same(model.Logits(Images()).shape, 3, Classes);
                    Expect.equal(model.Notes.Count, 2, "the choice and the softmax are said");
                }
                graph.Model.Graph.Output.RemoveAt(1);
                graph.Model.Graph.Output[0].Type.TensorType.ElemType = 7;
                var path = graph.Save(folder);
                Check.Refuses(() => Model.LoadOnnx(path), "model.onnx", "'label'", "--output prob");
                Check.Refuses(() => Model.LoadOnnx(path, output: "label"), "model.onnx", "'label'", "--output prob");
                Check.Same(Model.LoadOnnx(path, output: "prob").Logits(Images()).shape, 3, Classes);
            }
        );
        yield return Check.InFolder(
            "an unknown output is refused with those there are, and any tensor of a row of scores may be asked for",
            folder =>
            {
                using var scope = NewDisposeScope();
                var path = Net().Save(folder, "e", "z");
                Check.Refuses(() => Model.LoadOnnx(path, output: "y"), "model.onnx", "'y'", "'e', 'z'");
                using var positions = Model.LoadOnnx(path, output: "c");
                Check.Same(positions.Regions!.Shape, [4, 4, 4]);
                Check.Same(Model.LoadOnnx(path, output: "p").Logits(Images()).shape, 3, 4);
            }
        );
        yield return Check.InFolder(
            "of a map of classes to probabilities the tensor is taken that it is made of",
            folder =>
            {
                using var scope = NewDisposeScope();
                var graph = Net().Node("Softmax", "z", "s").Node("ZipMap", "s", "output_probability");
                graph.Model.Graph.Node.Last().Domain = "ai.onnx.ml";
                graph.Outputs("output_probability");
                graph.Model.Graph.Output[0].Type = new TypeProto();
                using var model = Model.LoadOnnx(graph.Save(folder));
                Check.Same(model.Logits(Images()), Model.LoadOnnx(Net().Save(folder, "z")).Logits(Images()));
            }
        );
    }

    // Ways to end in probabilities of z.
    private static (string Name, Func<OnnxGraph, OnnxGraph> End, ScoreKind Kind)[] Spellings =>
        [
            ("a softmax", g => g.Node("Softmax", "z", "y"), ScoreKind.Logits),
            (
                "a softmax and a cast",
                g => g.Node("Softmax", "z", "s").Node("Cast", "s", "y", ("to", 1)),
                ScoreKind.Logits
            ),
            (
                "a softmax in float16",
                g => g.Node("Cast", "z", "h", ("to", 10)).Node("Softmax", "h", "s").Node("Cast", "s", "y", ("to", 1)),
                ScoreKind.Logits
            ),
            (
                "a softmax with bounds",
                g => g.Bounds().Node("Softmax", "z", "s").Node("Clip", "s low high", "y"),
                ScoreKind.Logits
            ),
            (
                "a softmax over channels, reshaped",
                g =>
                    g.Ints("map", 0, Classes, 1, 1)
                        .Ints("row", 0, -1)
                        .Node("Reshape", "z map", "m")
                        .Node("Softmax", "m", "s", ("axis", 1))
                        .Node("Reshape", "s row", "t")
                        .Node("Dropout", "t", "y"),
                ScoreKind.Logits
            ),
            ("a softmax's logarithm", g => g.Node("LogSoftmax", "z", "y"), ScoreKind.Logits),
            ("the logarithm of a softmax", g => g.Node("Softmax", "z", "s").Node("Log", "s", "y"), ScoreKind.Logits),
            (
                "the exponential of a softmax's logarithm",
                g => g.Node("LogSoftmax", "z", "s").Node("Exp", "s", "y"),
                ScoreKind.Logits
            ),
            (
                "a softmax spelled out",
                g =>
                    g.Ints("one", 1)
                        .Node("Exp", "z", "x1")
                        .Node("ReduceSum", "x1 one", "sum")
                        .Node("Div", "x1 sum", "y"),
                ScoreKind.Logits
            ),
            (
                "a softmax spelled out less the largest, with bounds",
                g =>
                    g.Bounds()
                        .Ints("one", 1)
                        .Node("ReduceMax", "z", "max", Ints("axes", 1))
                        .Node("Sub", "z max", "d")
                        .Node("Exp", "d", "x1")
                        .Node("ReduceSum", "x1 one", "sum")
                        .Node("Div", "x1 sum", "q")
                        .Node("Clip", "q low high", "y"),
                ScoreKind.Logits
            ),
            (
                "a softmax's logarithm spelled out",
                g => g.Node("ReduceLogSumExp", "z", "l", Ints("axes", 1)).Node("Sub", "z l", "y"),
                ScoreKind.Logits
            ),
            (
                "a softmax of the difference to the logarithm of the sum",
                g =>
                    g.Ints("one", 1)
                        .Node("Exp", "z", "x1")
                        .Node("ReduceSum", "x1 one", "sum")
                        .Node("Log", "sum", "l")
                        .Node("Sub", "z l", "d")
                        .Node("Exp", "d", "y"),
                ScoreKind.Logits
            ),
            ("a sigmoid", g => g.Node("Sigmoid", "z", "y"), ScoreKind.IndependentLogits),
            (
                "a sigmoid with bounds and a cast",
                g =>
                    g.Bounds()
                        .Node("Sigmoid", "z", "s")
                        .Node("Clip", "s low high", "t")
                        .Node("Cast", "t", "y", ("to", 1)),
                ScoreKind.IndependentLogits
            ),
            (
                "a sigmoid spelled out",
                g =>
                    g.Weights("unity", [], [1])
                        .Node("Neg", "z", "m")
                        .Node("Exp", "m", "x1")
                        .Node("Add", "x1 unity", "a")
                        .Node("Div", "unity a", "y"),
                ScoreKind.IndependentLogits
            ),
            (
                "a sigmoid as half of a tangent",
                g =>
                    g.Weights("half", [], [0.5f])
                        .Node("Mul", "z half", "h")
                        .Node("Tanh", "h", "t")
                        .Node("Mul", "t half", "u")
                        .Node("Add", "half u", "y"),
                ScoreKind.IndependentLogits
            ),
        ];

    private static OnnxGraph Bounds(this OnnxGraph graph) =>
        graph.Weights("low", [], [1e-7f]).Weights("high", [], [1 - 1e-7f]);

    private static Test IsTakenOff((string Name, Func<OnnxGraph, OnnxGraph> End, ScoreKind Kind) spelling) =>
        Check.InFolder(
            $"{spelling.Name} is taken off, and said",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var expected = Model.LoadOnnx(Net().Save(folder, "z"));
                using var model = Model.LoadOnnx(spelling.End(Net()).Save(folder, "y"));
                Check.Same(model.Logits(Images()), expected.Logits(Images()));
                Expect.equal(model.Scores, spelling.Kind, "the kind of the scores is known");
                Expect.equal(model.Notes.Count, 1, "it is said");
                Expect.equal(expected.Notes.Count, 0, "logits need no note");
                Expect.isFalse(
                    model.Layers.Any(layer => layer is "y" or "s" or "x1"),
                    "and no layer after the logits is left"
                );
            }
        );

    private static IEnumerable<Test> Kept()
    {
        yield return Check.InFolder(
            "probabilities without logits are said to be, and are those of metrics",
            folder =>
            {
                using var scope = NewDisposeScope();
                var graph = Net()
                    .Weights("w2", Classes, Classes)
                    .Node("MatMul", "z w2", "z2")
                    .Node("Softmax", "z", "p1")
                    .Node("Softmax", "z2", "p2")
                    .Node("Mean", "p1 p2", "y");
                using var model = Model.LoadOnnx(graph.Save(folder, "y"));
                Expect.equal(model.Scores, ScoreKind.Probabilities, "they are probabilities");
                Expect.isTrue(model.Notes.Single().Contains("probabilities"), "it is said");
                var x = Images();
                var p = model.Logits(x);
                Expect.isLessThan((p.sum(1) - 1).abs().max().ToDouble(), 1e-6, "of sum 1");
                var whole = new AverageGain(model).Evaluate(zeros_like(x), x);
                var black = model.Logits(zeros(1, 3, 6, 6));
                var best = p.argmax(1);
                foreach (var i in Enumerable.Range(0, 3))
                {
                    var (before, after) = (p[i, best[i]].ToDouble(), black[0, best[i]].ToDouble());
                    Near(
                        whole[i],
                        100 * Math.Max(after - before, 0) / (1 - before),
                        "the gain is of probabilities as they are"
                    );
                }
            }
        );
        (string Name, Func<OnnxGraph, OnnxGraph> End)[] plain =
        [
            (
                "scores between 0 and 1 that a linear layer gives",
                g =>
                    g.Weights("small", [], [1e-3f])
                        .Weights("half", [], [0.5f])
                        .Node("Mul", "z small", "s")
                        .Node("Add", "s half", "y")
            ),
            (
                "scores that a ReLU leaves below 1",
                g => g.Weights("small", [], [1e-3f]).Node("Mul", "z small", "s").Node("Relu", "s", "y")
            ),
            ("scores that are bounded by more than 1", g => g.Node("Softplus", "z", "y")),
            ("scores of one number an image that no softmax makes", g => g.Node("Tanh", "z", "y")),
        ];
        foreach (var (name, end) in plain)
            yield return Check.InFolder(
                $"{name} stay as they are",
                folder =>
                {
                    using var scope = NewDisposeScope();
                    var path = end(Net()).Save(folder, "y");
                    using var model = Model.LoadOnnx(path);
                    Expect.isLessThan(
                        OnnxModelsTests.Error(model.Logits(Images()), OnnxGraph.Expected(path, Images())),
                        1e-5,
                        "they are ONNX Runtime's"
                    );
                    Check.Same(model.Notes);
                }
            );
        yield return Check.InFolder(
            "scores that something bounds by 0 and 1 are taken for probabilities, and said to be",
            folder =>
            {
                using var scope = NewDisposeScope();
                OnnxGraph End(OnnxGraph graph) =>
                    graph.Bounds().Node("Clip", "z low high", "c1").Node("Mul", "c1 c1", "y");
                using var several = Model.LoadOnnx(End(Net()).Save(folder, "y"));
                Expect.isTrue(several.Notes.Single().Contains("between 0 and 1"), "it is said");
                Expect.equal(several.Scores, ScoreKind.Probabilities, "they are");

                // One has a logit again, of which it is the probability.
                var path = End(Net(1)).Save(folder, "y");
                using var one = Model.LoadOnnx(path);
                var p = OnnxGraph.Expected(path, Images());
                Expect.isLessThan(
                    (one.Logits(Images()).sigmoid() - p).abs().max().ToDouble(),
                    1e-6,
                    "σ of the log-odds is the score"
                );
                Expect.equal(one.Notes.Count, 2, "both are said");
            }
        );
    }

    private static void Near(double actual, double expected, string what) =>
        Expect.isLessThan(Math.Abs(actual - expected), 1e-6 * (1 + Math.Abs(expected)), what);

    // A classifier of one logit, some images on either side of it, and the same as one of two classes: 0 and z.
    private static IEnumerable<Test> OneLogit()
    {
        OnnxGraph One() => Net(1).Weights("shift", [], [0.35f]).Node("Add", "z shift", "logit");
        Test Case(string name, Action<Model, Model, Tensor, Tensor> test) =>
            Check.InFolder(
                name,
                folder =>
                {
                    using var scope = NewDisposeScope();
                    using var one = Model.LoadOnnx(One().Save(folder, "logit"));
                    var x = Images(12) * linspace(0, 1, 12).reshape(12, 1, 1, 1);
                    var z = one.Logits(x);
                    Check.Same(z.shape, 12, 1);
                    // In the middle, so that there are both sides.
                    var middle = -(z.median() + 1e-3).ToSingle();
                    using var centred = Model.LoadOnnx(
                        One().Weights("m", [], [middle]).Node("Add", "logit m", "y").Save(folder, "y")
                    );
                    using var two = Model.LoadOnnx(
                        One()
                            .Weights("m", [], [middle])
                            .Node("Add", "logit m", "y")
                            .Node("Sub", "y y", "none")
                            .Node("Concat", "none y", "both", ("axis", 1))
                            .Save(folder, "both")
                    );
                    Expect.equal(centred.IsBinary, true, "it has two classes");
                    Expect.isTrue(centred.Notes.Single().Contains("one logit"), "it is said");
                    test(centred, two, x, centred.Logits(x));
                }
            );
        yield return Case(
            "the scores of one logit are -z and z",
            (one, _, x, z) =>
            {
                Check.Same(one.ClassScores(x), cat([-z, z], 1));
                Expect.isTrue(z.gt(0).any().ToBoolean() && z.lt(0).any().ToBoolean(), "there are both sides");
            }
        );
        yield return Case(
            "metrics of probabilities of one logit are those of two classes whose logits are 0 and z",
            (one, two, x, _) =>
            {
                var maps = new SaliencyMap(one).Attribute(x);
                void Same(Func<Model, IReadOnlyList<double>> scores)
                {
                    foreach (var (a, b) in scores(one).Zip(scores(two)))
                        Near(a, b, "the scores are equal");
                }
                foreach (var k in new int?[] { null, 0, 1 })
                {
                    Same(m => new Deletion(m, k, 3).Evaluate(maps, x));
                    Same(m => new Insertion(m, k, 3).Evaluate(maps, x));
                    Same(m => new AverageGain(m, k).Evaluate(maps, x));
                    Same(m => new AverageDrop(m, k, mask: Mask.Soft, scale: Scale.Probabilities).Drops(maps, x));
                }
            }
        );
        yield return Case(
            "the predicted class's map is that of z on its side",
            (one, _, x, z) =>
            {
                var own = new SaliencyMap(one, Quantity.Of(s => s.select(1, 1), "z")).Attribute(x);
                var side = z.sign().reshape(-1, 1, 1, 1);
                Check.Same(new SaliencyMap(one).Attribute(x), own * side);
                Check.Same(new SaliencyMap(one, 1).Attribute(x), own);
                Check.Same(new SaliencyMap(one, 0).Attribute(x), -own);
                long[] labels = [.. z.gt(0).to(ScalarType.Int64).data<long>()];
                Check.Same(new SaliencyMap(one, Quantity.TrueClass(labels)).Attribute(x), own * side);
                Expect.equal(new AverageDrop(one).Evaluate(own * side, x).Skipped.Count, 0, "every score is positive");
                Expect.isTrue(
                    new GradCam(one, layer: "r").Attribute(x).isfinite().all().ToBoolean(),
                    "a class activation map sees the two classes too"
                );
            }
        );
        yield return Case(
            "the random logit test is refused",
            (one, _, x, _) =>
                Check.Refuses(
                    () =>
                        new RandomLogit(
                            one,
                            (m, q) => AttributionMethod.Find("saliency").Create(m, new() { Quantity = q })
                        ).Evaluate(zeros_like(x), x),
                    "single logit"
                )
        );
        yield return Case(
            "another precision and other weights have the two classes too",
            (one, _, x, _) =>
            {
                Check.Same(one.To(CPU, Precision.Float64).ClassScores(x).shape, 12, 2);
                Check.Same(one.Randomised().ClassScores(x).shape, 12, 2);
                Check.Same(one.Within(1 << 20).ClassScores(x).shape, 12, 2);
            }
        );
        yield return Check.InFolder(
            "of two probabilities that one sigmoid makes the logit is its own",
            folder =>
            {
                using var scope = NewDisposeScope();
                var graph = Net(1)
                    .Weights("unity", [], [1])
                    .Node("Sigmoid", "z", "s")
                    .Node("Sub", "unity s", "not")
                    .Node("Concat", "not s", "y", ("axis", 1));
                using var model = Model.LoadOnnx(graph.Save(folder, "y"));
                using var expected = Model.LoadOnnx(Net(1).Save(folder, "z"));
                Check.Same(model.Logits(Images()), expected.Logits(Images()));
                Expect.isTrue(model.IsBinary, "it has two classes");
                Expect.equal(model.Notes.Count, 2, "both are said");
            }
        );
        yield return Runner.TestCase(
            "functions and modules are recognised by their values where they are asked to be",
            () =>
            {
                using var scope = NewDisposeScope();
                var weight = randn(4, 12, generator: new Generator(2)) / 255;
                Tensor Scores(Tensor x) => x.flatten(1).matmul(weight.t());
                using var logits = Model.FromLayers(("z", Scores)).Recognised(3, 2, 2);
                Check.Same(logits.Notes);
                using var soft = Model.FromLayers(("p", x => Scores(x).softmax(1))).Recognised(3, 2, 2);
                Expect.equal(soft.Scores, ScoreKind.Probabilities, "a softmax");
                Expect.isTrue(soft.Notes.Single().Contains("probabilities"), "it is said");
                using var sigmoids = Model.FromLayers(("p", x => Scores(x).sigmoid())).Recognised(3, 2, 2);
                Expect.equal(sigmoids.Scores, ScoreKind.Probabilities, "sigmoids");
                using var sigmoid = Model
                    .FromLayers(("p", x => Scores(x).narrow(1, 0, 1).sigmoid()))
                    .Recognised(3, 2, 2);
                var z = rand(2, 3, 2, 2) * 255;
                Expect.isLessThan(
                    (sigmoid.Logits(z) - Scores(z).narrow(1, 0, 1)).abs().max().ToDouble(),
                    1e-4,
                    "one sigmoid's logit is found again"
                );
                using var one = Model.FromLayers(("z", x => Scores(x).narrow(1, 0, 1))).Recognised(3, 2, 2);
                Expect.isTrue(one.IsBinary && one.Notes.Single().Contains("one logit"), "one logit");
                using var layers = nn.Sequential(("f", nn.Flatten()), ("l", nn.Linear(12, 3)), ("s", nn.Softmax(1)));
                using var module = Model.FromModule(layers);
                Expect.equal(module.Scores, ScoreKind.Probabilities, "a module's last step");
                Expect.isTrue(module.Notes.Single().Contains("softmax"), "it is said");
            }
        );
        yield return Check.InFolder(
            "a logit without a dimension of its own is one",
            folder =>
            {
                using var scope = NewDisposeScope();
                var path = Net(1).Ints("one", 1).Node("Squeeze", "z one", "y").Save(folder, "y");
                using var model = Model.LoadOnnx(path);
                Check.Same(model.Logits(Images()).shape, 3, 1);
            }
        );
    }
}
