namespace Attribution.Onnx;

// Other shapes for the same numbers.
internal sealed partial class OnnxOps
{
    /// <summary>The value in another shape, of which `axis` grows with the number of instances.</summary>
    private Value Reshaped(string name, Value x, BatchedShape target)
    {
        if (x.Shape is { RowsAreInstances: true } && target.RowsAreInstances)
            return graph.Emit(name, Op.NewReshape(target.Sizes[1..]), null, x);
        return Moved(name, x, target.WithAxis(-1));
    }

    // By a function that knows no instances.
    private Value Moved(string name, Value x, long[] sizes) =>
        graph.Emit(name, Build.Function(Kind.Moves, "Reshape", t => t[0].reshape(sizes)), null, x);

    private Value Reshaped(OnnxNode node, Value x, Func<long[], long[]> shape)
    {
        // Known numbers, which may number the instances: the shape is worked out for each case.
        if (x.Shape is not { } from)
            return Function(node, Kind.Moves, t => t[0].reshape(shape(t[0].shape)), x);
        if (batch == 1)
            return Filed(node, x, shape(x.Each));
        // A shape is read as it was meant for the file's own batch size: there, the dimension of the instances is the one
        // before which as many rows stand as before, whatever number is written for it.
        var rows = Product(from.Sizes[..from.Axis]);
        var sizes = shape(from.At(batch));
        var before = 1L;
        for (var axis = 0; axis < sizes.Length; before *= sizes[axis++])
            if (before == rows && sizes[axis] % batch == 0)
            {
                var each = sizes.Select((size, i) => i == axis ? size / batch : size).ToArray();
                return Reshaped(node.Output, x, new BatchedShape(each, axis));
            }
        throw Mixes(node);
    }

    // The value in a shape that the file gives one instance.
    private Value Filed(OnnxNode node, Value x, long[] each, bool isStacked = false) =>
        Refiled(node.Output, x, each, isStacked || each is not [1, ..]);

    private Value Reshape(OnnxNode node)
    {
        var x = node.Input(0);
        var keepsZeros = node.Is("allowzero");
        long[] Resolved(long[] target, long[] shape)
        {
            if (target.Any(size => size < -1) || target.Count(size => size == -1) > 1)
                throw node.Fault($"has the shape {Listed(target)}");
            long Size(long size, int i) =>
                size != 0 || keepsZeros ? size
                : i < shape.Length ? shape[i]
                : throw node.Fault("copies a dimension that its input lacks");
            long[] sizes = [.. target.Select(Size)];
            var numbers = Product(shape);
            var known = Product(sizes.Where(size => size != -1));
            var fits = sizes.Contains(-1) ? known > 0 && numbers % known == 0 : numbers == known;
            return fits
                ? [.. sizes.Select(size => size == -1 ? numbers / known : size)]
                : throw node.Fault($"makes {Listed(target)} of {Listed(shape)}, which has another size");
        }

        var target = node.Input(1);
        if (target.IsConstant)
        {
            var sizes = node.List(target.First);
            return Reshaped(node, x, shape => Resolved(sizes, shape));
        }
        if (x.Shape is null || !target.IsKnown)
            throw node.Fault("takes a shape that is not known before it runs");
        if (batch == 1)
            return Filed(node, x, Resolved(node.List(target.One), x.Each));
        var batched = BatchedShape.Of(
            Resolved(node.List(target.First), x.First.shape),
            Resolved(node.List(target.Second), x.Second.shape)
        );
        return Reshaped(node.Output, x, batched ?? throw Mixes(node));
    }

    private static long Product(IEnumerable<long> sizes) =>
        sizes.Aggregate(1L, (product, size) => checked(product * size));

    private Value Flatten(OnnxNode node)
    {
        var x = node.Input(0);
        var axis = node.Int("axis", 1);
        var rank = x.Each.Length;
        var split = axis == rank ? rank : node.Axis(axis, rank);
        if (split == 1 && !x.IsStacked && x.Shape is { RowsAreInstances: true })
            return Emit(node, Op.Flatten, x);
        return Reshaped(node, x, shape => [Product(shape[..split]), Product(shape[split..])]);
    }

    private Value Squeeze(OnnxNode node)
    {
        var x = node.Input(0);
        var rank = x.Each.Length;
        var axes = node.Ints("axes", 1)?.Select(axis => node.Axis(axis, rank)).ToArray();
        // Where none is named, a file may mean its batch of one too, but nobody does.
        bool Goes(long size, int axis) => axes?.Contains(axis) ?? size == 1 && (x.IsStacked || axis != x.Shape?.Axis);
        if (axes?.Any(axis => (batch == 1 ? x.Each : x.First.shape)[axis] != 1) ?? false)
            throw node.Fault("removes a dimension that is larger than 1");
        long[] Narrowed(long[] shape) => [.. shape.Where((size, axis) => !Goes(size, axis))];
        return x.Shape is { } from && batch != 1
            ? Reshaped(node.Output, x, new(Narrowed(from.Sizes), Narrowed(from.Sizes[..from.Axis]).Length))
            : Reshaped(node, x, Narrowed);
    }

