namespace Attribution;

/// <summary>Where a map's positive attribution lies, for images in which a region is known. Each score is between 0 and 1,
/// higher is better; a uniform map's share is <see cref="Areas"/>. NaN where no attribution is positive.</summary>
/// <remarks>Masks are n×h×w of booleans. Attributions are n×c×h×w, or pixel attributions n×h×w. Only what is positive
/// points anywhere.</remarks>
public static class Localisation
{
    /// <summary>Σ_{p ∈ mask} max(A_p, 0) / Σ_p max(A_p, 0): relevance mass accuracy, or the energy-based pointing game.</summary>
    /// <remarks>Arras, Osman and Samek, arXiv 2003.07258; Wang et al., Score-CAM, arXiv 1910.01279.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    public static IReadOnlyList<double> Shares(Tensor masks, Tensor attributions) =>
        Maps.Numbers(ShareScores(masks, attributions));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.</summary>
    /// <inheritdoc cref="Shares" path="/exception"/>
    public static Tensor ShareScores(Tensor masks, Tensor attributions) =>
        Core.Localisation.shares(Fitting(masks, attributions), attributions);

    /// <summary>1 where the largest attribution, the first on ties, lies inside, else 0: the pointing game.</summary>
    /// <remarks>Zhang et al., arXiv 1608.00507, without a margin around the mask.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    public static IReadOnlyList<double> Hits(Tensor masks, Tensor attributions) =>
        Maps.Numbers(HitScores(masks, attributions));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.
    /// Where it is relaxed, so is the order of the pixels.</summary>
    /// <inheritdoc cref="Hits" path="/exception"/>
    public static Tensor HitScores(Tensor masks, Tensor attributions, Relaxation? relaxation = null) =>
        Core.Localisation.hits(Relaxation.InCore(relaxation), Fitting(masks, attributions), attributions);

    /// <summary>The margin of the pointing game: 15 pixels where the longer side has 224, as large a share of other images.</summary>
    public static double Margin(int height, int width) => Core.Localisation.margin(height, width);

    /// <summary>1 where the largest attribution, the first on ties, lies inside or no further than the margin from the mask, from
    /// centre to centre, else 0: the pointing game.</summary>
    /// <param name="masks">n×h×w of booleans.</param>
    /// <param name="attributions">n×c×h×w, or pixel attributions n×h×w.</param>
    /// <param name="margin">In pixels; null: <see cref="Margin"/> of the masks' size.</param>
    /// <remarks>Zhang et al., arXiv 1608.00507, whose margin of 15 pixels is for images of a network's size.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The margin is negative, or no number.</exception>
    public static IReadOnlyList<double> PointingGame(Tensor masks, Tensor attributions, double? margin = null) =>
        Maps.Numbers(PointingGameScores(masks, attributions, margin));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.
    /// Where it is relaxed, so is the order of the pixels.</summary>
    /// <inheritdoc cref="PointingGame" path="/param|/exception"/>
    public static Tensor PointingGameScores(
        Tensor masks,
        Tensor attributions,
        double? margin = null,
        Relaxation? relaxation = null
    )
    {
        Fitting(masks, attributions);
        var reach = margin ?? Core.Localisation.margin(masks.shape[1], masks.shape[2]);
        if (!(reach >= 0 && double.IsFinite(reach)))
            throw new ArgumentOutOfRangeException(nameof(margin), margin, "The margin is 0 pixels or more.");
        using var near = NewDisposeScope();
        return Core
            .Localisation.hits(Relaxation.InCore(relaxation), Core.Localisation.widened(reach, masks), attributions)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Relevance rank accuracy, |top_K ∩ mask| / K: of the K pixels of largest attribution, K as many as the mask has, the
    /// share that lies inside. NaN where the mask is empty.</summary>
    /// <remarks>Arras, Osman and Samek, arXiv 2003.07258.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    public static IReadOnlyList<double> RankAccuracies(Tensor masks, Tensor attributions) =>
        Maps.Numbers(RankAccuracyScores(masks, attributions));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.
    /// Where it is relaxed, so is the order of the pixels.</summary>
    /// <inheritdoc cref="RankAccuracies" path="/exception"/>
    public static Tensor RankAccuracyScores(Tensor masks, Tensor attributions, Relaxation? relaxation = null) =>
        Core.Localisation.rankAccuracies(Relaxation.InCore(relaxation), Fitting(masks, attributions), attributions);

    /// <summary>Top-k intersection, |top_k ∩ mask| / k: of the k pixels of largest attribution, the share that lies inside.</summary>
    /// <remarks>Theiner, Müller-Budack and Ewerth, arXiv 2104.14995.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    /// <exception cref="ArgumentOutOfRangeException">k is less than 1, or more than the pixels.</exception>
    public static IReadOnlyList<double> TopKIntersections(int k, Tensor masks, Tensor attributions) =>
        Maps.Numbers(TopKIntersectionScores(k, masks, attributions));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.
    /// Where it is relaxed, so is the order of the pixels.</summary>
    /// <inheritdoc cref="TopKIntersections" path="/exception"/>
    public static Tensor TopKIntersectionScores(int k, Tensor masks, Tensor attributions, Relaxation? relaxation = null)
    {
        Fitting(masks, attributions);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, masks.shape[1] * masks.shape[2]);
        return Core.Localisation.topKIntersections(Relaxation.InCore(relaxation), k, masks, attributions);
    }

    /// <summary>The area under the curve of true against false positives, of the pixel attribution as what tells the mask's pixels
    /// from the others: the share of pairs of a pixel inside and one outside of which the inner has the larger attribution, ties
    /// counting half. NaN where the mask is empty, or everything.</summary>
    /// <remarks>Fawcett, Pattern Recognition Letters 27(8), 2006, by the ranks of Mann and Whitney. Here negative attribution
    /// counts too: it ranks below none.</remarks>
    /// <exception cref="ArgumentException">The shapes do not fit, or the masks are not booleans.</exception>
    public static IReadOnlyList<double> Aucs(Tensor masks, Tensor attributions) =>
        Maps.Numbers(AucScores(masks, attributions));

    /// <summary>The same as a tensor: n, in 64-bit floats, connected to the maps inside <see cref="Differentiation.Record"/>.
    /// Where it is relaxed, so are the ranks of the pixels.</summary>
    /// <inheritdoc cref="Aucs" path="/exception"/>
    public static Tensor AucScores(Tensor masks, Tensor attributions, Relaxation? relaxation = null) =>
        Core.Localisation.aucs(Relaxation.InCore(relaxation), Fitting(masks, attributions), attributions);

    /// <summary>The share of each image that its mask covers.</summary>
    /// <exception cref="ArgumentException">The masks are not n×h×w of booleans.</exception>
    public static IReadOnlyList<double> Areas(Tensor masks) =>
        Maps.Numbers(Core.Localisation.areas(Fitting(masks, masks)));

    internal static Tensor Fitting(Tensor masks, Tensor attributions)
    {
        if (masks.ndim != 3 || masks.dtype != ScalarType.Bool)
            throw new ArgumentException("The masks must be n×h×w of booleans.", nameof(masks));
        long[] expected =
            attributions.ndim == 4 ? [attributions.shape[0], .. attributions.shape[2..]] : attributions.shape;
        TensorModule.requireShape("masks", expected, masks);
        return masks;
    }
}
