using System.Linq;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution.Onnx;

// Operators with weights for each channel or unit.
internal sealed partial class OnnxOps
{
    private static Tensor RealConstant(OnnxNode node, int i, params long[] shape)
    {
        var numbers = node.Constant(i);
        return numbers.is_floating_point() && numbers.shape.SequenceEqual(shape)
            ? numbers
            : throw node.Fault($"takes '{node.Input(i).Name}', which should be {string.Join("×", shape)} real numbers");
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
}
