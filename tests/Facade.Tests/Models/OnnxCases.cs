using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Onnx;

namespace Facade.Tests;

/// <summary>Small networks, each for one way of using an operator.</summary>
internal static partial class OnnxCases
{
    public static IEnumerable<(string Name, OnnxGraph Graph)> All =>
        [
            .. Convolutions(),
            .. Transposed(),
            .. Pools(),
            .. Dense(),
            .. Activations(),
            .. Arithmetic(),
            .. Norms(),
            .. Reductions(),
            .. Shapes(),
            .. Pieces(),
            .. Grids(),
            .. Batches(),
            .. Stacked(),
            .. Types(),
        ];

    private static long[] L(params long[] numbers) => numbers;

    private static (string, object) Ints(string name, params long[] numbers) => (name, numbers);

    // Images of odd sides; the batch is left open.
    private static OnnxGraph Image(int opset = 13) => new(opset, [0, 4, 9, 7]);

    private static OnnxGraph Op(string op, params (string, object)[] attributes) =>
        Image().Node(op, "x", "y", attributes);

    private static OnnxGraph Op(int opset, string op, params (string, object)[] attributes) =>
        Image(opset).Node(op, "x", "y", attributes);

    private static OnnxGraph Conv(long[] input, long[] weight, params (string, object)[] attributes) =>
        new OnnxGraph(input).Weights("w", weight).Weights("b", weight[0]).Node("Conv", "x w b", "y", attributes);

    private static TensorProto Stored(int type, long[] dims, params int[] numbers) =>
        new()
        {
            DataType = type,
            Dims = { dims },
            Int32Data = { numbers },
        };

    private static OnnxGraph Constant(this OnnxGraph graph, string name, TensorProto numbers) =>
        graph.Node("Constant", "", name, ("value", numbers));

    // One whole number without dimensions.
    private static OnnxGraph Whole(this OnnxGraph graph, string name, long number) =>
        graph.Node("Constant", "", name, ("value", new TensorProto { DataType = 7, Int64Data = { number } }));
}
