namespace Attribution;

/// <summary>In which order a network takes an image's colours.</summary>
public enum ChannelOrder
{
    /// <summary>Red, green, blue: as images are given.</summary>
    Rgb,

    /// <summary>Blue, green, red.</summary>
    Bgr,
}

/// <summary>What a model does to an image (0-255) before its first layer: its channels put in the network's order, and then,
/// channel by channel, x' = (x / scale - mean) / std. It is part of f, so attributions and baselines refer to the image
/// itself.</summary>
/// <remarks>What is left out is taken from an ONNX file's metadata, and changes nothing where they do not say it
/// either.</remarks>
public sealed record Preprocessing
{
    // Nobody divides pixels of 0 to 1 by as much, or takes as much from them.
    private const double LeastOfBytes = 16;

    /// <summary>Sets the numbers.</summary>
    /// <param name="scale">Divides each pixel, 255 for a network trained on 0-1.</param>
    /// <param name="mean">One number for each channel, in the network's order, or one for all.</param>
    /// <param name="std">One positive number for each channel, in the network's order, or one for all.</param>
    /// <param name="channelOrder">The network's order.</param>
    /// <exception cref="AttributionException">A number is not finite, or scale or std is not positive.</exception>
    public Preprocessing(
        double? scale = null,
        IReadOnlyList<double>? mean = null,
        IReadOnlyList<double>? std = null,
        ChannelOrder? channelOrder = null
    )
    {
        if (scale is { } divisor && !IsPositive(divisor))
            throw new AttributionException($"The scale must be a positive number, but is {scale}.");
        foreach (var shift in (mean ?? []).Where(m => !double.IsFinite(m)))
            throw new AttributionException($"Each mean must be a finite number, but one is {shift}.");
        foreach (var deviation in (std ?? []).Where(d => !IsPositive(d)))
            throw new AttributionException($"Each std must be a positive number, but one is {deviation}.");

        (Scale, Mean, Std, ChannelOrder) = (scale, mean?.ToArray(), std?.ToArray(), channelOrder);
    }

    /// <summary>None at all, whatever a file's metadata say.</summary>
    public static Preprocessing None { get; } = new(1, [0], [1], Attribution.ChannelOrder.Rgb);

    /// <summary>x / 255.</summary>
    public static Preprocessing Unit { get; } = new(255, [0], [1], Attribution.ChannelOrder.Rgb);

    /// <summary>x / 255, less ImageNet's mean (0.485, 0.456, 0.406), over its deviation (0.229, 0.224, 0.225): most networks
    /// from PyTorch.</summary>
    public static Preprocessing ImageNet { get; } =
        new(255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], Attribution.ChannelOrder.Rgb);

    /// <summary>Blue, green, red, less ImageNet's mean (103.939, 116.779, 123.68): networks from Caffe, and Keras's VGG and
    /// ResNet.</summary>
    public static Preprocessing Caffe { get; } = new(1, [103.939, 116.779, 123.68], [1], Attribution.ChannelOrder.Bgr);

    /// <summary>x / 255, less CIFAR-10's mean (0.4914, 0.4822, 0.4465), over its deviation (0.2470, 0.2435,
    /// 0.2616).</summary>
    public static Preprocessing Cifar10 { get; } =
        new(255, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], Attribution.ChannelOrder.Rgb);

    /// <summary>Divides each pixel; null where it is left out.</summary>
    public double? Scale { get; }

    /// <summary>Subtracted after scaling, in the network's order of channels; null where it is left out.</summary>
    public IReadOnlyList<double>? Mean { get; }

    /// <summary>Divides what is left, in the network's order of channels; null where it is left out.</summary>
    public IReadOnlyList<double>? Std { get; }

    /// <summary>The network's order of channels; null where it is left out.</summary>
    public ChannelOrder? ChannelOrder { get; }

    /// <summary>The same, with what it leaves out taken from another.</summary>
    public Preprocessing Or(Preprocessing other) =>
        new(Scale ?? other.Scale, Mean ?? other.Mean, Std ?? other.Std, ChannelOrder ?? other.ChannelOrder);

    /// <summary>Whether its numbers are for pixels from 0 to 255, and for none from 0 to 1.</summary>
    internal bool IsForBytes => Scale > LeastOfBytes || Mean?.Any(m => m * (Scale ?? 1) > LeastOfBytes) == true;

    /// <summary>Whether its numbers are for pixels from 0 to 1, and for none from 0 to 255.</summary>
    internal bool IsForUnit =>
        !IsForBytes
        && (Scale ?? 1) <= 1
        && (Mean?.All(m => Math.Abs(m) <= 1) ?? true)
        && (Std?.All(d => d <= 1) ?? true)
        && (Mean?.Any(m => m != 0) == true || Std?.Any(d => d != 1) == true);

    /// <summary>"scale 255, mean 0.5, std 0.2, channel order rgb", without what is left out.</summary>
    public override string ToString()
    {
        static string? Part(string name, IEnumerable<double>? numbers) =>
            numbers is null
                ? null
                : $"{name} {string.Join(",", numbers.Select(n => n.ToString(CultureInfo.InvariantCulture)))}";
        string?[] parts =
        [
            Part("scale", Scale is { } scale ? [scale] : null),
            Part("mean", Mean),
            Part("std", Std),
            ChannelOrder is { } order ? $"channel order {order.ToString().ToLowerInvariant()}" : null,
        ];
        return string.Join(", ", parts.OfType<string>());
    }

    /// <summary>Whether the other says the same.</summary>
    public bool Equals(Preprocessing? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    private static bool IsPositive(double number) => double.IsFinite(number) && number > 0;
}
