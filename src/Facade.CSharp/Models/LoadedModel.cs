namespace Attribution;

/// <summary>A network read from a file.</summary>
/// <param name="Core">The network, to be put in a precision before it is used.</param>
/// <param name="Notes">What the reader decided that a person should know, a sentence each.</param>
/// <param name="Classes">The number of logits.</param>
/// <param name="Aliases">Other names of layers, and the layers that they name, the names to prefer first; null: none.</param>
/// <param name="Scores">What the logits are.</param>
internal sealed record LoadedModel(
    Core.Model Core,
    IReadOnlyList<string> Notes,
    int Classes,
    IReadOnlyList<(string Name, string Layer)>? Aliases = null,
    ScoreKind Scores = ScoreKind.Logits
)
{
    /// <summary>What is done to images first; null where nobody says.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>Scores at each position; null where an image has one row of them.</summary>
    public RegionScores? Regions { get; init; }

    /// <summary>Boxes and their scores; null where there are none.</summary>
    public DetectionScores? Detections { get; init; }
}
