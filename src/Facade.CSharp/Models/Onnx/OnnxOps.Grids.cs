using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// Other grids of pixels.
internal sealed partial class OnnxOps
{
    private const long MostPlaces = 1 << 20;

    private Value? Grids(OnnxNode node) =>
        node.Op switch
        {
            "Pad" => Pad(node),
            "Resize" or "Upsample" => Resize(node),
            _ => null,
        };

    // libtorch lists the last dimension's first.
    private static long[] Pads(IEnumerable<long> begin, IEnumerable<long> end) =>
        [.. begin.Zip(end, (b, e) => new[] { b, e }).Reverse().SelectMany(pair => pair)];

    private Value Pad(OnnxNode node)
    {
        var x = node.Input(0);
        var given = node.Ints("pads", 1) ?? throw node.Fault("lacks its pads");
        var axes =
            node.Ints("axes", 3)?.Select(axis => node.Axis(axis, x.Rank)).ToArray() ?? [.. Enumerable.Range(0, x.Rank)];
        if (given.Length != 2 * axes.Length || given.Any(p => p is < -MostPlaces or > MostPlaces))
            throw node.Fault($"has pads [{string.Join(", ", given)}] for {axes.Length} dimensions");
        var (begin, end) = (new long[x.Rank], new long[x.Rank]);
        for (var i = 0; i < axes.Length; i++)
            (begin[axes[i]], end[axes[i]]) = (given[i], given[i + axes.Length]);
        var padded = Enumerable.Range(0, x.Rank).Where(axis => (begin[axis], end[axis]) is not (0, 0)).ToArray();
        RequireApart(node, x, padded);

        var mode = node.Text("mode", "constant");
        if (mode == "constant")
        {
            var (value, pads) = (node.Number("value", 2) ?? 0, Pads(begin, end));
            return Unary(
                node,
                value == 0 ? Kind.Moves : Kind.Places,
                t => F.pad(t, pads, PaddingModes.Constant, value)
            );
        }
        return Sampled(
            node,
            padded.Select(axis =>
            {
                // What is cut off is not repeated.
                var cut = Math.Max(0, -begin[axis]);
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
                var length = size > 0 ? size + Math.Max(0, begin[axis]) + Math.Max(0, end[axis]) : 0;
                long[] places =
                [
                    .. Enumerable.Range(0, (int)length).Select(i => cut + Source(i - Math.Max(0, begin[axis]))),
                ];
                return (axis, new[] { places }, (float[][]?)null);
            })
        );
    }

    // Along each dimension in turn, the places that a new one is made of and, unless it is a copy, their weights.
    private Value Sampled(OnnxNode node, IEnumerable<(int Axis, long[][] Places, float[][]? Weights)> grids)
    {
        var (axes, isWeighted) = (new List<int>(), new List<bool>());
        var inputs = new List<Value> { node.Input(0) };
        foreach (var (axis, places, weights) in grids)
        {
            axes.Add(axis);
            isWeighted.Add(weights is not null);
            inputs.Add(Helper(node, $"places{axis}", Table(places, row => tensor(row))));
            if (weights is not null)
                inputs.Add(Helper(node, $"weights{axis}", Table(weights, row => tensor(row))));
        }
        return graph.Function(
            node.Output,
            node.Op,
            isWeighted.Contains(true) ? Kind.Sums : Kind.Moves,
            t =>
            {
                var x = t[0];
                for (int i = 0, next = 1; i < axes.Count; i++)
                {
                    var places = t[next++];
                    var weights = isWeighted[i] ? t[next++] : null;
                    long[] along = [-1, .. Enumerable.Repeat(1L, (int)x.ndim - 1 - axes[i])];
                    x = Enumerable
                        .Range(0, (int)places.shape[0])
                        .Select(tap =>
                        {
                            var picked = x.index_select(axes[i], places.select(0, tap));
                            return weights is null ? picked : picked * weights.select(0, tap).reshape(along);
                        })
                        .Aggregate((a, b) => a + b);
                }
                return x;
            },
            t =>
            {
                var (sizes, next) = (t[0].shape, 1);
                for (var i = 0; i < axes.Count; next += isWeighted[i++] ? 2 : 1)
                    sizes[axes[i]] = t[next].shape[1];
                return Value.Meta(sizes, t[0].dtype);
            },
            [.. inputs]
        );
    }

