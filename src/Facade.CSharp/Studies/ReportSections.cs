using System;
using System.Collections.Generic;
using System.Linq;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>An image that a report shows or measures.</summary>
/// <param name="Position">Its position in the set.</param>
/// <param name="Label">Its file's name, its id, or its position.</param>
/// <param name="TrueClass">Its true class; null where that is not known.</param>
/// <param name="PredictedClass">The class that the model gives it.</param>
public sealed record ReportInstance(int Position, string Label, int? TrueClass, int PredictedClass)
{
    /// <summary>Whether the model is right; null where the true class is not known.</summary>
    public bool? IsCorrect => TrueClass is { } y ? y == PredictedClass : null;
}

/// <summary>An expert: what it is asked, its influence, and how it behaves.</summary>
public sealed record ReportExpert
{
    /// <summary>The layer.</summary>
    public required string Layer { get; init; }

    /// <summary>What a unit of the layer is; never <see cref="Units.Auto"/>.</summary>
    public required Units Units { get; init; }

    /// <summary>What to call one of them: "unit" or "channel".</summary>
    public string Noun => Units.Noun();

    /// <summary>The class of whose score, or margin, it is the expert.</summary>
    public required int Class { get; init; }

    /// <summary>The class over which the margin is taken; null: the quantity is the score of <see cref="Class"/>.</summary>
    public required int? Against { get; init; }

    /// <summary>The class that it is compared with.</summary>
    public required int Sibling { get; init; }

    /// <summary>Whether the distribution of interest is the images of the quantity's classes alone, and not the whole set.</summary>
    public required bool IsOverOwnImages { get; init; }

    /// <summary>The number of images in the distribution.</summary>
    public required int Instances { get; init; }

    /// <summary>The expert and the runners-up, largest influence first.</summary>
    public required IReadOnlyList<UnitInfluence> Top { get; init; }

    /// <summary>The share of the distribution's images on which it is active, that is, above 0.</summary>
    public required double ActiveShare { get; init; }

    /// <summary>The same of the images of <see cref="Class"/>.</summary>
    public required double ActiveOnClass { get; init; }

    /// <summary>The same of the images of <see cref="Sibling"/>.</summary>
    public required double ActiveOnSibling { get; init; }

    /// <summary>The area under the ROC curve of its value as a detector of <see cref="Class"/> against <see cref="Sibling"/>.</summary>
    public required double Selectivity { get; init; }

    /// <summary>The expert: its position among the units of the layer.</summary>
    public int Unit => Top[0].Unit;

    /// <summary>Its influence.</summary>
    public double Influence => Top[0].Influence;

    /// <summary>Whether it is active on no image of its distribution.</summary>
    public bool IsDead => ActiveShare == 0;

    /// <summary>The quantity of interest, as the command line spells it.</summary>
    public string Quantity => Against is { } other ? $"margin:{Class},{other}" : $"class:{Class}";

    /// <summary>The distribution of interest, as the command line spells it.</summary>
    public string Distribution =>
        !IsOverOwnImages ? "all"
        : Against is { } other ? $"class:{Class},{other}"
        : $"class:{Class}";
}

/// <summary>Two experts, and how alike the influences are that made them so.</summary>
/// <param name="One">An expert.</param>
/// <param name="Other">Another.</param>
/// <param name="RankCorrelation">Spearman's rank correlation of the influences of all units.</param>
public sealed record ExpertComparison(ReportExpert One, ReportExpert Other, double RankCorrelation)
{
    /// <summary>Whether they are the same unit.</summary>
    public bool Coincide => One.Unit == Other.Unit;
}

/// <summary>What a unit sees in an image.</summary>
/// <param name="Instance">The image.</param>
/// <param name="Activation">The unit's value.</param>
/// <param name="Gradient">The unit's pixel attribution x ⊙ ∇h (h×w), which the report owns.</param>
/// <param name="Integrated">The same by integrated gradients.</param>
public sealed record ExpertView(ReportInstance Instance, double Activation, Tensor Gradient, Tensor Integrated);

