namespace Attribution.Onnx;

// Convolutions, pools, and what else slides a window over spatial dimensions.
internal sealed partial class OnnxOps
{
    // n×c×spatial dimensions.
    private static Value Spatial(OnnxNode node)
    {
        var x = node.Input(0);
        var takesInstances = x.Shape is null or { Axis: 0 };
        return takesInstances && x.IsReal && x.Rank is >= 3 and <= 5
            ? x
            : throw node.Fault("takes batch × channels × 1 to 3 spatial dimensions");
    }

    private static long[] SpatialSizes(Value x) => x.First.shape[2..];

    private static long[] Places(Window window, Tensor x) =>
        [.. x.shape[2..].Select((size, axis) => window.Places(axis, size))];

    private Value Convolution(OnnxNode node)
    {
        if (!node.Input(1).IsConstant)
            return InstancesConvolution(node);
        var x = Spatial(node);
        var weight = node.Constant(1);
        var groups = node.Int("group", 1);
        var (channels, outputs) = (x.First.shape[1], weight.ndim == x.Rank ? weight.shape[0] : 0);
        RequireFilters(node, weight, channels, outputs, groups);
        var window = Window.Of(node, weight.shape[2..], SpatialSizes(x));
        var bias = node.Optional(2) is null ? null : RealConstant(node, 2, outputs);
        var padding = window.Begin;
        if (!window.IsSymmetric)
        {
            x = Padded(node, x, window.Begin, window.End, 0);
            padding = new long[window.Rank];
            window = window with { Begin = padding, End = padding };
        }
        var op = Build.Convolution(weight, bias!, window.Stride, padding, window.Dilation, groups);
        return Emit(node, op, t => [t[0].shape[0], outputs, .. Places(window, t[0])], x);
    }

    private static void RequireFilters(OnnxNode node, Tensor weight, long channels, long outputs, long groups)
    {
        var fit = outputs >= 1 && groups >= 1 && outputs % groups == 0 && weight.shape[1] == channels / groups;
        RequireWeights(node, weight, channels, groups, fit);
    }

    private static void RequireWeights(OnnxNode node, Tensor weight, long channels, long groups, bool fit)
    {
        if (!fit || channels % groups != 0 || !weight.is_floating_point())
            throw node.Fault(
                $"has weights {string.Join("×", weight.shape)} in {groups} groups for an input of {channels} channels"
            );
    }

    private static Tensor RealConstant(OnnxNode node, int i, params long[] shape)
    {
        var numbers = node.Constant(i);
        return numbers.is_floating_point() && numbers.shape.SequenceEqual(shape)
            ? numbers
            : throw node.Fault($"takes '{node.Input(i).Name}', which should be {string.Join("×", shape)} real numbers");
    }

    // Each instance by weights of its own: all of them at once are the groups of one convolution.
    private Value InstancesConvolution(OnnxNode node)
    {
        var (x, w, b) = (node.Input(0), node.Input(1), node.Optional(2));
        if (x.Shape is not { } from || w.Shape is not { Axis: 0 } weights || x.Rank is < 3 or > 5 || w.Rank != x.Rank)
            throw node.Fault("takes weights that depend on the image, which is supported for one filter bank an image");
        // Instances stand among the images, or among the channels of a single one.
        var isGrouped = from is { Axis: 1 } && from.Sizes[0] == 1;
        if (!isGrouped && (batch > 1 || !from.RowsAreInstances))
            throw Mixes(node);
        var groups = node.Int("group", 1) / (isGrouped ? batch : 1);
        var (channels, outputs) = (from.Sizes[1], weights.Sizes[0]);
        RequireFilters(node, Value.Meta(weights.Sizes, w.First.dtype), channels, outputs, groups);
        var window = Window.Of(node, weights.Sizes[2..], SpatialSizes(x));
        var (pads, none) = (Pads(window.Begin, window.End), new long[window.Rank]);
        if (b is not null && (b.Rank != 1 || !b.IsReal || (b.Shape?.Sizes[0] ?? b.First.shape[0]) != outputs))
            throw node.Fault($"has a bias that is not {outputs} numbers");
        long[] Shape(IReadOnlyList<Tensor> t)
        {
            var n = t[1].shape[0] / outputs;
            return [.. isGrouped ? new[] { 1, n * outputs } : [n, outputs], .. Places(window, t[0])];
        }
        Tensor Filtered(IReadOnlyList<Tensor> t)
        {
            var n = t[1].shape[0] / outputs;
            var padded = F.pad(t[0].reshape([1, n * channels, .. t[0].shape[2..]]), pads);
            var op = Build.Convolution(t[1], null!, window.Stride, none, window.Dilation, n * groups);
            var result = Build.Apply(op, [padded]);
            if (t.Count > 2)
                result = result.reshape([1, n, outputs, -1]).Plus(t[2].reshape([-1, outputs, 1]));
            return result.reshape(Shape(t));
        }
        return b is null
            ? Function(node, Kind.Filters, Filtered, Shape, x, w)
            : Function(node, null, Filtered, Shape, x, w, b);
    }

