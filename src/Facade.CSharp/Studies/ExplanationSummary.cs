using System.Collections.Generic;
using System.Linq;

namespace Attribution;

/// <summary>One method of a run.</summary>
/// <param name="Method">Its name.</param>
/// <param name="Description">Its settings, for people.</param>
/// <param name="ZeroMaps">Positions in the data of the images whose map is zero everywhere: a unit held at 0, say.</param>
public sealed record MethodSummary(string Method, string Description, IReadOnlyList<int> ZeroMaps)
{
    /// <summary>The positions of the images whose map is the same number everywhere, but not 0.</summary>
    public IReadOnlyList<int> ConstantMaps { get; init; } = [];

    /// <summary>Those of the images whose map has no positive pixel, though its pixels differ.</summary>
    public IReadOnlyList<int> NonPositiveMaps { get; init; } = [];

    /// <summary>Those of the images whose map holds a NaN or an infinity.</summary>
    public IReadOnlyList<int> NotFiniteMaps { get; init; } = [];
}

/// <summary>One image of a run.</summary>
/// <param name="Index">Its position in the data.</param>
/// <param name="Name">Its file's name, or its id.</param>
/// <param name="True">Its true class; null where it is not known.</param>
/// <param name="Predicted">The class that the model gives it.</param>
public sealed record InstanceSummary(int Index, string Name, long? True, long Predicted);

/// <summary>What a run of explanations did.</summary>
/// <param name="Model">The model's file.</param>
/// <param name="Data">Where the images came from.</param>
/// <param name="Quantity">The quantity of interest, as the command line spells it.</param>
/// <param name="Methods">The methods.</param>
/// <param name="Instances">The images.</param>
/// <param name="Disagreements">How many of the file's predicted classes are not the model's; null where it has none.</param>
/// <param name="Expert">The expert of influence-directed explanations; null where there are none.</param>
/// <param name="Notes">What the run said that a person should know.</param>
public sealed record ExplanationSummary(
    string Model,
    string Data,
    string Quantity,
    IReadOnlyList<MethodSummary> Methods,
    IReadOnlyList<InstanceSummary> Instances,
    int? Disagreements,
    ExpertSummary? Expert,
    IReadOnlyList<string> Notes
)
{
    /// <summary>The methods that failed, and why: a sentence each.</summary>
    public IReadOnlyList<string> Failed { get; init; } = [];

    /// <summary>Writes <c>summary.json</c>.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            new
            {
                Model,
                Data,
                Images = Instances.Count,
                Correct = Instances.Any(i => i.True is null) ? null : (int?)Instances.Count(i => i.True == i.Predicted),
                Disagreements,
                Quantity,
                Expert = Expert?.ForJson(),
                Methods,
                Instances,
                Notes,
                Failed,
            }
        );
}
