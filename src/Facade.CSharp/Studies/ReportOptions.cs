using System.Collections.Generic;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Two classes that a report compares.</summary>
/// <param name="First">Number of the one.</param>
/// <param name="Second">Number of the other.</param>
public sealed record ClassPair(int First, int Second);

/// <summary>Two related classes, whose scenes share everything but one part.</summary>
/// <param name="First">Number of the class with the part, or with its first form.</param>
/// <param name="Second">Number of the class without the part, or with its second form.</param>
/// <param name="Part">Name of the distinguishing part.</param>
public sealed record ConceptPair(int First, int Second, string Part);

/// <summary>What is known of images whose content is known: where their object lies, and the part that tells related classes
/// apart.</summary>
/// <param name="Objects">n×h×w booleans.</param>
/// <param name="Parts">n×h×w booleans.</param>
/// <param name="Pairs">The pairs of related classes.</param>
public sealed record ReportTruth(Tensor Objects, Tensor Parts, IReadOnlyList<ConceptPair> Pairs);

/// <summary>What a report is about. What is left out is chosen, and the report names the choice.</summary>
public sealed record ReportOptions
{
    /// <summary>What the classes are called; null: the course's names for a model of ImageNet's 1000 classes, else
    /// numbers.</summary>
    public ClassNames? Names { get; init; }

    /// <summary>Two classes whose experts are compared; chosen: Arabian camel and weasel where there are images of both (by
    /// the course's numbers and names), else the two classes with most images.</summary>
    public ClassPair? Classes { get; init; }

    /// <summary>Two related classes; chosen: the two that the model tells apart least, by the mean margin over their
    /// images.</summary>
    public ClassPair? Related { get; init; }

    /// <summary>The ids (or, where the images have none, positions) of the images on which methods are compared; chosen:
    /// five correctly and five wrongly classified ones, from the course's lists where the images are the course's.</summary>
    public IReadOnlyList<long>? Figures { get; init; }

    /// <summary>Where the model is cut; chosen: <c>fc1</c> for VGG16, as the course does, else before the last hidden
    /// activation.</summary>
    public string? Layer { get; init; }

    /// <summary>What a unit of the layer is.</summary>
    public Units Units { get; init; }

    /// <summary>The class over whose images the average drop is taken; chosen: the first of <see cref="Classes"/>.</summary>
    public int? DropClass { get; init; }

    /// <summary>Pixels that are removed or put back at a time; chosen: 1000, as the course does, and as large a share of an
    /// image smaller than the course's, see <see cref="PixelSteps.For"/>.</summary>
    public int? PixelsPerStep { get; init; }

    /// <summary>Decides on the bootstrap's samples.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Instances a pass; null: as many as memory allows. Results depend on it by rounding alone.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Whether the methods of the registry, but for kin of others and those of many passes, are compared by the criteria of a study, and by the truth where it is known,
    /// and classes are reduced to their essence: minutes for a small network, hours for a large one.</summary>
    public bool IsFull { get; init; }

    /// <summary>The truth about the images, where it is known.</summary>
    public ReportTruth? Truth { get; init; }
}
