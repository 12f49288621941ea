using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

// Convolutions, and what else slides a window over spatial dimensions.
internal sealed partial class OnnxOps
{
    private Value? Windows(OnnxNode node) =>
        node.Op switch
        {
            "Conv" => Convolution(node),
            "ConvTranspose" => ConvTranspose(node),
            "MaxPool" => Pool(node, PoolKind.MaxPool),
            "AveragePool" => Pool(node, PoolKind.NewAveragePool(node.Int("count_include_pad", 0) != 0)),
            "LpPool" => LpPool(node),
            "GlobalMaxPool" => Typed(node, Op.NewGlobalPool(PoolKind.MaxPool), Spatial(node)),
            "GlobalAveragePool" => Typed(node, Op.NewGlobalPool(PoolKind.NewAveragePool(false)), Spatial(node)),
            "GlobalLpPool" => GlobalLpPool(node),
            _ => null,
        };

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

    private Value Convolution(OnnxNode node)
    {
        if (!node.Input(1).IsConstant)
            return InstancesConvolution(node);
        var x = Spatial(node);
        var weight = node.Constant(1);
        var groups = node.Int("group", 1);
        var (channels, outputs) = (x.First.shape[1], weight.ndim == x.Rank ? weight.shape[0] : 0);
        RequireWeights(node, weight, channels, outputs, groups);
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

    private static void RequireWeights(OnnxNode node, Tensor weight, long channels, long outputs, long groups)
    {
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
            throw node.Fault("mixes the instances of a batch");
        var groups = node.Int("group", 1) / (isGrouped ? batch : 1);
        var (channels, outputs) = (from.Sizes[1], weights.Sizes[0]);
        RequireWeights(node, Value.Meta(weights.Sizes, w.First.dtype), channels, outputs, groups);
        var window = Window.Of(node, weights.Sizes[2..], SpatialSizes(x));
        var (pads, none) = (Pads(window.Begin, window.End), new long[window.Rank]);
        if (b is not null && (b.Rank != 1 || !b.IsReal || (b.Shape?.Sizes[0] ?? b.First.shape[0]) != outputs))
            throw node.Fault($"has a bias that is not {outputs} numbers");
        long[] Shape(Tensor weight, Tensor input)
        {
            var n = weight.shape[0] / outputs;
            return [.. isGrouped ? new[] { 1, n * outputs } : [n, outputs], .. Places(window, input)];
        }
        return graph.Emit(
            node.Output,
            b is null ? Build.Function(Kind.Filters, node.Op, Filtered) : Build.Pure(node.Op, Filtered),
            t => Value.Meta(Shape(t[1], t[0]), t[0].dtype),
            b is null ? [x, w] : [x, w, b]
        );

        Tensor Filtered(IReadOnlyList<Tensor> t)
        {
            var n = t[1].shape[0] / outputs;
            var padded = F.pad(t[0].reshape([1, n * channels, .. t[0].shape[2..]]), pads);
            var op = Build.Convolution(t[1], null!, window.Stride, none, window.Dilation, n * groups);
            var result = Build.Apply(op, [padded]);
            if (t.Count > 2)
                result = result.reshape([1, n, outputs, -1]) + t[2].reshape([-1, outputs, 1]);
            return result.reshape(Shape(t[1], t[0]));
        }
    }

    private Value ConvTranspose(OnnxNode node)
    {
        var x = Spatial(node);
        var weight = node.Constant(1);
        var groups = node.Int("group", 1);
        var channels = x.First.shape[1];
        if (
            weight.ndim != x.Rank
            || groups < 1
            || channels % groups != 0
            || weight.shape[0] != channels
            || weight.shape[1] < 1
            || !weight.is_floating_point()
        )
            throw node.Fault(
                $"has weights {string.Join("×", weight.shape)} in {groups} groups for an input of {channels} channels"
            );
        var outputs = weight.shape[1] * groups;
        var window = Window.Transposed(node, weight.shape[2..], SpatialSizes(x), out var surplus);
        // Cut, or filled up with zeros, to what is asked for.
        var cut = Pads(window.Begin.Select(n => -n), surplus.Zip(window.End, (more, less) => more - less));
        var (stride, dilation) = (window.Stride, window.Dilation);
        IEnumerable<long> Sizes(Tensor t) =>
            t.shape[2..]
                .Select(
                    (size, i) =>
                        (size - 1) * stride[i] + window.Extent(i) - window.Begin[i] - window.End[i] + surplus[i]
                );
        long[] perChannel = [-1, .. Enumerable.Repeat(1L, window.Rank)];
        GraphBuilder.RequireSensible([outputs, .. SpatialSizes(x).Select((n, i) => n * stride[i] + window.Extent(i))]);
        var bias = node.Optional(2) is null ? null : Helper(node, "bias", RealConstant(node, 2, outputs));
        Tensor Filtered(Tensor input, Tensor filters)
        {
            var full = Build.ConvolveTransposed(input, filters, stride, dilation, groups);
            return F.pad(full, cut);
        }
        return graph.Emit(
            node.Output,
            bias is null
                ? Build.Function(Kind.Filters, node.Op, t => Filtered(t[0], t[1]))
                : Build.Filters(node.Op, x.Rank, Filtered, t => Filtered(t[0], t[1]) + t[2].reshape(perChannel)),
            t => Value.Meta([t[0].shape[0], outputs, .. Sizes(t[0])], t[0].dtype),
            bias is null ? [x, node.Input(1)] : [x, node.Input(1), bias]
        );
    }

    private static IEnumerable<long> Places(Window window, Tensor x) =>
        x.shape[2..].Select((size, axis) => window.Places(axis, size));

    // A node of its own: what is padded on one side more than on the other is first made larger.
    private Value Padded(OnnxNode node, Value x, long[] begin, long[] end, double value)
    {
        var pads = Pads(begin, end);
        return graph.Function(
            graph.Unique(node.Output + "/pad"),
            "Pad",
            value == 0 ? Kind.Moves : Kind.Places,
            t => F.pad(t[0], pads, PaddingModes.Constant, value),
            null,
            x
        );
    }
}
