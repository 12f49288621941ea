using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.Modules.GELU;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Attribution.Onnx;

/// <summary>What each of ONNX's operators is in terms of the core's ops (https://onnx.ai/onnx/operators).</summary>
/// <param name="graph">Receives the nodes.</param>
/// <param name="batch">The batch size that the file was written for; 1 where it leaves that open.</param>
internal sealed class OnnxOps(GraphBuilder graph, long batch)
{
    /// <summary>The values of a node's outputs.</summary>
    public Value[] Convert(OnnxNode node) =>
        node.Op switch
        {
            "Split" => Split(node),
            _ => [Single(node)],
        };

    private Value Single(OnnxNode node) =>
        node.Op switch
        {
            "Constant" => Constant(node),
            "Identity" or "Dropout" => Elementwise(node, Op.Identity),
            "Conv" => Convolution(node),
            "Gemm" => Gemm(node),
            "MatMul" => MatMul(node),
            "Add" => Typed(node, Op.Add, node.Input(0), node.Input(1)),
            "Sub" => Typed(node, Op.Subtract, node.Input(0), node.Input(1)),
            "Mul" => Typed(node, Op.Multiply, node.Input(0), node.Input(1)),
            "Div" when node.Input(0).IsReal => Typed(node, Op.Divide, node.Input(0), node.Input(1)),
            "Div" => Pure(node, IntegerDivision),
            "Relu" => Elementwise(node, Op.NewActivation(Activation.Relu)),
            "LeakyRelu" => Elementwise(node, Op.NewActivation(Activation.NewLeakyRelu(node.Float("alpha", 0.01)))),
            "Sigmoid" => Elementwise(node, Op.NewActivation(Activation.Sigmoid)),
            "Tanh" => Elementwise(node, Op.NewActivation(Activation.Tanh)),
            "MaxPool" => Pool(node, PoolKind.MaxPool),
            "AveragePool" => Pool(node, PoolKind.NewAveragePool(node.Int("count_include_pad", 0) != 0)),
            "GlobalMaxPool" => Typed(node, Op.NewGlobalPool(PoolKind.MaxPool), Spatial(node)),
            "GlobalAveragePool" => Typed(node, Op.NewGlobalPool(PoolKind.NewAveragePool(false)), Spatial(node)),
            "BatchNormalization" => BatchNormalization(node),
            "Flatten" => Flatten(node),
            "Reshape" => Reshape(node),
            "Squeeze" => Squeeze(node),
            "Unsqueeze" => Unsqueeze(node),
            "Transpose" => Transpose(node),
            "Concat" => Concat(node),
            "Softmax" => Softmax(node, Op.NewSoftmax, (x, axis) => F.softmax(x, axis)),
            "LogSoftmax" => Softmax(node, null, F.log_softmax),
            "Pad" => Pad(node),
            "Clip" => Clip(node),
            "Cast" => Cast(node),
            "Shape" => Shape(node),
            "Gather" => Gather(node),
            "Slice" => Slice(node),
            "Elu" => Elu(node),
            "HardSigmoid" => HardSigmoid(node),
            "HardSwish" => Elementwise(node, x => x * ((x + 3) / 6).clamp(0, 1)),
            "Gelu" => Gelu(node),
            "Softplus" => Elementwise(node, x => x.softplus()),
            "Exp" => Elementwise(node, x => x.exp()),
            "Log" => Elementwise(node, x => x.log()),
            "Sqrt" => Elementwise(node, x => x.sqrt()),
            "Erf" => Elementwise(node, x => x.erf()),
            "Abs" => Elementwise(node, x => x.abs()),
            "Neg" => Elementwise(node, x => x.neg()),
            "Reciprocal" => Elementwise(node, x => x.reciprocal()),
            "Floor" => Elementwise(node, x => x.floor()),
            "Ceil" => Elementwise(node, x => x.ceil()),
            "Pow" => Pure(node, t => t[0].pow(t[1])),
            "Min" => Pure(node, t => t.Aggregate((a, b) => a.minimum(b))),
            "Max" => Pure(node, t => t.Aggregate((a, b) => a.maximum(b))),
            "Sum" => Pure(node, t => t.Aggregate((a, b) => a + b)),
            "ReduceMean" => Reduce(node, (x, axes, keep) => x.mean(axes, keep)),
            "ReduceSum" => Reduce(node, (x, axes, keep) => x.sum(axes, keep)),
            "ReduceMax" => Reduce(node, (x, axes, keep) => x.amax(axes, keep)),
            "ReduceMin" => Reduce(node, (x, axes, keep) => x.amin(axes, keep)),
            _ => throw node.Fault("is not supported"),
        };

    private Value Typed(OnnxNode node, Op op, params Value[] inputs) => graph.Emit(node.Output, op, null, inputs);

    private Value Pure(OnnxNode node, Func<IReadOnlyList<Tensor>, Tensor> f) =>
        graph.Pure(node.Output, node.Op, f, null, [.. node.Inputs]);

