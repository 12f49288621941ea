using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

// Operators that move numbers about without changing them.
internal sealed partial class OnnxOps
{
    /// <summary>The value in another shape, of which `axis` grows with the number of instances.</summary>
    private Value Reshaped(string name, Value x, BatchedShape target)
    {
        if (x.Shape is { RowsAreInstances: true } && target.RowsAreInstances)
            return graph.Emit(name, Op.NewReshape(target.Sizes[1..]), null, x);
        long[] sizes = [.. target.Sizes.Select((size, axis) => axis == target.Axis ? -1 : size)];
        return graph.Pure(name, "Reshape", t => t[0].reshape(sizes), null, x);
    }

    private Value Reshaped(OnnxNode node, Value x, Func<long[], long[]> shape)
    {
        if (x.Shape is not { } from)
        {
            // Known numbers, which may number the instances: the shape is worked out for each case.
            return graph.Pure(node.Output, node.Op, t => t[0].reshape(shape(t[0].shape)), null, x);
        }
        // A shape is read as it was meant for the file's own batch size: there, the dimension of the instances is the one
        // before which as many rows stand as before, whatever number is written for it.
        var rows = from.Sizes[..from.Axis].Aggregate(1L, (product, size) => product * size);
        var sizes = shape(from.At(batch));
        var before = 1L;
        for (var axis = 0; axis < sizes.Length; before *= sizes[axis++])
            if (before == rows && sizes[axis] % batch == 0)
            {
                var each = sizes.Select((size, i) => i == axis ? size / batch : size).ToArray();
                return Reshaped(node.Output, x, new BatchedShape(each, axis));
            }
        throw node.Fault("mixes the instances of a batch");
    }

    private Value Reshape(OnnxNode node)
    {
        var x = node.Input(0);
        var keepsZeros = node.Int("allowzero", 0) != 0;
        long[] Resolved(long[] target, long[] shape)
        {
            if (target.Any(size => size < -1) || target.Count(size => size == -1) > 1)
                throw node.Fault($"has the shape [{string.Join(", ", target)}]");
            var sizes = target
                .Select(
                    (size, i) =>
                        size != 0 || keepsZeros ? size
                        : i < shape.Length ? shape[i]
                        : throw node.Fault("copies a dimension that its input lacks")
                )
                .ToArray();
            var numbers = Product(shape);
            var known = Product(sizes.Where(size => size != -1));
            var fits = sizes.Contains(-1) ? known > 0 && numbers % known == 0 : numbers == known;
            return fits
                ? [.. sizes.Select(size => size == -1 ? numbers / known : size)]
                : throw node.Fault(
                    $"makes [{string.Join(", ", target)}] of [{string.Join(", ", shape)}], which has another size"
                );
        }

        var target = node.Input(1);
        if (target.IsConstant)
        {
            var sizes = node.List(target.First);
            return Reshaped(node, x, shape => Resolved(sizes, shape));
        }
        if (x.Shape is null || !target.IsKnown)
            throw node.Fault("takes a shape that is not known before it runs");
        var batched = BatchedShape.Of(
            Resolved(node.List(target.First), x.First.shape),
            Resolved(node.List(target.Second), x.Second.shape)
        );
        return Reshaped(node.Output, x, batched ?? throw node.Fault("mixes the instances of a batch"));
    }

    private static long Product(IEnumerable<long> sizes) =>
        sizes.Aggregate(1L, (product, size) => checked(product * size));

    private Value Flatten(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Int("axis", 1);
        var split = axis == x.Rank ? x.Rank : node.Axis(axis, x.Rank);
        if (split == 1 && x.Shape is { RowsAreInstances: true })
            return Typed(node, Op.Flatten, x);
        return Reshaped(node, x, shape => [Product(shape[..split]), Product(shape[split..])]);
    }

    private Value Squeeze(OnnxNode node)
    {
        var x = node.Input(0);
        var axes = node.Ints("axes", 1)?.Select(axis => node.Axis(axis, x.Rank)).ToArray();
        bool Goes(long size, int axis) => axes is null ? size == 1 && axis != x.Shape?.Axis : axes.Contains(axis);
        if (axes?.Any(axis => x.First.shape[axis] != 1) ?? false)
            throw node.Fault("removes a dimension that is larger than 1");
        return x.Shape is { } from
            ? Reshaped(
                node.Output,
                x,
                new BatchedShape(
                    [.. from.Sizes.Where((size, axis) => !Goes(size, axis))],
                    from.Axis - from.Sizes[..from.Axis].Where((size, axis) => Goes(size, axis)).Count()
                )
            )
            : Reshaped(node, x, shape => [.. shape.Where((size, axis) => !Goes(size, axis))]);
    }

    private Value Unsqueeze(OnnxNode node)
    {
        var x = node.Input(0);
        var given = node.Ints("axes", 1) ?? throw node.Fault("lacks its axes");
        var rank = x.Rank + given.Length;
        var axes = given.Select(axis => node.Axis(axis, rank)).ToArray();
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        var kept = Enumerable.Range(0, rank).Except(axes).ToArray();
        long[] Widened(long[] shape) =>
            [.. Enumerable.Range(0, rank).Select(axis => axes.Contains(axis) ? 1 : shape[Array.IndexOf(kept, axis)])];
        return x.Shape is { } from
            ? Reshaped(node.Output, x, new BatchedShape(Widened(from.Sizes), kept[from.Axis]))
            : Reshaped(node, x, Widened);
    }

