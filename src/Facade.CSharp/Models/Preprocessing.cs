using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>What a model does to an image before its first layer, channel by channel: x' = (x / scale - mean) / std. It is
/// part of f, so attributions and baselines refer to the image itself.</summary>
public sealed record Preprocessing
{
    /// <summary>Sets the numbers; what is left out changes nothing.</summary>
    /// <param name="scale">Divides each pixel, 255 for a network trained on 0-1.</param>
    /// <param name="mean">One number for each channel, or one for all.</param>
    /// <param name="std">One positive number for each channel, or one for all.</param>
    /// <exception cref="AttributionException">A number is not finite, or scale or std is not positive.</exception>
    public Preprocessing(double scale = 1, IReadOnlyList<double>? mean = null, IReadOnlyList<double>? std = null)
    {
        if (!(double.IsFinite(scale) && scale > 0))
            throw new AttributionException($"The scale must be a positive number, but is {scale}.");

        if (mean?.FirstOrDefault(m => !double.IsFinite(m)) is { } wrong && !double.IsFinite(wrong))
            throw new AttributionException($"Each mean must be a finite number, but one is {wrong}.");

        foreach (var deviation in std ?? [])
            if (!(double.IsFinite(deviation) && deviation > 0))
                throw new AttributionException($"Each std must be a positive number, but one is {deviation}.");

        Scale = scale;
        Mean = mean?.ToArray();
        Std = std?.ToArray();
    }

    /// <summary>Divides each pixel.</summary>
    public double Scale { get; }

    /// <summary>Subtracted after scaling; null for none.</summary>
    public IReadOnlyList<double>? Mean { get; }

    /// <summary>Divides what is left; null for none.</summary>
    public IReadOnlyList<double>? Std { get; }
}
