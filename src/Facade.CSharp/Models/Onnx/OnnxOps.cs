namespace Attribution.Onnx;

/// <summary>What each of ONNX's operators is in terms of the core's ops (https://onnx.ai/onnx/operators).</summary>
/// <param name="graph">Receives the nodes.</param>
/// <param name="batch">The batch size that the file was written for; 1 where it leaves that open.</param>
internal sealed partial class OnnxOps(GraphBuilder graph, long batch)
{
    // The sizes of a value, by its inputs', which have no numbers.
    private delegate long[] Sizes(IReadOnlyList<Tensor> inputs);

    /// <summary>The values of a node's outputs.</summary>
    public Value[] Convert(OnnxNode node)
    {
        var placed = Placed(node);
        var results = Converted(placed);
        if (placed.Leading > 0)
            results = [.. results.Select(x => x.IsKnown ? x : x.Stacked())];
        // Instances that have come first again are rows again.
        return node.Op == "Transpose" && results[0] is { IsStacked: true, Each: [1, ..] }
            ? [Joined(results[0])]
            : results;
    }

    private Value[] Converted(OnnxNode node) =>
        node.Op switch
        {
            "Split" => Split(node),
            "TopK" => TopK(node),
            _ => [One(node)],
        };

    private Value One(OnnxNode node)
    {
        double Alpha(double otherwise) => node.Float("alpha", otherwise);
        return node.Op switch
        {
            // Each number by itself.
            "Relu" => Elementwise(node, Op.NewActivation(Activation.Relu)),
            "LeakyRelu" => LeakyRelu(node, Alpha(0.01)),
            "Sigmoid" => Elementwise(node, Op.NewActivation(Activation.Sigmoid)),
            "Tanh" => Elementwise(node, Op.NewActivation(Activation.Tanh)),
            "PRelu" => PRelu(node),
            "Elu" => Elu(node, Alpha(1), 1),
            "Selu" => Elu(node, Alpha(1.6732632423543772), node.Float("gamma", 1.0507009873554805)),
            "Celu" => Celu(node, Alpha(1)),
            "Gelu" => Gelu(node, node.Text("approximate", "none") == "tanh"),
            "HardSigmoid" => HardSigmoid(node, Alpha(0.2), node.Float("beta", 0.5)),
            "ThresholdedRelu" => ThresholdedRelu(node, Alpha(1)),
            "Clip" => Clip(node),
            "Sqrt" => Power(node, 0.5),
            "Reciprocal" => Power(node, -1),
            "Identity" => Elementwise(node, Op.Identity),
            "Dropout" => Dropout(node),
            "Not" => Truth(node, x => x.logical_not()),
            "IsNaN" => Truth(node, x => x.isnan()),
            "Neg" when node.Input(0).IsReal => Elementwise(node, Build.Negative(node.Op)),
            "Neg" => Elementwise(node, x => x.neg()),
            "Abs" or "Sign" when !node.Input(0).IsReal => Elementwise(node, Functions.OfReal[node.Op]),
            _ when Functions.OfReal.TryGetValue(node.Op, out var f) => Pointwise(node, f),
            // Several, one at the place of the other.
            "Add" => Binary(node, Op.Add),
            "Sub" => Binary(node, Op.Subtract),
            "Mul" => Binary(node, Op.Multiply),
            "Div" when node.Input(0).IsReal => Binary(node, Op.Divide),
            "Div" => OfIntegers(node, (a, b) => a.div(b, RoundingMode.trunc), a => -a),
            "Mod" when node.Input(0).IsReal => Broadcasting(node, Kind.Elementwise, t => t[0].fmod(t[1])),
            "Mod" => OfIntegers(node, node.Is("fmod") ? fmod : remainder, a => a.bitwise_xor(a)),
            "Pow" => Pow(node),
            "Sum" => Sum(node, node.Output),
            "Mean" => Mean(node),
            "Min" => Extreme(node, isLargest: false),
            "Max" => Extreme(node, isLargest: true),
            "Where" => Where(node),
            _ when Functions.Truths.TryGetValue(node.Op, out var f) => Broadcasting(
                node,
                Kind.Elementwise,
                t => f(t[0], t[1]),
                ScalarType.Bool
            ),
            // Products of matrices.
            "Gemm" => Gemm(node),
            "MatMul" => MatMul(node),
            "Einsum" => Einsum(node),
            // Windows.
            "Conv" => Convolution(node),
            "ConvTranspose" => ConvTranspose(node),
            "MaxPool" => Pool(node, PoolKind.MaxPool),
            "AveragePool" => Pool(node, PoolKind.NewAveragePool(node.Is("count_include_pad"))),
            "LpPool" => LpPool(node),
            "GlobalMaxPool" => Emit(node, Op.NewGlobalPool(PoolKind.MaxPool), Spatial(node)),
            "GlobalAveragePool" => Emit(node, Op.NewGlobalPool(PoolKind.NewAveragePool(false)), Spatial(node)),
            "GlobalLpPool" => GlobalLpPool(node),
            // A common scale.
            "BatchNormalization" => BatchNormalization(node),
            "InstanceNormalization" => GroupNorm(node, node.Input(0).First.shape[1], false),
            "GroupNormalization" => GroupNorm(node, node.Int("num_groups", 0), node.Opset < 21),
            "LayerNormalization" => LayerNormalization(node),
            "LRN" => Lrn(node),
            "LpNormalization" => LpNormalization(node),
            "MeanVarianceNormalization" => MeanVariance(node),
            // Along dimensions.
            "ReduceMean" => GlobalPool(node, PoolKind.NewAveragePool(false))
                ?? Reduce(node, Kind.Sums, (x, axes, keep) => x.mean(axes, keep)),
            "ReduceMax" => GlobalPool(node, PoolKind.MaxPool)
                ?? Reduce(node, Kind.Selects, (x, axes, keep) => x.amax(axes, keep)),
            "ReduceMin" => Reduce(node, Kind.Selects, (x, axes, keep) => x.amin(axes, keep)),
            "ReduceSum" => Reduce(node, Kind.Sums, (x, axes, keep) => x.sum(axes, keep)),
            "ReduceProd" => Reduce(
                node,
                null,
                (x, axes, keep) => axes.OrderDescending().Aggregate(x, (t, axis) => t.prod(axis, keep))
            ),
            "ReduceL1" => Norm(node, false, sums => sums),
            "ReduceL2" => Norm(node, true, sums => Root(sums, 0.5)),
            "ReduceSumSquare" => Norm(node, true, sums => sums),
            "ReduceLogSum" => Reduce(node, null, (x, axes, keep) => x.sum(axes, keep).log()),
            "ReduceLogSumExp" => Reduce(node, null, LogSumExp),
            "Attention" => Attention(node),
            "Softmax" => Softmax(node, Op.NewSoftmax, (x, axis) => F.softmax(x, axis)),
            "LogSoftmax" => Softmax(node, null, F.log_softmax),
            "Hardmax" => Softmax(node, null, Hardmax),
            "ArgMax" => Extreme(node, (x, axis) => x.argmax(axis, true)),
            "ArgMin" => Extreme(node, (x, axis) => x.argmin(axis, true)),
            "CumSum" => CumSum(node),
            // Other shapes for the same numbers.
            "Flatten" => Flatten(node),
            "Reshape" => Reshape(node),
            "Squeeze" => Squeeze(node),
            "Unsqueeze" => Unsqueeze(node),
            "Transpose" => Transpose(node),
            "DepthToSpace" => DepthToSpace(node),
            "SpaceToDepth" => SpaceToDepth(node),
            "Expand" => Expand(node),
            // Pieces of them.
            "Concat" => Concat(node),
            "Slice" => Slice(node),
            "Gather" => Gather(node),
            "GatherElements" => GatherElements(node),
            "GatherND" => GatherNd(node),
            "ScatterND" => ScatterNd(node),
            "Tile" => Tile(node),
            "Pad" => Pad(node),
            "Resize" or "Upsample" => Resize(node),
            // Numbers that follow from shapes, or are given, and their types.
            "Constant" => Constant(node),
            "ConstantOfShape" => ConstantOfShape(node),
            "Shape" => Shape(node),
            "Size" => Counted(node, t => tensor(t.numel())),
            "Range" => Range(node),
            "Cast" => Cast(node, node.TypeOf(node.Int("to", 0))),
            "CastLike" => Cast(node, node.Input(1).First.dtype),
            _ => throw node.Fault(
                IsOfQuantized(node.Op)
                    ? "is a step of a quantized model, whose rounding has no gradient: export the float model"
                    : "is not supported: export the model with ONNX's common operators, or load it as TorchScript"
            ),
        };
    }

