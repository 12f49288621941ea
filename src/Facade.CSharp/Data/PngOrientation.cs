using System.Buffers.Binary;
using System.Text;

namespace Attribution;

/// <summary>How a PNG file says that its picture is to be turned: the orientation in the EXIF data of its eXIf chunk, which the
/// codec does not read.</summary>
/// <remarks>https://www.w3.org/TR/png-3/#eXIf and, for the tag, EXIF 2.32, section 4.6.4.</remarks>
internal static class PngOrientation
{
    private const int MostBytes = 1 << 20;
    private const ushort Orientation = 0x0112;
    private const int SignatureLength = 8,
        ChecksumLength = 4;

    /// <summary>1 to 8; 1, upright, where the file does not say.</summary>
    public static int Read(Stream file)
    {
        file.Position = SignatureLength;
        Span<byte> head = stackalloc byte[8];
        while (file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(head);
            if (Encoding.ASCII.GetString(head[4..]) == "eXIf" && length <= MostBytes)
            {
                var exif = new byte[length];
                return file.ReadAtLeast(exif, exif.Length, throwOnEndOfStream: false) == length ? Of(exif) : 1;
            }
            file.Position += length + ChecksumLength;
        }
        return 1;
    }

    // A TIFF header: the order of bytes, 42, and where the first directory is; some writers put JPEG's "Exif\0\0" before it.
    private static int Of(ReadOnlySpan<byte> exif)
    {
        if (exif.StartsWith("Exif\0\0"u8))
            exif = exif[6..];
        var isLittle = exif.StartsWith("II*\0"u8);
        if (!isLittle && !exif.StartsWith("MM\0*"u8) || exif.Length < 8)
            return 1;
        var directory = Long(exif[4..], isLittle);
        if (directory + 2L > exif.Length)
            return 1;
        var entries = exif[((int)directory + 2)..];
        var count = Short(exif[(int)directory..], isLittle);
        for (var i = 0; i < count && entries.Length >= 12; i++, entries = entries[12..])
            if (Short(entries, isLittle) == Orientation)
                return Short(entries[8..], isLittle) is >= 1 and <= 8 and var turned ? turned : 1;
        return 1;
    }

    private static ushort Short(ReadOnlySpan<byte> bytes, bool isLittle) =>
        isLittle ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);

    private static uint Long(ReadOnlySpan<byte> bytes, bool isLittle) =>
        isLittle ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
}
