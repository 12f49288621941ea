using System;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// Operators along dimensions: sums, extremes, distributions.
internal sealed partial class OnnxOps
{
    private Value? Reductions(OnnxNode node) =>
        node.Op switch
        {
            "ReduceMean" => GlobalPool(node, PoolKind.NewAveragePool(false))
                ?? Reduce(node, Kind.Sums, (x, axes, keep) => x.mean(axes, keep)),
            "ReduceMax" => GlobalPool(node, PoolKind.MaxPool)
                ?? Reduce(node, Kind.Selects, (x, axes, keep) => x.amax(axes, keep)),
            "ReduceMin" => Reduce(node, Kind.Selects, (x, axes, keep) => x.amin(axes, keep)),
            "ReduceSum" => Reduce(node, Kind.Sums, (x, axes, keep) => x.sum(axes, keep)),
            "ReduceProd" => Reduce(
                node,
                (x, axes, keep) => axes.OrderDescending().Aggregate(x, (t, axis) => t.prod(axis, keep))
            ),
            "ReduceL1" => Norm(node, false, sums => sums),
            "ReduceL2" => Norm(node, true, sums => Root(sums, Half)),
            "ReduceSumSquare" => Norm(node, true, sums => sums),
            "ReduceLogSum" => Reduce(node, (x, axes, keep) => x.sum(axes, keep).log()),
            "ReduceLogSumExp" => Reduce(node, LogSumExp),
            "Softmax" => Softmax(node, Op.NewSoftmax, (x, axis) => F.softmax(x, axis)),
            "LogSoftmax" => Softmax(node, null, F.log_softmax),
            "Hardmax" => Softmax(node, null, Hardmax),
            "ArgMax" => Extreme(node, (x, axis) => x.argmax(axis, true)),
            "ArgMin" => Extreme(node, (x, axis) => x.argmin(axis, true)),
            "CumSum" => CumSum(node),
            _ => null,
        };

    private static Tensor LogSumExp(Tensor x, long[] axes, bool keep)
    {
        var largest = x.amax(axes, true).detach();
        var sum = (x - largest).exp().sum(axes, true).log() + largest;
        return keep ? sum : sum.sum(axes, false);
    }

    // Null where nothing is reduced.
    private static long[]? Axes(OnnxNode node, Value x)
    {
        var axes = node.Ints("axes", 1)?.Select(axis => (long)node.Axis(axis, x.Rank)).ToArray() ?? [];
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        return axes.Length > 0 ? axes
            : node.Int("noop_with_empty_axes", 0) != 0 ? null
            : [.. Enumerable.Range(node.Leading, x.Rank - node.Leading).Select(axis => (long)axis)];
    }

    private Value Reduce(OnnxNode node, Func<Tensor, long[], bool, Tensor> f) =>
        Reduce(node, g => Build.Pure(node.Op, t => g(t[0])), f);

    private Value Reduce(OnnxNode node, Kind kind, Func<Tensor, long[], bool, Tensor> f) =>
        Reduce(node, g => Build.Function(kind, node.Op, t => g(t[0])), f);

    // What becomes of the sum of squares, or of magnitudes.
    private Value Norm(OnnxNode node, bool isSquare, Func<Tensor, Tensor> finish)
    {
        Tensor Parts(Tensor x) => isSquare ? x.square() : x.abs();
        if (!node.Input(0).IsReal || Axes(node, node.Input(0)) is not { } axes)
            return Reduce(node, (x, axes, keep) => finish(Parts(x).sum(axes, keep)));
        var keep = node.Int("keepdims", 1) != 0;
        Tensor Sum(Tensor parts) => parts.sum(axes, keep);
        return Reduce(
            node,
            f => Build.Norm(node.Op, isSquare, false, Sum, finish, f),
            (x, _, _) => finish(Sum(Parts(x)))
        );
    }

    private Value Reduce(OnnxNode node, Func<Func<Tensor, Tensor>, Op> op, Func<Tensor, long[], bool, Tensor> f)
    {
        var x = node.Input(0);
        if (Axes(node, x) is not { } axes)
            return Elementwise(node, t => f(t.unsqueeze(-1), [x.Rank], false));
        var keep = node.Int("keepdims", 1) != 0;
        return graph.Emit(
            node.Output,
            op(t => f(t, axes, keep)),
            t =>
                Value.Meta(
                    t[0]
                        .shape.Select((size, axis) => axes.Contains(axis) ? 1 : size)
                        .Where((_, axis) => keep || !axes.Contains(axis)),
                    t[0].dtype
                ),
            x
        );
    }

