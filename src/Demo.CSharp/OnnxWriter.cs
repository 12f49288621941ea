using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using Attribution.Onnx;
using Google.Protobuf;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Writes a network as an ONNX file, node by node.</summary>
internal sealed class OnnxWriter
{
    private readonly GraphProto graph = new() { Name = "network" };
    private readonly int opset;

    /// <param name="opset">The version of the operators.</param>
    /// <param name="image">c, h, w of an image; the number of images is open.</param>
    public OnnxWriter(int opset, params IEnumerable<long> image)
    {
        this.opset = opset;
        graph.Input.Add(Info("images", image));
    }

    private static ValueInfoProto Info(string name, IEnumerable<long> sizes)
    {
        TensorShapeProto shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "n" } } };
        shape.Dim.AddRange(sizes.Select(size => new TensorShapeProto.Types.Dimension { DimValue = size }));
        return new()
        {
            Name = name,
            Type = new()
            {
                TensorType = new() { ElemType = 1, Shape = shape },
            },
        };
    }

    /// <summary>Fixed real numbers.</summary>
    public string Numbers(string name, Tensor numbers)
    {
        using var scope = NewDisposeScope();
        var plain = numbers.detach().cpu().to(float32).contiguous().data<float>().ToArray();
        graph.Initializer.Add(
            new TensorProto
            {
                Name = name,
                DataType = 1,
                Dims = { numbers.shape },
                RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(plain)),
            }
        );
        return name;
    }

    /// <summary>Fixed whole numbers.</summary>
    public string Whole(string name, params long[] numbers)
    {
        graph.Initializer.Add(
            new TensorProto
            {
                Name = name,
                DataType = 7,
                Dims = { numbers.Length },
                Int64Data = { numbers },
            }
        );
        return name;
    }

    /// <summary>A fixed whole number, without a dimension.</summary>
    public string WholeNumber(string name, long number)
    {
        graph.Initializer.Add(
            new TensorProto
            {
                Name = name,
                DataType = 7,
                Int64Data = { number },
            }
        );
        return name;
    }

    /// <summary>A node of one output, which goes by its name.</summary>
    public string Node(
        string op,
        string name,
        IEnumerable<string> inputs,
        params (string Name, object Value)[] attributes
    )
    {
        NodeProto node = new()
        {
            OpType = op,
            Name = name,
            Input = { inputs },
            Output = { name },
        };
        node.Attribute.AddRange(attributes.Select(attribute => Attribute(attribute.Name, attribute.Value)));
        graph.Node.Add(node);
        return name;
    }

    private static AttributeProto Attribute(string name, object value) =>
        value switch
        {
            long i => new()
            {
                Name = name,
                I = i,
                Type = AttributeProto.Types.AttributeType.Int,
            },
            double f => new()
            {
                Name = name,
                F = (float)f,
                Type = AttributeProto.Types.AttributeType.Float,
            },
            string text => new()
            {
                Name = name,
                S = ByteString.CopyFromUtf8(text),
                Type = AttributeProto.Types.AttributeType.String,
            },
            long[] many => new()
            {
                Name = name,
                Ints = { many },
                Type = AttributeProto.Types.AttributeType.Ints,
            },
            _ => throw new ArgumentException($"No attribute holds a {value.GetType().Name}.", nameof(value)),
        };

    /// <summary>The file's bytes.</summary>
    /// <param name="output">The node of the scores.</param>
    /// <param name="sizes">Theirs for one image.</param>
    public byte[] File(string output, params IEnumerable<long> sizes)
    {
        graph.Output.Add(Info(output, sizes));
        return new ModelProto
        {
            IrVersion = 8,
            Graph = graph,
            OpsetImport = { new OperatorSetIdProto { Version = opset } },
        }.ToByteArray();
    }
}
