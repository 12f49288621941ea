using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Attribution;

/// <summary>
/// A folder in which the files of a run appear together, when it is complete, or not at all. Until then they are drafts in
/// a hidden folder inside it; what was in the folder before stays as it is, but for files of the same names.
/// </summary>
public sealed class OutputFolder : IDisposable
{
    private readonly object padlock = new();
    private readonly string drafts;
    private readonly string[] made;
    private bool isCommitted;

    /// <summary>Makes the folder where it is missing, and tries it by making the folder of drafts.</summary>
    /// <exception cref="AttributionException">The folder cannot be made or written.</exception>
    public OutputFolder(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new AttributionException("The output folder has no name; name one.");
        FullPath = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        drafts = Path.Combine(FullPath, $".{Path.GetRandomFileName()}.draft");
        made = [.. Ancestors(FullPath).TakeWhile(folder => !Directory.Exists(folder))];
        try
        {
            FileErrors.Writing($"into the folder '{path}'", () => Directory.CreateDirectory(drafts));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where the files appear.</summary>
    public string FullPath { get; }

    /// <summary>Where to write the draft of a file.</summary>
    /// <param name="name">The file's name in the folder; "pictures/a.png" is one in a folder inside it.</param>
    /// <exception cref="AttributionException">The folder inside it cannot be made.</exception>
    public string Draft(string name)
    {
        var path = Path.Combine(drafts, name);
        if (Path.GetDirectoryName(name) is { Length: > 0 })
            FileErrors.Writing(
                $"into the folder '{FullPath}'",
                () => Directory.CreateDirectory(Path.GetDirectoryName(path)!)
            );
        return path;
    }

    /// <summary>Puts all drafts in their places.</summary>
    /// <returns>The names of the files, in order.</returns>
    /// <exception cref="AttributionException">A file cannot be put in its place.</exception>
    public IReadOnlyList<string> Commit()
    {
        lock (padlock)
        {
            string[] names = [];
            FileErrors.Writing(
                $"into the folder '{FullPath}'",
                () =>
                {
                    names =
                    [
                        .. Directory
                            .GetFiles(drafts, "*", SearchOption.AllDirectories)
                            .Select(f => Path.GetRelativePath(drafts, f))
                            .Order(StringComparer.Ordinal),
                    ];
                    foreach (var name in names)
                    {
                        var place = Path.Combine(FullPath, name);
                        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
                        File.Move(Path.Combine(drafts, name), place, overwrite: true);
                    }
                    Directory.Delete(drafts, recursive: true);
                }
            );
            isCommitted = true;
            return names;
        }
    }

    /// <summary>Deletes the drafts, unless they were committed, and the folders that were made for them. May be called
    /// from another thread while the run is still writing, and again when it has stopped.</summary>
    public void Dispose()
    {
        lock (padlock)
        {
            if (isCommitted)
                return;
            Quietly(() => Directory.Delete(drafts, recursive: true));
            foreach (var folder in made)
                Quietly(() => Directory.Delete(folder));
        }
    }

    // The folder and those above it, innermost first.
    private static IEnumerable<string> Ancestors(string path)
    {
        for (string? folder = path; folder is not null; folder = Path.GetDirectoryName(folder))
            yield return folder;
    }

    // What cannot be cleared away, or was never made, must not hide why the run failed.
    private static void Quietly(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }
}
