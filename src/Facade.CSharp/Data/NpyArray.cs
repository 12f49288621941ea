using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Attribution;

/// <summary>Reads an array that NumPy saved as a <c>.npy</c> file.</summary>
public static class NpyArray
{
    /// <summary>The whole array, as a tensor of its stored type (see <see cref="NpyHeader.Type"/>).</summary>
    /// <exception cref="AttributionException">The file is missing, damaged, or does not hold an array of numbers.</exception>
    public static Tensor Load(string path) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
                return Read(new ByteSource(file, file.Length));
            }
        );

    /// <summary>Whether a file begins as such arrays do.</summary>
    internal static bool Is(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var start = new byte[NpyHeader.Magic.Length];
            return file.CanSeek
                && file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
                && NpyHeader.Magic.SequenceEqual(start);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Whoever reads it will say so.
            return false;
        }
    }

    /// <summary>Reads header and data, straight into the tensor's memory.</summary>
    internal static Tensor Read(ByteSource source)
    {
        var header = NpyHeader.Read(source);
        if (source.Remaining != header.Length)
            throw new FormatException(
                $"it holds {source.Remaining} bytes of data where its shape needs {header.Length}; save it again"
            );

        using var scope = NewDisposeScope();
        long[] shape = [.. header.FortranOrder ? header.Shape.Reverse() : header.Shape];
        var stored = empty(shape, header.Stored, CPU);
        foreach (var block in new TensorBytes(stored))
        {
            source.Fill(block);
            if (header.BigEndian)
                for (var rest = block; !rest.IsEmpty; rest = rest[header.ItemSize..])
                    rest[..header.ItemSize].Reverse();
        }
        var values = header.Code switch
        {
            "b1" => stored.ne(Number.Of(0)),
            "u2" => stored.to(ScalarType.Int32).bitwise_and_(ushort.MaxValue),
            "u4" => stored.to(ScalarType.Int64).bitwise_and_(uint.MaxValue),
            "u8" when stored.lt(Number.Of(0)).IsAny() => throw new FormatException(
                "it holds integers of 2^63 or more; save it as int64"
            ),
            _ => stored,
        };
        if (header.FortranOrder)
            values = values.permute([.. Enumerable.Range(0, shape.Length).Select(d => shape.Length - 1L - d)]);
        return values.contiguous().MoveToOuterDisposeScope();
    }
}