    // A global pooling that is spelled as a reduction over all spatial dimensions.
    private Value? GlobalPool(OnnxNode node, PoolKind kind)
    {
        var x = node.Input(0);
        var isSpatial =
            x is { IsReal: true, Rank: >= 3 and <= 5, Shape.Axis: 0 }
            && Axes(node, x) is { } axes
            && axes.Order().SequenceEqual(Enumerable.Range(2, x.Rank - 2).Select(axis => (long)axis));
        if (!isSpatial)
            return null;
        return node.Int("keepdims", 1) != 0
            ? Typed(node, Op.NewGlobalPool(kind), x)
            : Typed(node, Op.Flatten, Step(node, "pool", Op.NewGlobalPool(kind), x));
    }

    // Before version 13 all dimensions from the axis on were one distribution.
    private static (int Axis, int End) Distribution(OnnxNode node)
    {
        var (x, isOld) = (node.Input(0), node.Opset < 13);
        var axis = node.Axis(node.Int("axis", isOld ? 1 : -1), x.Rank);
        var end = isOld && x.First.shape[(axis + 1)..].Any(size => size > 1) ? x.Rank : axis + 1;
        RequireApart(node, x, Enumerable.Range(axis, end - axis));
        return (axis, end);
    }

    /// <summary>Whether a softmax makes one distribution of each instance.</summary>
    public bool IsOverClasses(OnnxNode asked)
    {
        var node = Placed(asked);
        var (axis, end) = Distribution(node);
        return node.Input(0).Shape is { RowsAreInstances: true } shape
            && shape.Sizes.Where((size, i) => i < axis || i >= end).All(size => size == 1);
    }

    private Value Softmax(OnnxNode node, Func<long, Op>? typed, Func<Tensor, long, Tensor> f)
    {
        RequireReal(node);
        var (axis, end) = Distribution(node);
        if (end > axis + 1)
            return Unary(node, t => f(t.flatten(axis), axis).reshape(t.shape));
        return typed is null ? Elementwise(node, t => f(t, axis)) : Typed(node, typed(axis), node.Input(0));
    }

    private static Tensor Hardmax(Tensor x, long axis) =>
        torch.zeros_like(x).scatter(axis, x.argmax(axis, true), torch.ones_like(x));

    private Value Extreme(OnnxNode node, Func<Tensor, long, Tensor> f)
    {
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        var (keep, isLast) = (node.Int("keepdims", 1) != 0, node.Int("select_last_index", 0) != 0);
        RequireApart(node, x, axis);
        var last = tensor(x.First.shape[axis] - 1);
        return graph.Pure(
            node.Output,
            node.Op,
            t =>
            {
                var place = isLast ? t[1] - f(t[0].flip(axis), axis) : f(t[0], axis);
                return keep ? place : place.squeeze(axis);
            },
            t =>
                Value.Meta(
                    [.. t[0].shape[..axis], .. keep ? [1L] : new long[0], .. t[0].shape[(axis + 1)..]],
                    ScalarType.Int64
                ),
            x,
            Helper(node, "last", last)
        );
    }

    // Of equal numbers the first comes first.
    private Value[] TopK(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", -1), x.Rank);
        var count =
            node.Ints("k", 1) is [var k] && k >= 1 && k <= x.First.shape[axis]
                ? k
                : throw node.Fault($"does not name how many of {x.First.shape[axis]} it picks");
        var descends = node.Int("largest", 1) != 0;
        RequireApart(node, x, axis);
        Tensor Best(Tensor t) => t.sort(axis, descends, true).Indices.narrow(axis, 0, count);
        Value Part(string name, Func<Tensor, Tensor> f, ScalarType type) =>
            graph.Function(
                name,
                node.Op,
                Kind.Selects,
                t => f(t[0]),
                t => Value.Meta([.. t[0].shape[..axis], count, .. t[0].shape[(axis + 1)..]], type),
                x
            );
        var values = Part(Named(node, 0), t => t.gather(axis, Best(t)), x.First.dtype);
        return node.Outputs.Count < 2 ? [values] : [values, Part(Named(node, 1), Best, ScalarType.Int64)];
    }

    private string Named(OnnxNode node, int output) =>
        node.Outputs[output].Length > 0 ? node.Outputs[output] : graph.Unique(node.Name + "/part");

    private Value CumSum(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.List(node.Constant(1)) is [var given]
            ? node.Axis(given, x.Rank)
            : throw node.Fault("lacks its axis");
        var (isExclusive, isReverse) = (node.Int("exclusive", 0) != 0, node.Int("reverse", 0) != 0);
        RequireApart(node, x, axis);
        return graph.Function(
            node.Output,
            node.Op,
            Kind.Sums,
            t =>
            {
                var ordered = isReverse ? t[0].flip(axis) : t[0];
                var sums = ordered.cumsum(axis, ordered.dtype);
                if (isExclusive)
                    sums -= ordered;
                return isReverse ? sums.flip(axis) : sums;
            },
            t => Value.Meta(t[0]),
            x
        );
    }
}
