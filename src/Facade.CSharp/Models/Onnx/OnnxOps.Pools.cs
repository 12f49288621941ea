using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// What makes one number of each window.
internal sealed partial class OnnxOps
{
    private static Window PoolWindow(OnnxNode node, Value x)
    {
        var kernel = node.Ints("kernel_shape") ?? throw node.Fault("lacks its kernel_shape");
        var window = Window.Of(node, kernel, SpatialSizes(x));
        return window.Begin.Concat(window.End).Zip([.. window.Extents, .. window.Extents]).Any(p => p.First >= p.Second)
            ? throw node.Fault("has pads as wide as its window")
            : window;
    }

    private Value Pool(OnnxNode node, PoolKind kind)
    {
        var x = Spatial(node);
        var sizes = SpatialSizes(x);
        var window = PoolWindow(node, x);

        // libtorch pads at both ends alike and by half a kernel at most; anything else is spelled out.
        var native =
            window.IsSymmetric
            && window.Begin.Zip(window.Kernel).All(pair => pair.First <= pair.Second / 2)
            && (kind.IsMaxPool || window.Dilation.All(d => d == 1));
        if (native)
            return graph.Emit(
                node.Output,
                Build.Pool(kind, window.Kernel, window.Stride, window.Begin, window.Dilation, window.CeilMode),
                t => Value.Meta([t[0].shape[0], t[0].shape[1], .. Places(window, t[0])], t[0].dtype),
                x
            );

        var overhang = Overhang(window, x);
        var none = new long[window.Rank];
        if (kind.IsMaxPool)
            return graph.Emit(
                node.Output,
                Build.Pool(kind, window.Kernel, window.Stride, none, window.Dilation, false),
                t =>
                    Value.Meta(
                        [t[0].shape[0], t[0].shape[1], .. Places(window with { Begin = none, End = none }, t[0])],
                        t[0].dtype
                    ),
                Padded(node, x, window.Begin, overhang, double.NegativeInfinity)
            );

        // The mean over what counts is the sum over the whole window, divided by how much of it counts.
        var counted = ((PoolKind.AveragePool)kind).countPadding;
        var counts = ones([
            1,
            1,
            .. counted ? sizes.Select((size, axis) => size + window.Begin[axis] + window.End[axis]) : sizes,
        ]);
        var rest = counted
            ? Pads(none, overhang.Zip(window.End, (all, end) => all - end))
            : Pads(window.Begin, overhang);
        var padding = Pads(window.Begin, overhang);
        return graph.Function(
            node.Output,
            node.Op,
            Kind.Sums,
            t => WindowSums(window, F.pad(t[0], padding)) / t[1],
            t => Value.Meta([t[0].shape[0], t[0].shape[1], .. Places(window, t[0])], t[0].dtype),
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
        var sums = Build.Apply(
            Build.Convolution(filter, null!, window.Stride, new long[window.Rank], window.Dilation, 1),
            [all]
        );
        return sums.reshape([.. padded.shape[..2], .. sums.shape[2..]]);
    }

    private Value LpPool(OnnxNode node)
    {
        var x = Spatial(node);
        var window = PoolWindow(node, x);
        var padding = Pads(window.Begin, Overhang(window, x));
        var power = Power(node, out var root);
        return graph.Pure(
            node.Output,
            node.Op,
            t => Root(WindowSums(window, F.pad(t[0].abs().pow(power), padding)), root),
            t => Value.Meta([t[0].shape[0], t[0].shape[1], .. Places(window, t[0])], t[0].dtype),
            x
        );
    }

    private Value GlobalLpPool(OnnxNode node)
    {
        var x = Spatial(node);
        long[] spatial = [.. Enumerable.Range(2, x.Rank - 2).Select(axis => (long)axis)];
        var power = Power(node, out var root);
        return graph.Pure(
            node.Output,
            node.Op,
            t => Root(t[0].abs().pow(power).sum(spatial, true), root),
            t => Value.Meta([.. t[0].shape[..2], .. spatial.Select(_ => 1L)], t[0].dtype),
            x
        );
    }

    private static Scalar Power(OnnxNode node, out Scalar root)
    {
        var p = node.Int("p", 2);
        root = 1.0 / p;
        return p >= 1 ? (double)p : throw node.Fault($"has p {p}");
    }
}
