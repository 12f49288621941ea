namespace Attribution.Onnx;

/// <summary>How a convolution or a pooling slides over the spatial dimensions of its input: one number for each dimension,
/// the paddings before its start and after its end apart.</summary>
internal sealed record Window(long[] Kernel, long[] Stride, long[] Dilation, long[] Begin, long[] End, bool CeilMode)
{
    // More than any image has; arithmetic with such numbers cannot overflow.
    private const long Most = 1 << 20;

    public int Rank => Kernel.Length;

    public bool IsSymmetric => Begin.SequenceEqual(End);

    /// <summary>How far the kernel reaches along a dimension.</summary>
    public long Extent(int axis) => (Kernel[axis] - 1) * Dilation[axis] + 1;

    public IEnumerable<long> Extents => Enumerable.Range(0, Rank).Select(Extent);

    /// <summary>What must be added after the end of a dimension of the given size for the last place to be whole.</summary>
    public long Overhang(int axis, long size) =>
        Math.Max(0, (Places(axis, size) - 1) * Stride[axis] + Extent(axis) - size - Begin[axis]);

    /// <summary>How many places the window stands at along a dimension of the given size.</summary>
    public long Places(int axis, long size)
    {
        var room = size + Begin[axis] + End[axis] - Extent(axis);
        var places = (CeilMode ? room + Stride[axis] - 1 : room) / Stride[axis] + 1;
        // A last window that would start in the padding after the end does not count.
        return CeilMode && (places - 1) * Stride[axis] >= size + Begin[axis] ? places - 1 : places;
    }

    /// <summary>Reads a node's attributes for an input with these spatial sizes.</summary>
    public static Window Of(OnnxNode node, long[] kernel, long[] sizes, bool automatic = true)
    {
        long[] Each(string attribute, long otherwise, long least)
        {
            var given = node.Ints(attribute) ?? [.. kernel.Select(_ => otherwise)];
            return given.Length == kernel.Length && given.All(n => n >= least && n <= Most)
                ? given
                : throw node.Fault($"has {attribute} [{string.Join(", ", given)}] for {kernel.Length} dimensions");
        }

        if (kernel.Length is < 1 or > 3 || kernel.Length != sizes.Length || kernel.Any(k => k is < 1 or > Most))
            throw node.Fault($"has a kernel [{string.Join(", ", kernel)}] for {sizes.Length} spatial dimensions");
        var stride = Each("strides", 1, 1);
        var dilation = Each("dilations", 1, 1);
        var pads = node.Ints("pads") ?? new long[2 * kernel.Length];
        if (pads.Length != 2 * kernel.Length || pads.Any(p => p is < 0 or > Most))
            throw node.Fault($"has pads [{string.Join(", ", pads)}] for {kernel.Length} dimensions");
        var ceil = node.Is("ceil_mode");
        var window = new Window(kernel, stride, dilation, pads[..kernel.Length], pads[kernel.Length..], ceil);
        var fixedSize = node.Text("auto_pad", "NOTSET") switch
        {
            "NOTSET" or "" => window,
            _ when !automatic => window,
            "VALID" => window with { Begin = new long[kernel.Length], End = new long[kernel.Length] },
            "SAME_UPPER" => window.Same(sizes, upper: true),
            "SAME_LOWER" => window.Same(sizes, upper: false),
            var other => throw node.Fault($"has the unknown auto_pad '{other}'"),
        };
        for (var axis = 0; axis < sizes.Length; axis++)
            if (fixedSize.Extent(axis) > sizes[axis] + fixedSize.Begin[axis] + fixedSize.End[axis])
                throw node.Fault($"has a window of {fixedSize.Extent(axis)} over an input of only {sizes[axis]}");
        return fixedSize;
    }

    /// <summary>The window of a transposed convolution, whose Begin and End are cut off its full result.</summary>
    /// <param name="node">Holds the attributes.</param>
    /// <param name="kernel">The spatial sizes of the weights.</param>
    /// <param name="sizes">The spatial sizes of the input.</param>
    /// <param name="more">What is added at the end of each dimension (output_padding).</param>
    public static Window Transposed(OnnxNode node, long[] kernel, long[] sizes, out long[] more)
    {
        var automatic = node.Text("auto_pad", "NOTSET");
        var asked = node.Ints("output_shape");
        // Room for any kernel: whether a place overhangs does not matter here.
        var window = Of(node, kernel, [.. kernel.Select((k, i) => i < sizes.Length ? Most : k)], automatic: false);
        var surplus = more = node.Ints("output_padding") ?? new long[kernel.Length];
        if (
            kernel.Length != sizes.Length
            || more.Length != kernel.Length
            || more.Any(n => n is < 0 or > Most)
            || asked is not null && (asked.Length < kernel.Length || asked.Any(n => n is < 1 or > Most))
        )
            throw node.Fault($"has an output_shape or an output_padding that is not {kernel.Length} sizes");
        if (asked is null && automatic is "NOTSET" or "" or "VALID")
            return window;
        asked = asked?[^kernel.Length..] ?? [.. sizes.Select((size, i) => size * window.Stride[i])];
        var total = asked
            .Select((size, i) => (sizes[i] - 1) * window.Stride[i] + surplus[i] + window.Extent(i) - size)
            .ToArray();
        if (total.Any(t => t < 0))
            throw node.Fault($"should make [{string.Join(", ", asked)}], which its windows do not reach");
        return window.Padded(total, upper: automatic == "SAME_UPPER");
    }

    // So much in all; an odd padding has its larger half at the end or the start.
    private Window Padded(long[] total, bool upper)
    {
        long[] half = [.. total.Select(t => t / 2)];
        long[] rest = [.. total.Select(t => t - t / 2)];
        return this with { Begin = upper ? half : rest, End = upper ? rest : half };
    }

    // As many places as strides fit into the input, rounded up.
    private Window Same(long[] sizes, bool upper)
    {
        long Total(long size, int axis) =>
            Math.Max(0, ((size + Stride[axis] - 1) / Stride[axis] - 1) * Stride[axis] + Extent(axis) - size);
        return Padded([.. sizes.Select(Total)], upper) with { CeilMode = false };
    }
}
