namespace Attribution.Onnx;

/// <summary>The shape of a value that depends on the images: the sizes for one instance, and the dimension that grows with
/// their number.</summary>
internal sealed record BatchedShape(long[] Sizes, int Axis)
{
    /// <summary>Two batch sizes at which every shape is worked out: their common multiples stand out from fixed sizes.</summary>
    public const long First = 5,
        Second = 7;

    /// <summary>Whether each row of the first dimension is one instance.</summary>
    public bool RowsAreInstances => Axis == 0 && Sizes[0] == 1;

    /// <summary>The sizes for n instances.</summary>
    public long[] At(long n) => WithAxis(Sizes[Axis] * n);

    /// <summary>The sizes with another along the dimension that grows.</summary>
    public long[] WithAxis(long grown) => [.. Sizes.Select((size, axis) => axis == Axis ? grown : size)];

    /// <summary>The shape that has these sizes for the two batch sizes, or null where instances are mixed.</summary>
    public static BatchedShape? Of(long[] first, long[] second)
    {
        if (first.Length != second.Length)
            return null;
        var growing = Enumerable.Range(0, first.Length).Where(axis => first[axis] != second[axis]).ToArray();
        if (growing is not [var batch] || first[batch] % First != 0 || second[batch] != first[batch] / First * Second)
            return null;
        return new(new BatchedShape(first, batch).WithAxis(first[batch] / First), batch);
    }
}

/// <summary>A tensor of the file at import: known numbers, or those that only images will give, of which the shape is
/// known.</summary>
internal sealed class Value
{
    private readonly Lazy<Tensor> one;

    private Value(string name, Tensor first, Tensor second, Lazy<Tensor>? one = null) =>
        (Name, First, Second, this.one, Rank) = (name, first, second, one ?? new(first), (int)first.ndim);

    /// <summary>Known numbers.</summary>
    public static Value Constant(string name, Tensor numbers) => new(name, numbers, numbers);

    /// <summary>Known numbers that depend on how many images there are, such as a shape.</summary>
    public static Value Counted(string name, Tensor first, Tensor second, Func<Tensor> one) =>
        new(name, first, second, Kept(one));

    /// <summary>Numbers that images will give.</summary>
    public static Value Computed(string name, BatchedShape shape, ScalarType type) =>
        new(
            name,
            Meta(shape.At(BatchedShape.First), type),
            Meta(shape.At(BatchedShape.Second), type),
            Kept(() => Meta(shape.Sizes, type))
        )
        {
            Shape = shape,
        };

    // Whoever asks first may do so in a scope that ends before the next one asks.
    private static Lazy<Tensor> Kept(Func<Tensor> one) => new(() => one().DetachFromDisposeScope());

    public string Name { get; }

    /// <summary>The numbers, or a tensor without numbers (on the device "meta"), at BatchedShape.First images.</summary>
    public Tensor First { get; }

    /// <summary>The same at BatchedShape.Second images.</summary>
    public Tensor Second { get; }

    /// <summary>The same at one image.</summary>
    public Tensor One => one.Value;

    /// <summary>The shape of numbers that images will give; null for known ones.</summary>
    public BatchedShape? Shape { get; private init; }

    /// <summary>Whether the instances have a dimension of their own, in front of those that the file means for one of
    /// them. Else they stand in one of the file's own.</summary>
    public bool IsStacked { get; private init; }

    /// <summary>The file's shape for one instance.</summary>
    public long[] Each =>
        Shape is null ? One.shape
        : IsStacked ? Shape.Sizes[1..]
        : Shape.Sizes;

    /// <summary>Whether it is one row of numbers for each instance, whatever dimensions of one number are there beside it.</summary>
    public bool IsRow => Shape is { RowsAreInstances: true } && Each.Count(size => size > 1) <= 1;

    public bool IsKnown => Shape is null;

    public bool IsConstant => ReferenceEquals(First, Second);

    public int Rank { get; }

    public bool IsReal => First.is_floating_point();

    /// <summary>The same numbers, whose first dimension is the instances' own.</summary>
    public Value Stacked() => new(Name, First, Second, one) { Shape = Shape, IsStacked = true };

    /// <summary>A tensor that has a shape and a type, but no numbers and no memory. Real numbers are float32, since a model
    /// computes with all of them in one precision.</summary>
    public static Tensor Meta(IEnumerable<long> sizes, ScalarType type) =>
        torch.empty([.. sizes], dtype: type is ScalarType.Float64 ? ScalarType.Float32 : type, device: META);

    /// <summary>A tensor's shape and type without its numbers.</summary>
    public static Tensor Meta(Tensor t) => Meta(t.shape, t.dtype);

    private static readonly Device META = new(DeviceType.META);
}
