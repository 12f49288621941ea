using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// Operators that slide a window over spatial dimensions.
internal sealed partial class OnnxOps
{
    // n×c×spatial dimensions.
    private static Value Spatial(OnnxNode node)
    {
        var x = node.Input(0);
        var takesInstances = x.Shape?.RowsAreInstances ?? true;
        return takesInstances && x.IsReal && x.Rank is >= 3 and <= 5
            ? x
            : throw node.Fault("takes batch × channels × 1 to 3 spatial dimensions");
    }

    private static long[] SpatialSizes(Value x) => x.First.shape[2..];

    private Value Convolution(OnnxNode node)
    {
        var x = Spatial(node);
        var weight = node.Constant(1);
        var groups = node.Int("group", 1);
        var (channels, outputs) = (x.First.shape[1], weight.ndim == x.Rank ? weight.shape[0] : 0);
        if (
            outputs < 1
            || groups < 1
            || outputs % groups != 0
            || channels % groups != 0
            || weight.shape[1] != channels / groups
            || !weight.is_floating_point()
        )
            throw node.Fault(
                $"has weights {string.Join("×", weight.shape)} in {groups} groups for an input of {channels} channels"
            );
        var window = Window.Of(node, weight.shape[2..], SpatialSizes(x));
        var bias = node.Optional(2) is null ? null : RealConstant(node, 2, outputs);
        var padding = window.Begin;
        if (!window.IsSymmetric)
        {
            x = Padded(node, x, window.Begin, window.End, 0);
            padding = new long[window.Rank];
            window = window with { Begin = padding, End = padding };
        }
        return graph.Emit(
            node.Output,
            Build.Convolution(weight, bias!, window.Stride, padding, window.Dilation, groups),
            t => Value.Meta([t[0].shape[0], outputs, .. Places(window, t[0])], t[0].dtype),
            x
        );
    }

    private static IEnumerable<long> Places(Window window, Tensor x) =>
        x.shape[2..].Select((size, axis) => window.Places(axis, size));

    // A node of its own: what is padded on one side more than on the other is first made larger.
    private Value Padded(OnnxNode node, Value x, long[] begin, long[] end, double value)
    {
        var pads = Pads(begin, end);
        return graph.Pure(
            graph.Unique(node.Output + "/pad"),
            "Pad",
            t => F.pad(t[0], pads, PaddingModes.Constant, value),
            null,
            x
        );
    }

    private Value Pool(OnnxNode node, PoolKind kind)
    {
        var x = Spatial(node);
        var sizes = SpatialSizes(x);
        var window = Window.Of(node, node.Ints("kernel_shape") ?? throw node.Fault("lacks its kernel_shape"), sizes);
        if (!kind.IsMaxPool && window.Dilation.Any(d => d != 1))
            throw node.Fault("has dilations, which are supported for MaxPool only");

        if (window.Begin.Concat(window.End).Zip([.. window.Extents, .. window.Extents]).Any(p => p.First >= p.Second))
            throw node.Fault("has pads as wide as its window");

        // libtorch pads at both ends alike and by half a kernel at most; anything else is spelled out.
        var native = window.IsSymmetric && window.Begin.Zip(window.Kernel).All(pair => pair.First <= pair.Second / 2);
        if (native)
            return graph.Emit(
                node.Output,
                Build.Pool(kind, window.Kernel, window.Stride, window.Begin, window.Dilation, window.CeilMode),
                t => Value.Meta([t[0].shape[0], t[0].shape[1], .. Places(window, t[0])], t[0].dtype),
                x
            );

        var places = sizes.Select((size, axis) => window.Places(axis, size)).ToArray();
        var overhang = sizes.Select((size, axis) => window.Overhang(axis, size)).ToArray();
        GraphBuilder.RequireSensible(sizes.Select((size, axis) => size + window.Begin[axis] + overhang[axis]));
        var none = new long[window.Rank];
        Op Whole(PoolKind k) => Build.Pool(k, window.Kernel, window.Stride, none, window.Dilation, false);
        Tensor Shape(IReadOnlyList<Tensor> t) => Value.Meta([t[0].shape[0], t[0].shape[1], .. places], t[0].dtype);
        if (kind.IsMaxPool)
            return graph.Emit(
                node.Output,
                Whole(kind),
                Shape,
                Padded(node, x, window.Begin, overhang, double.NegativeInfinity)
            );

        // The mean over what counts is the mean over the whole window, divided by the share of it that counts.
        var counted = ((PoolKind.AveragePool)kind).countPadding;
        var counts = ones([
            1,
            1,
            .. counted ? sizes.Select((size, axis) => size + window.Begin[axis] + window.End[axis]) : sizes,
        ]);
        var rest = counted
            ? Pads(none, overhang.Zip(window.End, (all, end) => all - end))
            : Pads(window.Begin, overhang);
        var mean = Whole(PoolKind.NewAveragePool(true));
        var padding = Pads(window.Begin, overhang);
        return graph.Pure(
            node.Output,
            node.Op,
            t => Build.Apply(mean, [F.pad(t[0], padding)]) / t[1],
            Shape,
            x,
            Value.Constant(graph.Unique(node.Output + "/share"), Build.Apply(mean, [F.pad(counts, rest)]))
        );
    }

    // libtorch lists the last dimension's first.
    private static long[] Pads(IEnumerable<long> begin, IEnumerable<long> end) =>
        [.. begin.Zip(end, (b, e) => new[] { b, e }).Reverse().SelectMany(pair => pair)];

    private Value Pad(OnnxNode node)
    {
        const long Most = 1 << 20;
        var x = node.Input(0);
        var given = node.Ints("pads", 1) ?? node.Ints("paddings") ?? throw node.Fault("lacks its pads");
        var axes =
            node.Ints("axes", 3)?.Select(axis => node.Axis(axis, x.Rank)).ToArray() ?? [.. Enumerable.Range(0, x.Rank)];
        if (given.Length != 2 * axes.Length || given.Any(p => p is < -Most or > Most))
            throw node.Fault($"has pads [{string.Join(", ", given)}] for {axes.Length} dimensions");
        var pads = new long[2 * x.Rank];
        for (var i = 0; i < axes.Length; i++)
            (pads[2 * (x.Rank - 1 - axes[i])], pads[2 * (x.Rank - 1 - axes[i]) + 1]) = (
                given[i],
                given[i + axes.Length]
            );
        var value = node.Number("value", 2) ?? 0;
        var mode = node.Text("mode", "constant") switch
        {
            "constant" => PaddingModes.Constant,
            "reflect" => PaddingModes.Reflect,
            "edge" => PaddingModes.Replicate,
            var other => throw node.Fault($"has the unknown mode '{other}'"),
        };
        Tensor Filled(IReadOnlyList<Tensor> t) => F.pad(t[0], pads, PaddingModes.Constant, value);
        if (mode == PaddingModes.Constant)
            return graph.Pure(node.Output, node.Op, Filled, null, x);

        // libtorch repeats what is in the spatial dimensions, all of them.
        long[] spatial = x.Rank is >= 3 and <= 5 ? pads[..(2 * (x.Rank - 2))] : [];
        var room = mode == PaddingModes.Reflect ? SpatialSizes(x).Min() - 1 : Most;
        if (spatial.Length == 0 || pads[spatial.Length..].Any(p => p != 0) || spatial.Any(p => p < 0 || p > room))
            throw node.Fault($"has pads [{string.Join(", ", given)}], which the mode does not take here");
        return graph.Pure(node.Output, node.Op, t => F.pad(t[0], spatial, mode), Filled, x);
    }
}
