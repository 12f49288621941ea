using BoxFormat = Attribution.Core.BoxFormat;

namespace Attribution;

/// <summary>Scores of classes at each position of an image: a segmentation, a heat map.</summary>
/// <param name="Layer">The layer of the scores.</param>
/// <param name="Shape">k, h, w there.</param>
public sealed record RegionScores(string Layer, IReadOnlyList<long> Shape);

/// <summary>What a network detects: m boxes, and for each the scores of k classes.</summary>
/// <param name="Layer">The layer of boxes and scores, m×(4 + k).</param>
/// <param name="Shape">m, 4 + k.</param>
/// <param name="Boxes">What the four numbers of a box are, in pixels or in shares of the image's sides.</param>
public sealed record DetectionScores(string Layer, IReadOnlyList<long> Shape, BoxNumbers Boxes);

/// <summary>How four numbers tell a box.</summary>
public enum BoxNumbers
{
    /// <summary>Left, top, right, bottom.</summary>
    Corners = BoxFormat.Corners,

    /// <summary>The centre's column and row, width, height.</summary>
    CentreAndSize = BoxFormat.CentreAndSize,

    /// <summary>Left, top, width, height.</summary>
    CornerAndSize = BoxFormat.CornerAndSize,
}
