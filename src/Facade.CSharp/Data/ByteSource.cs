using System.IO.Hashing;

namespace Attribution;

/// <summary>The bytes of one file or zip member: how many are left of those declared, and the checksum so far.</summary>
internal sealed class ByteSource(Stream stream, long length)
{
    // Small enough that what was just read is still in the cache when it is summed.
    private const int BlockLength = 1 << 18;

    private readonly Crc32 checksum = new();

    /// <summary>The number of bytes not yet read.</summary>
    public long Remaining { get; private set; } = length;

    /// <summary>The CRC-32 of the bytes read.</summary>
    public uint Checksum => checksum.GetCurrentHashAsUInt32();

    /// <summary>The next bytes.</summary>
    public byte[] Take(int count)
    {
        if (count > Remaining)
            throw new EndOfStreamException();
        var bytes = new byte[count];
        Fill(bytes);
        return bytes;
    }

    /// <summary>Reads the next bytes into the target.</summary>
    public void Fill(Span<byte> target)
    {
        while (!target.IsEmpty)
        {
            var next = target[..Math.Min(BlockLength, target.Length)];
            stream.ReadExactly(next);
            checksum.Append(next);
            target = target[next.Length..];
            Remaining -= next.Length;
        }
    }

    /// <summary>Reads all the rest; gives the checksum.</summary>
    public uint Skip()
    {
        var block = new byte[Math.Min(BlockLength, Remaining)];
        while (Remaining > 0)
            Fill(block.AsSpan(0, (int)Math.Min(block.Length, Remaining)));
        return Checksum;
    }
}
