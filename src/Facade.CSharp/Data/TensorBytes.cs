using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Attribution;

/// <summary>The memory of a contiguous tensor on the CPU in blocks of whole elements: a span alone ends at 2 GB.</summary>
internal unsafe struct TensorBytes
{
    private const int BlockLength = 1 << 18;

    private readonly byte* end;
    private byte* next;
    private int length;

    /// <summary>All bytes; the tensor must outlive them.</summary>
    public TensorBytes(Tensor tensor)
    {
        if (tensor.numel() > 0)
        {
            next = (byte*)Pointer(tensor);
            end = next + tensor.numel() * tensor.element_size();
        }
    }

    /// <summary>The block at hand.</summary>
    public readonly Span<byte> Current => new(next - length, length);

    /// <summary>Goes to the next block.</summary>
    public bool MoveNext()
    {
        length = (int)Math.Min(BlockLength, end - next);
        next += length;
        return length > 0;
    }

    /// <summary>Itself.</summary>
    public readonly TensorBytes GetEnumerator() => this;

    /// <summary>Writes the elements of any tensor in row-major order.</summary>
    public static void Write(Stream stream, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        foreach (var block in new TensorBytes(tensor.detach().cpu().contiguous()))
            stream.Write(block);
    }

    /// <summary>Where the elements of a contiguous tensor on the CPU, of one element or more, begin.</summary>
    public static nint Pointer(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var first = tensor.view(-1).narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
