using Attribution.Core;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Pictures of attributions. No argument is changed.</summary>
public static class Visualization
{
    /// <summary>Point clouds: the mean over channels, divided by its own maximum + 1e-9, image by image.</summary>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    /// <param name="threshold">What is below it becomes 0; null: nothing does.</param>
    /// <returns>n×h×w.</returns>
    public static Tensor PointCloud(Tensor attributions, double? threshold = null) =>
        Picture.pointCloud(threshold ?? double.NegativeInfinity, attributions);

    /// <summary>Images seen through their attributions: pixels above the threshold keep their colour, the others are dimmed.</summary>
    /// <param name="x">n×c×h×w.</param>
    /// <param name="attributions">n×c×h×w or n×h×w.</param>
    /// <param name="norm">Whether each map is divided by its maximum first.</param>
    /// <param name="threshold">What counts as seen.</param>
    /// <param name="blur">Standard deviation, in pixels, of a Gaussian blur of the map; 0: none.</param>
    /// <param name="background">What the other pixels are multiplied with.</param>
    /// <returns>n×h×w×c bytes; each image's maximum is 255.</returns>
    public static Tensor BinaryMask(
        Tensor x,
        Tensor attributions,
        bool norm = true,
        double threshold = 0.2,
        double blur = 0,
        double background = 0.1
    ) => Picture.binaryMask(norm, threshold, blur, background, attributions, x);
}
