using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>The element type and the shape of an array in NumPy's format, as its header gives them.</summary>
public sealed partial class NpyHeader
{
    private const int MaxLength = 1 << 16;
    private const int MaxRank = 64;

    internal static readonly byte[] Magic = [0x93, .. "NUMPY"u8];

    // NumPy's code; the type of the tensor that results; the type of the same width that the bytes are read as.
    private static readonly (string Code, ScalarType Type, ScalarType Stored)[] types =
    [
        ("u1", ScalarType.Byte, ScalarType.Byte),
        ("i1", ScalarType.Int8, ScalarType.Int8),
        ("i2", ScalarType.Int16, ScalarType.Int16),
        ("i4", ScalarType.Int32, ScalarType.Int32),
        ("i8", ScalarType.Int64, ScalarType.Int64),
        ("f2", ScalarType.Float16, ScalarType.Float16),
        ("f4", ScalarType.Float32, ScalarType.Float32),
        ("f8", ScalarType.Float64, ScalarType.Float64),
        ("b1", ScalarType.Bool, ScalarType.Byte),
        ("u2", ScalarType.Int32, ScalarType.Int16),
        ("u4", ScalarType.Int64, ScalarType.Int32),
        ("u8", ScalarType.Int64, ScalarType.Int64),
    ];

    private NpyHeader(string descr, bool fortranOrder, long[] shape)
    {
        Code = descr is ['<' or '>' or '|' or '=', .. var code] ? code : descr;
        if (Code.StartsWith('O'))
            throw new FormatException("it holds pickled Python objects, which are never loaded; save it as numbers");
        if (Code.StartsWith('U') || Code.StartsWith('S'))
            throw new FormatException(
                $"it holds text ('{descr}'), where numbers are read; save numbers (for names of classes, their positions in the model's list of classes)"
            );
        (_, Type, Stored) = Array.Find(types, t => t.Code == Code) is { Code: not null } known
            ? known
            : throw new FormatException($"its element type '{descr}' is not supported; save it as float32");
        BigEndian = descr[0] == '>';
        FortranOrder = fortranOrder;
        Shape = shape;
        try
        {
            // Even an empty array has strides that must fit.
            var bytes = shape.Aggregate((long)ItemSize, (product, d) => checked(product * Math.Max(d, 1)));
            Length = shape.Contains(0) ? 0 : bytes;
        }
        catch (OverflowException e)
        {
            throw new FormatException("its shape has more elements than any file can hold; save it again", e);
        }
    }

    /// <summary>The type of the tensor that reading gives: the stored one, except that uint16 becomes Int32, and uint32
    /// and uint64 become Int64, since TorchSharp lacks them.</summary>
    public ScalarType Type { get; }

    /// <summary>The length of each dimension; empty for a single number.</summary>
    public IReadOnlyList<long> Shape { get; }

    internal string Code { get; }
    internal ScalarType Stored { get; }
    internal int ItemSize => Code[1] - '0';
    internal bool BigEndian { get; }
    internal bool FortranOrder { get; }

    /// <summary>The number of bytes of data.</summary>
    internal long Length { get; }

    /// <summary>Reads the header (of version 1, 2 or 3); a <see cref="FormatException"/> says what is wrong with it.</summary>
    internal static NpyHeader Read(ByteSource source)
    {
        var start = source.Take(8);
        if (!start[..6].SequenceEqual(Magic) || start[6] is < 1 or > 3)
            throw new FormatException("it does not begin as NumPy's arrays do; save it again with numpy.save");
        var length =
            start[6] == 1
                ? BinaryPrimitives.ReadUInt16LittleEndian(source.Take(2))
                : BinaryPrimitives.ReadUInt32LittleEndian(source.Take(4));
        if (length > MaxLength)
            throw new FormatException($"its header claims {length} bytes, more than an array of numbers needs");
        return Parse(Encoding.Latin1.GetString(source.Take((int)length)));
    }

    /// <summary>The header of a tensor's file, in version 1; the data after it is aligned to 64 bytes.</summary>
    /// <exception cref="AttributionException">NumPy has no such type, as bfloat16.</exception>
    internal static byte[] Write(ScalarType type, IEnumerable<long> shape)
    {
        var code = Array.Find(types, t => t.Type == type).Code;
        if (code is null)
            throw new AttributionException($"NumPy has no element type for {type}; convert the tensor to Float32.");
        var order = code[1] == '1' ? '|' : '<';
        var tuple = string.Concat(shape.Select(d => $"{d}, "));
        var text = $"{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({tuple}), }}";
        var length = (ushort)((Magic.Length + 4 + text.Length) / 64 * 64 + 64 - Magic.Length - 4);
        return
        [
            .. Magic,
            1,
            0,
            (byte)length,
            (byte)(length >> 8),
            .. Encoding.ASCII.GetBytes(text.PadRight(length - 1) + '\n'),
        ];
    }

    /// <summary>Parses the one form of Python's dictionary that NumPy writes, its keys in any order.</summary>
    internal static NpyHeader Parse(string text)
    {
        var found = Dictionary().Match(text).Groups;
        long?[] shape =
        [
            .. found["size"].Captures.Select(size => long.TryParse(size.Value, out var d) ? d : (long?)null),
        ];
        var isWhole = new[] { "descr", "order", "shape" }.All(key => found[key].Captures.Count == 1);
        return isWhole && shape.Length <= MaxRank && !shape.Contains(null)
            ? new(found["descr"].Value, found["order"].Value == "True", [.. shape.OfType<long>()])
            : throw new FormatException(
                "its header is not one that NumPy writes for an array of numbers; save it again with numpy.save"
            );
    }

    // Python 2 could write a long integer with a final L.
    [GeneratedRegex(
        """
            ^[ \n]*\{ (?: [ \n]* (?:
              (?:'descr'|"descr") [ \n]*:[ \n]* (?:'(?<descr>[^']*)'|"(?<descr>[^"]*)")
              | (?:'fortran_order'|"fortran_order") [ \n]*:[ \n]* (?<order>True|False)
              | (?:'shape'|"shape") [ \n]*:[ \n]* (?<shape>\() (?:[ \n]*(?<size>[0-9]+)L*[ \n]*(?:,|(?=\))))* [ \n]*\)
            ) [ \n]* (?:,|(?=\})) )* [ \n]*\} [ \n]*\z
            """,
        RegexOptions.IgnorePatternWhitespace
    )]
    private static partial Regex Dictionary();
}
