using System;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

// Numbers that follow from shapes, or are given, and their types.
internal sealed partial class OnnxOps
{
    private Value? Numbers(OnnxNode node) =>
        node.Op switch
        {
            "Constant" => Constant(node),
            "ConstantOfShape" => ConstantOfShape(node),
            "Shape" => Shape(node),
            "Size" => Counted(node, t => tensor(t.numel())),
            "Range" => Range(node),
            "Cast" => Cast(node, node.TypeOf(node.Int("to", 0))),
            "CastLike" => Cast(node, node.Input(1).First.dtype),
            _ => null,
        };

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
        return graph.Fold(
            node.Output,
            Sizes(v => v.Second),
            at => value.reshape(Array.Empty<long>()).expand(Sizes(at)),
            shape
        );
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
        double Number(Func<Value, Tensor> at, int i) => at(node.Input(i)).to(ScalarType.Float64).item<double>();
        long Count(Func<Value, Tensor> at)
        {
            var count = Math.Ceiling((Number(at, 1) - Number(at, 0)) / Number(at, 2));
            return count <= 1 << 20 ? (long)Math.Max(0, count) : throw node.Fault($"lists {count:g3} numbers");
        }
        return graph.Fold(
            node.Output,
            [Count(v => v.Second)],
            at => (arange(Count(at), ScalarType.Float64) * Number(at, 2) + Number(at, 0)).to(type),
            [.. node.Inputs]
        );
    }

    // All real numbers are of one precision, the images'.
    private Value Cast(OnnxNode node, ScalarType type)
    {
        var x = node.Input(0);
        var isReal = type is ScalarType.Float32 or ScalarType.Float64;
        if (x.First.dtype == type || isReal && x.IsReal)
            return Typed(node, Op.Identity, x);
        return isReal && !x.IsKnown
            ? graph.Function(
                node.Output,
                node.Op,
                Kind.Elementwise,
                t => t[0].to(t[1].dtype),
                null,
                x,
                Helper(node, "like", tensor(0f))
            )
            : Unary(node, Kind.Elementwise, t => t.to(type));
    }
}
