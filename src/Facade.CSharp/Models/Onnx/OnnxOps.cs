using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.Modules.GELU;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

/// <summary>What each of ONNX's operators is in terms of the core's ops (https://onnx.ai/onnx/operators).</summary>
/// <param name="graph">Receives the nodes.</param>
/// <param name="batch">The batch size that the file was written for; 1 where it leaves that open.</param>
internal sealed partial class OnnxOps(GraphBuilder graph, long batch)
{
    /// <summary>The values of a node's outputs.</summary>
    public Value[] Convert(OnnxNode node) =>
        node.Op switch
        {
            "Split" => Split(node),
            _ => [Single(node)],
        };

    private Value Single(OnnxNode node) =>
        node.Op switch
        {
            "Constant" => Constant(node),
            "Identity" or "Dropout" => Elementwise(node, Op.Identity),
            "Conv" => Convolution(node),
            "Gemm" => Gemm(node),
            "MatMul" => MatMul(node),
            "Add" => Typed(node, Op.Add, node.Input(0), node.Input(1)),
            "Sub" => Typed(node, Op.Subtract, node.Input(0), node.Input(1)),
            "Mul" => Typed(node, Op.Multiply, node.Input(0), node.Input(1)),
            "Div" when node.Input(0).IsReal => Typed(node, Op.Divide, node.Input(0), node.Input(1)),
            "Div" => Pure(node, IntegerDivision),
            "Relu" => Elementwise(node, Op.NewActivation(Activation.Relu)),
            "LeakyRelu" => Elementwise(node, Op.NewActivation(Activation.NewLeakyRelu(node.Float("alpha", 0.01)))),
            "Sigmoid" => Elementwise(node, Op.NewActivation(Activation.Sigmoid)),
            "Tanh" => Elementwise(node, Op.NewActivation(Activation.Tanh)),
            "MaxPool" => Pool(node, PoolKind.MaxPool),
            "AveragePool" => Pool(node, PoolKind.NewAveragePool(node.Int("count_include_pad", 0) != 0)),
            "GlobalMaxPool" => Typed(node, Op.NewGlobalPool(PoolKind.MaxPool), Spatial(node)),
            "GlobalAveragePool" => Typed(node, Op.NewGlobalPool(PoolKind.NewAveragePool(false)), Spatial(node)),
            "BatchNormalization" => BatchNormalization(node),
            "Flatten" => Flatten(node),
            "Reshape" => Reshape(node),
            "Squeeze" => Squeeze(node),
            "Unsqueeze" => Unsqueeze(node),
            "Transpose" => Transpose(node),
            "Concat" => Concat(node),
            "Softmax" => Softmax(node, Op.NewSoftmax, (x, axis) => F.softmax(x, axis)),
            "LogSoftmax" => Softmax(node, null, F.log_softmax),
            "Pad" => Pad(node),
            "Clip" => Clip(node),
            "Cast" => Cast(node),
            "Shape" => Shape(node),
            "Gather" => Gather(node),
            "Slice" => Slice(node),
            "Elu" => Elu(node),
            "HardSigmoid" => HardSigmoid(node),
            "HardSwish" => Elementwise(node, x => x * ((x + 3) / 6).clamp(0, 1)),
            "Gelu" => Gelu(node),
            "Softplus" => Elementwise(node, x => x.softplus()),
            "Exp" => Elementwise(node, x => x.exp()),
            "Log" => Elementwise(node, x => x.log()),
            "Sqrt" => Elementwise(node, x => x.sqrt()),
            "Erf" => Elementwise(node, x => x.erf()),
            "Abs" => Elementwise(node, x => x.abs()),
            "Neg" => Elementwise(node, x => x.neg()),
            "Reciprocal" => Elementwise(node, x => x.reciprocal()),
            "Floor" => Elementwise(node, x => x.floor()),
            "Ceil" => Elementwise(node, x => x.ceil()),
            "Pow" => Pure(node, t => t[0].pow(t[1])),
            "Min" => Pure(node, t => t.Aggregate((a, b) => a.minimum(b))),
            "Max" => Pure(node, t => t.Aggregate((a, b) => a.maximum(b))),
            "Sum" => Pure(node, t => t.Aggregate((a, b) => a + b)),
            "ReduceMean" => Reduce(node, (x, axes, keep) => x.mean(axes, keep)),
            "ReduceSum" => Reduce(node, (x, axes, keep) => x.sum(axes, keep)),
            "ReduceMax" => Reduce(node, (x, axes, keep) => x.amax(axes, keep)),
            "ReduceMin" => Reduce(node, (x, axes, keep) => x.amin(axes, keep)),
            _ => throw node.Fault("is not supported"),
        };

    private Value Typed(OnnxNode node, Op op, params Value[] inputs) => graph.Emit(node.Output, op, null, inputs);

