namespace Attribution.Onnx;

// Functions of each number by itself, or of those, truth values among them, that stand at one place of each input.
internal sealed partial class OnnxOps
{
    private static class Functions
    {
        public static readonly Dictionary<string, Func<Tensor, Tensor>> OfReal = new()
        {
            ["Mish"] = x => F.mish(x),
            ["HardSwish"] = x => F.hardswish(x),
            ["Softplus"] = x => x.softplus(),
            ["Softsign"] = x => F.softsign(x),
            ["Exp"] = x => x.exp(),
            ["Log"] = x => x.log(),
            ["Erf"] = x => x.erf(),
            ["Sin"] = x => x.sin(),
            ["Cos"] = x => x.cos(),
            ["Atan"] = x => x.atan(),
            ["Abs"] = x => x.abs(),
            ["Sign"] = x => x.sign(),
            ["Floor"] = x => x.floor(),
            ["Ceil"] = x => x.ceil(),
            ["Round"] = x => x.round(),
        };

        public static readonly Dictionary<string, Func<Tensor, Tensor, Tensor>> Truths = new()
        {
            ["Equal"] = (a, b) => a.eq(b),
            ["Greater"] = (a, b) => a.gt(b),
            ["Less"] = (a, b) => a.lt(b),
            ["GreaterOrEqual"] = (a, b) => a.ge(b),
            ["LessOrEqual"] = (a, b) => a.le(b),
            ["And"] = (a, b) => a.logical_and(b),
            ["Or"] = (a, b) => a.logical_or(b),
            ["Xor"] = (a, b) => a.logical_xor(b),
        };
    }

    // Each number by itself, so that the shape is the input's.
    private Value Elementwise(OnnxNode node, Op op) => Emit(node, op, t => t[0].shape, node.Input(0));

    private Value Elementwise(OnnxNode node, Func<Tensor, Tensor> f) =>
        Elementwise(node, Made(node, null, t => f(t[0])));

    private Value Pointwise(OnnxNode node, Func<Tensor, Tensor> f)
    {
        RequireReal(node);
        return Elementwise(node, Build.Pointwise(node.Op, f));
    }

    private Value Truth(OnnxNode node, Func<Tensor, Tensor> f) =>
        graph.Emit(
            node.Output,
            Made(node, Kind.Elementwise, t => f(t[0])),
            t => Value.Meta(t[0].shape, ScalarType.Bool),
            node.Input(0)
        );

    private Value LeakyRelu(OnnxNode node, double slope) =>
        Elementwise(node, Op.NewActivation(Activation.NewLeakyRelu(slope)));

    private Value Elu(OnnxNode node, double alpha, double gamma) =>
        Pointwise(node, gamma == 1 ? x => F.elu(x, alpha) : x => F.elu(x, alpha).mul(Number.Of(gamma)));

    private Value Celu(OnnxNode node, double alpha) =>
        alpha != 0 ? Pointwise(node, x => F.celu(x, alpha)) : throw node.Fault("has alpha 0");

    private Value Gelu(OnnxNode node, bool isByTanh)
    {
        var approximate = isByTanh
            ? TorchSharp.Modules.GELU.Approximate.tanh
            : TorchSharp.Modules.GELU.Approximate.none;
        return Pointwise(node, x => x.gelu(approximate));
    }

    private Value HardSigmoid(OnnxNode node, double alpha, double beta) =>
        Pointwise(node, x => x.mul(Number.Of(alpha)).Plus(beta).clamp(Number.Of(0.0), Number.Of(1.0)));

    private Value ThresholdedRelu(OnnxNode node, double alpha) => Pointwise(node, x => F.threshold(x, alpha, 0));

    private Value Power(OnnxNode node, double exponent)
    {
        RequireReal(node);
        return Elementwise(node, Op.NewActivation(Activation.NewPower(exponent)));
    }

    private Value PRelu(OnnxNode node)
    {
        var (x, slope) = (node.Input(0), node.Input(1));
        return slope.IsConstant && slope.First.numel() == 1 && slope.Rank <= x.Rank
            ? LeakyRelu(node, slope.First.ToNumber())
            : Broadcasting(node, Kind.Elementwise, t => t[0].relu() - t[1] * (-t[0]).relu());
    }

