namespace Attribution;

/// <summary>A file that appears whole or not at all: a draft beside the target, renamed by <see cref="Commit"/>.</summary>
public sealed class AtomicFile : IDisposable
{
    private readonly string path;
    private readonly FileStream draft;

    /// <summary>Opens the draft, making the target's folder where it is missing.</summary>
    /// <exception cref="AttributionException">The folder cannot be made or written.</exception>
    public AtomicFile(string path)
    {
        this.path = path;
        if (Path.GetFileName(path).Length == 0)
            throw new AttributionException($"Cannot write '{path}': it names a folder; add a file's name.");
        draft = Draft(path);
    }

    /// <summary>Where to write.</summary>
    public Stream Stream => draft;

    /// <summary>Puts the draft in the target's place.</summary>
    public void Commit() =>
        FileErrors.Writing(
            $"'{path}'",
            () =>
            {
                draft.Dispose();
                File.Move(draft.Name, path, overwrite: true);
            }
        );

    /// <summary>Deletes the draft, unless it was committed.</summary>
    public void Dispose() => Discard(draft);

    /// <summary>Writes a whole file; after any exception the target is as it was.</summary>
    /// <exception cref="AttributionException">The folder or the file cannot be written.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        using var file = new AtomicFile(path);
        FileErrors.Writing($"'{path}'", () => write(file.Stream));
        file.Commit();
    }

    /// <summary>A new file of a random name beside the target, open for writing and reading.</summary>
    internal static FileStream Draft(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        FileStream? stream = null;
        FileErrors.Writing(
            $"into the folder '{folder}'",
            () =>
            {
                Directory.CreateDirectory(folder);
                var name = Path.Combine(folder, $".{Path.GetRandomFileName()}.draft");
                stream = new FileStream(name, FileMode.CreateNew, FileAccess.ReadWrite);
            }
        );
        return stream!;
    }

    /// <summary>Closes and deletes a draft.</summary>
    internal static void Discard(FileStream draft)
    {
        try
        {
            draft.Dispose();
        }
        catch (IOException)
        {
            // Its last bytes did not fit on the disk; it is deleted all the same.
        }
        // Its folder may be gone already, where a whole run was called off.
        if (File.Exists(draft.Name))
            File.Delete(draft.Name);
    }
}
