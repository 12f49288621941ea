using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attribution;

/// <summary>What a unit of a study is of.</summary>
/// <param name="Method">The method's name.</param>
/// <param name="Description">Its settings.</param>
/// <param name="Start">The position of the first image.</param>
/// <param name="Metrics">By which metrics it is scored.</param>
internal sealed record UnitKey(string Method, string Description, int Start, string[] Metrics);

/// <summary>What a unit of a study came to: for each metric one score an image, beside what the maps are; and what failed.</summary>
internal sealed class UnitScores
{
    /// <summary>Under which name the failure of the method stands, beside those of metrics.</summary>
    public const string Whole = "";

    /// <summary>What the sentence of a failure begins with that is no <see cref="AttributionException"/>.</summary>
    public const string Foreign = "\u0001";

    private static readonly JsonSerializerOptions json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public Dictionary<string, double[]> Rows { get; init; } = [];

    public Dictionary<string, string> Failed { get; init; } = [];

    /// <summary>The kind of machine that computed it.</summary>
    public string Machine { get; init; } = "";

    [JsonIgnore]
    public string Text => JsonSerializer.Serialize(this, json);

    /// <summary>The failure of a sentence.</summary>
    public static Exception Error(string why) =>
        why.StartsWith(Foreign, StringComparison.Ordinal)
            ? new ForeignFailure(why[Foreign.Length..])
            : new AttributionException(why);

    /// <summary>Reads a result, of which nothing is believed.</summary>
    /// <exception cref="AttributionException">It is no result of the unit.</exception>
    public static UnitScores Read(string text, UnitKey key, int count)
    {
        UnitScores? found = null;
        try
        {
            found = JsonSerializer.Deserialize<UnitScores>(text, json);
        }
        catch (JsonException)
        {
            // Told below.
        }
        string[] notes = [StudyRecord.Maps, StudyRecord.Gaps, StudyRecord.Steps];
        bool IsKnown(string name) => notes.Contains(name) || key.Metrics.Contains(name);
        var isSound =
            found is { Rows: not null, Failed: not null, Machine.Length: > 0 and < 1000 }
            && !found.Machine.AsSpan().ContainsAny('\t', '\n', '\r')
            && found.Rows.All(row => IsKnown(row.Key) && row.Value?.Length == count)
            && found.Failed.All(failure => failure.Value is not null && (failure.Key == Whole || IsKnown(failure.Key)))
            && found.Rows.GetValueOrDefault(StudyRecord.Maps, []).All(state => Enum.IsDefined((MapState)(int)state))
            && (
                found.Failed.ContainsKey(Whole)
                || key.Metrics.Append(StudyRecord.Maps)
                    .All(name => found.Rows.ContainsKey(name) || found.Failed.ContainsKey(name))
            );
        return isSound
            ? found!
            : throw new AttributionException(
                $"What was found of {key.Method} from image {key.Start} on is no result of this version of the program."
            );
    }

    // It keeps its sentence, and is no fault of what was asked.
    private sealed class ForeignFailure(string sentence) : Exception(sentence), ITold;
}

/// <summary>An error whose message is a sentence for people already.</summary>
internal interface ITold;
