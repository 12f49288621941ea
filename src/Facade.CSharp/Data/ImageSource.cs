namespace Attribution;

/// <summary>Where the images of a set come from: memory or files.</summary>
internal interface IImageSource : IDisposable
{
    /// <summary>What to call it at the start of an error.</summary>
    string Name { get; }
    int Count { get; }
    int Height { get; }
    int Width { get; }
    int Channels { get; }

    /// <summary>The value of white.</summary>
    float Peak { get; }

    /// <summary>What was done to them that a person should know, a sentence each.</summary>
    IReadOnlyList<string> Notes { get; }

    /// <summary>A name of an image's own, if it has one.</summary>
    string? Label(long row);

    /// <summary>The subfolder that an image came from, if it came from one.</summary>
    string? Folder(long row) => null;

    /// <summary>The height and width of an image's file, where it is brought to another size as it is read.</summary>
    (int Height, int Width)? StoredSize(long row) => null;

    /// <summary>What changes when an image does; empty where none can.</summary>
    string Stamp(long row) => "";

    /// <summary>The least and the largest value of all of them.</summary>
    (double Least, double Most) Range { get; }

    /// <summary>Some of the images as n × C × H × W float32.</summary>
    Tensor Batch(long[] rows);
}

/// <summary>Images in memory, of any element type; the tensor is detached from its dispose scope and owned.</summary>
internal sealed class StoredImages(string name, Tensor images, bool channelsLast) : IImageSource
{
    private readonly Tensor images = images.DetachFromDisposeScope();

    public string Name => name;
    public int Count => (int)images.shape[0];
    public int Height => (int)images.shape[channelsLast ? 1 : 2];
    public int Width => (int)images.shape[channelsLast ? 2 : 3];
    public int Channels => (int)images.shape[channelsLast ? 3 : 1];
    public float Peak { get; } = images.is_floating_point() && LieIn01(images) ? 1 : 255;
    public IReadOnlyList<string> Notes => [];

    public string? Label(long row) => null;

    public (double Least, double Most) Range => RangeOf(images);

    public Tensor Batch(long[] rows)
    {
        using var scope = NewDisposeScope();
        var stored = images.index_select(0, tensor(rows));
        var batch = (channelsLast ? stored.permute(0, 3, 1, 2) : stored).to(ScalarType.Float32).contiguous();
        if (images.is_floating_point())
        {
            var finite = batch.isfinite().flatten(1).all(1).data<bool>().ToArray();
            if (Array.IndexOf(finite, false) is >= 0 and var i)
                throw new AttributionException(
                    $"{name}: image {rows[i]} has values that are not finite; remove the image or mend it."
                );
        }
        return batch.MoveToOuterDisposeScope();
    }

    public void Dispose() => images.Dispose();

    private static bool LieIn01(Tensor values) => RangeOf(values) is (>= 0, <= 1);

    private static (double Least, double Most) RangeOf(Tensor values)
    {
        using var scope = NewDisposeScope();
        var (least, most) = aminmax(values);
        return (least.to(ScalarType.Float64).item<double>(), most.to(ScalarType.Float64).item<double>());
    }
}

/// <summary>Picture files, brought to one size as they are read.</summary>
internal sealed class ImageFiles(ImageFile[] files, int height, int width, int channels) : IImageSource
{
    public string Name => "The set of image files";
    public int Count => files.Length;
    public int Height => height;
    public int Width => width;
    public int Channels => channels;
    public float Peak => 255;

    public IReadOnlyList<string> Notes { get; } =
        files.Where(f => f.IsAnimated).ToArray() is [var first, ..] animated
            ?
            [
                $"Of animated pictures the first frame is taken: {animated.Length} of {files.Length} files, such as '{first.Name}'.",
            ]
            : [];

    public string Label(long row) => files[row].Name;

    public string? Folder(long row) => files[row].Folder;

    public (int Height, int Width)? StoredSize(long row) => files[row].Size;

    public string Stamp(long row) => files[row].Stamp;

    public (double Least, double Most) Range => (0, Peak);

    public Tensor Batch(long[] rows)
    {
        using var scope = NewDisposeScope();
        return rows.Length == 0
            ? empty(0, channels, height, width).MoveToOuterDisposeScope()
            : stack(rows.Select(row => files[row].Read(height, width, channels)).ToArray()).MoveToOuterDisposeScope();
    }

    public void Dispose() { }
}
