namespace Attribution.Onnx;

// Other grids of pixels.
internal sealed partial class OnnxOps
{
    private const long MostPlaces = 1 << 20;

    // Along a dimension, the places that a new one is made of and, unless it is a copy, their weights: a row a tap.
    private sealed record Grid(int Axis, long[][] Places, float[][]? Weights);

    // libtorch lists the last dimension's first.
    private static long[] Pads(long[] begin, long[] end) =>
        [.. begin.Zip(end, (b, e) => new[] { b, e }).Reverse().SelectMany(pair => pair)];

    private static int[]? AxesOf(OnnxNode node, long[]? given, Value x) =>
        given is null ? null : [.. given.Select(axis => node.Axis(axis, x.Rank))];

    private Value Pad(OnnxNode node)
    {
        var x = node.Input(0);
        var given = node.Ints("pads", 1) ?? throw node.Fault("lacks its pads");
        var axes = AxesOf(node, node.Ints("axes", 3), x) ?? [.. Enumerable.Range(0, x.Rank)];
        if (given.Length != 2 * axes.Length || given.Any(p => p is < -MostPlaces or > MostPlaces))
            throw node.Fault($"has pads {Listed(given)} for {axes.Length} dimensions");
        var (begin, end) = (new long[x.Rank], new long[x.Rank]);
        for (var i = 0; i < axes.Length; i++)
            (begin[axes[i]], end[axes[i]]) = (given[i], given[i + axes.Length]);
        int[] padded = [.. Enumerable.Range(0, x.Rank).Where(axis => (begin[axis], end[axis]) is not (0, 0))];
        RequireApart(node, x, padded);

        var mode = node.Text("mode", "constant");
        if (mode == "constant")
        {
            var (value, pads) = (node.Number("value", 2) ?? 0, Pads(begin, end));
            var kind = value == 0 ? Kind.Moves : Kind.Places;
            return Unary(node, kind, t => F.pad(t, pads, PaddingModes.Constant, value));
        }
        Grid Along(int axis)
        {
            // What is cut off is not repeated.
            var (cut, before) = (Math.Max(0, -begin[axis]), Math.Max(0, begin[axis]));
            var size = x.First.shape[axis] - cut - Math.Max(0, -end[axis]);
            long Source(long place) =>
                mode switch
                {
                    "edge" => Math.Clamp(place, 0, size - 1),
                    "wrap" => (place % size + size) % size,
                    "reflect" when place > -size && place < 2 * size - 1 => size
                        - 1
                        - Math.Abs(size - 1 - Math.Abs(place)),
                    "reflect" => throw node.Fault($"reflects {size} by more than there are"),
                    _ => throw node.Fault($"has the unknown mode '{mode}'"),
                };
            var length = size > 0 ? size + before + Math.Max(0, end[axis]) : 0;
            return new(
                axis,
                [
                    [.. Enumerable.Range(0, (int)length).Select(i => cut + Source(i - before))],
                ],
                null
            );
        }
        return Sampled(node, padded.Select(Along));
    }

    // Along each dimension in turn.
    private Value Sampled(OnnxNode node, IEnumerable<Grid> grids)
    {
        var steps = new List<(int Axis, bool IsWeighted)>();
        var inputs = new List<Value> { node.Input(0) };
        foreach (var (axis, places, weights) in grids)
        {
            steps.Add((axis, weights is not null));
            inputs.Add(Helper(node, $"places{axis}", stack([.. places.Select(row => tensor(row))])));
            if (weights is not null)
                inputs.Add(Helper(node, $"weights{axis}", stack([.. weights.Select(row => tensor(row))])));
        }
        Tensor Picked(IReadOnlyList<Tensor> t)
        {
            var (x, next) = (t[0], 1);
            foreach (var (axis, isWeighted) in steps)
            {
                var places = t[next++];
                var weights = isWeighted ? t[next++] : null;
                long[] along = [-1, .. Enumerable.Repeat(1L, (int)x.ndim - 1 - axis)];
                Tensor Tap(Tensor of, int tap)
                {
                    var picked = of.index_select(axis, places.select(0, tap));
                    return weights is null ? picked : picked * weights.select(0, tap).reshape(along);
                }
                var before = x;
                x = Enumerable.Range(0, (int)places.shape[0]).Select(tap => Tap(before, tap)).Aggregate(Tensors.Plus);
            }
            return x;
        }
        long[] Shape(IReadOnlyList<Tensor> t)
        {
            var (sizes, next) = (t[0].shape, 1);
            foreach (var (axis, isWeighted) in steps)
            {
                sizes[axis] = t[next].shape[1];
                next += isWeighted ? 2 : 1;
            }
            return sizes;
        }
        var kind = steps.Any(step => step.IsWeighted) ? Kind.Sums : Kind.Moves;
        return Function(node, kind, Picked, Shape, [.. inputs]);
    }