    private Value Unary(OnnxNode node, Func<Tensor, Tensor> f) =>
        graph.Pure(node.Output, node.Op, inputs => f(inputs[0]), null, node.Input(0));

    // Each number by itself, so that the shape is the input's.
    private Value Elementwise(OnnxNode node, Op op) =>
        graph.Emit(node.Output, op, t => Value.Meta(t[0]), node.Input(0));

    private Value Elementwise(OnnxNode node, Func<Tensor, Tensor> f) =>
        Elementwise(node, Build.Pure(node.Op, inputs => f(inputs[0])));

    private static Value Constant(OnnxNode node)
    {
        var numbers =
            node.Tensor("value")
            ?? (
                node.Has("value_float") ? tensor((float)node.Float("value_float", 0))
                : node.Has("value_int") ? tensor(node.Int("value_int", 0))
                : node.Floats("value_floats") is { } floats ? tensor(floats)
                : node.Ints("value_ints") is { } ints ? tensor(ints)
                : throw node.Fault("holds no numbers")
            );
        return Value.Constant(node.Output, numbers);
    }

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

    private static Tensor RealConstant(OnnxNode node, int i, params long[] shape)
    {
        var numbers = node.Constant(i);
        return numbers.is_floating_point() && numbers.shape.SequenceEqual(shape)
            ? numbers
            : throw node.Fault($"takes '{node.Input(i).Name}', which should be {string.Join("×", shape)} real numbers");
    }

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
        long[] pads = [.. begin.Zip(end, (b, e) => new[] { b, e }).Reverse().SelectMany(pair => pair)];
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
        var none = new long[window.Rank];
        long[] overhang =
        [
            .. sizes.Select(
                (size, axis) =>
                    Math.Max(
                        0,
                        (places[axis] - 1) * window.Stride[axis] + window.Extent(axis) - size - window.Begin[axis]
                    )
            ),
        ];
        GraphBuilder.RequireSensible(sizes.Select((size, axis) => size + window.Begin[axis] + overhang[axis]));
        Op Plain(PoolKind k) => Build.Pool(k, window.Kernel, window.Stride, none, window.Dilation, false);
        IEnumerable<long> Cut(Tensor t) => [t.shape[0], t.shape[1], .. places];
        if (kind.IsMaxPool)
        {
            var padded = Padded(node, x, window.Begin, overhang, double.NegativeInfinity);
            return graph.Emit(node.Output, Plain(kind), t => Value.Meta(Cut(t[0]), t[0].dtype), padded);
        }

