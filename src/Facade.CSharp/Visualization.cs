using System;
using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Pictures of attributions. No argument is changed.</summary>
public static class Visualization
{
    /// <summary>Point clouds: the mean over channels, divided by its own maximum m, image by image (by m + 1e-9·min(m, 1), so
    /// that a map of any size is drawn).</summary>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    /// <param name="threshold">What is below it becomes 0; null: nothing does.</param>
    /// <param name="maximum">What all maps are divided by, so that they compare; null: each one's own maximum.</param>
    /// <returns>n×h×w.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The maximum is no finite number, or negative.</exception>
    public static Tensor PointCloud(Tensor attributions, double? threshold = null, double? maximum = null) =>
        Picture.pointCloudBy(Interop.Option(Scale(maximum)), threshold ?? double.NegativeInfinity, attributions);

    /// <summary>Images seen through their attributions: pixels above the threshold keep their colour, the others are dimmed.</summary>
    /// <param name="x">n×c×h×w.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    /// <param name="norm">Whether each map is divided by its maximum first.</param>
    /// <param name="threshold">What counts as seen.</param>
    /// <param name="blur">Standard deviation, in pixels, of a Gaussian blur of the map; 0: none.</param>
    /// <param name="background">What the other pixels are multiplied with.</param>
    /// <param name="maximum">What all maps are divided by, so that they compare; null: each one's own maximum.</param>
    /// <returns>n×h×w×c bytes; each image's maximum is 255, but for one of which nothing is seen, which stays dim.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or a number is out of range.</exception>
    public static Tensor BinaryMask(
        Tensor x,
        Tensor attributions,
        bool norm = true,
        double threshold = 0.2,
        double blur = 0,
        double background = 0.1,
        double? maximum = null
    ) => Picture.binaryMaskBy(Interop.Option(Scale(maximum)), norm, threshold, blur, background, attributions, x);

    /// <summary>Heat maps over images: the mean over channels on a diverging scale, red for and blue against, the image in light
    /// grey below. A pixel has √(|a| / m) of its colour, m being its map's largest |a|: none at 0.</summary>
    /// <param name="x">n×c×h×w.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    /// <param name="magnitude">m for all maps, so that they compare; null: each one's own.</param>
    /// <returns>n×h×w×3 bytes.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or a number is out of range.</exception>
    public static Tensor HeatMap(Tensor x, Tensor attributions, double? magnitude = null) =>
        Picture.heatMap(Interop.Option(Scale(magnitude)), attributions, x);

    /// <summary>The colours of heat maps from their largest magnitude down to its negative, as on white.</summary>
    /// <param name="count">How many.</param>
    /// <returns>count×1×3 bytes.</returns>
    public static Tensor HeatScale(int count) => Picture.heatScale(count);

    private static double? Scale(double? scale) =>
        scale is not { } number || double.IsFinite(number) && number >= 0
            ? scale
            : throw new ArgumentOutOfRangeException(nameof(scale), scale, "A scale is a finite number of 0 or more.");
}