    private Value Pure(OnnxNode node, Func<IReadOnlyList<Tensor>, Tensor> f) =>
        graph.Pure(node.Output, node.Op, f, null, [.. node.Inputs]);

    private Value Unary(OnnxNode node, Func<Tensor, Tensor> f) =>
        graph.Pure(node.Output, node.Op, inputs => f(inputs[0]), null, node.Input(0));

    // Each number by itself, so that the shape is the input's.
    private Value Elementwise(OnnxNode node, Op op) =>
        graph.Emit(node.Output, op, t => Value.Meta(t[0]), node.Input(0));

    private Value Elementwise(OnnxNode node, Func<Tensor, Tensor> f) =>
        Elementwise(node, Build.Pure(node.Op, inputs => f(inputs[0])));

    private static Value Constant(OnnxNode node)
    {
        var numbers =
            node.Tensor("value")
            ?? (
                node.Has("value_float") ? tensor((float)node.Float("value_float", 0))
                : node.Has("value_int") ? tensor(node.Int("value_int", 0))
                : node.Floats("value_floats") is { } floats ? tensor(floats)
                : node.Ints("value_ints") is { } ints ? tensor(ints)
                : throw node.Fault("holds no numbers")
            );
        return Value.Constant(node.Output, numbers);
    }

    // Integers divide as in C; the one quotient that traps is spelled out.
    private static Tensor IntegerDivision(IReadOnlyList<Tensor> t)
    {
        if (t[1].device_type == DeviceType.META)
            return t[0] + t[1];
        if (t[1].eq(0).any().ToBoolean())
            throw new InvalidOperationException("it divides by zero");
        var opposite = t[1].eq(-1);
        return torch.where(opposite, -t[0], torch.div(t[0], t[1].masked_fill(opposite, 1), RoundingMode.trunc));
    }

    // Before version 13 all dimensions from the axis on were one distribution.
    private static (int Axis, int End) Distribution(OnnxNode node)
    {
        var (x, isOld) = (node.Input(0), node.Opset < 13);
        var axis = node.Axis(node.Int("axis", isOld ? 1 : -1), x.Rank);
        var end = isOld && x.First.shape[(axis + 1)..].Any(size => size > 1) ? x.Rank : axis + 1;
        return x.Shape is { } shape && shape.Axis >= axis && shape.Axis < end
            ? throw node.Fault("mixes the instances of a batch")
            : (axis, end);
    }

    /// <summary>Whether a softmax makes one distribution of each instance.</summary>
    public static bool IsOverClasses(OnnxNode node)
    {
        var (axis, end) = Distribution(node);
        return node.Input(0).Shape is { RowsAreInstances: true } shape
            && shape.Sizes.Where((size, i) => i < axis || i >= end).All(size => size == 1);
    }

    private Value Softmax(OnnxNode node, Func<long, Op>? typed, Func<Tensor, long, Tensor> f)
    {
        var (axis, end) = Distribution(node);
        if (end > axis + 1)
            return Unary(node, t => f(t.flatten(axis), axis).reshape(t.shape));
        return typed is null ? Unary(node, t => f(t, axis)) : Typed(node, typed(axis), node.Input(0));
    }

    private Value Clip(OnnxNode node)
    {
        var low = node.Number("min", 1) ?? double.NegativeInfinity;
        var high = node.Number("max", 2) ?? double.PositiveInfinity;
        return Elementwise(node, x => x.clamp(low, high));
    }

    private Value Elu(OnnxNode node)
    {
        var alpha = node.Float("alpha", 1);
        return Elementwise(node, x => F.elu(x, alpha));
    }

    private Value Gelu(OnnxNode node)
    {
        var kind = node.Text("approximate", "none") == "tanh" ? Approximate.tanh : Approximate.none;
        return Elementwise(node, x => x.gelu(kind));
    }

    private Value HardSigmoid(OnnxNode node)
    {
        var (alpha, beta) = (node.Float("alpha", 0.2), node.Float("beta", 0.5));
        return Elementwise(node, x => (x * alpha + beta).clamp(0, 1));
    }

    private Value Reduce(OnnxNode node, Func<Tensor, long[], bool, Tensor> f)
    {
        var x = node.Input(0);
        var keep = node.Int("keepdims", 1) != 0;
        var axes = node.Ints("axes", 1)?.Select(axis => (long)node.Axis(axis, x.Rank)).ToArray() ?? [];
        if (axes.Length == 0 && node.Int("noop_with_empty_axes", 0) != 0)
            return Typed(node, Op.Identity, x);
        if (axes.Length == 0)
            axes = [.. Enumerable.Range(0, x.Rank).Select(axis => (long)axis)];
        return Unary(node, t => f(t, axes, keep));
    }
}
