using Google.Protobuf;

namespace Attribution.Onnx;

/// <summary>Reads classifiers from ONNX files.</summary>
internal static class OnnxReader
{
    private const int DeepestNesting = 64;

    /// <summary>The network of a file: images n×c×h×w in 0-255 → logits n×k, of the output that is asked for, or else of that
    /// which <see cref="Model.LoadOnnx"/> says.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or is not a classifier that this library supports.</exception>
    public static LoadedModel Read(string path, Preprocessing? preprocessing = null, string? output = null)
    {
        using var scope = NewDisposeScope();
        var model = Parse(path);
        LocalFunctions.Inline(path, model);
        BatchDimension.Add(model.Graph);
        var file = new OnnxFile(path, model);
        var (steps, notes) = Steps(new OnnxMetadata(path, model), preprocessing ?? new Preprocessing());
        if (output is not null)
            return To(Asked(file, output));

        LoadedModel To(OnnxOutput output)
        {
            AttributionException? first = null;
            foreach (var layout in ImageLayout.Candidates(file))
                try
                {
                    return new OnnxImport(file, layout, steps, notes).To(output) with { Preprocessing = steps };
                }
                catch (AttributionException e)
                {
                    first ??= e;
                }
            throw first ?? file.Fault("takes no images");
        }

        // Several scores before a single one, which may be a loss or a distance.
        (OnnxOutput Output, LoadedModel Model)? single = null;
        AttributionException? fault = null;
        foreach (var candidate in OnnxOutput.ByName(file.Outputs))
            try
            {
                var read = To(candidate);
                // One row an image before scores of positions or boxes.
                if (read.Classes > 1 && read.Regions is null && read.Detections is null)
                    return Chosen(file, candidate, read);
                single ??= (candidate, read);
            }
            catch (AttributionException e)
            {
                fault ??= e;
            }
        if (single is var (one, of))
            return Chosen(file, one, of);
        if (
            file.Input.Type?.TensorType?.Shape?.Dim.Select(size => size.DimValue).ToArray() is { } sizes
            && BatchDimension.IsImage(sizes)
            && sizes[0] > 1
        )
            throw file.Fault(
                $"takes '{file.Input.Name}' of the shape [{string.Join(", ", sizes)}], one image without a dimension of the batch: export it for a batch of images, [n, {string.Join(", ", sizes)}]",
                fault
            );
        throw fault ?? WithoutScores(file);
    }

    private static string List(IEnumerable<string> names) => string.Join(", ", names.Select(OnnxFault.Quoted));

    private static LoadedModel Chosen(OnnxFile file, OnnxOutput output, LoadedModel model)
    {
        string[] others = [.. file.Outputs.Where(other => other != output).Select(other => other.Name)];
        return others.Length == 0
            ? model
            : model with
            {
                Notes =
                [
                    $"Of the file's outputs {OnnxFault.Quoted(output.Name)} is taken for the scores; --output names another: {List(others)}.",
                    .. model.Notes,
                ],
            };
    }

    // An output, or any tensor of the file.
    private static OnnxOutput Asked(OnnxFile file, string name)
    {
        if (file.Outputs.FirstOrDefault(output => output.Name == name) is { } output)
            return output.IsReal ? output : throw WithoutScores(file, [output]);
        return file.Producer(name) is not null
            ? new OnnxOutput(name, name, true)
            : throw file.Fault(
                $"has no output {OnnxFault.Quoted(name)}: its outputs are {List(file.Outputs.Select(o => o.Name))}"
            );
    }

    private static AttributionException WithoutScores(OnnxFile file, IReadOnlyList<OnnxOutput>? among = null)
    {
        if (file.Outputs.Count == 0)
            return file.Fault("has no output");
        // Labels are mostly where the scores are largest.
        var scores = (among ?? file.Outputs)
            .Select(output => file.Producer(output.Tensor))
            .FirstOrDefault(node => node is { OpType: "ArgMax" or "TopK", Input.Count: > 0 });
        var offer = scores is null
            ? "export it with its logits as an output"
            : $"ask for the scores that it is made of with --output {scores.Input[0]}";
        return file.Fault(
            $"gives no scores in {List((among ?? file.Outputs).Select(o => o.Name))}, but labels or other values that are no real numbers: {offer}"
        );
    }

    // What was asked for, and the rest as the file says; with what a person should know of that.
    private static (Preprocessing Steps, string[] Notes) Steps(OnnxMetadata metadata, Preprocessing asked)
    {
        var steps = asked.Or(metadata.Preprocessing);
        string[] taken = steps == asked ? [] : [$"Images are preprocessed as the model's metadata say: {steps}."];
        return (steps, asked.Or(Preprocessing.None) == asked ? [] : [.. metadata.Notes, .. taken]);
    }

    /// <summary>The files beside a model's that hold some of its numbers, by their places in its folder.</summary>
    public static IReadOnlyList<string> Beside(string path) =>
        [
            .. Parse(path)
                .Graph.Initializer.SelectMany(tensor => tensor.ExternalData)
                .Where(entry => entry.Key == "location")
                .Select(entry => entry.Value)
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

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
