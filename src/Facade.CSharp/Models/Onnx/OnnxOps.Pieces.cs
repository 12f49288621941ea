namespace Attribution.Onnx;

// Joining, cutting and picking.
internal sealed partial class OnnxOps
{
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
        Value Beside(Value part) =>
            computed is not null && part.Rank == computed.Rank ? PerImage(node, part, computed) : part;
        return Emit(node, Op.NewConcat(axis), [.. parts.Select(Beside)]);
    }

    // Known numbers beside those of a value that images give.
    private Value PerImage(OnnxNode node, Value known, Value computed) =>
        PerImage(node, known, computed.Shape!.Axis, computed.Shape.Sizes[computed.Shape.Axis]);

    private Value Slice(OnnxNode node)
    {
        var x = node.Input(0);
        var starts = node.Ints("starts", 1) ?? throw node.Fault("lacks its starts");
        var ends = node.Ints("ends", 2) ?? throw node.Fault("lacks its ends");
        var count = starts.Length;
        var axes =
            AxesOf(node, node.Ints("axes", 3), x)
            ?? [.. Enumerable.Range(node.Leading, Math.Min(x.Rank - node.Leading, count))];
        var steps = node.Ints("steps", 4) ?? [.. starts.Select(_ => 1L)];
        if (ends.Length != count || axes.Length != count || steps.Length != count || steps.Contains(0))
            throw node.Fault("does not have a start, an end and a step for each dimension");
        for (var i = 0; i < count; i++)
            if (x.Shape?.Axis == axes[i] && (starts[i], steps[i]) is not (0, 1))
                throw Mixes(node);
        Tensor Cut(Tensor t, int i)
        {
            var (axis, size) = (axes[i], t.shape[axes[i]]);
            var step = Math.Clamp(steps[i], -size - 1, size + 1);
            var (low, high) = step < 0 ? (-1, size - 1) : (0, size);
            long Bound(long place) => Math.Clamp(place < 0 ? place + size : place, low, high);
            var (from, to) = (Bound(starts[i]), Bound(ends[i]));
            if (step < 0)
            {
                // What runs backwards is what runs forwards over the mirrored dimension.
                t = t.device_type == DeviceType.META ? t : t.flip(axis);
                (from, to) = (size - 1 - from, size - 1 - to);
            }
            return t.slice(axis, from, Math.Max(from, to), Math.Abs(step));
        }
        return Unary(node, Kind.Moves, t => Enumerable.Range(0, count).Aggregate(t, Cut));
    }

    private Value[] Split(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = AxisOf(node, x, 0);
        var (size, count) = (x.First.shape[axis], node.Outputs.Count);
        var each = (size + count - 1) / count;
        var lengths =
            node.Ints("split", 1) ?? [.. Enumerable.Range(0, count).Select(i => Math.Clamp(size - i * each, 0, each))];
        if (lengths.Length != count || lengths.Any(n => n < 0 || n > size) || lengths.Sum() != size)
            throw node.Fault($"divides {size} into {Listed(lengths)}");
        Value Part(long length, int i)
        {
            var start = lengths[..i].Sum();
            var op = Made(node, Kind.Moves, t => t[0].narrow(axis, start, length));
            return graph.Emit(Named(node, i), op, null, x);
        }
        return [.. lengths.Select(Part)];
    }

    private Value Gather(OnnxNode node)
    {
        var (x, places) = (node.Input(0), node.Input(1));
        var axis = AxisOf(node, x, 0);
        if (x.Shape is not null && places.Shape is not null)
            throw node.Fault("picks places of an image that depend on an image");
        var indices = Places(node, places, x.First.shape[axis]);
        long[] Shape(IReadOnlyList<Tensor> t) => [.. t[0].shape[..axis], .. t[1].shape, .. t[0].shape[(axis + 1)..]];
        return Function(
            node,
            Kind.Moves,
            t => t[0].index_select(axis, t[1].reshape(-1)).reshape(Shape(t)),
            Shape,
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
        if (places.IsConstant && AreBeyond(places.First, length))
            throw node.Fault($"picks an element beyond the {size} that there are");
        return graph.Emit(
            name,
            Build.Pure("Places", t => t[0].to(ScalarType.Int64).remainder(t[1])),
            t => Value.Meta(t[0].shape, ScalarType.Int64),
            places,
            Value.Constant(graph.Unique(name + "/size"), length)
        );
    }

    private static bool AreBeyond(Tensor places, Tensor sizes) =>
        places.lt(-sizes).logical_or(places.ge(sizes)).IsAny();

    private Value GatherElements(OnnxNode node)
    {
        var (x, places) = (node.Input(0), node.Input(1));
        var axis = AxisOf(node, x, 0);
        RequireApart(node, places, axis);
        if (places.Rank != x.Rank)
            throw node.Fault($"takes places of {places.Rank} dimensions for {x.Rank}");
        var indices = Places(node, places, x.First.shape[axis]);
        if (x.Shape is not null)
            indices = PerImage(node, indices, x);
        else if (places.Shape is not null)
            x = PerImage(node, x, places);
        if (x.First.shape.Zip(indices.First.shape).Where((pair, i) => i != axis && pair.First < pair.Second).Any())
            throw node.Fault("picks more rows than there are");
        return Function(node, Kind.Moves, t => t[0].gather(axis, t[1]), t => t[1].shape, x, indices);
    }

    private Value Tile(OnnxNode node)
    {
        var (x, repeats) = (node.Input(0), node.Input(1));
        var rank = x.Rank - node.Leading;
        long[] Times(Func<Value, Tensor> at) =>
            node.List(at(repeats)) is var n && n.Length == rank && n.All(r => r is >= 1 and <= 1 << 20)
                ? [.. Enumerable.Repeat(1L, node.Leading), .. n]
                : throw node.Fault($"does not repeat each of {rank} dimensions");
        if (!repeats.IsKnown || !x.IsKnown && !repeats.IsConstant)
            throw node.Fault("repeats as often as is not known before it runs");
        var second = Times(v => v.Second);
        long[] sizes = [.. x.Second.shape.Zip(second, (size, n) => size * n)];
        if (x.IsKnown)
            return graph.Fold(node.Output, sizes, at => at(x).repeat(Times(at)), x, repeats);
        if (second[x.Shape!.Axis] != 1)
            throw Mixes(node);
        return Unary(node, Kind.Moves, t => t.repeat(second));
    }

    // Rows of known numbers, by their places in the first dimensions.
    private Value GatherNd(OnnxNode node)
    {
        if (node.Is("batch_dims"))
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
        var named = places.ndim > 0 ? (int)places.shape[^1] : 0;
        if (named < 1 || named > data.ndim)
            throw node.Fault($"names {named} of {data.ndim} dimensions");
        var sizes = tensor(data.shape[..named]);
        if (AreBeyond(places, sizes))
            throw node.Fault("picks an element beyond those that there are");
        long[] strides = [.. Enumerable.Range(1, named).Select(i => Product(data.shape[i..named]))];
        var flat = (places.remainder(sizes) * tensor(strides)).sum(-1).reshape(-1);
        var rows = data.reshape([Product(data.shape[..named]), -1]);
        var result = f(rows, flat, [data, places, .. inputs.Skip(2).Select(x => x.First)]);
        return graph.Fold(node.Output, result.shape, _ => result, [.. inputs]);
    }
}
