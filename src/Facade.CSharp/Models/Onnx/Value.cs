using System.Collections.Generic;
using System.Linq;
using TorchSharp;
using static TorchSharp.torch;

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
    public long[] At(long n) => [.. Sizes.Select((size, axis) => axis == Axis ? size * n : size)];

    /// <summary>The shape that has these sizes for the two batch sizes, or null where instances are mixed.</summary>
    public static BatchedShape? Of(long[] first, long[] second)
    {
        if (first.Length != second.Length)
            return null;
        var growing = Enumerable.Range(0, first.Length).Where(axis => first[axis] != second[axis]).ToArray();
        if (growing is not [var batch] || first[batch] % First != 0 || second[batch] != first[batch] / First * Second)
            return null;
        return new BatchedShape([.. first.Select((size, axis) => axis == batch ? size / First : size)], batch);
    }
}

/// <summary>A tensor of the file at import: known numbers, or those that only images will give, of which the shape is
/// known.</summary>
internal sealed class Value
{
    private Value(string name, Tensor first, Tensor second)
    {
        Name = name;
        First = first;
        Second = second;
        Rank = (int)first.ndim;
    }

    /// <summary>Known numbers.</summary>
    public static Value Constant(string name, Tensor numbers) => new(name, numbers, numbers);

    /// <summary>Known numbers that depend on how many images there are, such as a shape.</summary>
    public static Value Counted(string name, Tensor first, Tensor second) => new(name, first, second);

    /// <summary>Numbers that images will give.</summary>
    public static Value Computed(string name, BatchedShape shape, ScalarType type) =>
        new(name, Meta(shape.At(BatchedShape.First), type), Meta(shape.At(BatchedShape.Second), type))
        {
            Shape = shape,
        };

    public string Name { get; }

    /// <summary>The numbers, or a tensor without numbers (on the device "meta"), at BatchedShape.First images.</summary>
    public Tensor First { get; }

    /// <summary>The same at BatchedShape.Second images.</summary>
    public Tensor Second { get; }

    /// <summary>The shape of numbers that images will give; null for known ones.</summary>
    public BatchedShape? Shape { get; private init; }

    public bool IsKnown => Shape is null;

    public bool IsConstant => ReferenceEquals(First, Second);

    public int Rank { get; }

    public bool IsReal => First.is_floating_point();

    /// <summary>The same numbers under another name.</summary>
    public Value Named(string name) => new(name, First, Second) { Shape = Shape };

    /// <summary>A tensor that has a shape and a type, but no numbers and no memory. Real numbers are float32, since a model
    /// computes with all of them in one precision.</summary>
    public static Tensor Meta(IEnumerable<long> sizes, ScalarType type) =>
        torch.empty([.. sizes], dtype: type is ScalarType.Float64 ? ScalarType.Float32 : type, device: META);

    /// <summary>A tensor's shape and type without its numbers.</summary>
    public static Tensor Meta(Tensor t) => Meta(t.shape, t.dtype);

    private static readonly Device META = new(DeviceType.META);
}
