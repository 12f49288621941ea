namespace Attribution;

/// <summary>What is computed with numbers that outlive the native calls that read them.</summary>
internal static class Tensors
{
    public static Tensor Plus(this Tensor a, Tensor b) => TensorModule.add(a, b);

    public static Tensor Plus(this Tensor a, double b) => TensorModule.shift(b, a);

    public static Tensor Times(this Tensor a, double b) => a.mul(Number.Of(b));

    public static Tensor Square(this Tensor a) => TensorModule.square(a);

    public static bool IsAll(this Tensor truths) => TensorModule.isAll(truths);

    public static bool IsAny(this Tensor truths) => TensorModule.isAny(truths);

    /// <summary>A single number of any type.</summary>
    public static double ToNumber(this Tensor number) => TensorModule.toFloat(number);
}
