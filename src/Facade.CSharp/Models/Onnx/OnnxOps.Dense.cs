namespace Attribution.Onnx;

// Products of matrices.
internal sealed partial class OnnxOps
{
    private Value Gemm(OnnxNode node)
    {
        var (a, b) = (node.Input(0), node.Input(1));
        var (alpha, beta) = (node.Float("alpha", 1), node.Float("beta", 1));
        var (transA, transB) = (node.Is("transA"), node.Is("transB"));
        RequireReal(node);
        if (a.Each.Length != 2 || b.Each.Length != 2)
            throw node.Fault("takes two matrices");
        var c = node.Optional(2) is { } bias0 && node.Leading > 0 ? Aligned(node, [a, bias0])[1] : node.Optional(2);
        if (b.IsConstant && !transA)
        {
            var weight = transB ? b.First : b.First.t();
            var outputs = weight.shape[0];
            var bias =
                c is { IsConstant: true } && IsRow(c.First, outputs) ? c.First.reshape(-1).expand(outputs) : null;
            if (bias is not null || c is null)
                return Linear(node, a, Scaled(weight, alpha), bias is null ? null : Scaled(bias, beta));
        }
        var product = graph.Emit(
            c is null ? node.Output : graph.Unique(node.Output + "/product"),
            Made(node, Kind.Product, t => Product(Turned(t[0], transA), Turned(t[1], transB)).mul(Number.Of(alpha))),
            null,
            a,
            b
        );
        if (c is null)
            return product;
        var shift = beta == 1 ? c : Step(node, "shift", Op.Multiply, c, Helper(node, "beta", tensor((float)beta)));
        return Emit(node, Op.Add, product, shift);
    }

    private static Tensor Turned(Tensor matrices, bool isTurned) => isTurned ? matrices.transpose(-2, -1) : matrices;

    private static bool IsRow(Tensor bias, long outputs) =>
        bias.is_floating_point()
        && bias.ndim <= 2
        && (bias.numel() == 1 || bias.numel() == outputs && bias.shape[^1] == outputs);

    private static Tensor Scaled(Tensor numbers, double factor) =>
        factor == 1 ? numbers : numbers.mul(Number.Of(factor));

    private Value Linear(OnnxNode node, Value x, Tensor weight, Tensor? bias) =>
        graph.Emit(
            node.Output,
            Build.Linear(weight, bias!),
            t => Product(t[0], Value.Meta(weight.shape.Reverse(), weight.dtype)),
            x
        );

    private static Tensor Product(Tensor a, Tensor b) => Build.Apply(Op.MatMul, [a, b]);

    private Value MatMul(OnnxNode node)
    {
        var (a, b) = (node.Input(0), node.Input(1));
        RequireReal(node);
        if (node.Leading > 0 && a.Each.Length > 1 && b.Each.Length > 1)
        {
            var aligned = Aligned(node, [a, b]);
            (a, b) = (aligned[0], aligned[1]);
        }
        return b.IsConstant && b.Rank == 2 && !a.IsKnown
            ? Linear(node, a, b.First.t(), null)
            : Emit(node, Op.MatMul, a, b);
    }

    private Value Einsum(OnnxNode node)
    {
        const double Most = 1L << 28;
        RequireReal(node);
        var equation = node.Text("equation", "").Replace(" ", "");
        var sides = equation.Split("->");
        var operands = sides[0].Split(',');
        // Where no result is named: the letters that stand once, in order.
        string Kept(Func<char, bool> stands) =>
            sides.Length > 1
                ? sides[1]
                : string.Concat(sides[0].Where(c => stands(c) && sides[0].Count(other => other == c) == 1).Order());
        if (node.Leading > 0)
        {
            // The instances' dimension is one more letter.
            var letter = Enumerable.Range('A', 26).Select(c => (char)c).First(c => !equation.Contains(c));
            var kept = Kept(char.IsLetter);
            operands = [.. operands.Zip(node.Inputs, (operand, x) => x.IsStacked ? letter + operand : operand)];
            sides = [string.Join(',', operands), letter + kept];
            equation = string.Join("->", sides);
        }
        if (operands.Length != node.Inputs.Count || sides.Length > 2)
            throw node.Fault($"has the equation '{equation}' for {node.Inputs.Count} inputs");

        // '.' stands for the dimensions that have no letter.
        IEnumerable<(char Letter, int Axis, Value X)> Letters(string operand, Value x)
        {
            var (dots, named) = (operand.IndexOf("..."), operand.Replace("...", ""));
            var unnamed = x.Rank - named.Length;
            if (unnamed < 0 || dots < 0 && unnamed > 0)
                throw node.Fault($"has the equation '{equation}', of which '{operand}' has {x.Rank} dimensions");
            char Letter(int axis) =>
                dots < 0 || axis < dots ? named[axis]
                : axis < dots + unnamed ? '.'
                : named[axis - unnamed];
            return Enumerable.Range(0, x.Rank).Select(axis => (Letter(axis), axis, x));
        }
        var labels = operands.Zip(node.Inputs, Letters).SelectMany(letters => letters).ToArray();
        char[] batches = [.. labels.Where(l => l.Axis == l.X.Shape?.Axis).Select(l => l.Letter).Distinct()];
        var keeps = Kept(_ => true);
        if (batches.Any(letter => batches.Length > 1 || letter != '.' && !keeps.Contains(letter)))
            throw Mixes(node);

        // More than two are multiplied one after another, by steps that may be larger than the result.
        var sizes = labels.GroupBy(l => l.Letter, l => (double)l.X.First.shape[l.Axis]);
        if (operands.Length > 2 && sizes.Aggregate(1.0, (product, size) => product * size.Max()) > Most)
            throw node.Fault($"multiplies {operands.Length} tensors that are too large; export it as several products");
        // By weights of one tensor it is a layer; of one tensor alone, or with several fixed ones, it only sums.
        var (given, computed) = (node.Inputs.Count, node.Inputs.Count(x => !x.IsKnown));
        var kind =
            computed > 1 || given == 2 ? Kind.Product
            : node.Inputs[0].IsKnown ? null
            : Kind.Sums;
        return Function(node, kind, t => einsum(equation, [.. t]), [.. node.Inputs]);
    }
}
