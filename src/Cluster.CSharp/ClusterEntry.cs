using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace Attribution;

/// <summary>A file that work reads, with those that belong to it; or a folder.</summary>
/// <param name="Name">What the file is called, or the folder.</param>
/// <param name="IsFolder">Whether it is a folder.</param>
/// <param name="Files">The file itself and those beside it, by their places there; or those in the folder.</param>
internal sealed record ContentItem(string Name, bool IsFolder, IReadOnlyList<ContentFile> Files);

/// <summary>A file by its content.</summary>
/// <param name="Name">Its place in the folder.</param>
/// <param name="Hash">Its SHA-256, in hexadecimal digits.</param>
/// <param name="Length">Its bytes.</param>
internal sealed record ContentFile(string Name, string Hash, long Length);

/// <summary>What a cluster knows of some work, the same for every machine.</summary>
internal sealed partial record ClusterEntry
{
    public const int Now = 1;

    public int Format { get; init; } = Now;

    /// <summary>The library's version, which a worker must have.</summary>
    public string Version { get; init; } = Program;

    public string Name { get; init; } = "";

    /// <summary>What results depend on beside their unit.</summary>
    public string Subject { get; init; } = "";

    /// <summary>What was found before the units; null: nothing.</summary>
    public string? Prepared { get; init; }

    /// <summary>Under which name that stands in the store of files, where it is too long for an entry; null: it does not.</summary>
    public string? PreparedFile { get; init; }

    /// <summary>The command that workers carry out; null: they are programs that have the work of their own.</summary>
    public IReadOnlyList<string>? Words { get; init; }

    /// <summary>The content of each file of the words.</summary>
    public IReadOnlyList<ContentItem> Files { get; init; } = [];

    /// <summary>The kind of machine that computes; null: any.</summary>
    public string? Arithmetic { get; init; }

    public int Units { get; init; }

    public static string Program => typeof(Workload).Assembly.GetName().Version!.ToString(3);

    [JsonIgnore]
    public string Text => JsonSerializer.Serialize(this);

    /// <summary>Reads an entry, of which nothing is believed.</summary>
    /// <exception cref="AttributionException">It is none of this version.</exception>
    public static ClusterEntry Read(string text)
    {
        ClusterEntry? found = null;
        try
        {
            found = JsonSerializer.Deserialize<ClusterEntry>(text);
        }
        catch (JsonException)
        {
            // Told below.
        }
        if (found is { Format: Now } && found.Version != Program)
            throw new AttributionException(
                $"The study '{found.Name}' is of version {found.Version} of the library, and this is {Program}: install that one here, or submit the study again."
            );
        var isSound =
            found is { Format: Now, Version: not null, Subject: not null, Files: not null, Units: > 0 }
            && NamePattern().IsMatch(found.Name ?? "")
            && HashPattern().IsMatch(found.Subject)
            && found.Words?.All(word => word is { Length: > 0 and < 4096 } && !word.Any(char.IsControl)) != false
            && found.Files.All(item =>
                item is { Files.Count: > 0 }
                && IsSound(item.Name)
                && !item.Name.Contains('/')
                && item.Files.All(file =>
                    IsSound(file.Name) && HashPattern().IsMatch(file.Hash ?? "") && file.Length >= 0
                )
            )
            && (found.PreparedFile is null || HashPattern().IsMatch(found.PreparedFile))
            && (found.Words is null || found.Words.Count > 0)
            && (found.Arithmetic is null || found.Arithmetic.Length is > 0 and < 1000);
        return isSound
            ? found!
            : throw new AttributionException("The cluster holds an entry that no version of this library wrote.");
    }

    private static bool IsSound(string? name) =>
        name is { Length: > 0 and < 1024 }
        && !name.Any(c => char.IsControl(c) || c is '\\' or ':')
        && name.Split('/').All(part => part is not ("" or "." or ".."));

    /// <summary>What a study may be called.</summary>
    public static bool IsName(string name) => NamePattern().IsMatch(name);

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}$")]
    private static partial Regex NamePattern();

    [GeneratedRegex("^[0-9a-f]{64}$")]
    private static partial Regex HashPattern();
}

/// <summary>A sign of life of a worker.</summary>
/// <param name="Host">Its machine.</param>
/// <param name="Process">Its process there.</param>
/// <param name="Arithmetic">What kind of machine that is.</param>
/// <param name="Study">The study that it computes; null: none.</param>
/// <param name="Unit">The unit; null: none.</param>
/// <param name="Done">How many units it has computed.</param>
public sealed record ClusterWorkerState(
    string Host,
    int Process,
    string Arithmetic,
    string? Study,
    string? Unit,
    int Done
);