    private Value ConvTranspose(OnnxNode node)
    {
        var x = Spatial(node);
        var weight = node.Constant(1);
        var groups = node.Int("group", 1);
        var channels = x.First.shape[1];
        var fit = weight.ndim == x.Rank && groups >= 1 && weight.shape[0] == channels && weight.shape[1] >= 1;
        RequireWeights(node, weight, channels, groups, fit);
        var outputs = weight.shape[1] * groups;
        var window = Window.Transposed(node, weight.shape[2..], SpatialSizes(x), out var surplus);
        // Cut, or filled up with zeros, to what is asked for.
        var cut = Pads([.. window.Begin.Select(n => -n)], [.. surplus.Zip(window.End, (more, less) => more - less)]);
        var (stride, dilation) = (window.Stride, window.Dilation);
        long Size(long size, int i) =>
            (size - 1) * stride[i] + window.Extent(i) - window.Begin[i] - window.End[i] + surplus[i];
        long[] perChannel = [-1, .. Enumerable.Repeat(1L, window.Rank)];
        GraphBuilder.RequireSensible([outputs, .. SpatialSizes(x).Select((n, i) => n * stride[i] + window.Extent(i))]);
        var bias = node.Optional(2) is null ? null : Helper(node, "bias", RealConstant(node, 2, outputs));
        Tensor Filtered(Tensor input, Tensor filters) =>
            F.pad(Build.ConvolveTransposed(input, filters, stride, dilation, groups), cut);
        return Emit(
            node,
            bias is null
                ? Build.Function(Kind.Filters, node.Op, t => Filtered(t[0], t[1]))
                : Build.Filters(node.Op, x.Rank, Filtered, t => Filtered(t[0], t[1]).Plus(t[2].reshape(perChannel))),
            t => [t[0].shape[0], outputs, .. t[0].shape[2..].Select(Size)],
            bias is null ? [x, node.Input(1)] : [x, node.Input(1), bias]
        );
    }

    // A node of its own: what is padded on one side more than on the other is first made larger.
    private Value Padded(OnnxNode node, Value x, long[] begin, long[] end, double value)
    {
        var pads = Pads(begin, end);
        var op = Build.Function(
            value == 0 ? Kind.Moves : Kind.Places,
            "Pad",
            t => F.pad(t[0], pads, PaddingModes.Constant, value)
        );
        return Step(node, "pad", op, x);
    }

    private static Window PoolWindow(OnnxNode node, Value x)
    {
        var kernel = node.Ints("kernel_shape") ?? throw node.Fault("lacks its kernel_shape");
        var window = Window.Of(node, kernel, SpatialSizes(x));
        return window.Begin.Concat(window.End).Zip([.. window.Extents, .. window.Extents]).Any(p => p.First >= p.Second)
            ? throw node.Fault("has pads as wide as its window")
            : window;
    }

