namespace Attribution.Onnx;

/// <summary>What an ONNX file's metadata say that is done to images: this library's own keys (attribution.scale, .mean, .std
/// and .channel_order), or else those of ONNX's standard (Image.NominalPixelRange and Image.BitmapPixelFormat,
/// https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md) and plain mean and std.</summary>
internal sealed class OnnxMetadata
{
    private readonly Dictionary<string, string> entries = [];
    private readonly List<string> notes = [];
    private readonly string path;

    public OnnxMetadata(string path, ModelProto model)
    {
        this.path = path;
        foreach (var entry in model.MetadataProps)
            entries.TryAdd(entry.Key, entry.Value.Trim());
        Preprocessing = Own().Or(Usual());
        Notes = notes;
    }

    /// <summary>What they say, with the rest left out.</summary>
    public Preprocessing Preprocessing { get; }

    /// <summary>A sentence for each entry that says something that is not understood.</summary>
    public IReadOnlyList<string> Notes { get; }

    private Preprocessing Own() =>
        Entry("attribution.scale", text => new(scale: Numbers(text).Single()))
            .Or(Entry("attribution.mean", text => new(mean: Numbers(text))))
            .Or(Entry("attribution.std", text => new(std: Numbers(text))))
            .Or(Entry("attribution.channel_order", text => new(channelOrder: Order(text))));

    private Preprocessing Usual()
    {
        var statistics = Entry("mean", text => new(mean: Numbers(text)))
            .Or(Entry("std", text => new(std: Numbers(text))));
        double[] numbers = [.. statistics.Mean ?? [], .. statistics.Std ?? []];
        // Those of pixels from 0 to 1; of pixels from 0 to 255 they are larger, and 0 and 1 change nothing.
        var areOfUnit = numbers.All(n => n <= 1) && numbers.Any(n => n is > 0 and < 1);
        return statistics
            .Or(Entry("Image.NominalPixelRange", Range))
            .Or(new(areOfUnit ? 255 : null))
            .Or(Entry("Image.BitmapPixelFormat", text => new(channelOrder: Order(text))));
    }

    private Preprocessing Entry(string key, Func<string, Preprocessing> read)
    {
        if (!entries.TryGetValue(key, out var text))
            return new Preprocessing();
        try
        {
            return read(text);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or AttributionException)
        {
            notes.Add(
                $"'{path}' has the metadata {OnnxFault.Quoted(key)} = {OnnxFault.Quoted(text)}, which are not understood and left out: say what training did to images."
            );
            return new Preprocessing();
        }
    }

    // x' = x / scale - mean, for x from 0 to 255.
    private static Preprocessing Range(string text) =>
        text switch
        {
            "NominalRange_0_255" => new(1),
            "Normalized_0_1" => new(255),
            "Normalized_1_1" => new(127.5, [1]),
            "NominalRange_16_235" => new(255.0 / (235 - 16), [-16]),
            _ => throw new FormatException(),
        };

    private static ChannelOrder? Order(string text) =>
        text.ToLowerInvariant() switch
        {
            "rgb" or "rgb8" or "rgba8" => ChannelOrder.Rgb,
            "bgr" or "bgr8" or "bgra8" => ChannelOrder.Bgr,
            "gray8" => null,
            _ => throw new FormatException(),
        };

    // "0.5, 0.4, 0.3", in brackets of any kind or none.
    private static double[] Numbers(string text) =>
        text.Trim('[', ']', '(', ')')
            .Split([',', ' ', ';'], StringSplitOptions.RemoveEmptyEntries)
            .Select(part => double.Parse(part, NumberStyles.Float, CultureInfo.InvariantCulture))
            .ToArray()
            is { Length: > 0 } numbers
            ? numbers
            : throw new FormatException();
}