    private Value Unsqueeze(OnnxNode node)
    {
        var x = node.Input(0);
        var given = node.Ints("axes", 1) ?? throw node.Fault("lacks its axes");
        var rank = x.Each.Length + given.Length;
        var axes = given.Select(axis => node.Axis(axis, rank)).ToArray();
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        var kept = Enumerable.Range(0, rank).Except(axes).ToArray();
        long[] Widened(long[] shape) =>
            [.. Enumerable.Range(0, rank).Select(axis => axes.Contains(axis) ? 1 : shape[Array.IndexOf(kept, axis)])];
        return x.Shape is not { } from ? Reshaped(node, x, Widened)
            // A new first dimension is not the instances'.
            : batch == 1 ? Filed(node, x, Widened(x.Each), axes.Contains(0))
            : Reshaped(node.Output, x, new BatchedShape(Widened(from.Sizes), kept[from.Axis]));
    }

    private Value Transpose(OnnxNode node)
    {
        var x = node.Input(0);
        var rank = x.Rank - node.Leading;
        var order = node.Ints("perm") ?? [.. Axes(rank).Reverse()];
        if (!order.Order().SequenceEqual(Axes(rank)))
            throw node.Fault($"has perm {Listed(order)} for {rank} dimensions");
        return Emit(node, Op.NewPermute(node.Leading > 0 ? [0, .. order.Select(axis => axis + 1)] : order), x);
    }

    // Blocks of channels become blocks of pixels, by steps that only move numbers.
    private Value DepthToSpace(OnnxNode node)
    {
        var (x, b) = Blocks(node, out var c, out var h, out var w);
        if (c % (b * b) != 0)
            throw node.Fault($"divides {c} channels into blocks of {b}×{b}");
        c /= b * b;
        var isRowFirst = node.Text("mode", "DCR") != "CRD";
        var split = Step(node, "split", Op.NewReshape(isRowFirst ? [b, b, c, h, w] : [c, b, b, h, w]), x);
        var moved = Step(node, "moved", Op.NewPermute(isRowFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), split);
        return Emit(node, Op.NewReshape([c, h * b, w * b]), moved);
    }

    private Value SpaceToDepth(OnnxNode node)
    {
        var (x, b) = Blocks(node, out var c, out var h, out var w);
        if (h % b != 0 || w % b != 0)
            throw node.Fault($"divides {h}×{w} into blocks of {b}×{b}");
        var split = Step(node, "split", Op.NewReshape([c, h / b, b, w / b, b]), x);
        var moved = Step(node, "moved", Op.NewPermute([0, 3, 5, 1, 2, 4]), split);
        return Emit(node, Op.NewReshape([c * b * b, h / b, w / b]), moved);
    }

    private static (Value X, long Size) Blocks(OnnxNode node, out long c, out long h, out long w)
    {
        var x = node.Input(0);
        var size = node.Int("blocksize", 0);
        if (x.Rank != 4 || x.Shape is not (null or { Axis: 0 }) || size is < 1 or > 1 << 10)
            throw node.Fault($"is supported for batch × channels × height × width in blocks, not of {size}");
        (c, h, w) = (x.First.shape[1], x.First.shape[2], x.First.shape[3]);
        return (x, size);
    }

    private Value Expand(OnnxNode node)
    {
        var (x, target) = (node.Input(0), node.Input(1));
        if (!target.IsKnown)
            throw node.Fault("takes a shape that is not known before it runs");
        if (x.Shape is not { } from)
        {
            long[] At(Func<Value, Tensor> at) => Broadcast(at(x).shape, node.List(at(target)));
            return graph.Fold(node.Output, At(v => v.Second), at => at(x).expand(At(at)), x, target);
        }
        if (node.Leading > 0)
        {
            var asked = node.List(target.One);
            if (asked.Length > x.Each.Length)
                x = Aligned(node, [x, Helper(node, "shape", Value.Meta(asked, x.First.dtype))])[0];
            var each = Broadcast(x.Each, asked);
            GraphBuilder.RequireSensible(each);
            return Function(node, Kind.Moves, t => t[0].expand([-1, .. each]), x);
        }
        // The file's own batch size, where it is written down, stands for any.
        var (first, second) = (node.List(target.First), node.List(target.Second));
        var place = first.Length - x.Rank + from.Axis;
        if (target.IsConstant && place >= 0 && first[place] == from.Sizes[from.Axis] * batch)
            first[place] = second[place] = 1;
        var sizes =
            BatchedShape.Of(Broadcast(x.First.shape, first), Broadcast(x.Second.shape, second)) ?? throw Mixes(node);
        GraphBuilder.RequireSensible(sizes.Sizes);
        var expanded = sizes.WithAxis(-1);
        return Unary(node, Kind.Moves, t => t.expand(expanded));
    }
}