/// <summary>What a unit sees in the images of a class on which it is most active.</summary>
/// <param name="Experts">The experts that are this unit, all of the same class.</param>
/// <param name="Views">Images, most active first.</param>
public sealed record ExpertFigure(IReadOnlyList<ReportExpert> Experts, IReadOnlyList<ExpertView> Views)
{
    /// <summary>Images that the unit wants to see, which the report owns; null where it would take long to find them.</summary>
    public IdealImages? Ideal { get; init; }

    /// <summary>The layer at which the unit was looked at for that: before its activation, where it has one.</summary>
    public string? IdealLayer { get; init; }
}

/// <summary>Experts, compared.</summary>
/// <param name="Experts">For each pair and each of its classes: over the whole set, and over the quantity's own images.</param>
/// <param name="Comparisons">Which coincide.</param>
/// <param name="Figures">What they see.</param>
/// <param name="Companions">What the same definition names on the other side of the activation; empty where there is none.</param>
public sealed record ExpertSection(
    IReadOnlyList<ReportExpert> Experts,
    IReadOnlyList<ExpertComparison> Comparisons,
    IReadOnlyList<ExpertFigure> Figures,
    IReadOnlyList<ReportExpert> Companions
);

/// <summary>A method's map of an image.</summary>
/// <param name="Method">The method's name, as the command line spells it.</param>
/// <param name="Unit">The expert, for the influence-directed method; else null.</param>
/// <param name="PositivePixels">How many pixels have positive attribution.</param>
/// <param name="Map">The pixel attribution (h×w), which the report owns.</param>
public sealed record MethodView(string Method, int? Unit, int PositivePixels, Tensor Map);

/// <summary>The methods' maps of an image, side by side.</summary>
/// <param name="Instance">The image.</param>
/// <param name="Views">One a method.</param>
public sealed record MethodRow(ReportInstance Instance, IReadOnlyList<MethodView> Views);

/// <summary>A method's average drop.</summary>
/// <param name="Method">The method.</param>
/// <param name="Score">The mean drop in percent over the images whose map is sound; NaN where it is defined for none.</param>
/// <param name="Low">The lower end of its 95% bootstrap interval.</param>
/// <param name="High">The upper end.</param>
/// <param name="Drops">Each image's drop in percent; NaN where the score is not positive.</param>
/// <param name="Maps">What each image's map is.</param>
public sealed record MethodDrop(
    string Method,
    double Score,
    double Low,
    double High,
    IReadOnlyList<double> Drops,
    MapStates Maps
)
{
    /// <summary>Over how many images the mean is.</summary>
    public int Count => Drops.Zip(Maps).Count(d => double.IsFinite(d.First) && d.Second == MapState.Sound);

    /// <summary>How many images were left out since their score is not positive.</summary>
    public int Skipped => Drops.Count(double.IsNaN);
}

/// <summary>The average drop over all images of a class.</summary>
/// <param name="Class">The class.</param>
/// <param name="Instances">Its images.</param>
/// <param name="Drops">One a method.</param>
public sealed record DropSection(int Class, IReadOnlyList<ReportInstance> Instances, IReadOnlyList<MethodDrop> Drops);

/// <summary>A method's necessity ordering of an image.</summary>
/// <param name="Method">The method.</param>
/// <param name="Score">N_o; NaN for a map that is not finite.</param>
/// <param name="Curve">The score after each removal.</param>
/// <param name="Map">What the map is.</param>
public sealed record MethodCurve(string Method, double Score, RemovalCurve Curve, MapState Map);

/// <summary>The methods' necessity ordering of an image.</summary>
/// <param name="Instance">The image.</param>
/// <param name="Whole">The score of the whole image above the blank's, max(f_c(x) - f_c(0), 0).</param>
/// <param name="Curves">One a method.</param>
public sealed record NecessityRow(ReportInstance Instance, double Whole, IReadOnlyList<MethodCurve> Curves);

