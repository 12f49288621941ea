namespace Attribution.Onnx;

// Where the instances stand. A file that was written for one image, or leaves the number of images open, says what becomes
// of one instance, [1, …]. Usually the 1 comes first, and n instances take its place. But a file may move it, or merge it
// with another dimension: tokens × 1 × width becomes rows of tokens, which no longer tell where an instance would go. There
// the instances are given a dimension of their own, in front of the file's whole shape: such a value is stacked.
internal sealed partial class OnnxOps
{
    // Functions of each number by itself, which do not ask where it stands.
    private static readonly HashSet<string> OfEachNumber =
    [
        .. Functions.OfReal.Keys,
        .. Names("Relu LeakyRelu Sigmoid Tanh Elu Selu Celu Gelu HardSigmoid ThresholdedRelu Clip Cast CastLike"),
        .. Names("Sqrt Neg Reciprocal IsNaN Not Identity Dropout"),
    ];

    // Of several values that are stretched to one shape.
    private static readonly HashSet<string> Stretching =
    [
        .. Functions.Truths.Keys,
        .. Names("Add Sub Mul Div Mod Pow Sum Mean Min Max Where PRelu"),
    ];

    // Over dimensions that the node names, or over the last ones.
    private static readonly HashSet<string> OverDimensions =
    [
        .. Names("Gemm MatMul Einsum Softmax LogSoftmax Hardmax ArgMax ArgMin CumSum TopK Concat Split Slice Gather"),
        .. Names("Tile Expand Transpose LayerNormalization LpNormalization ReduceMean ReduceMax ReduceMin ReduceSum"),
        .. Names("ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp"),
    ];

    // These see the file's shape, whether the instances stand in it or in front of it.
    private static readonly HashSet<string> OfShapes = [.. Names("Shape Size Reshape Flatten Squeeze Unsqueeze")];

    private static string[] Names(string names) => names.Split(' ');

    private readonly Dictionary<(string, bool), Value> placed = [];

    /// <summary>The node with its inputs' instances where it can treat them.</summary>
    private OnnxNode Placed(OnnxNode node)
    {
        Value[] computed = [.. node.Given.Where(x => x.Shape is not null)];
        if (batch != 1 || computed.Length == 0 || OfShapes.Contains(node.Op))
            return node;
        if (OfEachNumber.Contains(node.Op))
            return node.With(node.Optionals, node.Input(0).IsStacked);
        return IsToStack(node, computed)
            ? node.With(node.Optionals.Select(x => x is null ? null : Stacked(node, x)), true)
            : node.With(node.Optionals.Select(x => x is { IsStacked: true } ? Joined(x) : x), false);
    }

    private static bool IsToStack(OnnxNode node, Value[] computed)
    {
        var isStretched = Stretching.Contains(node.Op);
        if (!isStretched && !OverDimensions.Contains(node.Op) || node.Op == "Gather" && node.Input(0).IsKnown)
            return false;
        var known = node.Given.Where(x => x.IsKnown).ToArray();
        var isRows = computed.All(x => x.Each is [1, _, ..]);
        if (node.Op is "Gemm" or "MatMul" && isRows && known.All(x => x.Rank < 3 || x.One.shape[0] == 1))
            return false;
        if (computed.Any(x => x.IsStacked || x.Shape is not { RowsAreInstances: true }))
            return true;
        var rank = computed.Max(x => x.Rank);
        return node.Op switch
        {
            "Transpose" => node.Ints("perm") is { Length: > 0 } order ? order[0] != 0 : rank > 1,
            "MatMul" => known.Any(x => x.Rank > 2 && x.One.shape[0] > 1),
            "Einsum" => IsMovedBy(node.Text("equation", "").Replace(" ", "")),
            // What is known has more of the first dimension, or dimensions before it; or what images give has not as many.
            _ => isStretched
                && (
                    computed.Any(x => x.Rank < rank)
                    || known.Any(x => x.Rank > rank || x.IsConstant && x.Rank == rank && x.First.shape[0] > 1)
                ),
        };
    }

    // Whether the instances, which stand first in each operand, stand elsewhere in the result.
    private static bool IsMovedBy(string equation) =>
        equation.Split("->") is [var operands, [var first, ..] result]
        && operands.Split(',').All(operand => operand.StartsWith(operands[0]))
        && first != operands[0]
        && result.Contains(operands[0]);

    /// <summary>The value with the instances in front of the file's dimensions; what is known, as it is for one
    /// instance.</summary>
    private Value Stacked(OnnxNode node, Value x)
    {
        if (x.IsStacked || x.IsConstant && node.Op != "Concat")
            return x;
        if (placed.TryGetValue((x.Name, node.Op == "Concat"), out var before))
            return before;
        Value Stack(Op op) => graph.Emit(graph.Unique(x.Name + "/stack"), op, null, x).Stacked();
        return placed[(x.Name, node.Op == "Concat")] = x.Shape switch
        {
            null when node.Op == "Concat" => graph
                .ForEachImage(graph.Unique(x.Name + "/each"), x.One.unsqueeze(0), 0)
                .Stacked(),
            null => Value.Constant(graph.Unique(x.Name + "/one"), x.One),
            { RowsAreInstances: true } rows => Stack(Op.NewReshape(rows.Sizes)),
            var shape => Stack(Build.Pure("Reshape", t => InFront(t[0], shape))),
        };
    }

    private static Tensor InFront(Tensor t, BatchedShape shape)
    {
        var (sizes, axis) = (shape.Sizes, shape.Axis);
        long[] order = [axis, .. Axes(sizes.Length + 1).Where(i => i != axis)];
        return t.reshape([.. sizes[..axis], -1, .. sizes[axis..]]).permute(order);
    }

    /// <summary>The value with the instances in the file's first dimension.</summary>
    private Value Joined(Value x)
    {
        if (placed.TryGetValue((x.Name, false), out var before))
            return before;
        return placed[(x.Name, false)] = Refiled(graph.Unique(x.Name + "/rows"), x, x.Each, false);
    }

    // The numbers in another shape of the file's: each instance's stand together, in front of the next one's.
    private Value Refiled(string name, Value x, long[] each, bool isStacked)
    {
        // Else for an operator that takes the first dimension to be of instances.
        var isOfInstances = each is [1, ..] || isStacked;
        long[] sizes = isStacked ? each : [.. each.Skip(1)];
        var result =
            isOfInstances && (x.IsStacked || x.Shape is { RowsAreInstances: true })
                ? graph.Emit(name, Op.NewReshape(sizes), null, x)
                : Moved(name, x, [-1, .. sizes]);
        return isStacked ? result.Stacked() : result;
    }

    // Stacked values and constants of as many dimensions, so that they broadcast as the file's do.
    private Value[] Aligned(OnnxNode node, IReadOnlyList<Value> inputs)
    {
        var rank = inputs.Max(x => x.Each.Length);
        Value Widened(Value x)
        {
            var op = Op.NewReshape([.. Enumerable.Repeat(1L, rank - x.Each.Length), .. x.Each]);
            return graph.Emit(graph.Unique($"{node.Output}/{x.Name}"), op, null, x).Stacked();
        }
        return [.. inputs.Select(x => x.IsStacked && x.Each.Length < rank ? Widened(x) : x)];
    }
}