    private static bool IsOfQuantized(string op) =>
        op.EndsWith("QuantizeLinear", StringComparison.Ordinal)
        || op.StartsWith("QLinear", StringComparison.Ordinal)
        || op is "DequantizeLinear" or "ConvInteger" or "MatMulInteger";

    private Value Emit(OnnxNode node, Op op, params Value[] inputs) => graph.Emit(node.Output, op, null, inputs);

    // Where an op does not run without numbers, its sizes are given; the type is the first input's.
    private Value Emit(OnnxNode node, Op op, Sizes sizes, params Value[] inputs) =>
        graph.Emit(node.Output, op, t => Value.Meta(sizes(t), t[0].dtype), inputs);

    // A function of a kind that ways back by rules know, or of none.
    private Value Function(OnnxNode node, Kind? kind, OfTensors f, params Value[] inputs) =>
        Emit(node, Made(node, kind, f), inputs);

    private Value Function(OnnxNode node, Kind? kind, OfTensors f, Sizes sizes, params Value[] inputs) =>
        Emit(node, Made(node, kind, f), sizes, inputs);

    private static Op Made(OnnxNode node, Kind? kind, OfTensors f) =>
        kind is null ? Build.Pure(node.Op, f) : Build.Function(kind, node.Op, f);

    private Value Unary(OnnxNode node, Kind? kind, Func<Tensor, Tensor> f) =>
        Function(node, kind, t => f(t[0]), node.Input(0));

