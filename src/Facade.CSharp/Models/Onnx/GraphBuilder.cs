global using OfTensors = System.Func<
    System.Collections.Generic.IReadOnlyList<TorchSharp.torch.Tensor>,
    TorchSharp.torch.Tensor
>;

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
    private readonly Dictionary<string, Value> repeated = [];
    private double foldedNumbers;
    private Value? images;

    /// <summary>The nodes that lead to one of them, each after its inputs.</summary>
    public IReadOnlyList<Node> LeadingTo(string output)
    {
        var needed = new HashSet<string> { output };
        foreach (var node in Enumerable.Reverse(nodes))
            if (needed.Contains(node.Name))
                needed.UnionWith(node.Inputs);
        return [.. nodes.Where(node => needed.Contains(node.Name))];
    }

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
        return images = Value.Computed(name, new BatchedShape([1, .. shape], 0), ScalarType.Float32);
    }

    /// <summary>The value of an op. Its shape comes from `shape`, applied to tensors without numbers; by default the op
    /// itself, where the op holds no tensors.</summary>
    /// <exception cref="InvalidOperationException">The op does not take these inputs, or mixes instances.</exception>
    public Value Emit(string name, Op op, OfTensors? shape, params Value[] inputs)
    {
        shape ??= tensors => Build.Apply(op, tensors);
        var first = Probe(shape, inputs, i => i.First);
        var second = inputs.All(i => i.IsConstant) ? first : Probe(shape, inputs, i => i.Second);
        if (first.ndim > MostDimensions)
            throw new InvalidOperationException($"it makes {first.ndim} dimensions");
        if (inputs.All(i => i.IsKnown))
            return Fold(name, second.shape, at => Build.Apply(op, OfOnePrecision([.. inputs.Select(at)])), inputs);

        var batched =
            BatchedShape.Of(first.shape, second.shape)
            ?? throw new InvalidOperationException("it does not treat each instance by itself");
        RequireSensible(batched.Sizes);
        Add(name, op, [.. inputs.Select(Reference)]);
        return Value.Computed(name, batched, first.dtype);
    }

    private static Tensor Probe(OfTensors shape, Value[] inputs, Func<Value, Tensor> at)
    {
        using var scope = NewDisposeScope();
        var result = shape([.. inputs.Select(i => Value.Meta(at(i)))]);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Numbers that follow from known ones: of some sizes, computed of the inputs' numbers at one number of images,
    /// which the argument of `f` looks up.</summary>
    public Value Fold(string name, long[] sizes, Func<Func<Value, Tensor>, Tensor> f, params Value[] inputs)
    {
        foldedNumbers += Count(sizes);
        if (foldedNumbers > MostNumbers)
            throw new InvalidOperationException($"it makes {foldedNumbers:g3} numbers, with what is known before it");
        Tensor At(Func<Value, Tensor> at)
        {
            using var scope = NewDisposeScope();
            return f(at).alias().MoveToOuterDisposeScope();
        }
        var first = At(i => i.First);
        if (inputs.All(i => i.IsConstant))
            return Value.Constant(name, first);
        var second = At(i => i.Second);
        var counted = Value.Counted(name, first, second, () => At(i => i.One));
        return first.Equals(second) && first.Equals(counted.One) ? Value.Constant(name, first) : counted;
    }

    private static IReadOnlyList<Tensor> OfOnePrecision(IReadOnlyList<Tensor> tensors) =>
        tensors.Any(t => t.dtype == ScalarType.Float64)
            ? [.. tensors.Select(t => t.is_floating_point() ? t.to(ScalarType.Float64) : t)]
            : tensors;

    /// <summary>Known numbers given to each of the images, once for each along a dimension.</summary>
    public Value ForEachImage(string name, Tensor each, int axis) =>
        Emit(name, Op.NewRepeat(axis), null, Value.Constant(Unique(name + "/each"), each), images!);

    /// <summary>The rows that known numbers repeat n times along a dimension; null where they do not.</summary>
    public static Tensor? Repeated(Tensor numbers, int axis, long n)
    {
        if (numbers.shape[axis] % n != 0)
            return null;
        var each = numbers.narrow(axis, 0, numbers.shape[axis] / n);
        return numbers.Equals(torch.cat([.. Enumerable.Repeat(each, (int)n)], axis)) ? each : null;
    }

    /// <summary>Requires a shape to have elements, but not more than a classifier would need for one instance.</summary>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    public static void RequireSensible(IEnumerable<long> sizes)
    {
        var numbers = Count(sizes);
        if (numbers is < 1 or > MostNumbers)
            throw new InvalidOperationException($"it makes {numbers:g3} numbers of one instance");
    }

    private static double Count(IEnumerable<long> sizes) => sizes.Aggregate(1.0, (product, size) => product * size);

    // A constant that an op takes as an input is a node, so that it moves with the model to a device or a precision.
    private string Reference(Value value)
    {
        if (value.IsConstant && !names.Contains(value.Name))
            Add(value.Name, Op.NewConstant(value.First));
        return value.IsKnown && !value.IsConstant ? ForEachImage(value).Name : value.Name;
    }

    // Numbers that were repeated as often as there are images, such as a class token.
    private Value ForEachImage(Value counted)
    {
        if (repeated.TryGetValue(counted.Name, out var known))
            return known;
        return
            BatchedShape.Of(counted.First.shape, counted.Second.shape) is { Axis: var axis }
            && Repeated(counted.Second, axis, BatchedShape.Second) is { } each
            ? repeated[counted.Name] = ForEachImage(counted.Name, each, axis)
            : throw new InvalidOperationException($"'{counted.Name}' depends on the number of instances");
    }

    private void Add(string name, Op op, params string[] inputs)
    {
        names.Add(name);
        nodes.Add(Build.Node(name, op, inputs));
    }
}
