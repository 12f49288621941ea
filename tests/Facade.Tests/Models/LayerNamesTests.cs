using System;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>The names of an ONNX file's layers, and what is known of each.</summary>
public static class LayerNamesTests
{
    public static Test Tests =>
        Runner.TestList(
            "The layers of an ONNX file",
            [
                Named("a node's name names its value", "/features/features.0/Conv", "c"),
                Named("a module's path names its value, by the node's name", "features.1", "r"),
                Named("a module's path names its value, by the weight's name", "stem.conv", "c2"),
                Named("a list's path names its last module's value", "features", "p"),
                Named("a block within a list has the list's name once", "layer1.0.conv1", "c3"),
                Named("a block's path names what its last node computes", "layer1.0", "sum"),
                Named("a dense layer in two nodes is the second, with the bias", "head.0", "z"),
                Named("a layer's own name comes before another's path", "stem", "stem"),
                Check.InFolder(
                    "results have the canonical name, whichever was asked for",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        using var model = Model.LoadOnnx(Network().Save(folder, "y"));
                        var x = Images();
                        var expected = new InflDirected(model, "c3", Quantity.Class(0)).Influence(x);
                        foreach (var copy in new[] { model, model.To("cpu", model.Precision), model.Within(1 << 20) })
                            Check.Same(
                                new InflDirected(copy, "layer1.0.conv1", Quantity.Class(0)).Influence(x),
                                expected
                            );
                        Check.Same(
                            new IntegratedGrad(model, "layer1.0.conv1", 0).Attribute(x),
                            new IntegratedGrad(model, "c3", 0).Attribute(x)
                        );
                        Expect.equal(Cuts.BeforeActivation(model, "features.1"), "c", "the layer before");
                    }
                ),
                Check.InFolder(
                    "a name that several nodes have names none of them",
                    folder =>
                    {
                        var graph = Network();
                        graph.Model.Graph.Node[1].Name = graph.Model.Graph.Node[2].Name = "twice";
                        using var model = Model.LoadOnnx(graph.Save(folder, "y"));
                        Expect.isFalse(model.Describe().Any(layer => layer.Aliases.Contains("twice")), "no alias");
                    }
                ),
                Check.InFolder(
                    "a wrong name offers the closest, of whichever kind",
                    folder =>
                    {
                        using var model = Model.LoadOnnx(Network().Save(folder, "y"));
                        string Message(string layer)
                        {
                            try
                            {
                                _ = new InflDirected(model, layer, Quantity.Predicted);
                            }
                            catch (AttributionException e)
                            {
                                return e.Message;
                            }
                            throw new InvalidOperationException("it is refused");
                        }
                        Expect.isTrue(Message("layer1.0.conv2").Contains("mean 'layer1.0.conv1'"), "a path");
                        Expect.isTrue(
                            Message("/features/features.0/conv").Contains("'/features/features.0/Conv'"),
                            "a node"
                        );
                        Expect.isTrue(Message("logits").Contains("no layer 'logits'"), "what is wrong");
                    }
                ),
                Check.InFolder("say how many units they have, and where one may want to cut", Described),
            ]
        );

    private static Test Named(string name, string alias, string layer) =>
        Check.InFolder(
            name,
            folder =>
            {
                using var model = Model.LoadOnnx(Network().Save(folder, "y"));
                Expect.equal(model.RequireLayer(alias), layer, alias);
                Expect.equal(
                    model.Describe().Single(l => l.Name == layer).Aliases.Contains(alias),
                    alias != layer,
                    "it is listed"
                );
            }
        );

    private static Tensor Images()
    {
        using var generator = new Generator(4);
        return rand([3, 3, 8, 8], generator: generator) * 255;
    }

    // Names as PyTorch's exporter gives them.
    private static OnnxGraph Network()
    {
        var graph = new OnnxGraph(0, 3, 8, 8);
        void Node(string name, string op, string inputs, string output, params (string, object)[] attributes)
        {
            graph.Node(op, inputs, output, attributes);
            graph.Model.Graph.Node[^1].Name = name;
        }
        graph
            .Weights("onnx::Conv_1", 4, 3, 3, 3)
            .Weights("stem.conv.weight", 4, 4, 1, 1)
            .Weights("layer1.0.conv1.weight", 4, 4, 1, 1)
            .Weights("onnx::MatMul_9", 36, 6)
            .Weights("head.0.bias", 6)
            .Weights("w", 6, 3);
        Node("/features/features.0/Conv", "Conv", "x onnx::Conv_1", "c");
        Node("/features/features.1/Relu", "Relu", "c", "r");
        Node(
            "/features/features.2/MaxPool",
            "MaxPool",
            "r",
            "p",
            ("kernel_shape", new long[] { 2, 2 }),
            ("strides", new long[] { 2, 2 })
        );
        Node("node_conv2d_1", "Conv", "p stem.conv.weight", "c2");
        Node("/stem/act/Relu", "Relu", "c2", "stem");
        Node("/layer1/layer1.0/conv1/Conv", "Conv", "stem layer1.0.conv1.weight", "c3");
        Node("/layer1/layer1.0/Add", "Add", "c3 stem", "sum");
        Node("/Flatten", "Flatten", "sum", "flat");
        Node("/head/head.0/MatMul", "MatMul", "flat onnx::MatMul_9", "m");
        Node("/head/head.0/Add", "Add", "m head.0.bias", "z");
        Node("/head/head.1/Relu", "Relu", "z", "h");
        Node("/head/head.2/MatMul", "MatMul", "h w", "y");
        return graph;
    }

    private static void Described(string folder)
    {
        using var model = Model.LoadOnnx(Network().Save(folder, "y"));
        (string, long, Units, string) Known(string name)
        {
            var layer = model.Describe().Single(layer => layer.Name == name);
            return (string.Join('×', layer.Shape), layer.Units, layer.Reading, layer.Note);
        }
        Expect.equal(Known("c"), ("4×6×6", 4, Units.ChannelSum, ""), "a convolution");
        Expect.equal(Known("c3"), ("4×3×3", 4, Units.ChannelSum, "last convolution"), "the last one");
        Expect.equal(Known("sum"), ("4×3×3", 4, Units.ChannelSum, ""), "a sum of channels");
        Expect.equal(Known("flat"), ("36", 36, Units.Each, ""), "a row");
        Expect.equal(Known("m"), ("6", 6, Units.Each, "dense"), "a dense layer");
        Expect.equal(Known("z"), ("6", 6, Units.Each, "default cut"), "before the last activation");
        Expect.equal(Known("y"), ("3", 3, Units.Each, "dense"), "the logits");
    }
}
