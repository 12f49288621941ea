using System.IO.Compression;

namespace Attribution;

/// <summary>Reads what a zip archive says of a member with suspicion.</summary>
internal static class ZipMember
{
    // No deflate stream can be longer than this many times its compressed form.
    private const long DeflateRatio = 1032;

    /// <summary>What a reader makes of a member's bytes.</summary>
    /// <exception cref="FormatException">It is encrypted.</exception>
    /// <exception cref="InvalidDataException">It cannot have the length that it is said to have, or was read to its end and
    /// has another checksum.</exception>
    public static T Read<T>(ZipArchiveEntry entry, Func<ByteSource, T> read)
    {
        if (entry.IsEncrypted)
            throw new FormatException("it is encrypted; save it without a password");
        using var stream = Opened(entry);
        var fits =
            stream is DeflateStream
                ? entry.Length / DeflateRatio <= entry.CompressedLength
                : entry.Length == entry.CompressedLength;
        if (!fits || entry.Length < 0)
            throw new InvalidDataException();
        var source = new ByteSource(stream, entry.Length);
        var result = read(source);
        return source.Remaining > 0 || source.Checksum == entry.Crc32 ? result : throw new InvalidDataException();
    }

    private static Stream Opened(ZipArchiveEntry entry)
    {
        try
        {
            return entry.Open();
        }
        catch (Exception e)
            when (e is InvalidDataException or NotSupportedException
                && e.Message.Contains("compress", StringComparison.OrdinalIgnoreCase)
            )
        {
            throw new FormatException(
                "it is compressed by another method than NumPy's own, such as bzip2 or LZMA; read it with numpy.load and save it again with numpy.savez_compressed",
                e
            );
        }
    }
}
