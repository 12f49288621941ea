using System;
using System.Collections.Generic;
using System.Linq;
using Attribution;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;
using static TorchSharp.torch;
using Floats = Microsoft.ML.OnnxRuntime.Tensors.DenseTensor<float>;

namespace Facade.Tests;

/// <summary>ONNX files that call functions of their own, take one image without a batch, or are quantized.</summary>
internal static class OnnxFormsTests
{
    private const string Domain = "pkg.test";

    public static Test Tests =>
        Runner.TestList("ONNX files of other forms", [.. Functions(), .. Alone(), .. Quantized(), Clipped()]);

    private static Test InFolder(string name, Action<string> test) =>
        Check.InFolder(
            name,
            folder =>
            {
                using var scope = NewDisposeScope();
                test(folder);
            }
        );

    private static Tensor Random(params long[] shape)
    {
        using var generator = new Generator(7);
        return rand(shape, generator: generator) * 2 - 1;
    }

    private static void Close(Tensor actual, Tensor expected)
    {
        Check.Same(actual.shape, expected.shape);
        Expect.isLessThan(OnnxModelsTests.Error(actual, expected), 1e-5, "the tensors are close");
    }

    private static Tensor Logits(string path, Tensor x)
    {
        using var model = Model.LoadOnnx(path);
        return model.Logits(x);
    }