    private Value Clip(OnnxNode node)
    {
        if (node.Input(0).IsReal)
        {
            var floor = node.Number("min", 1) ?? double.NegativeInfinity;
            var ceiling = node.Number("max", 2) ?? double.PositiveInfinity;
            if (floor == 0 && ceiling > 0)
                return Elementwise(
                    node,
                    Op.NewActivation(double.IsFinite(ceiling) ? Activation.NewClippedRelu(ceiling) : Activation.Relu)
                );
            return Pointwise(node, x => x.clamp(Number.Of(floor), Number.Of(ceiling)));
        }
        var (lowest, highest) = (node.Optional(1), node.Optional(2));
        Tensor Clipped(IReadOnlyList<Tensor> t)
        {
            var atLeast = lowest is null ? t[0] : t[0].maximum(t[1]);
            return highest is null ? atLeast : atLeast.minimum(t[^1]);
        }
        return Function(node, null, Clipped, [.. node.Given]);
    }

    private Value Dropout(OnnxNode node) =>
        node.Number("ratio", 1) is 0.0 || node.Optional(2) is null || !node.Constant(2).IsAny()
            ? Elementwise(node, Op.Identity)
            : throw node.Fault("is in training mode; export the model for inference");

    // Of the last input's type, unless told.
    private Value Broadcasting(OnnxNode node, Kind kind, OfTensors f, ScalarType? type = null) =>
        graph.Emit(
            node.Output,
            Made(node, kind, f),
            t => Value.Meta(t.Select(x => x.shape).Aggregate(Broadcast), type ?? t[^1].dtype),
            Broadcast(node)
        );

    private Value Binary(OnnxNode node, Op op) =>
        node.Inputs.Count == 2
            ? Emit(node, op, Broadcast(node))
            : throw node.Fault($"has {node.Inputs.Count} inputs, but takes 2");

    private Value Where(OnnxNode node) =>
        node.Input(0).First.dtype == ScalarType.Bool
            ? Broadcasting(node, Kind.Chooses, t => where(t[0], t[1], t[2]))
            : throw node.Fault("has a condition that is no truth value");

    // Integers divide as in C; the one quotient that traps is spelled out.
    private Value OfIntegers(OnnxNode node, Func<Tensor, Tensor, Tensor> f, Func<Tensor, Tensor> byMinusOne)
    {
        var divisor = node.Input(1);
        if (!divisor.IsKnown || !divisor.First.IsAll() || !divisor.Second.IsAll())
            throw node.Fault($"divides by '{divisor.Name}', which is zero or not known before it runs");
        Tensor Divided(Tensor a, Tensor b)
        {
            var opposite = b.eq(Number.Of(-1));
            return where(opposite, byMinusOne(a), f(a, b.masked_fill(opposite, Number.Of(1))));
        }
        return Broadcasting(node, Kind.Elementwise, t => Divided(t[0], t[1]));
    }

    private Value Pow(OnnxNode node)
    {
        var (x, exponent) = (node.Input(0), node.Input(1));
        if (!x.IsReal || !exponent.IsConstant || exponent.First.numel() != 1 || exponent.Rank > x.Rank)
            return Broadcasting(node, Kind.Elementwise, t => t[0].pow(t[1]).to(t[0].dtype), x.First.dtype);
        return Power(node, exponent.First.ToNumber());
    }

    // Of two at a time. Numbers so large that they are there to hide others are chosen, not added and taken off again.
    private Value Extreme(OnnxNode node, bool isLargest)
    {
        const double Large = 1e4;
        Tensor Of(Tensor a, Tensor b) => isLargest ? a.maximum(b) : a.minimum(b);
        var parts = Broadcast(node);
        var isPlain = parts.All(x => x.IsReal && (!x.IsConstant || x.First.abs().le(Number.Of(Large)).IsAll()));
        if (!isPlain || parts.Length < 2)
            return Broadcasting(node, Kind.Selects, t => t.Aggregate(Of));
        Value Better(string name, Value best, Value part)
        {
            var bent =
                IsZero(part) ? best
                : IsZero(best) ? part
                : null;
            return isLargest && bent is { IsKnown: false }
                ? graph.Emit(name, Op.NewActivation(Activation.Relu), t => Value.Meta(t[0]), bent)
                : graph.Emit(
                    name,
                    Build.Extreme(node.Op, isLargest, t => Of(t[0], t[1])),
                    t => Value.Meta(Broadcast(t[0].shape, t[1].shape), t[^1].dtype),
                    best,
                    part
                );
        }
        return Folded(node.Output, parts, Better);
    }