    // https://onnx.ai/onnx/operators/onnx__Resize.html, in float32 as ONNX Runtime works it out.
    private Value Resize(OnnxNode node)
    {
        var x = node.Input(0);
        var isOld = node.Opset < 11 || node.Op == "Upsample";
        var axes = AxesOf(node, node.Ints("axes"), x) ?? [.. Enumerable.Range(0, x.Rank)];
        var scales = node.Floats("scales") ?? Reals(node, isOld ? 1 : 2);
        var sizes = isOld || node.Optional(3) is not { IsKnown: true } given ? null : node.List(given.First);
        if ((scales ?? sizes?.Select(size => (float)size).ToArray())?.Length != axes.Length)
            throw node.Fault($"does not have a scale or a size for each of {axes.Length} dimensions");
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        if (sizes is not null && node.Text("keep_aspect_ratio_policy", "stretch") is var policy and not "stretch")
            throw node.Fault($"has the keep_aspect_ratio_policy '{policy}', which is not supported");
        if (node.Is("antialias"))
            throw node.Fault("has antialias, which is not supported");

        var grids = new List<Grid>();
        foreach (var (i, axis) in axes.Index())
        {
            var size = x.First.shape[axis];
            var length = scales is null ? sizes![i] : (long)Math.Floor(Math.Clamp(size * scales[i], 0, MostPlaces + 1));
            if (x.Shape?.Axis == axis && sizes is not null && sizes[i] == x.Shape!.Sizes[axis] * batch)
                length = size;
            if (length is < 1 or > MostPlaces)
                throw node.Fault($"makes {length} of {size} places");
            if (length == size && scales?[i] is null or 1)
                continue;
            RequireApart(node, x, axis);
            var scale = scales?[i] ?? length / (float)size;
            (long Place, float Weight)[][] taps =
            [
                .. Enumerable
                    .Range(0, (int)length)
                    .Select(place => Taps(node, Source(node, isOld, place, scale, size, length), size, isOld)),
            ];
            T[][] Each<T>(Func<(long Place, float Weight), T> f) =>
                [.. Enumerable.Range(0, taps[0].Length).Select(tap => taps.Select(row => f(row[tap])).ToArray())];
            grids.Add(new(axis, Each(tap => tap.Place), taps[0].Length == 1 ? null : Each(tap => tap.Weight)));
        }
        return grids.Count == 0 ? Emit(node, Op.Identity, x) : Sampled(node, grids);
    }

    private static float[]? Reals(OnnxNode node, int input) =>
        node.Optional(input) is not null && node.Constant(input) is var given && given.numel() is > 0 and <= 12
            ? given.to(ScalarType.Float32).contiguous().data<float>().ToArray()
            : null;

    // Where in the input a place of the output is.
    private static float Source(OnnxNode node, bool isOld, long place, float scale, long size, long length) =>
        (isOld ? "asymmetric" : node.Text("coordinate_transformation_mode", "half_pixel")) switch
        {
            "half_pixel" => (place + 0.5f) / scale - 0.5f,
            "pytorch_half_pixel" => length > 1 ? (place + 0.5f) / scale - 0.5f : 0,
            "half_pixel_symmetric" => size / 2f * (1 - length / (scale * size)) + (place + 0.5f) / scale - 0.5f,
            "align_corners" => length > 1 ? place * (size - 1f) / (length - 1) : 0,
            "asymmetric" => place / scale,
            var other => throw node.Fault($"has the coordinate_transformation_mode '{other}', which is not supported"),
        };

    private static (long Place, float Weight)[] Taps(OnnxNode node, float source, long size, bool isOld)
    {
        long Inside(float place) => (long)Math.Clamp(place, 0, size - 1);
        switch (node.Text("mode", "nearest"))
        {
            case "nearest":
                var nearest = isOld ? "floor" : node.Text("nearest_mode", "round_prefer_floor");
                var place = nearest switch
                {
                    "round_prefer_floor" => MathF.Ceiling(source - 0.5f),
                    "round_prefer_ceil" => MathF.Floor(source + 0.5f),
                    "floor" => MathF.Floor(source),
                    "ceil" => MathF.Ceiling(source),
                    _ => throw node.Fault($"has the unknown nearest_mode '{nearest}'"),
                };
                return [(Inside(place), 1)];
            case "linear" or "bilinear":
                var clamped = Math.Clamp(source, 0, size - 1);
                var low = MathF.Floor(clamped);
                return [(Inside(low), 1 - (clamped - low)), (Inside(low + 1), clamped - low)];
            case "cubic":
                return Cubic(node, source, size);
            case var mode:
                throw node.Fault($"has the mode '{mode}', which is not supported");
        }
    }

    // Keys' kernel (1981), of which a is usually -0.75.
    private static (long Place, float Weight)[] Cubic(OnnxNode node, float source, long size)
    {
        var a = (float)node.Float("cubic_coeff_a", -0.75);
        var excludes = node.Is("exclude_outside");
        float Kernel(float d) =>
            d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
            : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
            : 0;
        (long Place, float Weight) Tap(float place) =>
            (
                (long)Math.Clamp(place, 0, size - 1),
                excludes && (place < 0 || place > size - 1) ? 0 : Kernel(MathF.Abs(source - place))
            );
        var taps = Enumerable.Range(0, 4).Select(i => Tap(MathF.Floor(source) - 1 + i)).ToArray();
        var sum = taps.Sum(tap => tap.Weight);
        return [.. taps.Select(tap => (tap.Place, excludes ? tap.Weight / sum : tap.Weight))];
    }
}
