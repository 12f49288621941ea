using System;
using System.Collections.Generic;
using System.Linq;

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
    public static Window Of(OnnxNode node, long[] kernel, long[] sizes)
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
        var ceil = node.Int("ceil_mode", 0) != 0;
        var window = new Window(kernel, stride, dilation, pads[..kernel.Length], pads[kernel.Length..], ceil);
        var fixedSize = node.Text("auto_pad", "NOTSET") switch
        {
            "NOTSET" or "" => window,
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

    // As many places as strides fit into the input, rounded up; an odd padding has its larger half at the end or the start.
    private Window Same(long[] sizes, bool upper)
    {
        var total = sizes
            .Select(
                (size, axis) =>
                    Math.Max(0, ((size + Stride[axis] - 1) / Stride[axis] - 1) * Stride[axis] + Extent(axis) - size)
            )
            .ToArray();
        var half = total.Select(t => t / 2).ToArray();
        var rest = total.Select(t => t - t / 2).ToArray();
        return this with { Begin = upper ? half : rest, End = upper ? rest : half, CeilMode = false };
    }
}
