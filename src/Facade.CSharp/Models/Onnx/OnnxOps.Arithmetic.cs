using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

// Functions of numbers, truth values among them, that stand at one place of each input.
internal sealed partial class OnnxOps
{
    private Value? Arithmetic(OnnxNode node) =>
        node.Op switch
        {
            "Add" => Binary(node, Op.Add),
            "Sub" => Binary(node, Op.Subtract),
            "Mul" => Binary(node, Op.Multiply),
            "Div" when node.Input(0).IsReal => Binary(node, Op.Divide),
            "Div" => OfIntegers(node, (a, b) => a.div(b, RoundingMode.trunc), a => -a),
            "Mod" when node.Input(0).IsReal => Broadcasting(node, Kind.Elementwise, t => t[0].fmod(t[1])),
            "Mod" => OfIntegers(node, node.Int("fmod", 0) != 0 ? torch.fmod : torch.remainder, a => a.bitwise_xor(a)),
            "Pow" => Pow(node),
            "Sum" => Sum(node, node.Output),
            "Mean" => Mean(node),
            "Min" => Extreme(node, isLargest: false),
            "Max" => Extreme(node, isLargest: true),
            "Equal" => Broadcasting(node, Kind.Elementwise, t => t[0].eq(t[1]), ScalarType.Bool),
            "Greater" => Broadcasting(node, Kind.Elementwise, t => t[0].gt(t[1]), ScalarType.Bool),
            "Less" => Broadcasting(node, Kind.Elementwise, t => t[0].lt(t[1]), ScalarType.Bool),
            "GreaterOrEqual" => Broadcasting(node, Kind.Elementwise, t => t[0].ge(t[1]), ScalarType.Bool),
            "LessOrEqual" => Broadcasting(node, Kind.Elementwise, t => t[0].le(t[1]), ScalarType.Bool),
            "And" => Broadcasting(node, Kind.Elementwise, t => t[0].logical_and(t[1]), ScalarType.Bool),
            "Or" => Broadcasting(node, Kind.Elementwise, t => t[0].logical_or(t[1]), ScalarType.Bool),
            "Xor" => Broadcasting(node, Kind.Elementwise, t => t[0].logical_xor(t[1]), ScalarType.Bool),
            "Not" => Elementwise(
                node,
                Build.Function(Kind.Elementwise, node.Op, t => t[0].logical_not()),
                ScalarType.Bool
            ),
            "Where" when node.Input(0).First.dtype == ScalarType.Bool => Broadcasting(
                node,
                Kind.Chooses,
                t => torch.where(t[0], t[1], t[2])
            ),
            "Where" => throw node.Fault("has a condition that is no truth value"),
            "Exp" => OfReal(node, x => x.exp()),
            "Log" => OfReal(node, x => x.log()),
            "Sqrt" => Power(node, 0.5),
            "Erf" => OfReal(node, x => x.erf()),
            "Sin" => OfReal(node, x => x.sin()),
            "Cos" => OfReal(node, x => x.cos()),
            "Atan" => OfReal(node, x => x.atan()),
            "Abs" when node.Input(0).IsReal => OfReal(node, x => x.abs()),
            "Abs" => Elementwise(node, x => x.abs()),
            "Neg" when node.Input(0).IsReal => Elementwise(node, Build.Negative(node.Op)),
            "Neg" => Elementwise(node, x => x.neg()),
            "Sign" when node.Input(0).IsReal => OfReal(node, x => x.sign()),
            "Sign" => Elementwise(node, x => x.sign()),
            "Reciprocal" => Power(node, -1),
            "Floor" => OfReal(node, x => x.floor()),
            "Ceil" => OfReal(node, x => x.ceil()),
            "Round" => OfReal(node, x => x.round()),
            "IsNaN" => Elementwise(node, Build.Function(Kind.Elementwise, node.Op, t => t[0].isnan()), ScalarType.Bool),
            "Identity" => Elementwise(node, Op.Identity),
            "Dropout" => Dropout(node),
            _ => null,
        };

    private Value OfReal(OnnxNode node, Func<Tensor, Tensor> f)
    {
        RequireReal(node);
        return Elementwise(node, Build.Pointwise(node.Op, f));
    }

    private Value Power(OnnxNode node, double exponent)
    {
        RequireReal(node);
        return Elementwise(node, Op.NewActivation(Activation.NewPower(exponent)));
    }

