using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

// Joining, cutting and picking.
internal sealed partial class OnnxOps
{
    private Value? Pieces(OnnxNode node) =>
        node.Op switch
        {
            "Concat" => Concat(node),
            "Slice" => Slice(node),
            "Gather" => Gather(node),
            "GatherElements" => GatherElements(node),
            "GatherND" => GatherNd(node),
            "ScatterND" => ScatterNd(node),
            "Tile" => Tile(node),
            _ => null,
        };

    private Value Concat(OnnxNode node)
    {
        var parts = node.Inputs;
        if (parts.Count == 0)
            throw node.Fault("has no inputs");
        var axis = node.Axis(node.Int("axis", 0), parts[0].Rank);
        var computed = parts.FirstOrDefault(part => part.Shape is not null);
        foreach (var part in parts)
            RequireApart(node, part, axis);
        // What is known stands beside every instance.
        return Typed(
            node,
            Op.NewConcat(axis),
            [
                .. parts.Select(part =>
                    computed?.Shape is { } shape && part.Rank == computed.Rank
                        ? PerImage(node, part, shape.Axis, shape.Sizes[shape.Axis])
                        : part
                ),
            ]
        );
    }

    private Value Slice(OnnxNode node)
    {
        var x = node.Input(0);
        var starts = node.Ints("starts", 1) ?? throw node.Fault("lacks its starts");
        var ends = node.Ints("ends", 2) ?? throw node.Fault("lacks its ends");
        var axes =
            node.Ints("axes", 3)?.Select(axis => node.Axis(axis, x.Rank)).ToArray()
            ?? [.. Enumerable.Range(node.Leading, Math.Min(x.Rank - node.Leading, starts.Length))];
        var steps = node.Ints("steps", 4) ?? [.. starts.Select(_ => 1L)];
        if (
            ends.Length != starts.Length
            || axes.Length != starts.Length
            || steps.Length != starts.Length
            || steps.Contains(0)
        )
            throw node.Fault("does not have a start, an end and a step for each dimension");
        for (var i = 0; i < axes.Length; i++)
            if (x.Shape?.Axis == axes[i] && (starts[i], steps[i]) is not (0, 1))
                throw node.Fault("mixes the instances of a batch");
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
        return Unary(node, Kind.Moves, Cut);
    }

    private Value[] Split(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        var (size, count) = (x.First.shape[axis], node.Outputs.Count);
        RequireApart(node, x, axis);
        var each = (size + count - 1) / count;
        var lengths =
            node.Ints("split", 1) ?? [.. Enumerable.Range(0, count).Select(i => Math.Clamp(size - i * each, 0, each))];
        if (lengths.Length != count || lengths.Any(n => n < 0 || n > size) || lengths.Sum() != size)
            throw node.Fault($"divides {size} into [{string.Join(", ", lengths)}]");
        return
        [
            .. node.Outputs.Select(
                (_, i) =>
                {
                    var (start, length) = (lengths[..i].Sum(), lengths[i]);
                    return graph.Function(
                        Named(node, i),
                        node.Op,
                        Kind.Moves,
                        t => t[0].narrow(axis, start, length),
                        null,
                        x
                    );
                }
            ),
        ];
    }

    private Value Gather(OnnxNode node)
    {
        var (x, places) = (node.Input(0), node.Input(1));
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        RequireApart(node, x, axis);
        if (x.Shape is not null && places.Shape is not null)
            throw node.Fault("picks places of an image that depend on an image");
        var indices = Places(node, places, x.First.shape[axis]);
        IEnumerable<long> Sizes(IReadOnlyList<Tensor> t) =>
            [.. t[0].shape[..axis], .. t[1].shape, .. t[0].shape[(axis + 1)..]];
        return graph.Function(
            node.Output,
            node.Op,
            Kind.Moves,
            t => t[0].index_select(axis, t[1].reshape(-1)).reshape([.. Sizes(t)]),
            t => Value.Meta(Sizes(t), t[0].dtype),
            x,
            indices
        );
    }

    // Places along a dimension, counted from its start.
    private Value Places(OnnxNode node, Value places, long size)
    {
        var (name, length) = (graph.Unique(node.Output + "/places"), tensor(size));
        if (places.IsReal)
            throw node.Fault($"takes '{places.Name}', which should be whole numbers");
        if (
            places.IsConstant
            && places.First.ge(-length).logical_and(places.First.lt(length)).all().ToBoolean() == false
        )
            throw node.Fault($"picks an element beyond the {size} that there are");
        return graph.Pure(
            name,
            "Places",
            t => t[0].to(ScalarType.Int64).remainder(t[1]),
            t => Value.Meta(t[0].shape, ScalarType.Int64),
            places,
            Value.Constant(graph.Unique(name + "/size"), length)
        );
    }