        // The mean over what counts is the mean over the whole window, divided by the share of it that counts.
        var counted = ((PoolKind.AveragePool)kind).countPadding;
        var (before, after) = counted ? (window.Begin, window.End) : (none, none);
        var share = ones([1, 1, .. sizes.Select((size, axis) => size + before[axis] + after[axis])]);
        long[] Pads(long[] done, long[] doneAfter) =>
            [
                .. Enumerable
                    .Range(0, window.Rank)
                    .Reverse()
                    .SelectMany(axis => new[] { window.Begin[axis] - done[axis], overhang[axis] - doneAfter[axis] }),
            ];
        var mean = Plain(PoolKind.NewAveragePool(true));
        var shares = Build.Apply(mean, [F.pad(share, Pads(before, after))]);
        return graph.Pure(
            node.Output,
            "AveragePool",
            t => Build.Apply(mean, [F.pad(t[0], Pads(none, none))]) / t[1],
            t => Value.Meta(Cut(t[0]), t[0].dtype),
            x,
            Value.Constant(graph.Unique(node.Output + "/share"), shares)
        );
    }

    private Value Gemm(OnnxNode node)
    {
        var (a, b) = (node.Input(0), node.Input(1));
        var (alpha, beta) = (node.Float("alpha", 1), node.Float("beta", 1));
        var (transA, transB) = (node.Int("transA", 0) != 0, node.Int("transB", 0) != 0);
        if (a.Rank != 2 || b.Rank != 2)
            throw node.Fault("takes two matrices");
        var c = node.Optional(2);
        if (b.IsConstant && !transA)
        {
            var weight = transB ? b.First : b.First.t();
            var outputs = weight.shape[0];
            var bias =
                c is { IsConstant: true } && IsRow(c.First, outputs) ? c.First.reshape(-1).expand(outputs) : null;
            if (bias is not null || c is null)
                return Linear(node.Output, a, Scaled(weight, alpha), bias is null ? null : Scaled(bias, beta));
        }
        return graph.Pure(
            node.Output,
            "Gemm",
            t =>
            {
                var product = Product(transA ? t[0].t() : t[0], transB ? t[1].t() : t[1]) * alpha;
                return t.Count > 2 ? product + t[2] * beta : product;
            },
            null,
            c is null ? [a, b] : [a, b, c]
        );
    }

    private static bool IsRow(Tensor bias, long outputs) =>
        bias.is_floating_point()
        && bias.ndim <= 2
        && (bias.numel() == 1 || bias.numel() == outputs && bias.shape[^1] == outputs);

    private static Tensor Scaled(Tensor numbers, double factor) => factor == 1 ? numbers : numbers * factor;

    private Value Linear(string name, Value x, Tensor weight, Tensor? bias) =>
        graph.Emit(
            name,
            Build.Linear(weight, bias!),
            t => Product(t[0], Value.Meta(weight.shape.Reverse(), weight.dtype)),
            x
        );

    private static Tensor Product(Tensor a, Tensor b) => Build.Apply(Op.MatMul, [a, b]);

    private Value MatMul(OnnxNode node)
    {
        var (a, b) = (node.Input(0), node.Input(1));
        return b.IsConstant && b.Rank == 2 && b.IsReal && !a.IsKnown
            ? Linear(node.Output, a, b.First.t(), null)
            : Typed(node, Op.MatMul, a, b);
    }

    private Value BatchNormalization(OnnxNode node)
    {
        var x = node.Input(0);
        if (x.Rank is < 2 or > 5 || x.Shape is { RowsAreInstances: false } || node.Int("training_mode", 0) != 0)
            throw node.Fault("is supported for batch × channels × … outside training only");
        var channels = x.First.shape[1];
        Tensor Row(int i) => RealConstant(node, i, channels);
        var op = Build.BatchNorm(Row(3), Row(4), Row(1), Row(2), node.Float("epsilon", 1e-5));
        return graph.Emit(node.Output, op, t => Value.Meta(t[0]), x);
    }

    // Integers divide as in C; the one quotient that traps is spelled out.
    private static Tensor IntegerDivision(IReadOnlyList<Tensor> t)
    {
        if (t[1].device_type == DeviceType.META)
            return t[0] + t[1];
        if (t[1].eq(0).any().ToBoolean())
            throw new InvalidOperationException("it divides by zero");
        var opposite = t[1].eq(-1);
        return torch.where(opposite, -t[0], torch.div(t[0], t[1].masked_fill(opposite, 1), RoundingMode.trunc));
    }

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

    // Before version 13 all dimensions from the axis on were one distribution.
    private static (int Axis, int End) Distribution(OnnxNode node)
    {
        var (x, isOld) = (node.Input(0), node.Opset < 13);
        var axis = node.Axis(node.Int("axis", isOld ? 1 : -1), x.Rank);
        var end = isOld && x.First.shape[(axis + 1)..].Any(size => size > 1) ? x.Rank : axis + 1;
        return x.Shape is { } shape && shape.Axis >= axis && shape.Axis < end
            ? throw node.Fault("mixes the instances of a batch")
            : (axis, end);
    }

    /// <summary>Whether a softmax makes one distribution of each instance.</summary>
    public static bool IsOverClasses(OnnxNode node)
    {
        var (axis, end) = Distribution(node);
        return node.Input(0).Shape is { RowsAreInstances: true } shape
            && shape.Sizes.Where((size, i) => i < axis || i >= end).All(size => size == 1);
    }

    private Value Softmax(OnnxNode node, Func<long, Op>? typed, Func<Tensor, long, Tensor> f)
    {
        var (axis, end) = Distribution(node);
        if (end > axis + 1)
            return Unary(node, t => f(t.flatten(axis), axis).reshape(t.shape));
        return typed is null ? Unary(node, t => f(t, axis)) : Typed(node, typed(axis), node.Input(0));
    }

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

    private Value Clip(OnnxNode node)
    {
        var low = node.Number("min", 1) ?? double.NegativeInfinity;
        var high = node.Number("max", 2) ?? double.PositiveInfinity;
        return Elementwise(node, x => x.clamp(low, high));
    }

    private Value Elu(OnnxNode node)
    {
        var alpha = node.Float("alpha", 1);
        return Elementwise(node, x => F.elu(x, alpha));
    }

    private Value Gelu(OnnxNode node)
    {
        var kind = node.Text("approximate", "none") == "tanh" ? Approximate.tanh : Approximate.none;
        return Elementwise(node, x => x.gelu(kind));
    }

    private Value HardSigmoid(OnnxNode node)
    {
        var (alpha, beta) = (node.Float("alpha", 0.2), node.Float("beta", 0.5));
        return Elementwise(node, x => (x * alpha + beta).clamp(0, 1));
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
                    return graph.Pure(output, node.Op, t => t[0].narrow(axis, start, length), null, x);
                }
            ),
        ];
    }

    private Value Reduce(OnnxNode node, Func<Tensor, long[], bool, Tensor> f)
    {
        var x = node.Input(0);
        var keep = node.Int("keepdims", 1) != 0;
        var axes = node.Ints("axes", 1)?.Select(axis => (long)node.Axis(axis, x.Rank)).ToArray() ?? [];
        if (axes.Length == 0 && node.Int("noop_with_empty_axes", 0) != 0)
            return Typed(node, Op.Identity, x);
        if (axes.Length == 0)
            axes = [.. Enumerable.Range(0, x.Rank).Select(axis => (long)axis)];
        return Unary(node, t => f(t, axes, keep));
    }
}