    // Two at a time; the last has the name.
    private Value Folded(string name, Value[] parts, Func<string, Value, Value, Value> of) =>
        parts[1..]
            .Select((part, i) => (part, Name: i == parts.Length - 2 ? name : graph.Unique(name + "/part")))
            .Aggregate(parts[0], (before, next) => of(next.Name, before, next.part));

    private static bool IsZero(Value x) => x.IsConstant && x.First.numel() == 1 && !x.First.IsAny();

    // Skips are sums of two, whichever way they are spelled.
    private Value Sum(OnnxNode node, string name)
    {
        var parts = Broadcast(node);
        return parts.Length > 1
            ? Folded(name, parts, (step, a, b) => graph.Emit(step, Op.Add, null, a, b))
            : graph.Emit(name, Op.Identity, null, parts[0]);
    }

    private Value Mean(OnnxNode node) =>
        Emit(
            node,
            Op.Divide,
            Sum(node, graph.Unique(node.Output + "/sum")),
            Helper(node, "count", tensor((float)node.Inputs.Count))
        );

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

    private Value ConstantOfShape(OnnxNode node)
    {
        var shape = node.Input(0);
        var value = node.Tensor("value") ?? zeros(1);
        if (!shape.IsKnown || value.numel() != 1)
            throw node.Fault("takes a shape that is not known before it runs, or fills it with more than one number");
        long[] Sizes(Func<Value, Tensor> at) => node.List(at(shape));
        Tensor Filled(Func<Value, Tensor> at) => value.reshape(Array.Empty<long>()).expand(Sizes(at));
        return graph.Fold(node.Output, Sizes(v => v.Second), Filled, shape);
    }

    // What a shape tells, which may number the instances.
    private static Value Counted(OnnxNode node, Func<Tensor, Tensor> f)
    {
        if (node.Input(0) is { IsStacked: true } x)
            return Value.Constant(node.Output, f(Value.Meta(x.Each, x.First.dtype)));
        var (first, second) = (f(node.Input(0).First), f(node.Input(0).Second));
        return first.Equals(second)
            ? Value.Constant(node.Output, first)
            : Value.Counted(node.Output, first, second, () => f(node.Input(0).One));
    }

    private static Value Shape(OnnxNode node)
    {
        var rank = node.Input(0).Each.Length;
        int Bound(long axis) => (int)Math.Clamp(axis < 0 ? axis + rank : axis, 0, rank);
        var (start, end) = (Bound(node.Int("start", 0)), Bound(node.Int("end", rank)));
        return Counted(node, t => tensor(t.shape[start..Math.Max(start, end)]));
    }

    private Value Range(OnnxNode node)
    {
        if (node.Inputs.FirstOrDefault(x => !x.IsKnown || x.First.numel() != 1) is { } unknown)
            throw node.Fault($"takes '{unknown.Name}', which must be a known number");
        var type = node.Input(0).First.dtype;
        double Number(Func<Value, Tensor> at, int i) => at(node.Input(i)).ToNumber();
        int Count(Func<Value, Tensor> at)
        {
            var count = Math.Ceiling((Number(at, 1) - Number(at, 0)) / Number(at, 2));
            return count <= 1 << 20 ? (int)Math.Max(0, count) : throw node.Fault($"lists {count:g3} numbers");
        }
        Tensor All(Func<Value, Tensor> at)
        {
            var (start, step) = (Number(at, 0), Number(at, 2));
            return tensor(Enumerable.Range(0, Count(at)).Select(i => i * step + start).ToArray()).to(type);
        }
        return graph.Fold(node.Output, [Count(v => v.Second)], All, [.. node.Inputs]);
    }

    // All real numbers are of one precision, the images'.
    private Value Cast(OnnxNode node, ScalarType type)
    {
        var x = node.Input(0);
        var isReal = type is ScalarType.Float32 or ScalarType.Float64;
        if (x.First.dtype == type || isReal && x.IsReal)
            return Emit(node, Op.Identity, x);
        return isReal && !x.IsKnown
            ? Function(node, Kind.Elementwise, t => t[0].to(t[1].dtype), x, Helper(node, "like", tensor(0f)))
            : Unary(node, Kind.Elementwise, t => t.to(type));
    }
}
