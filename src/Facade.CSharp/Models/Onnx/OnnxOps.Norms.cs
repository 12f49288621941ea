namespace Attribution.Onnx;

// What brings numbers to a common scale.
internal sealed partial class OnnxOps
{
    private Value BatchNormalization(OnnxNode node)
    {
        RequireReal(node);
        var x = node.Input(0);
        if (x.Rank is < 2 or > 5 || x.Shape is not (null or { Axis: 0 }) || node.Is("training_mode"))
            throw node.Fault("is supported for batch × channels × … outside training only");
        var channels = x.First.shape[1];
        Tensor Row(int i) => RealConstant(node, i, channels);
        return Elementwise(node, Build.BatchNorm(Row(3), Row(4), Row(1), Row(2), node.Float("epsilon", 1e-5)));
    }

    // Channels are normalised in groups; before version 21 of ONNX a group had one scale and one shift.
    private Value GroupNorm(OnnxNode node, long groups, bool isPerGroup)
    {
        RequireReal(node);
        var x = node.Input(0);
        var channels = x.Rank > 1 ? x.First.shape[1] : 0;
        if (x.Rank < 3 || x.Shape is not (null or { Axis: 0 }) || groups < 1 || channels % groups != 0)
            throw node.Fault(
                $"is supported for batch × channels × …, channels in equal groups, not {groups} of {channels}"
            );
        Value Row(int i, string name)
        {
            var numbers = RealConstant(node, i, isPerGroup ? groups : channels);
            return Helper(node, name, isPerGroup ? numbers.repeat_interleave(channels / groups) : numbers);
        }
        var op = Build.GroupNorm(node.Op, groups, x.Rank, node.Float("epsilon", 1e-5));
        return Emit(node, op, t => t[0].shape, x, Row(1, "scale"), Row(2, "shift"));
    }

    private Value LayerNormalization(OnnxNode node)
    {
        RequireReal(node);
        var x = node.Input(0);
        var axis = node.Axis(node.Int("axis", -1), x.Rank);
        RequireApart(node, x, Enumerable.Range(axis, x.Rank - axis));
        var sizes = x.First.shape[axis..];
        foreach (var row in node.Given.Skip(1))
            if (!Broadcast(sizes, row.First.shape).SequenceEqual(sizes))
                throw node.Fault($"takes '{row.Name}', which should be {string.Join("×", sizes)} numbers");
        var op = Build.LayerNorm(node.Op, sizes, node.Float("epsilon", 1e-5), node.Given.Count() > 2);
        return Emit(node, op, t => t[0].shape, [.. node.Given]);
    }

    // Each number is divided by what its channel's neighbours sum up to.
    private Value Lrn(OnnxNode node)
    {
        RequireReal(node);
        var x = node.Input(0);
        var size = node.Int("size", 1);
        if (x.Rank < 3 || x.Shape is not (null or { Axis: 0 }) || size < 1 || size > 2 * x.First.shape[1])
            throw node.Fault(
                $"is supported for batch × channels × …, with no more than twice as many neighbours ({size})"
            );
        var before = (size - 1) / 2;
        long[] pads = [.. Enumerable.Repeat(0L, 2 * (x.Rank - 2)), before, size - 1 - before];
        var (alpha, beta, bias) = (node.Float("alpha", 1e-4) / size, node.Float("beta", 0.75), node.Float("bias", 1));
        Tensor Sum(Tensor squares) => F.pad(squares, pads).unfold(1, size, 1).sum(-1);
        Tensor Divisor(Tensor sums) => sums.mul(Number.Of(alpha)).Plus(bias).pow(Number.Of(beta));
        return Elementwise(node, Build.Norm(node.Op, true, true, Sum, Divisor, t => t / Divisor(Sum(t.Square()))));
    }

    private Value LpNormalization(OnnxNode node)
    {
        RequireReal(node);
        var x = node.Input(0);
        var axis = AxisOf(node, x, -1);
        var isEuclidean = node.Int("p", 2) == 2;
        Tensor Sum(Tensor parts) => parts.sum(axis, true);
        // What is zero stays zero.
        Tensor Norm(Tensor sums)
        {
            var norm = isEuclidean ? Root(sums, 0.5) : sums;
            return norm.Plus(norm.eq(Number.Of(0.0)));
        }
        Tensor Scaled(Tensor t) => t / Norm(Sum(isEuclidean ? t.Square() : t.abs()));
        return Elementwise(node, Build.Norm(node.Op, isEuclidean, true, Sum, Norm, Scaled));
    }

    // Sums of powers to a power below one. Where all that is summed is zero, its derivative is taken to be zero too.
    private static Tensor Root(Tensor sums, double power)
    {
        var none = sums.eq(Number.Of(0.0)).to(sums.dtype);
        return sums.Plus(none).pow(Number.Of(power)) - none;
    }

    private Value MeanVariance(OnnxNode node)
    {
        RequireReal(node);
        const double Epsilon = 1e-9;
        var x = node.Input(0);
        var axes = (node.Ints("axes") ?? [0, 2, 3]).Select(axis => node.Axis(axis, x.Rank)).ToArray();
        RequireApart(node, x, axes);
        long[] over = [.. axes.Select(axis => (long)axis)];
        Tensor Scaled(Tensor t)
        {
            var centred = t - t.mean(over, true);
            return centred / Root(centred.Square().mean(over, true), 0.5).Plus(Epsilon);
        }
        return Elementwise(node, Build.MeanVariance(node.Op, over, v => Root(v, 0.5), Epsilon, Scaled));
    }
}
