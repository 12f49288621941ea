using System;
using System.Collections.Generic;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Effective complexity, |{p : |A_p| > threshold · max |A|}|: the number of pixels whose magnitude is above a share of the
/// largest. Lower means a simpler map.
/// </summary>
/// <remarks>
/// After Nguyen and Martínez, arXiv 2007.07584, as Quantus counts it (there with a threshold of 0.00001). The map's own maximum
/// is the unit, so that the scale of the map does not matter.
/// </remarks>
public static class EffectiveComplexity
{
    /// <summary>The score of each map, in pixels; NaN where all of it is 0.</summary>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="threshold">The share of the largest magnitude.</param>
    /// <exception cref="ArgumentException">They have another number of dimensions.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is negative, or 1 or more.</exception>
    /// <exception cref="AttributionException">An attribution is not finite, or there is none.</exception>
    public static MapScores Evaluate(Tensor attributions, double threshold = 0.01)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threshold);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(threshold, 1);
        return Maps.Scored(attributions, Maps.Numbers(Core.EffectiveComplexity.scores(threshold, attributions)));
    }
}