/// <summary>Where the positive attribution of a method lies, as means over images.</summary>
/// <param name="Method">The method.</param>
/// <param name="Count">The images with any positive attribution; the means are over these.</param>
/// <param name="ObjectShare">The share of the positive attribution that lies inside the object.</param>
/// <param name="ObjectArea">The same share of a uniform map: the object's share of the image.</param>
/// <param name="ObjectHits">How often the largest pixel lies inside the object.</param>
/// <param name="PartShare">The share inside the distinguishing part.</param>
/// <param name="PartArea">The same share of a uniform map.</param>
/// <param name="PartHits">How often the largest pixel lies inside the part.</param>
public sealed record Location(
    string Method,
    int Count,
    double ObjectShare,
    double ObjectArea,
    double ObjectHits,
    double PartShare,
    double PartArea,
    double PartHits
)
{
    /// <summary>How many times as much lies inside the part as of a uniform map.</summary>
    public double PartRatio => PartShare / PartArea;

    /// <summary>The same for the object.</summary>
    public double ObjectRatio => ObjectShare / ObjectArea;
}

/// <summary>Where a margin's expert looks, on the images of the class that the margin favours.</summary>
/// <param name="Expert">The expert, over the images of both classes.</param>
/// <param name="Part">What tells the two classes apart.</param>
/// <param name="IsFirstForm">Whether it favours the class with the part, or with its first form.</param>
/// <param name="Gradient">Its attribution x ⊙ ∇h.</param>
/// <param name="Integrated">Its attribution by integrated gradients.</param>
/// <param name="View">The image of its class on which it is most active.</param>
public sealed record PairLocation(
    ReportExpert Expert,
    string Part,
    bool IsFirstForm,
    Location Gradient,
    Location Integrated,
    ExpertView View
);

/// <summary>Where the attribution lies, for images whose truth is known.</summary>
/// <param name="Instances">How many images the numbers are over, as many of each class.</param>
/// <param name="Methods">Each method over all of them.</param>
/// <param name="Pairs">Each margin's expert.</param>
public sealed record LocationSection(int Instances, IReadOnlyList<Location> Methods, IReadOnlyList<PairLocation> Pairs)
{
    /// <summary>Whether the experts find the distinguishing part, in sentences that the numbers decide.</summary>
    public IReadOnlyList<string> Verdict => ReportFindings.Of(this);
}

/// <summary>How much of a method's positive attribution lies on the distinguishing part.</summary>
/// <param name="Method">The method's name.</param>
/// <param name="Count">The images whose map is sound; the means are over these.</param>
/// <param name="Share">The mean share on the part.</param>
/// <param name="Ratio">How many times as much as of a uniform map, with the 95 % bootstrap interval over images.</param>
/// <param name="Hits">How often the largest pixel lies on it.</param>
public sealed record MethodTruth(string Method, int Count, double Share, Estimate Ratio, double Hits);

/// <summary>Which methods find what tells two classes apart, where that is known.</summary>
/// <param name="Instances">How many images it is over.</param>
/// <param name="Area">The part's mean share of the image: what a uniform map puts on it.</param>
/// <param name="Methods">The methods, the one that puts most on it first.</param>
public sealed record TruthSection(int Instances, double Area, IReadOnlyList<MethodTruth> Methods)
{
    /// <summary>Which ones do, in sentences that the numbers decide.</summary>
    public IReadOnlyList<string> Verdict => ReportFindings.Of(this);
}

/// <summary>A choice that a report rests on.</summary>
/// <param name="What">What was chosen.</param>
/// <param name="Value">The choice.</param>
/// <param name="Reason">Why.</param>
public sealed record ReportChoice(string What, string Value, string Reason);

/// <summary>The names of the methods that a report compares, as the command line spells them.</summary>
public static class ReportMethods
{
    /// <summary>x ⊙ ∇ f_c.</summary>
    public const string Saliency = "saliency";

    /// <summary>Integrated gradients of f_c.</summary>
    public const string IntegratedGradients = "integrated-gradients";

    /// <summary>x ⊙ ∇ of the expert.</summary>
    public const string InfluenceDirected = "influence-directed";

    /// <summary>The three.</summary>
    public static IReadOnlyList<string> All { get; } = [Saliency, IntegratedGradients, InfluenceDirected];
}
