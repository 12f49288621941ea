using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

/// <summary>What each of ONNX's operators is in terms of the core's ops (https://onnx.ai/onnx/operators).</summary>
/// <param name="graph">Receives the nodes.</param>
/// <param name="batch">The batch size that the file was written for; 1 where it leaves that open.</param>
internal sealed partial class OnnxOps(GraphBuilder graph, long batch)
{
    /// <summary>The values of a node's outputs.</summary>
    public Value[] Convert(OnnxNode node)
    {
        var placed = Placed(node);
        var results = Converted(placed);
        if (placed.Leading > 0)
            results = [.. results.Select(x => x.IsKnown ? x : x.Stacked())];
        // Instances that have come first again are rows again.
        return node.Op == "Transpose" && results[0] is { IsStacked: true, Each: [1, ..] }
            ? [Joined(results[0])]
            : results;
    }

    private Value[] Converted(OnnxNode node) =>
        node.Op switch
        {
            "Split" => Split(node),
            "TopK" => TopK(node),
            _ =>
            [
                Activations(node)
                    ?? Arithmetic(node)
                    ?? Dense(node)
                    ?? Windows(node)
                    ?? Norms(node)
                    ?? Reductions(node)
                    ?? Shapes(node)
                    ?? Pieces(node)
                    ?? Grids(node)
                    ?? Numbers(node)
                    ?? throw node.Fault(
                        IsOfQuantized(node.Op)
                            ? "is a step of a quantized model, whose rounding has no gradient: export the float model"
                            : "is not supported: export the model with ONNX's common operators, or load it as TorchScript"
                    ),
            ],
        };

    private static bool IsOfQuantized(string op) =>
        op.EndsWith("QuantizeLinear", StringComparison.Ordinal)
        || op.StartsWith("QLinear", StringComparison.Ordinal)
        || op is "DequantizeLinear" or "ConvInteger" or "MatMulInteger";

    private Value Typed(OnnxNode node, Op op, params Value[] inputs) => graph.Emit(node.Output, op, null, inputs);

    // A step towards the node's value.
    private Value Step(OnnxNode node, string step, Op op, params Value[] inputs) =>
        graph.Emit(graph.Unique($"{node.Output}/{step}"), op, null, inputs);

    private Value Helper(OnnxNode node, string name, Tensor numbers) =>
        Value.Constant(graph.Unique($"{node.Output}/{name}"), numbers);

    private Value Unary(OnnxNode node, Func<Tensor, Tensor> f) =>
        graph.Pure(node.Output, node.Op, inputs => f(inputs[0]), null, node.Input(0));

    private Value Unary(OnnxNode node, Kind kind, Func<Tensor, Tensor> f) =>
        graph.Function(node.Output, node.Op, kind, inputs => f(inputs[0]), null, node.Input(0));

    // Each number by itself, so that the shape is the input's.
    private Value Elementwise(OnnxNode node, Op op, ScalarType? type = null) =>
        graph.Emit(node.Output, op, t => Value.Meta(t[0].shape, type ?? t[0].dtype), node.Input(0));

    private Value Elementwise(OnnxNode node, Func<Tensor, Tensor> f, ScalarType? type = null) =>
        Elementwise(node, Build.Pure(node.Op, inputs => f(inputs[0])), type);

    private static void RequireReal(OnnxNode node)
    {
        if (node.Given.FirstOrDefault(x => !x.IsReal) is { } other)
            throw node.Fault($"takes '{other.Name}', which should be real numbers");
    }

    private static void RequireApart(OnnxNode node, Value x, params IEnumerable<int> axes)
    {
        if (x.Shape is { } shape && axes.Contains(shape.Axis))
            throw node.Fault("mixes the instances of a batch");
    }

    // Known numbers beside computed ones stand once for each image of the batch that the file was written for; here, once
    // for each image that there will be.
    private Value PerImage(OnnxNode node, Value known, int axis, long each) =>
        known.IsConstant
        && known.First.shape[axis] == each * batch
        && GraphBuilder.Repeated(known.First, axis, batch) is { } rows
            ? graph.ForEachImage(graph.Unique($"{node.Output}/{known.Name}"), rows, axis)
            : known;

    // The inputs of an operator that broadcasts, dimensions counted from the last.
    private Value[] Broadcast(OnnxNode node)
    {
        var inputs = node.Inputs;
        if (node.Leading > 0)
            return Aligned(node, inputs);
        if (inputs.FirstOrDefault(x => x.Shape is not null) is not { Shape: { } shape } computed)
            return [.. inputs];
        var fromEnd = computed.Rank - shape.Axis;
        var each = shape.Sizes[shape.Axis];
        return
        [
            .. inputs.Select(x =>
                x.Rank >= fromEnd && x.Shape is null && x.First.shape[^fromEnd] > 1
                    ? PerImage(node, x, x.Rank - fromEnd, each)
                    : x
            ),
        ];
    }

    // The shape that two broadcast to.
    private static long[] Broadcast(long[] a, long[] b)
    {
        var rank = Math.Max(a.Length, b.Length);
        long From(long[] sizes, int axis) => axis < rank - sizes.Length ? 1 : sizes[axis - rank + sizes.Length];
        return
        [
            .. Enumerable
                .Range(0, rank)
                .Select(axis =>
                    (From(a, axis), From(b, axis)) switch
                    {
                        var (one, other) when one == other || other == 1 => one,
                        (1, var other) => other,
                        _ => throw new InvalidOperationException("they do not broadcast"),
                    }
                ),
        ];
    }
}
