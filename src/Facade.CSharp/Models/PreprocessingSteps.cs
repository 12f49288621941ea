namespace Attribution;

/// <summary>Preprocessing as steps of a network.</summary>
/// <param name="preprocessing">What is done to images; what it leaves out changes nothing.</param>
/// <param name="path">The file of the network, for messages.</param>
internal sealed class PreprocessingSteps(Preprocessing preprocessing, string path)
{
    private readonly double scale = preprocessing.Scale ?? 1;
    private readonly bool isReversed = preprocessing.ChannelOrder == ChannelOrder.Bgr;
    private readonly IReadOnlyList<double> mean = preprocessing.Mean ?? [0];
    private readonly IReadOnlyList<double> std = preprocessing.Std ?? [1];

    /// <summary>The number of channels that it is for; 1 where any will do.</summary>
    public long Channels => isReversed ? 3 : Math.Max(mean.Count, std.Count);

    /// <summary>What changes images of a shape, in order: a name, an op, and what it takes beside the image (null: nothing),
    /// in units of the image's own pixels, and exact until it is put in a precision.</summary>
    /// <exception cref="AttributionException">It is not for such images.</exception>
    public IReadOnlyList<(string Name, Op Op, Tensor? Constant)> For(long[] image)
    {
        RequireFit(image);
        List<(string, Op, Tensor?)> steps = [];
        void Add(string name, Op op, IReadOnlyList<double> numbers, double neutral)
        {
            if (numbers.Any(n => n * scale != neutral))
                steps.Add((name, op, PerChannel(numbers, image.Length)));
        }

        if (isReversed)
            steps.Add(
                (
                    "bgr",
                    Build.Function(Kind.Moves, "Reverse", x => cat([.. Enumerable.Reverse(x[0].split(1, 1))], 1)),
                    null
                )
            );
        // (x / scale - mean) / std, with a pass over the images less.
        Add("centred", Op.Subtract, mean, 0);
        Add("scaled", Op.Divide, std, 1);
        return steps;
    }

    /// <summary>Requires images to have the channels that it is for.</summary>
    /// <exception cref="AttributionException">They have not.</exception>
    public void RequireFit(long[] image)
    {
        if (isReversed && image is not [3, _, _])
            throw new AttributionException(
                $"Preprocessing puts channels in the order bgr, but the images of '{path}' are {string.Join("×", image)}: that is for 3 channels."
            );
        var channels = image.Length > 1 ? image[0] : 1;
        foreach (var numbers in new[] { mean, std })
            if (numbers.Count != 1 && numbers.Count != channels)
                throw new AttributionException(
                    $"Preprocessing has {numbers.Count} numbers for each pixel, but the images of '{path}' have {channels} channels: give one number, or one for each channel."
                );
    }

    private Tensor PerChannel(IReadOnlyList<double> numbers, int dimensions) =>
        tensor(numbers.Select(n => n * scale).ToArray()).reshape([-1, .. Enumerable.Repeat(1L, dimensions - 1)]);
}
