using System;
using System.IO;
using System.Linq;
using Google.Protobuf;
using static TorchSharp.torch;

namespace Attribution.Onnx;

/// <summary>Reads classifiers from ONNX files.</summary>
internal static class OnnxReader
{
    private const int DeepestNesting = 64;

    /// <summary>The network of a file: images n×c×h×w in 0-255 → logits n×k.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or is not a classifier that this library supports.</exception>
    public static LoadedModel Read(string path, Preprocessing? preprocessing = null)
    {
        using var scope = NewDisposeScope();
        var model = Parse(path);
        LocalFunctions.Inline(path, model);
        BatchDimension.Add(model.Graph);
        var file = new OnnxFile(path, model);
        var (steps, notes) = Steps(new OnnxMetadata(path, model), preprocessing ?? new Preprocessing());
        AttributionException? first = null;
        foreach (var output in file.Outputs)
        foreach (var layout in ImageLayout.Candidates(file))
            try
            {
                return new OnnxImport(file, layout, steps, notes).To(output) with { Preprocessing = steps };
            }
            catch (AttributionException e)
            {
                first ??= e;
            }
        if (
            file.Input.Type?.TensorType?.Shape?.Dim.Select(size => size.DimValue).ToArray() is { } one
            && BatchDimension.IsImage(one)
            && one[0] > 1
        )
            throw file.Fault(
                $"takes '{file.Input.Name}' of the shape [{string.Join(", ", one)}], one image without a dimension of the batch: export it for a batch of images, [n, {string.Join(", ", one)}]",
                first
            );
        throw first ?? file.Fault("has no output");
    }

    // What was asked for, and the rest as the file says; with what a person should know of that.
    private static (Preprocessing Steps, string[] Notes) Steps(OnnxMetadata metadata, Preprocessing asked)
    {
        var steps = asked.Or(metadata.Preprocessing);
        string[] taken = steps == asked ? [] : [$"Images are preprocessed as the model's metadata say: {steps}."];
        return (steps, asked.Or(Preprocessing.None) == asked ? [] : [.. metadata.Notes, .. taken]);
    }

    private static ModelProto Parse(string path) =>
        FileErrors.Reading(
            $"'{path}'",
            () =>
            {
                using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
                if (stream.Length is 0 or > int.MaxValue)
                    throw new FormatException(
                        stream.Length == 0
                            ? "it is empty; copy it again from its source"
                            : "it is larger than 2 GB; export the weights as external data"
                    );
                try
                {
                    using var input = CodedInputStream.CreateWithLimits(stream, int.MaxValue, DeepestNesting);
                    var model = ModelProto.Parser.ParseFrom(input);
                    return model.Graph is { Node.Count: > 0 } ? model : throw new InvalidDataException();
                }
                catch (InvalidProtocolBufferException e)
                {
                    throw new InvalidDataException(e.Message, e);
                }
            }
        );
}