    private static Tensor Table<T>(T[][] rows, Func<T[], Tensor> row) => torch.stack([.. rows.Select(row)]);

    // https://onnx.ai/onnx/operators/onnx__Resize.html, in float32 as ONNX Runtime works it out.
    private Value Resize(OnnxNode node)
    {
        var x = node.Input(0);
        var isOld = node.Opset < 11 || node.Op == "Upsample";
        var axes =
            node.Ints("axes")?.Select(axis => node.Axis(axis, x.Rank)).ToArray() ?? [.. Enumerable.Range(0, x.Rank)];
        var scales = node.Floats("scales") ?? Reals(node, isOld ? 1 : 2);
        var sizes = isOld || node.Optional(3) is not { IsKnown: true } given ? null : node.List(given.First);
        if ((scales ?? sizes?.Select(size => (float)size).ToArray())?.Length != axes.Length)
            throw node.Fault($"does not have a scale or a size for each of {axes.Length} dimensions");
        if (axes.Distinct().Count() < axes.Length)
            throw node.Fault("names a dimension twice");
        if (sizes is not null && node.Text("keep_aspect_ratio_policy", "stretch") is var policy and not "stretch")
            throw node.Fault($"has the keep_aspect_ratio_policy '{policy}', which is not supported");
        if (node.Int("antialias", 0) != 0)
            throw node.Fault("has antialias, which is not supported");

        var grids = new List<(int, long[][], float[][]?)>();
        for (var i = 0; i < axes.Length; i++)
        {
            var (axis, size) = (axes[i], x.First.shape[axes[i]]);
            var isBatch = x.Shape?.Axis == axis;
            var length = scales is null ? sizes![i] : (long)Math.Floor(Math.Clamp(size * scales[i], 0, MostPlaces + 1));
            if (isBatch && sizes is not null && sizes[i] == x.Shape!.Sizes[axis] * batch)
                length = size;
            if (length is < 1 or > MostPlaces)
                throw node.Fault($"makes {length} of {size} places");
            if (length == size && scales?[i] is null or 1)
                continue;
            RequireApart(node, x, axis);
            var scale = scales?[i] ?? length / (float)size;
            var taps = Enumerable
                .Range(0, (int)length)
                .Select(place => Taps(node, Source(node, isOld, place, scale, size, length), size, isOld))
                .ToArray();
            var count = taps[0].Length;
            T[][] Each<T>(Func<(long Place, float Weight), T> f) =>
                [.. Enumerable.Range(0, count).Select(tap => taps.Select(row => f(row[tap])).ToArray())];
            grids.Add((axis, Each(tap => tap.Place), count == 1 ? null : Each(tap => tap.Weight)));
        }
        return grids.Count == 0 ? Typed(node, Op.Identity, x) : Sampled(node, grids);
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
                return
                [
                    (
                        Inside(
                            nearest switch
                            {
                                "round_prefer_floor" => MathF.Ceiling(source - 0.5f),
                                "round_prefer_ceil" => MathF.Floor(source + 0.5f),
                                "floor" => MathF.Floor(source),
                                "ceil" => MathF.Ceiling(source),
                                _ => throw node.Fault($"has the unknown nearest_mode '{nearest}'"),
                            }
                        ),
                        1
                    ),
                ];
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
        var excludes = node.Int("exclude_outside", 0) != 0;
        var start = MathF.Floor(source) - 1;
        float Kernel(float d) =>
            d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
            : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
            : 0;
        var taps = Enumerable
            .Range(0, 4)
            .Select(i => start + i)
            .Select(place =>
                (
                    Place: (long)Math.Clamp(place, 0, size - 1),
                    Weight: excludes && (place < 0 || place > size - 1) ? 0 : Kernel(MathF.Abs(source - place))
                )
            )
            .ToArray();
        var sum = taps.Sum(tap => tap.Weight);
        return [.. taps.Select(tap => (tap.Place, excludes ? tap.Weight / sum : tap.Weight))];
    }
}