    private static Sizes Pooled(Window window) => t => [.. t[0].shape[..2], .. Places(window, t[0])];

    private Value Pool(OnnxNode node, PoolKind kind)
    {
        var x = Spatial(node);
        var sizes = SpatialSizes(x);
        var window = PoolWindow(node, x);
        Op Native(long[] padding, bool ceil) =>
            Build.Pool(kind, window.Kernel, window.Stride, padding, window.Dilation, ceil);

        // libtorch pads at both ends alike and by half a kernel at most; anything else is spelled out.
        if (
            window.IsSymmetric
            && window.Begin.Zip(window.Kernel).All(pair => pair.First <= pair.Second / 2)
            && (kind.IsMaxPool || window.Dilation.All(d => d == 1))
        )
            return Emit(node, Native(window.Begin, window.CeilMode), Pooled(window), x);

        var overhang = Overhang(window, x);
        var none = new long[window.Rank];
        if (kind.IsMaxPool)
        {
            var larger = Padded(node, x, window.Begin, overhang, double.NegativeInfinity);
            return Emit(node, Native(none, false), Pooled(window with { Begin = none, End = none }), larger);
        }

        // The mean over what counts is the sum over the whole window, divided by how much of it counts.
        var counted = ((PoolKind.AveragePool)kind).countPadding;
        var counts = ones([
            1,
            1,
            .. counted ? sizes.Select((size, axis) => size + window.Begin[axis] + window.End[axis]) : sizes,
        ]);
        var padding = Pads(window.Begin, overhang);
        var rest = counted ? Pads(none, [.. overhang.Zip(window.End, (all, end) => all - end)]) : padding;
        return Function(
            node,
            Kind.Sums,
            t => WindowSums(window, F.pad(t[0], padding)) / t[1],
            Pooled(window),
            x,
            Helper(node, "counts", WindowSums(window, F.pad(counts, rest)))
        );
    }

    private static long[] Overhang(Window window, Value x)
    {
        var sizes = SpatialSizes(x);
        long[] overhang = [.. sizes.Select((size, axis) => window.Overhang(axis, size))];
        GraphBuilder.RequireSensible([
            x.First.shape[1],
            .. sizes.Select((size, axis) => size + window.Begin[axis] + overhang[axis]),
        ]);
        return overhang;
    }

    // What is padded already: each channel convolved with ones.
    private static Tensor WindowSums(Window window, Tensor padded)
    {
        var all = padded.reshape([-1, 1, .. padded.shape[2..]]);
        var filter = ones([1, 1, .. window.Kernel], padded.dtype, padded.device);
        var op = Build.Convolution(filter, null!, window.Stride, new long[window.Rank], window.Dilation, 1);
        var sums = Build.Apply(op, [all]);
        return sums.reshape([.. padded.shape[..2], .. sums.shape[2..]]);
    }

    private Value LpPool(OnnxNode node)
    {
        var x = Spatial(node);
        var window = PoolWindow(node, x);
        var padding = Pads(window.Begin, Overhang(window, x));
        var p = Exponent(node);
        Tensor Sums(Tensor t) => WindowSums(window, F.pad(t.abs().pow(Number.Of(p)), padding));
        return Function(node, null, t => Root(Sums(t[0]), 1 / p), Pooled(window), x);
    }

    private Value GlobalLpPool(OnnxNode node)
    {
        var x = Spatial(node);
        long[] spatial = [.. Axes(x.Rank).Skip(2)];
        var p = Exponent(node);
        return Function(
            node,
            null,
            t => Root(t[0].abs().pow(Number.Of(p)).sum(spatial, true), 1 / p),
            t => [.. t[0].shape[..2], .. spatial.Select(_ => 1L)],
            x
        );
    }

    private static double Exponent(OnnxNode node) =>
        node.Int("p", 2) is >= 1 and var p ? p : throw node.Fault($"has p {node.Int("p", 2)}");
}
