using System;
using System.Globalization;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What the pictures of several maps are drawn by, so that they compare.</summary>
/// <param name="Maximum">The largest attribution of a pixel, at least 0: the white of point clouds.</param>
/// <param name="Magnitude">The largest |attribution|: the full colours of heat maps.</param>
/// <param name="Images">How many images' maps share it.</param>
public sealed record MapScale(double Maximum, double Magnitude, int Images)
{
    /// <summary>The scale that maps share.</summary>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    public static MapScale Of(Tensor attributions)
    {
        using var scope = NewDisposeScope();
        // What is not finite is refused where it is drawn.
        var pixels = TensorModule.pixels(attributions.to(ScalarType.Float64)).nan_to_num(0, 0, 0);
        var magnitude = Picture.magnitude(pixels).max().item<double>();
        return new(Math.Max(0, pixels.max().item<double>()), magnitude, (int)pixels.shape[0]);
    }

    /// <inheritdoc/>
    public override string ToString() => $"scale shared by {Words.Count(Images, "image")}";

    /// <summary>A number beside a scale: "0.0123", "1.23e-10".</summary>
    public static string Number(double value)
    {
        var digits = value.ToString("G3", CultureInfo.InvariantCulture);
        return digits.Replace("E-0", "e-").Replace("E+0", "e").Replace("E-", "e-").Replace("E+", "e").Replace('-', '−');
    }
}