    private Value Transpose(OnnxNode node)
    {
        var x = node.Input(0);
        var order = node.Ints("perm") ?? [.. Enumerable.Range(0, x.Rank).Reverse().Select(axis => (long)axis)];
        if (!order.Order().SequenceEqual(Enumerable.Range(0, x.Rank).Select(axis => (long)axis)))
            throw node.Fault($"has perm [{string.Join(", ", order)}] for {x.Rank} dimensions");
        return Typed(node, Op.NewPermute(order), x);
    }

    private Value Concat(OnnxNode node)
    {
        var parts = node.Inputs;
        if (parts.Count == 0)
            throw node.Fault("has no inputs");
        var axis = node.Axis(node.Int("axis", 0), parts[0].Rank);
        if (parts.Any(part => part.Shape?.Axis == axis))
            throw node.Fault("mixes the instances of a batch");
        return Typed(node, Op.NewConcat(axis), [.. parts]);
    }

    private Value Cast(OnnxNode node)
    {
        var type = node.TypeOf(node.Int("to", 0));
        return node.Input(0).First.dtype == type
            ? Typed(node, Op.Identity, node.Input(0))
            : Unary(node, x => x.to(type));
    }

    private static Value Shape(OnnxNode node)
    {
        var x = node.Input(0);
        int Bound(long axis) => (int)Math.Clamp(axis < 0 ? axis + x.Rank : axis, 0, x.Rank);
        var (start, end) = (Bound(node.Int("start", 0)), Bound(node.Int("end", x.Rank)));
        Tensor At(Tensor t) => tensor(t.shape[start..Math.Max(start, end)]);
        var (first, second) = (At(x.First), At(x.Second));
        return first.Equals(second) ? Value.Constant(node.Output, first) : Value.Counted(node.Output, first, second);
    }

    private Value Gather(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        var places = node.Constant(1);
        var size = x.First.shape[axis];
        if (x.Shape?.Axis == axis)
            throw node.Fault("mixes the instances of a batch");
        var indices = node.List(places).Select(i => i < 0 ? i + size : i).ToArray();
        if (indices.Any(i => i < 0 || i >= size))
            throw node.Fault($"picks an element beyond the {size} that there are");
        var chosen = places.shape;
        Tensor Picked(Tensor t) => t.index_select(axis, tensor(indices, device: t.device));
        IEnumerable<long> Sizes(Tensor t) => [.. t.shape[..axis], .. chosen, .. t.shape[(axis + 1)..]];
        return graph.Pure(
            node.Output,
            node.Op,
            t => Picked(t[0]).reshape([.. Sizes(t[0])]),
            t => Value.Meta(Sizes(t[0]), t[0].dtype),
            x
        );
    }

    private Value Slice(OnnxNode node)
    {
        var x = node.Input(0);
        var starts = node.Ints("starts", 1) ?? throw node.Fault("lacks its starts");
        var ends = node.Ints("ends", 2) ?? throw node.Fault("lacks its ends");
        var axes =
            node.Ints("axes", 3)?.Select(axis => node.Axis(axis, x.Rank)).ToArray()
            ?? [.. Enumerable.Range(0, Math.Min(x.Rank, starts.Length))];
        var steps = node.Ints("steps", 4) ?? [.. starts.Select(_ => 1L)];
        if (
            ends.Length != starts.Length
            || axes.Length != starts.Length
            || steps.Length != starts.Length
            || steps.Contains(0)
        )
            throw node.Fault("does not have a start, an end and a step for each dimension");
        Tensor Cut(Tensor t)
        {
            for (var i = 0; i < axes.Length; i++)
            {
                var size = t.shape[axes[i]];
                var (axis, step) = (axes[i], Math.Clamp(steps[i], -size - 1, size + 1));
                long Bound(long place, long low, long high) => Math.Clamp(place < 0 ? place + size : place, low, high);
                if (step < 0)
                {
                    // What runs backwards is what runs forwards over the mirrored dimension.
                    t = t.device_type == DeviceType.META ? t : t.flip(axis);
                    var (from, to) = (Bound(starts[i], -1, size - 1), Bound(ends[i], -1, size - 1));
                    t = t.slice(axis, size - 1 - from, Math.Max(size - 1 - from, size - 1 - to), -step);
                }
                else
                {
                    var (from, to) = (Bound(starts[i], 0, size), Bound(ends[i], 0, size));
                    t = t.slice(axis, from, Math.Max(from, to), step);
                }
            }
            return t;
        }
        return Unary(node, Cut);
    }

    private Value[] Split(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        var (size, count) = (x.First.shape[axis], node.Outputs.Count);
        if (x.Shape?.Axis == axis)
            throw node.Fault("mixes the instances of a batch");
        var each = (size + count - 1) / count;
        var lengths =
            node.Ints("split", 1) ?? [.. Enumerable.Range(0, count).Select(i => Math.Clamp(size - i * each, 0, each))];
        if (lengths.Length != count || lengths.Any(n => n < 0 || n > size) || lengths.Sum() != size)
            throw node.Fault($"divides {size} into [{string.Join(", ", lengths)}]");
        return
        [
            .. node.Outputs.Select(
                (output, i) =>
                {
                    var (start, length) = (lengths[..i].Sum(), lengths[i]);
                    var name = output.Length > 0 ? output : graph.Unique(node.Output + "/part");
                    return graph.Pure(name, node.Op, t => t[0].narrow(axis, start, length), null, x);
                }
            ),
        ];
    }
}