    private Value GatherElements(OnnxNode node)
    {
        var (x, places) = (node.Input(0), node.Input(1));
        var axis = node.Axis(node.Int("axis", 0), x.Rank);
        RequireApart(node, x, axis);
        RequireApart(node, places, axis);
        if (places.Rank != x.Rank)
            throw node.Fault($"takes places of {places.Rank} dimensions for {x.Rank}");
        var indices = Places(node, places, x.First.shape[axis]);
        if (x.Shape is { } shape)
            indices = PerImage(node, indices, shape.Axis, shape.Sizes[shape.Axis]);
        else if (places.Shape is { } other)
            x = PerImage(node, x, other.Axis, other.Sizes[other.Axis]);
        if (x.First.shape.Zip(indices.First.shape).Where((pair, i) => i != axis && pair.First < pair.Second).Any())
            throw node.Fault("picks more rows than there are");
        return graph.Function(
            node.Output,
            node.Op,
            Kind.Moves,
            t => t[0].gather(axis, t[1]),
            t => Value.Meta(t[1].shape, t[0].dtype),
            x,
            indices
        );
    }

    private Value Tile(OnnxNode node)
    {
        var (x, repeats) = (node.Input(0), node.Input(1));
        long[] Times(Func<Value, Tensor> at) =>
            node.List(at(repeats)) is var n && n.Length == x.Rank - node.Leading && n.All(r => r is >= 1 and <= 1 << 20)
                ? [.. Enumerable.Repeat(1L, node.Leading), .. n]
                : throw node.Fault($"does not repeat each of {x.Rank - node.Leading} dimensions");
        if (!repeats.IsKnown || !x.IsKnown && !repeats.IsConstant)
            throw node.Fault("repeats as often as is not known before it runs");
        var second = Times(v => v.Second);
        var sizes = x.Second.shape.Zip(second, (size, n) => size * n);
        if (x.IsKnown)
            return graph.Fold(node.Output, sizes, at => at(x).repeat(Times(at)), x, repeats);
        if (second[x.Shape!.Axis] != 1)
            throw node.Fault("mixes the instances of a batch");
        return Unary(node, Kind.Moves, t => t.repeat(second));
    }

    // Rows of known numbers, by their places in the first dimensions.
    private Value GatherNd(OnnxNode node)
    {
        if (node.Int("batch_dims", 0) != 0)
            throw node.Fault("has batch_dims, which is not supported");
        return ByRows(
            node,
            (rows, places, t) =>
                rows.index_select(0, places).reshape([.. t[1].shape[..^1], .. t[0].shape[(int)t[1].shape[^1]..]])
        );
    }

    private Value ScatterNd(OnnxNode node)
    {
        if (node.Text("reduction", "none") != "none")
            throw node.Fault("has a reduction, which is not supported");
        return ByRows(
            node,
            (rows, places, t) =>
                rows.clone().index_copy_(0, places, t[2].reshape([-1, rows.shape[1]])).reshape(t[0].shape)
        );
    }

    private Value ByRows(OnnxNode node, Func<Tensor, Tensor, IReadOnlyList<Tensor>, Tensor> f)
    {
        var inputs = node.Inputs;
        if (inputs.FirstOrDefault(x => !x.IsConstant) is { } unknown)
            throw node.Fault($"takes '{unknown.Name}', which must be a constant of the file");
        var (data, places) = (node.Constant(0), node.Constant(1).to(ScalarType.Int64));
        var named = places.ndim > 0 ? places.shape[^1] : 0;
        if (named < 1 || named > data.ndim)
            throw node.Fault($"names {named} of {data.ndim} dimensions");
        var sizes = tensor(data.shape[..(int)named]);
        if (places.lt(-sizes).logical_or(places.ge(sizes)).any().ToBoolean())
            throw node.Fault("picks an element beyond those that there are");
        long[] strides = [.. Enumerable.Range(1, (int)named).Select(i => Product(data.shape[i..(int)named]))];
        var flat = (places.remainder(sizes) * tensor(strides)).sum(-1).reshape(-1);
        var rows = data.reshape([Product(data.shape[..(int)named]), -1]);
        var result = f(rows, flat, [data, places, .. inputs.Skip(2).Select(x => x.First)]);
        return graph.Fold(node.Output, result.shape, _ => result, [.. inputs]);
    }
}
