namespace Attribution.Onnx;

/// <summary>How an image becomes the input that a file asks for.</summary>
/// <param name="Image">The image's shape: channels, height, width.</param>
/// <param name="Batch">The batch size that the file was written for; 1 where it leaves that open.</param>
/// <param name="Step">What turns images into the input; null where they are the input.</param>
/// <param name="Note">What was decided for the file; null where the file says it.</param>
internal sealed record ImageLayout(long[] Image, long Batch, Op? Step, string? Note)
{
    // Tried in turn where the file leaves the size or the channels open: the network's dense layers decide what fits.
    private static readonly long[] Sizes = [224, 299, 32, 28, 64, 96, 128, 160, 192, 240, 256, 288, 384, 512];
    private static readonly long[] Channels = [3, 1];

    // Arithmetic with such batches cannot overflow; a file that means more is not right about it.
    private const long MostInstances = 1 << 20;

    /// <summary>The layouts that the file's input may have; the first that the network can be run on is meant.</summary>
    /// <exception cref="AttributionException">The input is not an image.</exception>
    public static IEnumerable<ImageLayout> Candidates(OnnxFile file)
    {
        var sizes =
            file.Input.Type?.TensorType?.Shape?.Dim.Select(d => d.DimValue > 0 ? d.DimValue : (long?)null).ToArray()
            ?? new long?[4];
        var batch = Math.Min(sizes.FirstOrDefault() ?? 1, MostInstances);
        return sizes switch
        {
            [_, var c, var h, var w] when IsChannels(w) && !IsChannels(c) => from side in Known(c ?? h, Sizes)
            select Layout(
                file,
                [w!.Value, c ?? side, h ?? side],
                batch,
                Op.NewPermute([0, 2, 3, 1]),
                c is null || h is null
            ),
            [_, var c, var h, var w] => from channels in Known(c, Channels)
            from side in Known(h ?? w, Sizes)
            select Layout(file, [channels, h ?? side, w ?? side], batch, null, c is null || h is null || w is null),
            [_, { } c, { } d, { } h, { } w] => [new ImageLayout([c, d, h, w], batch, null, null)],
            [_, { } c, { } t] when IsSignal(file) => [new ImageLayout([c, t], batch, null, null)],
            [_, { } h, { } w] => [new ImageLayout([1, h, w], batch, Op.NewReshape([h, w]), null)],
            [_, { } length] => [Flat(file, length, batch)],
            _ => throw file.Fault(
                $"takes '{file.Input.Name}' of the shape [{string.Join(", ", sizes.Select(s => s?.ToString() ?? "?"))}], which is not a batch of images"
            ),
        };
    }

    // What is convolved along one dimension is channels × times; else rows × columns of grey.
    private static bool IsSignal(OnnxFile file)
    {
        HashSet<string> input = [file.Input.Name];
        foreach (var node in file.Graph.Node.Where(node => node.Input.Count > 0 && input.Contains(node.Input[0])))
            if (node.OpType == "Conv")
                return node.Input.Count > 1 && file.Constant(node.Input[1]) is { Rank: 3 };
            else if (node.OpType is "Add" or "Sub" or "Mul" or "Div" or "Cast" or "Identity" or "BatchNormalization")
                input.UnionWith(node.Output);
        return false;
    }

    private static bool IsChannels(long? size) => size is 1 or 3 or 4;

    private static long[] Known(long? size, long[] usual) => size is { } known ? [known] : usual;

    private static ImageLayout Layout(OnnxFile file, long[] image, long batch, Op? step, bool isOpen) =>
        new(
            image,
            batch,
            step,
            isOpen
                ? $"'{file.Path}' leaves the size of its images open: {string.Join("×", image)} (channels, height, width) is taken."
                : null
        );

    private static ImageLayout Flat(OnnxFile file, long length, long batch)
    {
        foreach (var channels in new long[] { 1, 3 })
        {
            var side = (long)Math.Round(Math.Sqrt(length / (double)channels));
            if (length < int.MaxValue && channels * side * side == length && side > 1)
                return new ImageLayout(
                    [channels, side, side],
                    batch,
                    Op.Flatten,
                    $"'{file.Path}' takes rows of {length} numbers: images of {channels}×{side}×{side} are taken."
                );
        }
        return new ImageLayout([length], batch, null, null);
    }
}
