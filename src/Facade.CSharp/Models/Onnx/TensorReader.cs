using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution.Onnx;

/// <summary>Turns the tensors of an ONNX file into TorchSharp's. A shape is believed only when the numbers stored with it
/// are as many as it says, so that a file never asks for more memory than it is long.</summary>
internal sealed class TensorReader(string path)
{
    private const int MaxDimensions = 12;

    private sealed record Element(ScalarType Type, int Bytes);

    // Types that TorchSharp lacks are read as the next wider one, from fields of their own width.
    private static readonly Dictionary<TensorProto.Types.DataType, Element> Elements = new()
    {
        [TensorProto.Types.DataType.Float] = new(ScalarType.Float32, 4),
        [TensorProto.Types.DataType.Double] = new(ScalarType.Float64, 8),
        [TensorProto.Types.DataType.Float16] = new(ScalarType.Float16, 2),
        [TensorProto.Types.DataType.Bfloat16] = new(ScalarType.BFloat16, 2),
        [TensorProto.Types.DataType.Uint8] = new(ScalarType.Byte, 1),
        [TensorProto.Types.DataType.Int8] = new(ScalarType.Int8, 1),
        [TensorProto.Types.DataType.Bool] = new(ScalarType.Bool, 1),
        [TensorProto.Types.DataType.Int16] = new(ScalarType.Int16, 2),
        [TensorProto.Types.DataType.Uint16] = new(ScalarType.Int32, 2),
        [TensorProto.Types.DataType.Int32] = new(ScalarType.Int32, 4),
        [TensorProto.Types.DataType.Uint32] = new(ScalarType.Int64, 4),
        [TensorProto.Types.DataType.Int64] = new(ScalarType.Int64, 8),
        [TensorProto.Types.DataType.Uint64] = new(ScalarType.Int64, 8),
    };

    /// <summary>TorchSharp's type for an ONNX element type as models compute with it: float32 for every real number.</summary>
    /// <exception cref="AttributionException">The type is not one that networks compute with.</exception>
    public ScalarType TypeOf(long dataType, string what) => Working(Find(dataType, what).Type);

    /// <summary>The numbers of a tensor; real ones become float32.</summary>
    /// <param name="tensor">What the file holds; its raw bytes are let go of.</param>
    /// <param name="what">The tensor's name in a message.</param>
    /// <exception cref="AttributionException">The tensor lies about its size, or its type or place is not supported.</exception>
    public Tensor Read(TensorProto tensor, string what)
    {
        var element = Find(tensor.DataType, what);
        var count = Count(tensor, what);
        if (tensor.Dims.Count > MaxDimensions)
            throw Fault(what, $"has {tensor.Dims.Count} dimensions, but at most {MaxDimensions} are supported");
        var type = (TensorProto.Types.DataType)tensor.DataType;
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External)
            using (var stream = OpenExternal(tensor, count * element.Bytes, what))
                return Convert(tensor, element, type, stream.ReadExactly);

        if (tensor.RawData.Length > 0 || Fields(tensor, type) is not { } numbers)
        {
            Require(tensor.RawData.Length, count * element.Bytes, "bytes", what);
            var raw = tensor.RawData;
            tensor.RawData = Google.Protobuf.ByteString.Empty;
            return Convert(tensor, element, type, raw.Span.CopyTo);
        }
        Require(numbers.Length, count, "numbers", what);
        var bits = ScalarType.Float16 == element.Type || ScalarType.BFloat16 == element.Type;
        using var scope = NewDisposeScope();
        var values = bits
            ? torch.tensor(((int[])numbers).Select(n => unchecked((short)n)).ToArray()).view(element.Type)
            : numbers switch
            {
                float[] floats => torch.tensor(floats),
                double[] doubles => torch.tensor(doubles),
                long[] longs => torch.tensor(longs),
                _ => torch.tensor((int[])numbers),
            };
        return values.to(Working(element.Type)).reshape([.. tensor.Dims]).MoveToOuterDisposeScope();
    }

    private delegate void Fill(Span<byte> bytes);

    private static Tensor Convert(TensorProto tensor, Element element, TensorProto.Types.DataType type, Fill fill)
    {
        using var scope = NewDisposeScope();
        var unsigned = type is TensorProto.Types.DataType.Uint16 or TensorProto.Types.DataType.Uint32;
        var stored = !unsigned ? element.Type : element.Bytes == 2 ? ScalarType.Int16 : ScalarType.Int32;
        var values = torch.empty([.. tensor.Dims], stored);
        if (values.numel() > 0)
            fill(values.bytes);
        if (unsigned)
            values = values.to(element.Type).bitwise_and((1L << (8 * element.Bytes)) - 1);
        return values.to(Working(element.Type)).MoveToOuterDisposeScope();
    }

    private static ScalarType Working(ScalarType type) =>
        type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64 ? ScalarType.Float32 : type;

    private static Array? Fields(TensorProto tensor, TensorProto.Types.DataType type) =>
        type switch
        {
            TensorProto.Types.DataType.Float => tensor.FloatData.ToArray(),
            TensorProto.Types.DataType.Double => tensor.DoubleData.ToArray(),
            TensorProto.Types.DataType.Int64 => tensor.Int64Data.ToArray(),
            TensorProto.Types.DataType.Uint32 or TensorProto.Types.DataType.Uint64 => tensor
                .Uint64Data.Select(n => unchecked((long)n))
                .ToArray(),
            _ => tensor.Int32Data.ToArray(),
        };

    private long Count(TensorProto tensor, string what)
    {
        try
        {
            return tensor.Dims.Any(d => d < 0)
                ? throw Fault(what, "has a negative dimension")
                : tensor.Dims.Aggregate(1L, (product, d) => checked(product * d));
        }
        catch (OverflowException e)
        {
            throw new AttributionException(Fault(what, "has more numbers than can be counted").Message, e);
        }
    }

    private FileStream OpenExternal(TensorProto tensor, long length, string what)
    {
        string? Entry(string key) => tensor.ExternalData.FirstOrDefault(e => e.Key == key)?.Value;
        var location = Entry("location") ?? throw Fault(what, "says that it is in another file, but not in which");
        var parts = location.Split('/', '\\');
        if (Path.IsPathRooted(location) || parts.Contains("..") || parts.Any(p => p.Contains(':')))
            throw Fault(what, $"is in '{location}', but only files inside the model's folder are read");

        var offsetGiven = long.TryParse(Entry("offset") ?? "0", out var offset);
        var lengthGiven = long.TryParse(Entry("length") ?? $"{length}", out var stated);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return FileErrors.Reading(
            $"'{location}', which holds {what} of '{path}'",
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
        Elements.GetValueOrDefault((TensorProto.Types.DataType)dataType)
        ?? throw Fault(what, $"holds elements of ONNX type {dataType}, which is not supported");

    private void Require(long actual, long expected, string unit, string what)
    {
        if (actual != expected)
            throw Fault(what, $"should hold {expected} {unit} by its shape, but holds {actual}");
    }

    private AttributionException Fault(string what, string problem) =>
        new($"'{path}': {what} {problem}; export the model again.");
}
