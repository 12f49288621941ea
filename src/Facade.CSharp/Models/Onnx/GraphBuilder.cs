using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

/// <summary>Collects the nodes of a graph, works out each one's shape before anything of that size exists, and computes at
/// once what no image changes.</summary>
internal sealed class GraphBuilder(Func<string, bool> isTaken)
{
    // A gigabyte of one instance's float32: what asks for more is a mistake, or means harm.
    private const long MostNumbers = 1L << 28;
    private const int MostDimensions = 12;

    private readonly List<Node> nodes = [];
    private readonly HashSet<string> names = [];
    private long foldedNumbers;

    /// <summary>The nodes so far, each after its inputs.</summary>
    public IReadOnlyList<Node> Nodes => nodes;

    /// <summary>A name that neither the file nor a node uses.</summary>
    public string Unique(string name)
    {
        while (isTaken(name) || names.Contains(name))
            name += "'";
        return name;
    }

    /// <summary>The node of the images.</summary>
    public Value Images(string name, long[] shape)
    {
        RequireSensible(shape);
        Add(name, Op.Input);
        return Value.Computed(name, new BatchedShape([1, .. shape], 0), ScalarType.Float32);
    }

    /// <summary>The value of an op. Its shape comes from `shape`, applied to tensors without numbers; by default the op
    /// itself, where the op holds no tensors.</summary>
    /// <exception cref="InvalidOperationException">The op does not take these inputs, or mixes instances.</exception>
    public Value Emit(string name, Op op, Func<IReadOnlyList<Tensor>, Tensor>? shape, params Value[] inputs)
    {
        shape ??= tensors => Build.Apply(op, tensors);
        var first = Probe(shape, inputs, i => i.First);
        var second = inputs.All(i => i.IsConstant) ? first : Probe(shape, inputs, i => i.Second);
        if (first.ndim > MostDimensions)
            throw new InvalidOperationException($"it makes {first.ndim} dimensions");
        if (inputs.All(i => i.IsKnown))
            return Fold(name, op, inputs, second.numel());

        var batched =
            BatchedShape.Of(first.shape, second.shape)
            ?? throw new InvalidOperationException("it does not treat each instance by itself");
        RequireSensible(batched.Sizes);
        Add(name, op, [.. inputs.Select(Reference)]);
        return Value.Computed(name, batched, first.dtype);
    }

    /// <summary>The value of any other function; `shape` where the function does not run without numbers.</summary>
    public Value Pure(
        string name,
        string kind,
        Func<IReadOnlyList<Tensor>, Tensor> f,
        Func<IReadOnlyList<Tensor>, Tensor>? shape,
        params Value[] inputs
    ) => Emit(name, Build.Pure(kind, f), shape, inputs);

    private static Tensor Probe(Func<IReadOnlyList<Tensor>, Tensor> shape, Value[] inputs, Func<Value, Tensor> at)
    {
        using var scope = NewDisposeScope();
        var result = shape([.. inputs.Select(i => Value.Meta(at(i)))]);
        return result.MoveToOuterDisposeScope();
    }

    private Value Fold(string name, Op op, Value[] inputs, long numbers)
    {
        foldedNumbers += numbers;
        RequireSensible([1 + foldedNumbers]);
        Tensor At(Func<Value, Tensor> at)
        {
            using var scope = NewDisposeScope();
            return Build.Apply(op, [.. inputs.Select(at)]).alias().MoveToOuterDisposeScope();
        }
        var first = At(i => i.First);
        return inputs.All(i => i.IsConstant)
            ? Value.Constant(name, first)
            : Value.Counted(name, first, At(i => i.Second));
    }

    /// <summary>Requires a shape to have elements, but not more than a classifier would need for one instance.</summary>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    public static void RequireSensible(IEnumerable<long> sizes)
    {
        var numbers = sizes.Aggregate(1.0, (product, size) => product * size);
        if (numbers is < 1 or > MostNumbers)
            throw new InvalidOperationException($"it makes {numbers:g3} numbers of one instance");
    }

    // A constant that an op takes as an input is a node, so that it moves with the model to a device or a precision.
    private string Reference(Value value)
    {
        if (value.IsKnown && !value.IsConstant)
            throw new InvalidOperationException($"'{value.Name}' depends on the number of instances");
        if (value.IsConstant && !names.Contains(value.Name))
            Add(value.Name, Op.NewConstant(value.First));
        return value.Name;
    }

    private void Add(string name, Op op, params string[] inputs)
    {
        names.Add(name);
        nodes.Add(Build.Node(name, op, inputs));
    }
}