    // The steps of a graph as a function's.
    private static FunctionProto Function(string name, string inputs, string outputs, OnnxGraph body)
    {
        var function = new FunctionProto { Name = name, Domain = Domain };
        function.Input.Add(inputs.Split(' '));
        function.Output.Add(outputs.Split(' '));
        function.Node.Add(body.Model.Graph.Node);
        function.OpsetImport.Add(new OperatorSetIdProto { Version = 13 });
        function.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 1 });
        return function;
    }

    private static AttributeProto Reference(string name, string of) =>
        new()
        {
            Name = name,
            RefAttrName = of,
            Type = AttributeProto.Types.AttributeType.Float,
        };

    private static OnnxGraph Call(this OnnxGraph graph, string function, string inputs, string outputs)
    {
        graph.Node(function, inputs, outputs).Model.Graph.Node[^1].Domain = Domain;
        return graph;
    }

    private static IEnumerable<Test> Functions()
    {
        yield return InFolder(
            "functions are what their nodes compute: called twice, by one another, with attributes and results left out",
            folder =>
            {
                // leak(a) = LeakyRelu(a), slope given or 0.3; both(a, b) = leak(a) + leak(b), a - b.
                var leak = new OnnxGraph(0, 1).Node("LeakyRelu", "a", "t").Node("Identity", "t", "r");
                leak.Model.Graph.Node[0].Attribute.Add(Reference("alpha", "slope"));
                var leaky = Function("leak", "a", "r", leak);
                leaky.AttributeProto.Add(
                    new AttributeProto
                    {
                        Name = "slope",
                        F = 0.3f,
                        Type = AttributeProto.Types.AttributeType.Float,
                    }
                );
                var both = Function(
                    "both",
                    "a b",
                    "sum difference",
                    new OnnxGraph(0, 1)
                        .Call("leak", "a", "t")
                        .Call("leak", "b", "u")
                        .Node("Add", "t u", "sum")
                        .Node("Sub", "a b", "difference")
                );
                var graph = new OnnxGraph(0, 6)
                    .Weights("w", 6, 4)
                    .Weights("v", 6, 4)
                    .Node("MatMul", "x w", "t")
                    .Node("MatMul", "x v", "u")
                    .Call("both", "t u", "p q")
                    .Call("both", "p t", "s unused")
                    .Call("leak", "s", "z")
                    .Node("Add", "z q", "y");
                graph
                    .Model.Graph.Node[4]
                    .Attribute.Add(
                        new AttributeProto
                        {
                            Name = "slope",
                            F = -0.7f,
                            Type = AttributeProto.Types.AttributeType.Float,
                        }
                    );
                graph.Model.Functions.Add([leaky, both]);
                graph.Model.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 1 });
                graph.Model.IrVersion = 9;
                var path = graph.Save(folder, "y");
                var x = Random(3, 6);
                var expected = OnnxGraph.Expected(path, x);
                Close(Logits(path, x), expected);
                // ONNX Runtime asks for every result of a call.
                graph.Model.Graph.Node[3].Output.RemoveAt(1);
                Close(Logits(graph.Save(folder), x), expected);
            }
        );
        yield return InFolder(
            "a function that calls itself is refused",
            folder =>
            {
                var graph = new OnnxGraph(0, 6).Call("loop", "x", "y");
                graph.Model.Functions.Add(
                    Function("loop", "a", "b", new OnnxGraph(0, 1).Call("loop", "a", "t").Call("loop", "t", "b"))
                );
                var path = graph.Save(folder, "y");
                Check.Refuses(() => Model.LoadOnnx(path), path, "without an end");
            }
        );
        yield return InFolder(
            "a function that is not there is refused, with what to do",
            folder =>
            {
                var path = new OnnxGraph(0, 6).Call("aten_relu", "x", "y").Save(folder, "y");
                Check.Refuses(() => Model.LoadOnnx(path), path, Domain, "functions inlined");
            }
        );
    }

    private static IEnumerable<Test> Alone()
    {
        OnnxGraph Head(OnnxGraph graph, string image) =>
            graph
                .Weights("w", 4, 3, 3, 3)
                .Weights("v", 4, 5)
                .Node("Conv", $"{image} w", "c")
                .Node("Relu", "c", "r")
                .Node("GlobalAveragePool", "r", "m")
                .Node("Flatten", "m", "f")
                .Node("MatMul", "f v", "y");

        (string Name, Func<OnnxGraph> Graph, bool ChannelsLast)[] cases =
        [
            (
                "channels first",
                () => Head(new OnnxGraph(3, 8, 9).Ints("zero", 0).Node("Unsqueeze", "x zero", "u"), "u"),
                false
            ),
            (
                "channels last, transposed after",
                () =>
                    Head(
                        new OnnxGraph(8, 9, 3)
                            .Ints("zero", 0)
                            .Node("Unsqueeze", "x zero", "u")
                            .Node("Transpose", "u", "t", ("perm", new long[] { 0, 3, 1, 2 })),
                        "t"
                    ),
                true
            ),
            (
                "channels last, scaled and transposed before",
                () =>
                    Head(
                        new OnnxGraph(11, [8, 9, 3])
                            .Weights("mean", [3], [0.1f, 0.2f, 0.3f])
                            .Weights("two", [], [2f])
                            .Node("Sub", "x mean", "s")
                            .Node("Div", "s two", "d")
                            .Node("Transpose", "d", "t", ("perm", new long[] { 2, 0, 1 }))
                            .Node("Unsqueeze", "t", "u", ("axes", new long[] { 0 })),
                        "u"
                    ),
                true
            ),
        ];
        foreach (var (name, graph, isLast) in cases)
        foreach (var isSqueezed in new[] { false, true })
            yield return InFolder(
                $"one image without a batch is each of a batch: {name}{(isSqueezed ? ", the scores alone" : "")}",
                folder =>
                {
                    var output = isSqueezed ? "z" : "y";
                    var whole = graph();
                    if (isSqueezed && whole.Model.OpsetImport[0].Version < 13)
                        whole.Node("Squeeze", "y", "z", ("axes", new long[] { 0 }));
                    else if (isSqueezed)
                        whole.Node("Squeeze", "y zero", "z");
                    var path = whole.Save(folder, output);
                    var x = Random(4, 3, 8, 9);
                    var found = Logits(path, x);
                    for (var i = 0; i < 4; i++)
                    {
                        var image = isLast ? x[i].permute(1, 2, 0).contiguous() : x[i].contiguous();
                        Close(found[i], Alone(path, image));
                    }
                }
            );
        yield return InFolder(
            "one image without a batch that the network reads otherwise is refused, with what to do",
            folder =>
            {
                var path = Head(new OnnxGraph(3, 8, 8).Ints("shape", 1, 3, 8, 8).Node("Reshape", "x shape", "u"), "u")
                    .Save(folder, "y");
                Check.Refuses(() => Model.LoadOnnx(path), path, "[3, 8, 8]", "[n, 3, 8, 8]");
            }
        );
    }

    // The scores of one image, by ONNX Runtime.
    private static Tensor Alone(string path, Tensor image)
    {
        using var session = new InferenceSession(path);
        var data = new Floats(image.data<float>().ToArray(), [.. image.shape.Select(size => (int)size)]);
        using var results = session.Run([NamedOnnxValue.CreateFromTensor("x", data)]);
        return tensor(results[0].AsEnumerable<float>().ToArray());
    }

    private static IEnumerable<Test> Quantized()
    {
        foreach (var op in new[] { "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "MatMulInteger" })
            yield return InFolder(
                $"a step of a quantized model is refused, with what to do: {op}",
                folder =>
                {
                    var path = new OnnxGraph(0, 3, 8, 8).Node(op, "x", "y").Save(folder, "y");
                    Check.Refuses(() => Model.LoadOnnx(path), path, op, "export the float model");
                }
            );
    }

    private static Test Clipped() =>
        InFolder(
            "Clip from 0 is a ReLU, for guided backpropagation and deconvolution too",
            folder =>
            {
                string Net(bool isOpen)
                {
                    var graph = new OnnxGraph(0, 3, 6, 6)
                        .Weights("w", 4, 3, 3, 3)
                        .Weights("v", 4, 5)
                        .Weights("low", [], [0f])
                        .Weights("high", [], [0.4f])
                        .Node("Conv", "x w", "c")
                        .Node("Clip", isOpen ? "c low" : "c low high", "r")
                        .Node("GlobalAveragePool", "r", "m")
                        .Node("Flatten", "m", "f")
                        .Node("MatMul", "f v", "y");
                    return graph.Save(folder, "y");
                }
                var x = Random(3, 3, 6, 6);
                foreach (var isOpen in new[] { true, false })
                {
                    var path = Net(isOpen);
                    using var model = Model.LoadOnnx(path);
                    Close(model.Logits(x), OnnxGraph.Expected(path, x));
                    Expect.equal(new GradCam(model).Layer, "r", "the layer of class activation maps");

                    // By hand: what arrives at the activation is the mean's share of a class's weights.
                    var (w, v) = (Weights(path, "w"), Weights(path, "v"));
                    var z = nn.functional.conv2d(x, w);
                    var arriving = (v[.., 2] / 16).reshape(1, 4, 1, 1).expand_as(z).relu();
                    var passes = isOpen ? z.gt(0) : z.gt(0).logical_and(z.lt(0.4));
                    Tensor Back(Tensor g) => nn.functional.conv_transpose2d(g, w);
                    Close(new GuidedBackpropagation(model, 2).Attribute(x), Back(arriving * passes));
                    Close(new Deconvolution(model, 2).Attribute(x), Back(arriving));
                }
            }
        );

    private static Tensor Weights(string path, string name)
    {
        var model = ModelProto.Parser.ParseFrom(System.IO.File.ReadAllBytes(path));
        return new TensorReader(path).Read(model.Graph.Initializer.First(tensor => tensor.Name == name), name);
    }
}