    // A step towards the node's value.
    private Value Step(OnnxNode node, string step, Op op, params Value[] inputs) =>
        graph.Emit(graph.Unique($"{node.Output}/{step}"), op, null, inputs);

    private Value Helper(OnnxNode node, string name, Tensor numbers) =>
        Value.Constant(graph.Unique($"{node.Output}/{name}"), numbers);

    private static void RequireReal(OnnxNode node)
    {
        if (node.Given.FirstOrDefault(x => !x.IsReal) is { } other)
            throw node.Fault($"takes '{other.Name}', which should be real numbers");
    }

    private static void RequireApart(OnnxNode node, Value x, params IEnumerable<int> axes)
    {
        if (x.Shape is { } shape && axes.Contains(shape.Axis))
            throw Mixes(node);
    }

    private static AttributionException Mixes(OnnxNode node) => node.Fault("mixes the instances of a batch");

    private static string Listed(IEnumerable<long> numbers) => $"[{string.Join(", ", numbers)}]";

    private static IEnumerable<long> Axes(int rank) => Enumerable.Range(0, rank).Select(axis => (long)axis);

    // Known numbers beside computed ones stand once for each image of the batch that the file was written for; here, once
    // for each image that there will be.
    private Value PerImage(OnnxNode node, Value known, int axis, long each) =>
        known.IsConstant
        && known.First.shape[axis] == each * batch
        && GraphBuilder.Repeated(known.First, axis, batch) is { } rows
            ? graph.ForEachImage(graph.Unique($"{node.Output}/{known.Name}"), rows, axis)
            : known;

    // The inputs of an operator that broadcasts, dimensions counted from the last.
    private Value[] Broadcast(OnnxNode node)
    {
        var inputs = node.Inputs;
        if (node.Leading > 0)
            return Aligned(node, inputs);
        if (inputs.FirstOrDefault(x => x.Shape is not null) is not { Shape: { } shape } computed)
            return [.. inputs];
        var fromEnd = computed.Rank - shape.Axis;
        var each = shape.Sizes[shape.Axis];
        Value Each(Value x) =>
            x.Rank >= fromEnd && x.Shape is null && x.First.shape[^fromEnd] > 1
                ? PerImage(node, x, x.Rank - fromEnd, each)
                : x;
        return [.. inputs.Select(Each)];
    }

    // The shape that two broadcast to.
    private static long[] Broadcast(long[] a, long[] b)
    {
        var rank = Math.Max(a.Length, b.Length);
        long From(long[] sizes, int axis) => axis < rank - sizes.Length ? 1 : sizes[axis - rank + sizes.Length];
        long Of(int axis) =>
            (From(a, axis), From(b, axis)) switch
            {
                var (one, other) when one == other || other == 1 => one,
                (1, var other) => other,
                _ => throw new InvalidOperationException("they do not broadcast"),
            };
        return [.. Enumerable.Range(0, rank).Select(Of)];
    }
}
