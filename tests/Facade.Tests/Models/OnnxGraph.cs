using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Attribution.Onnx;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>Makes small ONNX files, and runs files with ONNX Runtime.</summary>
internal sealed class OnnxGraph
{
    private readonly Random random = new(5);

    public OnnxGraph(params long[] input)
        : this(13, input) { }

    public OnnxGraph(int opset, long[] input)
    {
        Model = new ModelProto
        {
            IrVersion = 7,
            Graph = new GraphProto { Name = "test" },
        };
        Model.OpsetImport.Add(new OperatorSetIdProto { Version = opset });
        Model.Graph.Input.Add(Info("x", input));
    }

    public ModelProto Model { get; }

    /// <summary>A value's description; 0 stands for an open size.</summary>
    private static ValueInfoProto Info(string name, IEnumerable<long> sizes)
    {
        var shape = new TensorShapeProto();
        foreach (var size in sizes)
            shape.Dim.Add(
                size > 0
                    ? new TensorShapeProto.Types.Dimension { DimValue = size }
                    : new TensorShapeProto.Types.Dimension { DimParam = "N" }
            );
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor { ElemType = 1, Shape = shape },
            },
        };
    }

    /// <summary>Random weights of a shape.</summary>
    public OnnxGraph Weights(string name, params long[] dims) =>
        Weights(
            name,
            dims,
            [.. Enumerable.Range(0, (int)dims.Aggregate(1L, (a, b) => a * b)).Select(_ => random.NextSingle() - 0.4f)]
        );

    public OnnxGraph Weights(string name, long[] dims, float[] numbers)
    {
        Model.Graph.Initializer.Add(
            new TensorProto
            {
                Name = name,
                DataType = 1,
                Dims = { dims },
                RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(numbers)),
            }
        );
        return this;
    }

    public OnnxGraph Ints(string name, params long[] numbers)
    {
        Model.Graph.Initializer.Add(
            new TensorProto
            {
                Name = name,
                DataType = 7,
                Dims = { numbers.Length },
                Int64Data = { numbers },
            }
        );
        return this;
    }

    /// <summary>A node from space-separated inputs to space-separated outputs; "-" stands for an input left out.</summary>
    public OnnxGraph Node(string op, string inputs, string outputs, params (string Name, object Value)[] attributes)
    {
        var node = new NodeProto { OpType = op, Name = $"{op}_{Model.Graph.Node.Count}" };
        node.Input.Add(inputs.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(i => i == "-" ? "" : i));
        node.Output.Add(outputs.Split(' '));
        foreach (var (name, value) in attributes)
            node.Attribute.Add(Attribute(name, value));
        Model.Graph.Node.Add(node);
        return this;
    }

    private static AttributeProto Attribute(string name, object value) =>
        value switch
        {
            int i => new()
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
            string s => new()
            {
                Name = name,
                S = ByteString.CopyFromUtf8(s),
                Type = AttributeProto.Types.AttributeType.String,
            },
            long[] ints => new()
            {
                Name = name,
                Ints = { ints },
                Type = AttributeProto.Types.AttributeType.Ints,
            },
            float[] floats => new()
            {
                Name = name,
                Floats = { floats },
                Type = AttributeProto.Types.AttributeType.Floats,
            },
            GraphProto g => new()
            {
                Name = name,
                G = g,
                Type = AttributeProto.Types.AttributeType.Graph,
            },
            TensorProto t => new()
            {
                Name = name,
                T = t,
                Type = AttributeProto.Types.AttributeType.Tensor,
            },
            _ => throw new ArgumentException($"{value} is no attribute.", nameof(value)),
        };

    /// <summary>Names what the graph gives.</summary>
    public void Outputs(params string[] outputs)
    {
        foreach (var output in outputs)
            Model.Graph.Output.Add(
                new ValueInfoProto
                {
                    Name = output,
                    Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = 1 } },
                }
            );
    }

    /// <summary>Writes the model with these outputs.</summary>
    public string Save(string folder, params string[] outputs)
    {
        Outputs(outputs);
        var path = Path.Combine(folder, "model.onnx");
        File.WriteAllBytes(path, Model.ToByteArray());
        return path;
    }

    /// <summary>The first output of a file by ONNX Runtime, n×k; a fixed batch of 1 takes the rows one by one.</summary>
    public static torch.Tensor Expected(string path, torch.Tensor x)
    {
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(path, options);
        var (name, input) = session.InputMetadata.First();
        var parts = input.Dimensions[0] > 0 ? x.split(input.Dimensions[0]) : [x];
        return cat([
            .. parts.Select(part =>
            {
                var data = new DenseTensor<float>(
                    part.contiguous().data<float>().ToArray(),
                    [.. part.shape.Select(d => (int)d)]
                );
                using var results = session.Run([NamedOnnxValue.CreateFromTensor(name, data)]);
                return tensor(results[0].AsEnumerable<float>().ToArray()).reshape(part.shape[0], -1);
            }),
        ]);
    }
}
