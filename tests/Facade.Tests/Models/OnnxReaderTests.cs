using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Attribution;
using Attribution.Core;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using Google.Protobuf;
using TorchSharp;
using static TorchSharp.torch;
using DataType = Attribution.Onnx.TensorProto.Types.DataType;

namespace Facade.Tests;

internal static class OnnxReaderTests
{
    public static Test Tests =>
        Runner.TestList(
            "ONNX files",
            [
                .. Structure(),
                .. Numbers(),
                .. Refusals(),
                Runner.TestSequenced(Runner.TestList("damage", [.. Damage()])),
            ]
        );

    // Every kind of thing that a small classifier has: convolution, skip, pooling, folding of constants, dense layers.
    private static OnnxGraph Classifier() =>
        new OnnxGraph(1, 3, 8, 8)
            .Weights("w1", 4, 3, 3, 3)
            .Weights("b1", 4)
            .Weights("w2", 4, 2, 3, 3)
            .Ints("shape", 1, -1)
            .Ints("square", 64, 5)
            .Weights("w3", 8, 8, 5)
            .Weights("b3", 5)
            .Node("Conv", "x w1 b1", "c1", ("auto_pad", "SAME_UPPER"))
            .Node("Relu", "c1", "r1")
            .Node("Conv", "r1 w2", "c2", ("group", 2), ("pads", new long[] { 1, 0, 1, 2 }))
            .Node("Add", "c2 r1", "sum")
            .Node(
                "AveragePool",
                "sum",
                "p",
                ("kernel_shape", new long[] { 3, 3 }),
                ("strides", new long[] { 2, 2 }),
                ("pads", new long[] { 0, 1, 2, 1 })
            )
            .Node("Reshape", "p shape", "flat")
            .Node("Reshape", "w3 square", "w4")
            .Node("Gemm", "flat w4 b3", "scores", ("alpha", 0.5))
            .Node("Softmax", "scores", "probabilities", ("axis", 1));

    private static IReadOnlyList<string> Layers(LoadedModel model) => [.. ModelModule.layers(model.Core)];

    private static Tensor Random(params long[] shape)
    {
        using var generator = new Generator(11);
        return rand(shape, generator: generator) * 255;
    }

    private static Tensor Logits(LoadedModel model, Tensor x) => ModelModule.logits(OnnxModelsTests.Placed(model), x);

    private static void Close(Tensor actual, Tensor expected)
    {
        Check.Same(actual.shape, expected.shape);
        Expect.isLessThan(OnnxModelsTests.Error(actual, expected), 1e-5, "the tensors are close");
    }