    // Of the last input's type, unless told.
    private Value Broadcasting(
        OnnxNode node,
        Kind kind,
        Func<IReadOnlyList<Tensor>, Tensor> f,
        ScalarType? type = null
    ) =>
        graph.Function(
            node.Output,
            node.Op,
            kind,
            f,
            t => Value.Meta(t.Select(x => x.shape).Aggregate(Broadcast), type ?? t[^1].dtype),
            Broadcast(node)
        );

    private Value Binary(OnnxNode node, Op op) =>
        node.Inputs.Count == 2
            ? Typed(node, op, Broadcast(node))
            : throw node.Fault($"has {node.Inputs.Count} inputs, but takes 2");

    // Integers divide as in C; the one quotient that traps is spelled out.
    private Value OfIntegers(OnnxNode node, Func<Tensor, Tensor, Tensor> f, Func<Tensor, Tensor> byMinusOne)
    {
        var divisor = node.Input(1);
        if (!divisor.IsKnown || divisor.First.eq(0).any().ToBoolean() || divisor.Second.eq(0).any().ToBoolean())
            throw node.Fault($"divides by '{divisor.Name}', which is zero or not known before it runs");
        return Broadcasting(
            node,
            Kind.Elementwise,
            t =>
            {
                var opposite = t[1].eq(-1);
                return torch.where(opposite, byMinusOne(t[0]), f(t[0], t[1].masked_fill(opposite, 1)));
            }
        );
    }

    private Value Pow(OnnxNode node)
    {
        var (x, exponent) = (node.Input(0), node.Input(1));
        if (!x.IsReal || !exponent.IsConstant || exponent.First.numel() != 1 || exponent.Rank > x.Rank)
            return Broadcasting(node, Kind.Elementwise, t => t[0].pow(t[1]).to(t[0].dtype), x.First.dtype);
        return Power(node, exponent.First.to(ScalarType.Float64).item<double>());
    }

    // Of two at a time. Numbers so large that they are there to hide others are chosen, not added and taken off again.
    private Value Extreme(OnnxNode node, bool isLargest)
    {
        const double Large = 1e4;
        Tensor Of(Tensor a, Tensor b) => isLargest ? a.maximum(b) : a.minimum(b);
        var parts = Broadcast(node);
        var isPlain = parts.All(x => x.IsReal && (!x.IsConstant || x.First.abs().le((Scalar)Large).all().ToBoolean()));
        if (!isPlain || parts.Length < 2)
            return Broadcasting(node, Kind.Selects, t => t.Aggregate(Of));
        var best = parts[0];
        for (var i = 1; i < parts.Length; i++)
        {
            var name = i == parts.Length - 1 ? node.Output : graph.Unique(node.Output + "/part");
            var bent =
                IsZero(parts[i]) ? best
                : IsZero(best) ? parts[i]
                : null;
            best =
                isLargest && bent is { IsKnown: false }
                    ? graph.Emit(name, Op.NewActivation(Activation.Relu), t => Value.Meta(t[0]), bent)
                    : graph.Emit(
                        name,
                        Build.Extreme(node.Op, isLargest, t => Of(t[0], t[1])),
                        t => Value.Meta(Broadcast(t[0].shape, t[1].shape), t[^1].dtype),
                        best,
                        parts[i]
                    );
        }
        return best;
    }

    private static bool IsZero(Value x) =>
        x.IsConstant && x.First.numel() == 1 && x.First.eq((Scalar)0.0).all().ToBoolean();

    // Skips are sums of two, whichever way they are spelled.
    private Value Sum(OnnxNode node, string name)
    {
        var parts = Broadcast(node);
        var sum = parts[0];
        for (var i = 1; i < parts.Length; i++)
            sum = graph.Emit(i == parts.Length - 1 ? name : graph.Unique(name + "/part"), Op.Add, null, sum, parts[i]);
        return parts.Length > 1 ? sum : graph.Emit(name, Op.Identity, null, sum);
    }

    private Value Mean(OnnxNode node) =>
        Typed(
            node,
            Op.Divide,
            Sum(node, graph.Unique(node.Output + "/sum")),
            Helper(node, "count", tensor((float)node.Inputs.Count))
        );

    private Value Dropout(OnnxNode node) =>
        node.Number("ratio", 1) is 0.0 || node.Optional(2) is null || node.Constant(2).eq(0).all().ToBoolean()
            ? Elementwise(node, Op.Identity)
            : throw node.Fault("is in training mode; export the model for inference");
}
