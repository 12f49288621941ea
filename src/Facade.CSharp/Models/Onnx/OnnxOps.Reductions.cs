namespace Attribution.Onnx;

// Operators along dimensions: sums, extremes, distributions.
internal sealed partial class OnnxOps
{
    private delegate Tensor OverAxes(Tensor x, long[] axes, bool keep);

    private static Tensor LogSumExp(Tensor x, long[] axes, bool keep)
    {
        var largest = x.amax(axes, true).detach();
        var sum = (x - largest).exp().sum(axes, true).log().Plus(largest);
        return keep ? sum : sum.sum(axes, false);
    }

    // Null where nothing is reduced.
    private static long[]? Axes(OnnxNode node, Value x)
    {
        var axes = node.Ints("axes", 1)?.Select(axis => (long)node.Axis(axis, x.Rank)).ToArray() ?? [];
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        return axes.Length > 0 ? axes
            : node.Is("noop_with_empty_axes") ? null
            : [.. Axes(x.Rank).Skip(node.Leading)];
    }

    private Value Reduce(OnnxNode node, Kind? kind, OverAxes f) =>
        ReduceBy(node, g => Made(node, kind, t => g(t[0])), f);

    // What becomes of the sum of squares, or of magnitudes.
    private Value Norm(OnnxNode node, bool isSquare, Func<Tensor, Tensor> finish)
    {
        Tensor Parts(Tensor x) => isSquare ? x.Square() : x.abs();
        if (!node.Input(0).IsReal || Axes(node, node.Input(0)) is not { } axes)
            return Reduce(node, null, (x, axes, keep) => finish(Parts(x).sum(axes, keep)));
        var keep = node.Int("keepdims", 1) != 0;
        Tensor Sum(Tensor parts) => parts.sum(axes, keep);
        return ReduceBy(
            node,
            f => Build.Norm(node.Op, isSquare, false, Sum, finish, f),
            (x, _, _) => finish(Sum(Parts(x)))
        );
    }

    private Value ReduceBy(OnnxNode node, Func<Func<Tensor, Tensor>, Op> op, OverAxes f)
    {
        var x = node.Input(0);
        if (Axes(node, x) is not { } axes)
            return Elementwise(node, t => f(t.unsqueeze(-1), [x.Rank], false));
        var keep = node.Int("keepdims", 1) != 0;
        long[] Reduced(IReadOnlyList<Tensor> t) =>
            [
                .. t[0]
                    .shape.Select((size, axis) => axes.Contains(axis) ? 1 : size)
                    .Where((_, axis) => keep || !axes.Contains(axis)),
            ];
        return Emit(node, op(t => f(t, axes, keep)), Reduced, x);
    }

    // A global pooling that is spelled as a reduction over all spatial dimensions.
    private Value? GlobalPool(OnnxNode node, PoolKind kind)
    {
        var x = node.Input(0);
        var isSpatial =
            x is { IsReal: true, Rank: >= 3 and <= 5, Shape.Axis: 0 }
            && Axes(node, x) is { } axes
            && axes.Order().SequenceEqual(Axes(x.Rank).Skip(2));
        if (!isSpatial)
            return null;
        return node.Int("keepdims", 1) != 0
            ? Emit(node, Op.NewGlobalPool(kind), x)
            : Emit(node, Op.Flatten, Step(node, "pool", Op.NewGlobalPool(kind), x));
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
            return Unary(node, null, t => f(t.flatten(axis), axis).reshape(t.shape));
        return typed is null ? Elementwise(node, t => f(t, axis)) : Emit(node, typed(axis), node.Input(0));
    }

    private static Tensor Hardmax(Tensor x, long axis) =>
        zeros_like(x).scatter(axis, x.argmax(axis, true), ones_like(x));

    // A dimension, along which nobody may mix instances.
    private static int AxisOf(OnnxNode node, Value x, long otherwise)
    {
        var axis = node.Axis(node.Int("axis", otherwise), x.Rank);
        RequireApart(node, x, axis);
        return axis;
    }

    private Value Extreme(OnnxNode node, Func<Tensor, long, Tensor> f)
    {
        var x = node.Input(0);
        var axis = AxisOf(node, x, 0);
        var (keep, isLast) = (node.Int("keepdims", 1) != 0, node.Is("select_last_index"));
        Tensor Placed(IReadOnlyList<Tensor> t)
        {
            var place = isLast ? t[1] - f(t[0].flip(axis), axis) : f(t[0], axis);
            return keep ? place : place.squeeze(axis);
        }
        long[] one = keep ? [1] : [];
        return graph.Emit(
            node.Output,
            Made(node, null, Placed),
            t => Value.Meta([.. t[0].shape[..axis], .. one, .. t[0].shape[(axis + 1)..]], ScalarType.Int64),
            x,
            Helper(node, "last", tensor(x.First.shape[axis] - 1))
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
        Value Part(int output, Func<Tensor, Tensor> f, ScalarType type) =>
            graph.Emit(
                Named(node, output),
                Made(node, Kind.Selects, t => f(t[0])),
                t => Value.Meta([.. t[0].shape[..axis], count, .. t[0].shape[(axis + 1)..]], type),
                x
            );
        var values = Part(0, t => t.gather(axis, Best(t)), x.First.dtype);
        return node.Outputs.Count < 2 ? [values] : [values, Part(1, Best, ScalarType.Int64)];
    }

    private string Named(OnnxNode node, int output) =>
        node.Outputs[output].Length > 0 ? node.Outputs[output] : graph.Unique(node.Name + "/part");

    private Value CumSum(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.List(node.Constant(1)) is [var given]
            ? node.Axis(given, x.Rank)
            : throw node.Fault("lacks its axis");
        var (isExclusive, isReverse) = (node.Is("exclusive"), node.Is("reverse"));
        RequireApart(node, x, axis);
        Tensor Summed(IReadOnlyList<Tensor> t)
        {
            var ordered = isReverse ? t[0].flip(axis) : t[0];
            var sums = ordered.cumsum(axis, ordered.dtype);
            sums = isExclusive ? sums - ordered : sums;
            return isReverse ? sums.flip(axis) : sums;
        }
        return Function(node, Kind.Sums, Summed, t => t[0].shape, x);
    }
}