    private static IEnumerable<Test> Structure()
    {
        yield return Check.InFolder(
            "every computed tensor is a layer under its ONNX name, and constants are not",
            folder =>
            {
                var layers = Layers(OnnxReader.Read(Classifier().Save(folder, "probabilities")));
                Check.Same(layers, "x", "c1", "r1", "c2/pad", "c2", "sum", "p", "flat", "scores");
            }
        );
        yield return Check.InFolder(
            "a final softmax is left out and this is said",
            folder =>
            {
                var cut = OnnxReader.Read(Classifier().Save(folder, "probabilities"));
                Expect.isTrue(cut.Notes.Single().Contains("Softmax"), "the note names it");
                Expect.equal(cut.Classes, 5, "the classes are counted");
                var x = Random(2, 3, 8, 8);
                var logits = Logits(cut, x);
                var uncut = OnnxReader.Read(Classifier().Save(folder, "scores"));
                Check.Same(uncut.Notes);
                Check.Same(Logits(uncut, x), logits);
            }
        );
        yield return Check.InFolder(
            "a softmax that only a reshape follows is left out",
            folder =>
            {
                var graph = new OnnxGraph(0, 3, 4, 4)
                    .Node("GlobalAveragePool", "x", "mean")
                    .Node("Softmax", "mean", "p", ("axis", 1))
                    .Node("Flatten", "p", "rows");
                var model = OnnxReader.Read(graph.Save(folder, "rows"));
                var x = Random(2, 3, 4, 4);
                Close(Logits(model, x), x.mean([2, 3]));
                Expect.equal(model.Notes.Count, 1, "the softmax is noted");
            }
        );
        yield return Check.InFolder(
            "a softmax within the network stays",
            folder =>
            {
                var graph = new OnnxGraph(0, 3, 4, 4)
                    .Node("Softmax", "x", "p", ("axis", 1))
                    .Node("GlobalMaxPool", "p", "max");
                var model = OnnxReader.Read(graph.Save(folder, "max"));
                var x = Random(2, 3, 4, 4);
                Close(Logits(model, x), x.softmax(1).amax([2, 3]));
                Check.Same(model.Notes);
            }
        );
        yield return Check.InFolder(
            "preprocessing is the network's first step",
            folder =>
            {
                var path = new OnnxGraph(0, 3, 2, 2).Node("Flatten", "x", "y").Save(folder, "y");
                var x = Random(2, 3, 2, 2);
                var (mean, std) = (tensor(new[] { 0.5f, 0.4f, 0.3f }), tensor(new[] { 0.1f, 0.2f, 0.4f }));
                var expected = ((x / 255 - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)).flatten(1);
                var model = OnnxReader.Read(path, new Preprocessing(255, [0.5, 0.4, 0.3], [0.1, 0.2, 0.4]));
                Close(Logits(model, x), expected);
                Check.Same(Layers(model), "image", "centred", "x", "y");
                var exact = OnnxReader.Read(path, new Preprocessing(255, [1 / 3.0], [1 / 7.0])).Core;
                var actual = ModelModule.logits(ModelModule.toDevice(CPU, ScalarType.Float64, exact), x);
                var doubles = ((x.to(ScalarType.Float64) / 255 - 1 / 3.0) * 7).flatten(1);
                Expect.isLessThan(
                    (actual - doubles).abs().max().item<double>(),
                    1e-12,
                    "float64 is not rounded to float32"
                );
                Close(Logits(OnnxReader.Read(path, new Preprocessing(255)), x), x.flatten(1) / 255);
                Close(Logits(OnnxReader.Read(path, new Preprocessing(std: [2.0])), x), x.flatten(1) / 2);
                Close(Logits(OnnxReader.Read(path, new Preprocessing(mean: [9.0])), x), x.flatten(1) - 9);
            }
        );
        yield return Check.InFolder(
            "a file that takes N×H×W×C is given N×C×H×W",
            folder =>
            {
                var model = OnnxReader.Read(
                    new OnnxGraph(0, 5, 6, 3).Node("Flatten", "x", "y").Save(folder, "y"),
                    new Preprocessing(2)
                );
                Check.Same(model.Core.InputShape.Value, 3, 5, 6);
                var x = Random(2, 3, 5, 6);
                Close(Logits(model, x), x.permute(0, 2, 3, 1).flatten(1) / 2);
                Check.Same(Layers(model), "image", "scaled", "x", "y");
            }
        );
        yield return Check.InFolder(
            "a file that takes rows of a square number of pixels is given images",
            folder =>
            {
                var model = OnnxReader.Read(
                    new OnnxGraph(0, 49).Weights("w", 49, 3).Node("MatMul", "x w", "y").Save(folder, "y")
                );
                Check.Same(model.Core.InputShape.Value, 1, 7, 7);
                Check.Same(Logits(model, Random(2, 1, 7, 7)).shape, 2, 3);
            }
        );
        yield return Check.InFolder(
            "an open image size is what the dense layers fit, and this is said",
            folder =>
            {
                var half = new TensorProto
                {
                    DataType = 1,
                    RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>([0.5f])),
                };
                var graph = new OnnxGraph(0, 0, 0, 0)
                    .Weights("w", 2, 1, 3, 3)
                    .Weights("d", 1800, 4)
                    .Node("Constant", "", "half", ("value", half))
                    .Node("Mul", "x half", "m")
                    .Node("Conv", "m w", "c")
                    .Node("Flatten", "c", "f")
                    .Node("MatMul", "f d", "y");
                var model = OnnxReader.Read(graph.Save(folder, "y"));
                Check.Same(model.Core.InputShape.Value, 1, 32, 32);
                Expect.isTrue(model.Notes.Single().Contains("1×32×32"), "the size is noted");
            }
        );
        yield return Check.InFolder(
            "nodes that the logits do not need are not read, whatever they are",
            folder =>
            {
                var path = Classifier().Node("Mystery", "c1", "aside").Save(folder, "scores", "aside");
                Expect.equal(OnnxReader.Read(path).Classes, 5, "the first output is the logits");
            }
        );
        yield return Check.InFolder(
            "the first output that is one row of scores an image is the logits",
            folder =>
            {
                var path = Classifier().Save(folder, "c1", "scores");
                Expect.equal(OnnxReader.Read(path).Classes, 5, "the second output is the logits");
            }
        );
        yield return Check.InFolder(
            "initializers may be inputs too, and nodes may stand in any order",
            folder =>
            {
                var graph = Classifier();
                var expected = Logits(OnnxReader.Read(graph.Save(folder, "scores")), Random(2, 3, 8, 8));
                foreach (var initializer in graph.Model.Graph.Initializer)
                    graph.Model.Graph.Input.Insert(0, new ValueInfoProto { Name = initializer.Name });
                var nodes = graph.Model.Graph.Node.Reverse().ToArray();
                graph.Model.Graph.Node.Clear();
                graph.Model.Graph.Node.Add(nodes);
                Check.Same(Logits(OnnxReader.Read(graph.Save(folder)), Random(2, 3, 8, 8)), expected);
            }
        );
    }

    // A classifier whose logits are the image and then the tensor's numbers.
    private static Tensor Stored(string folder, TensorProto stored)
    {
        stored.Name = "c";
        var graph = new OnnxGraph(0, 1, 1, 1);
        graph.Model.Graph.Initializer.Add(stored);
        var path = graph
            .Node("Flatten", "x", "f")
            .Node("Cast", "c", "real", ("to", 1))
            .Node("Add", "f real", "y")
            .Save(folder, "y");
        return Logits(OnnxReader.Read(path), zeros(1, 1, 1, 1));
    }

    private static TensorProto Raw<T>(DataType type, params T[] numbers)
        where T : struct =>
        new()
        {
            DataType = (int)type,
            Dims = { numbers.Length },
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<T>(numbers)),
        };

    private static TensorProto Fields(DataType type, params int[] numbers) =>
        new()
        {
            DataType = (int)type,
            Dims = { numbers.Length },
            Int32Data = { numbers },
        };

    private static IEnumerable<Test> Numbers()
    {
        (DataType Type, TensorProto Stored, float[] Expected)[] cases =
        [
            (DataType.Float, Raw(DataType.Float, 1.5f, -2), [1.5f, -2]),
            (DataType.Double, Raw(DataType.Double, 1.5, -2), [1.5f, -2]),
            (DataType.Float16, Raw(DataType.Float16, (Half)1.5f, (Half)(-2f)), [1.5f, -2]),
            (DataType.Bfloat16, Raw(DataType.Bfloat16, (ushort)0x3FC0, (ushort)0xC000), [1.5f, -2]),
            (DataType.Uint8, Raw<byte>(DataType.Uint8, 7, 200), [7, 200]),
            (DataType.Int8, Raw<sbyte>(DataType.Int8, 7, -100), [7, -100]),
            (DataType.Bool, Raw<byte>(DataType.Bool, 0, 1), [0, 1]),
            (DataType.Int16, Raw<short>(DataType.Int16, 7, -3000), [7, -3000]),
            (DataType.Uint16, Raw<ushort>(DataType.Uint16, 7, 60000), [7, 60000]),
            (DataType.Int32, Raw(DataType.Int32, 7, -70000), [7, -70000]),
            (DataType.Uint32, Raw(DataType.Uint32, 7u, 4000000000u), [7, 4000000000f]),
            (DataType.Int64, Raw(DataType.Int64, 7L, -1L << 40), [7, -1L << 40]),
            (DataType.Uint64, Raw(DataType.Uint64, 7ul, 1ul << 40), [7, 1L << 40]),
            (
                DataType.Float,
                new()
                {
                    DataType = 1,
                    Dims = { 2 },
                    FloatData = { 1.5f, -2 },
                },
                [1.5f, -2]
            ),
            (
                DataType.Double,
                new()
                {
                    DataType = 11,
                    Dims = { 2 },
                    DoubleData = { 1.5, -2 },
                },
                [1.5f, -2]
            ),
            (
                DataType.Int64,
                new()
                {
                    DataType = 7,
                    Dims = { 2 },
                    Int64Data = { 7, -3 },
                },
                [7, -3]
            ),
            (
                DataType.Uint32,
                new()
                {
                    DataType = 12,
                    Dims = { 2 },
                    Uint64Data = { 7, 4000000000 },
                },
                [7, 4000000000f]
            ),
            (
                DataType.Uint64,
                new()
                {
                    DataType = 13,
                    Dims = { 2 },
                    Uint64Data = { 7, 3 },
                },
                [7, 3]
            ),
            (DataType.Float16, Fields(DataType.Float16, 0x3E00, 0xC000), [1.5f, -2]),
            (DataType.Bfloat16, Fields(DataType.Bfloat16, 0x3FC0, 0xC000), [1.5f, -2]),
            (DataType.Int32, Fields(DataType.Int32, 7, -70000), [7, -70000]),
            (DataType.Uint8, Fields(DataType.Uint8, 7, 200), [7, 200]),
            (DataType.Int8, Fields(DataType.Int8, 7, -100), [7, -100]),
            (DataType.Uint16, Fields(DataType.Uint16, 7, 60000), [7, 60000]),
            (DataType.Bool, Fields(DataType.Bool, 0, 1), [0, 1]),
        ];
        foreach (var (type, stored, expected) in cases)
            yield return Check.InFolder(
                $"{type} {(stored.RawData.IsEmpty ? "in fields" : "in raw bytes")} is read",
                folder => Check.Same(Stored(folder, stored), tensor(expected).reshape(1, 2))
            );

        static TensorProto External(string location, int offset) =>
            new()
            {
                DataType = 1,
                Dims = { 2 },
                DataLocation = TensorProto.Types.DataLocation.External,
                ExternalData =
                {
                    new StringStringEntryProto { Key = "location", Value = location },
                    new StringStringEntryProto { Key = "offset", Value = $"{offset}" },
                    new StringStringEntryProto { Key = "length", Value = "8" },
                },
            };
        yield return Check.InFolder(
            "weights in another file of the model's folder are read",
            folder =>
            {
                Directory.CreateDirectory(Path.Combine(folder, "weights"));
                File.WriteAllBytes(
                    Path.Combine(folder, "weights", "w.bin"),
                    MemoryMarshal.AsBytes<float>([9, 1.5f, -2]).ToArray()
                );
                Check.Same(Stored(folder, External("weights/w.bin", 4)), tensor(new[] { 1.5f, -2 }).reshape(1, 2));
                Check.Refuses(() => Stored(folder, External("weights/w.bin", 8)), "weights/w.bin", "model.onnx");
                Check.Refuses(() => Stored(folder, External("weights/v.bin", 8)), "weights/v.bin", "does not exist");
            }
        );
        foreach (var outside in new[] { "../w.bin", "/etc/passwd", "a/../../w.bin", @"..\w.bin", @"C:\w.bin" })
            yield return Check.InFolder(
                $"weights at {outside} are refused",
                folder => Check.Refuses(() => Stored(folder, External(outside, 0)), outside, "folder")
            );
    }

    private static Test Refuses(string name, OnnxGraph graph, params string[] words) =>
        Check.InFolder(
            $"{name} is refused",
            folder => Check.Refuses(() => OnnxReader.Read(graph.Save(folder, "y")), [.. words, "model.onnx"])
        );

    private static OnnxGraph Weight(TensorProto w)
    {
        w.Name = "w";
        var graph = new OnnxGraph(0, 1, 2, 2);
        graph.Model.Graph.Initializer.Add(w);
        return graph.Node("Mul", "x w", "y");
    }

    private static IEnumerable<Test> Refusals()
    {
        OnnxGraph Image() => new(0, 3, 8, 8);
        (string, object) Ints(string name, params long[] numbers) => (name, numbers);
        yield return Refuses(
            "an unknown operator",
            Image().Node("Mystery", "x", "y"),
            "'Mystery'",
            "'Mystery_0'",
            "not supported"
        );
        var foreign = Image().Node("Relu", "x", "y");
        foreign.Model.Graph.Node[0].Domain = "com.example";
        yield return Refuses("a foreign domain", foreign, "'Relu'", "com.example");
        yield return Refuses("a missing input", Image().Node("Relu", "z", "y"), "'z'");
        yield return Refuses("a missing output", Image().Node("Relu", "x", "z"), "'y'");
        yield return Refuses(
            "a cycle",
            Image().Node("Add", "x b", "a").Node("Relu", "a", "b").Node("Relu", "b", "y"),
            "own result"
        );
        yield return Refuses(
            "a name used twice",
            Image().Node("Relu", "x", "y").Node("Abs", "x", "y"),
            "two tensors",
            "'y'"
        );
        yield return Refuses(
            "two weights of one name",
            Image().Weights("w", 1).Weights("w", 1).Node("Mul", "x w", "y"),
            "two tensors"
        );
        yield return Refuses("an old operator set", new OnnxGraph(6, [0, 3]).Node("Relu", "x", "y"), "operator set 6");
        yield return Refuses(
            "an output that is no row of scores",
            Image().Ints("rows", 0, 3, 64).Node("Reshape", "x rows", "y"),
            "'y'",
            "[1, 3, 64]"
        );
        yield return Refuses(
            "an output that no image changes",
            Image().Weights("w", 1, 3).Node("Relu", "w", "y"),
            "'y'"
        );
        yield return Refuses(
            "an input that is no image",
            new OnnxGraph(0, 2, 3, 4, 5, 6).Node("Relu", "x", "y"),
            "'x'",
            "not a batch of images"
        );
        yield return Refuses(
            "a mean over the batch",
            Image().Node("ReduceMean", "x", "m", Ints("axes", 0)).Node("Flatten", "m", "y"),
            "each instance"
        );
        yield return Refuses(
            "joining instances",
            Image().Node("Concat", "x x", "m", ("axis", 0)).Node("Flatten", "m", "y"),
            "mixes the instances"
        );
        yield return Refuses(
            "a softmax over the batch",
            Image().Node("Softmax", "x", "m", ("axis", 0)).Node("Flatten", "m", "y"),
            "mixes the instances"
        );
        (string Op, string Inputs, (string, object)[] Attributes)[] mixing =
        [
            ("CumSum", "x zero", []),
            ("ArgMax", "x", [("axis", 0)]),
            ("TopK", "x one", [("axis", 0)]),
            ("LayerNormalization", "x w", [("axis", 0)]),
            ("LpNormalization", "x", [("axis", 0)]),
            ("MeanVarianceNormalization", "x", []),
            ("Slice", "x minus least zero minus", []),
            ("Gather", "x zero", []),
            ("GatherElements", "x index", []),
            ("Split", "x", []),
            ("Tile", "x two", []),
            ("Pad", "x shift", []),
            ("Resize", "x - double", []),
            ("Einsum", "x x", [("equation", "nchw,mchw->nchw")]),
        ];
        foreach (var (op, inputs, attributes) in mixing)
            yield return Refuses(
                $"{op} along the batch",
                new OnnxGraph(17, [0, 3, 8, 8])
                    .Ints("zero", 0)
                    .Ints("one", 1)
                    .Ints("minus", -1)
                    .Ints("least", long.MinValue)
                    .Ints("two", 2, 1, 1, 1)
                    .Ints("shift", 1, 0, 0, 0, -1, 0, 0, 0)
                    .Weights("w", 1, 3, 8, 8)
                    .Weights("double", [4], [2, 1, 1, 1])
                    .Node("ArgMax", "x", "index", ("axis", 1))
                    .Node(op, inputs, "y", attributes),
                $"'{op}'",
                "mixes the instances"
            );
        yield return Refuses(
            "Dropout in training",
            Image().Weights("r", [], [0.5f]).Ints("t", 1).Node("Dropout", "x r t", "y"),
            "training mode"
        );
        yield return Refuses(
            "a condition that depends on the image",
            Image()
                .Node("ReduceMax", "x", "m", Ints("axes", 1, 2, 3))
                .Node("Cast", "m", "c", ("to", 9))
                .Node("If", "c", "y", ("then_branch", new GraphProto()), ("else_branch", new GraphProto())),
            "'c'",
            "constant"
        );
        var shadow = new OnnxGraph(0).Node("Neg", "x", "used");
        shadow.Outputs("used");
        yield return Refuses(
            "a branch that names a tensor again",
            Image()
                .Ints("c", 1)
                .Node("Relu", "x", "used")
                .Node("If", "c", "z", ("then_branch", shadow.Model.Graph))
                .Node("Add", "z used", "y"),
            "another tensor named 'used'"
        );
        yield return Refuses(
            "a mode of Resize that there is not",
            Image().Weights("k", [4], [1, 1, 2, 2]).Node("Resize", "x - k", "y", ("mode", "lanczos")),
            "'lanczos'"
        );
        yield return Refuses(
            "Resize with antialias",
            Image().Weights("k", [4], [1, 1, 2, 2]).Node("Resize", "x - k", "y", ("antialias", 1)),
            "antialias"
        );
        yield return Refuses(
            "an enormous Resize",
            Image().Weights("k", [4], [1, 1, 2e4f, 2e4f]).Node("Resize", "x - k", "y"),
            "'Resize'",
            "of one instance"
        );
        yield return Refuses(
            "an enormous Expand",
            Image().Ints("s", 1 << 21, 1, 1, 1, 1).Node("Expand", "x s", "e").Node("Flatten", "e", "y"),
            "'Expand'"
        );
        yield return Refuses(
            "an enormous ConstantOfShape",
            Image().Ints("s", 1 << 20, 1 << 20).Node("ConstantOfShape", "s", "c").Node("Add", "x c", "y"),
            "'ConstantOfShape'"
        );
        yield return Refuses(
            "an enormous Tile",
            Image().Ints("r", 1, 1 << 10, 1 << 10, 1 << 10).Node("Tile", "x r", "y"),
            "'Tile'",
            "of one instance"
        );
        yield return Refuses(
            "an enormous ConvTranspose",
            Image().Weights("w", 3, 1, 2, 2).Node("ConvTranspose", "x w", "y", Ints("strides", 1 << 16, 1 << 16)),
            "'ConvTranspose'",
            "of one instance"
        );
        yield return Refuses(
            "products with enormous steps",
            Image()
                .Weights("a", 1 << 12)
                .Weights("b", 1 << 12)
                .Node("Einsum", "x a b", "y", ("equation", "nchw,i,j->nchw")),
            "'Einsum'",
            "several products"
        );
        yield return Refuses(
            "weights that do not fit",
            Image().Weights("w", 5, 4).Node("Flatten", "x", "f").Node("MatMul", "f w", "y"),
            "'MatMul'",
            "[1, 192]"
        );
        yield return Refuses(
            "a convolution of other channels",
            Image().Weights("w", 5, 4, 3, 3).Node("Conv", "x w", "y"),
            "'Conv'",
            "5×4×3×3",
            "3 channels"
        );
        yield return Refuses(
            "groups of no channels",
            Image().Weights("w", 5, 3, 3, 3).Node("Conv", "x w", "y", ("group", 0)),
            "0 groups"
        );
        yield return Refuses(
            "a stride of 0",
            Image().Node("MaxPool", "x", "y", Ints("kernel_shape", 2, 2), Ints("strides", 0, 1)),
            "strides [0, 1]"
        );
        yield return Refuses(
            "negative pads",
            Image().Node("MaxPool", "x", "y", Ints("kernel_shape", 2, 2), Ints("pads", 0, -1, 0, 0)),
            "pads"
        );
        yield return Refuses(
            "a kernel larger than the image",
            Image().Node("MaxPool", "x", "y", Ints("kernel_shape", 9, 2)),
            "window of 9",
            "only 8"
        );
        yield return Refuses(
            "a kernel of no size",
            Image().Node("AveragePool", "x", "y", Ints("kernel_shape", 0, 2)),
            "kernel"
        );
        foreach (var op in new[] { "MaxPool", "AveragePool" })
            yield return Refuses(
                $"an enormous padding of {op}",
                Image().Node(op, "x", "y", Ints("kernel_shape", 2, 2), Ints("pads", 1 << 20, 1 << 20, 0, 1 << 20)),
                op
            );
        yield return Refuses(
            "an enormous padding of Conv",
            Image().Weights("w", 5, 3, 3, 3).Node("Conv", "x w", "y", Ints("pads", 1 << 20, 1 << 20, 1 << 20, 1 << 20)),
            "Conv"
        );
        yield return Refuses(
            "an enormous Pad",
            Image().Ints("p", 0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20).Node("Pad", "x p", "y"),
            "'Pad'",
            "of one instance"
        );
        yield return Refuses(
            "an enormous outer product of constants",
            Image()
                .Weights("a", 1 << 15, 1)
                .Weights("b", 1, 1 << 15)
                .Node("MatMul", "a b", "c")
                .Node("ReduceSum", "c", "s")
                .Node("Mul", "x s", "y"),
            "'MatMul'"
        );
        var doubling = Image().Node("Concat", "x x", "t0", ("axis", 3));
        foreach (var i in Enumerable.Range(0, 60))
            doubling.Node("Concat", $"t{i} t{i}", $"t{i + 1}", ("axis", 3));
        yield return Refuses(
            "a value doubled until it is enormous",
            doubling.Node("Flatten", "t60", "y"),
            "'Concat'",
            "of one instance"
        );
        yield return Refuses(
            "a reshape to another size",
            Image().Ints("s", 0, 7).Node("Reshape", "x s", "y"),
            "[0, 7]",
            "[1, 3, 8, 8]"
        );
        yield return Refuses(
            "a reshape to two unknowns",
            Image().Ints("s", -1, -1).Node("Reshape", "x s", "y"),
            "[-1, -1]"
        );
        yield return Refuses(
            "division of whole numbers by zero",
            Image().Ints("a", 4).Ints("b", 0).Node("Div", "a b", "s").Node("Reshape", "x s", "y"),
            "'Div'"
        );
        yield return Refuses(
            "the quotient of whole numbers that traps",
            Image().Ints("a", long.MinValue).Ints("b", -1).Node("Div", "a b", "s").Node("Reshape", "x s", "y"),
            "'Reshape'"
        );
        yield return Refuses(
            "bytes that are too few",
            Weight(
                new()
                {
                    DataType = 1,
                    Dims = { 2, 2 },
                    RawData = ByteString.CopyFrom(1, 2),
                }
            ),
            "'w'",
            "16 bytes",
            "holds 2"
        );
        yield return Refuses(
            "numbers that are too many",
            Weight(
                new()
                {
                    DataType = 1,
                    Dims = { 1 },
                    FloatData = { 1, 2 },
                }
            ),
            "'w'",
            "4 bytes",
            "holds 8"
        );
        yield return Refuses(
            "a shape of petabytes",
            Weight(new() { DataType = 1, Dims = { 1L << 30, 1L << 30, 1L << 30 } }),
            "'w'"
        );
        yield return Refuses(
            "a negative size",
            Weight(
                new()
                {
                    DataType = 1,
                    Dims = { -1, -1 },
                    FloatData = { 1 },
                }
            ),
            "'w'",
            "shape"
        );
        yield return Refuses("strings as weights", Weight(new() { DataType = 8, Dims = { 1 } }), "'w'", "type 8");

        yield return Runner.TestCase(
            "a missing file is refused",
            () => Check.Refuses(() => OnnxReader.Read("/nowhere/model.onnx"), "/nowhere/model.onnx", "does not exist")
        );
        yield return Check.InFolder(
            "a folder is refused",
            folder => Check.Refuses(() => OnnxReader.Read(folder), folder)
        );
        yield return Check.InFolder(
            "an empty file is refused",
            folder =>
            {
                var path = Path.Combine(folder, "empty.onnx");
                File.WriteAllBytes(path, []);
                Check.Refuses(() => OnnxReader.Read(path), "empty.onnx", "empty");
            }
        );
        yield return Check.InFolder(
            "preprocessing for another number of channels is refused",
            folder =>
            {
                var path = Classifier().Save(folder, "scores");
                Check.Refuses(() => OnnxReader.Read(path, new Preprocessing(1, [1, 2])), "2 numbers", "3 channels");
            }
        );
        (string Name, Func<Preprocessing> Make)[] wrong =
        [
            ("a scale of 0", () => new Preprocessing(0)),
            ("an infinite scale", () => new Preprocessing(double.PositiveInfinity)),
            ("a std of 0", () => new Preprocessing(std: [1, 0])),
            ("a mean that is not a number", () => new Preprocessing(mean: [0, double.NaN])),
        ];
        foreach (var (name, make) in wrong)
            yield return Runner.TestCase(
                $"{name} is refused",
                () =>
                    Check.Refuses(
                        () => make(),
                        name.Split(' ')[^1] == "number" ? "mean"
                            : name.Split(' ')[1] == "infinite" ? "scale"
                            : name.Split(' ')[1]
                    )
            );
    }

    private static IEnumerable<Test> Damage()
    {
        yield return Check.InFolder(
            "every truncation gives a model or a sentence",
            folder =>
            {
                var whole = File.ReadAllBytes(Classifier().Save(folder, "probabilities"));
                Survives(folder, Enumerable.Range(0, whole.Length).Select(length => whole[..length]));
            }
        );
        yield return Check.InFolder(
            "three thousand random corruptions give a model or a sentence",
            folder => Survives(folder, Corruptions(File.ReadAllBytes(Classifier().Save(folder, "probabilities")), 3000))
        );
        yield return Check.InFolder(
            "random corruptions of a network for each operator give a model or a sentence",
            folder =>
            {
                foreach (var (_, graph) in OnnxCases.All)
                {
                    var last = graph.Model.Graph.Node.Last().Output[0];
                    var path = graph.Node("Flatten", last, "rows").Save(folder, "rows");
                    Survives(folder, Corruptions(File.ReadAllBytes(path), 3));
                }
            }
        );
        yield return Check.Shared(
            "damage to mnist.onnx gives a model or a sentence",
            "models/mnist.onnx",
            path =>
            {
                var folder = Directory.CreateTempSubdirectory("attribution-").FullName;
                var whole = File.ReadAllBytes(path);
                Survives(folder, Enumerable.Range(0, whole.Length / 16).Select(i => whole[..(16 * i)]));
                Survives(folder, Corruptions(whole, 1000));
                Directory.Delete(folder, recursive: true);
            }
        );
    }

    private static IEnumerable<byte[]> Corruptions(byte[] whole, int count)
    {
        var random = new Random(17);
        for (var i = 0; i < count; i++)
        {
            var copy = (byte[])whole.Clone();
            for (var n = random.Next(1, 6); n > 0; n--)
                copy[random.Next(copy.Length)] = (byte)random.Next(256);
            yield return copy;
        }
    }

    // A model that was read must run, or say why not, too.
    private static void Survives(string folder, IEnumerable<byte[]> files)
    {
        var path = Path.Combine(folder, "damaged.onnx");
        foreach (var bytes in files)
        {
            File.WriteAllBytes(path, bytes);
            using var scope = NewDisposeScope();
            try
            {
                var model = OnnxReader.Read(path);
                Expect.equal(
                    Logits(model, zeros([2, .. model.Core.InputShape.Value])).shape[1],
                    model.Classes,
                    "the classes are as said"
                );
            }
            catch (AttributionException e)
            {
                Expect.isFalse(e.Message.Contains('\n') || e.Message.Length > 1000, $"'{e.Message}' is a sentence");
            }
        }
    }
}
