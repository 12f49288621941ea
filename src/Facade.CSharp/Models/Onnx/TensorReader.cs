using System.Runtime.InteropServices;
using Google.Protobuf;
using DataType = Attribution.Onnx.TensorProto.Types.DataType;

namespace Attribution.Onnx;

/// <summary>Turns the tensors of an ONNX file into TorchSharp's. A shape is believed only when the numbers stored with it
/// are as many as it says, so that a file never asks for more memory than it is long.</summary>
internal sealed class TensorReader(string path)
{
    private const int MaxDimensions = 12;

    private sealed record Element(ScalarType Stored, ScalarType Working, int Bytes, bool Unsigned = false);

    // TorchSharp lacks the wider unsigned types: their bits are read as signed ones and widened.
    private static readonly Dictionary<DataType, Element> Elements = new()
    {
        [DataType.Float] = new(ScalarType.Float32, ScalarType.Float32, 4),
        [DataType.Double] = new(ScalarType.Float64, ScalarType.Float32, 8),
        [DataType.Float16] = new(ScalarType.Float16, ScalarType.Float32, 2),
        [DataType.Bfloat16] = new(ScalarType.BFloat16, ScalarType.Float32, 2),
        [DataType.Uint8] = new(ScalarType.Byte, ScalarType.Byte, 1),
        [DataType.Int8] = new(ScalarType.Int8, ScalarType.Int8, 1),
        [DataType.Bool] = new(ScalarType.Byte, ScalarType.Bool, 1),
        [DataType.Int16] = new(ScalarType.Int16, ScalarType.Int16, 2),
        [DataType.Uint16] = new(ScalarType.Int16, ScalarType.Int64, 2, Unsigned: true),
        [DataType.Int32] = new(ScalarType.Int32, ScalarType.Int32, 4),
        [DataType.Uint32] = new(ScalarType.Int32, ScalarType.Int64, 4, Unsigned: true),
        [DataType.Int64] = new(ScalarType.Int64, ScalarType.Int64, 8),
        [DataType.Uint64] = new(ScalarType.Int64, ScalarType.Int64, 8),
    };

    private readonly Dictionary<TensorProto, Tensor> read = new(ReferenceEqualityComparer.Instance);

    /// <summary>TorchSharp's type for an ONNX element type as models compute with it: float32 for every real number.</summary>
    /// <exception cref="AttributionException">The type is not one that networks compute with.</exception>
    public ScalarType TypeOf(long dataType, string what) => Find(dataType, what).Working;

    /// <summary>The numbers of a tensor; real ones become float32.</summary>
    /// <param name="tensor">What the file holds; its raw bytes are let go of.</param>
    /// <param name="what">The tensor's name in a message.</param>
    /// <exception cref="AttributionException">The tensor lies about its size, or its type or place is not supported.</exception>
    public Tensor Read(TensorProto tensor, string what) =>
        read.TryGetValue(tensor, out var known) ? known : read[tensor] = ReadOnce(tensor, what);

    private Tensor ReadOnce(TensorProto tensor, string what)
    {
        var element = Find(tensor.DataType, what);
        var length = ByteCount(tensor, element, what);
        using var source = Open(tensor, length, what);
        return FileErrors.Reading(
            $"{what} of '{path}'",
            () =>
            {
                using var scope = NewDisposeScope();
                var values = torch.empty([.. tensor.Dims], element.Stored);
                foreach (var block in new TensorBytes(values))
                    source.ReadExactly(block);
                if (element.Unsigned)
                    values = values.to(ScalarType.Int64).bitwise_and((1L << (8 * element.Bytes)) - 1);
                return values.to(element.Working).MoveToOuterDisposeScope();
            }
        );
    }

    // The numbers stand in raw bytes, in another file, or in a field of their type.
    private Stream Open(TensorProto tensor, long length, string what)
    {
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External)
            return OpenExternal(tensor, length, what);
        var bytes = tensor.RawData.Memory;
        tensor.RawData = ByteString.Empty;
        if (bytes.IsEmpty)
            bytes = Typed(tensor);
        tensor.FloatData.Clear();
        if (bytes.Length != length)
            throw Fault(what, $"should hold {length} bytes by its shape, but holds {bytes.Length}");
        return MemoryMarshal.TryGetArray(bytes, out var array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count)
            : new MemoryStream(bytes.ToArray());
    }

    private static ReadOnlyMemory<byte> Typed(TensorProto tensor)
    {
        static byte[] Bytes<T>(IEnumerable<T> numbers)
            where T : struct => MemoryMarshal.AsBytes<T>(numbers.ToArray()).ToArray();

        return (DataType)tensor.DataType switch
        {
            DataType.Float => Bytes(tensor.FloatData),
            DataType.Double => Bytes(tensor.DoubleData),
            DataType.Int64 => Bytes(tensor.Int64Data),
            DataType.Uint64 => Bytes(tensor.Uint64Data),
            DataType.Uint32 => Bytes(tensor.Uint64Data.Select(n => unchecked((uint)n))),
            DataType.Int32 => Bytes(tensor.Int32Data),
            DataType.Int8 or DataType.Uint8 or DataType.Bool => Bytes(tensor.Int32Data.Select(n => unchecked((byte)n))),
            _ => Bytes(tensor.Int32Data.Select(n => unchecked((short)n))),
        };
    }

    private long ByteCount(TensorProto tensor, Element element, string what)
    {
        if (tensor.Dims.Count > MaxDimensions || tensor.Dims.Any(d => d is < 0 or > int.MaxValue))
            throw Fault(what, "has a shape that no tensor has");
        return (long)
            tensor.Dims.Aggregate((Int128)element.Bytes, (product, d) => Int128.Min(product * d, long.MaxValue));
    }

    private FileStream OpenExternal(TensorProto tensor, long length, string what)
    {
        string? Entry(string key) => tensor.ExternalData.FirstOrDefault(e => e.Key == key)?.Value;
        var location = Entry("location") ?? throw Fault(what, "says that it is in another file, but not in which");
        var parts = location.Split('/', '\\');
        if (Path.IsPathRooted(location) || parts.Contains("..") || parts.Any(p => p.Contains(':')))
            throw Fault(what, $"is in {OnnxFault.Quoted(location)}, but only files inside the model's folder are read");

        var offsetGiven = long.TryParse(Entry("offset") ?? "0", out var offset);
        var lengthGiven = long.TryParse(Entry("length") ?? $"{length}", out var stated);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return FileErrors.Reading(
            $"{OnnxFault.Quoted(location)}, which holds {what} of '{path}'",
            () =>
            {
                var stream = new FileStream(Path.Combine(folder, location), FileMode.Open, FileAccess.Read);
                if (offsetGiven && lengthGiven && stated == length && offset >= 0 && offset <= stream.Length - length)
                {
                    stream.Position = offset;
                    return stream;
                }
                stream.Dispose();
                throw new FormatException($"it does not have {length} bytes there; export the model again");
            }
        );
    }

    private Element Find(long dataType, string what) =>
        Elements.GetValueOrDefault((DataType)dataType)
        ?? throw Fault(what, $"holds elements of ONNX type {dataType}, which is not supported");

    private AttributionException Fault(string what, string problem) =>
        OnnxFault.Of($"'{path}': {what} {problem}; export the model again.");
}
