using System.IO.Compression;

namespace Attribution;

/// <summary>An open <c>.npz</c> file: named arrays that NumPy saved, each read when it is asked for.</summary>
public sealed class NpzFile : IDisposable
{
    private const string Extension = ".npy";

    private readonly ZipArchive zip;
    private readonly Dictionary<string, ZipArchiveEntry> members = [];

    private NpzFile(string path)
    {
        Path = path;
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            if (!file.CanSeek)
                throw new FormatException("it is a pipe; save it to a file first");
            zip = new ZipArchive(file);
            foreach (var entry in zip.Entries.Where(e => e.FullName.EndsWith(Extension, StringComparison.Ordinal)))
                if (!members.TryAdd(entry.FullName[..^Extension.Length], entry))
                    throw new FormatException($"it holds '{entry.FullName}' twice; save it again with numpy.savez");
            Names = [.. members.Keys];
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>The names of the arrays, in the file's order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Opens a file and reads its table of contents.</summary>
    /// <exception cref="AttributionException">The file is missing, damaged or not an npz file.</exception>
    public static NpzFile Open(string path) => FileErrors.Reading($"'{path}'", () => new NpzFile(path));

    /// <summary>Whether the file has an array of that name.</summary>
    public bool Contains(string name) => members.ContainsKey(name);

    /// <summary>The element type and shape of an array, without reading its data.</summary>
    /// <exception cref="AttributionException">There is no such array, or it is damaged or does not hold numbers.</exception>
    public NpyHeader Header(string name) => Member(name, NpyHeader.Read);

    /// <summary>An array as a tensor of its stored type (see <see cref="NpyHeader.Type"/>).</summary>
    /// <exception cref="AttributionException">There is no such array, or it is damaged or does not hold numbers.</exception>
    public Tensor Read(string name) => Member(name, NpyArray.Read);

    /// <summary>The elements of an array of whole numbers, of any shape and element type, in row-major order.</summary>
    /// <exception cref="AttributionException">As <see cref="Read"/>; or an element is not a whole number.</exception>
    public long[] ReadInts(string name)
    {
        using var scope = NewDisposeScope();
        var values = Read(name);
        var whole = values.to(ScalarType.Int64);
        return whole.to(values.dtype).eq(values).IsAll()
            ? whole.data<long>().ToArray()
            : throw new AttributionException($"'{name}' in '{Path}' must hold whole numbers; save it as integers.");
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => zip.Dispose();

    private T Member<T>(string name, Func<ByteSource, T> read)
    {
        if (!members.TryGetValue(name, out var entry))
            throw new AttributionException(
                $"'{Path}' has no array '{name}'; it has {string.Join(", ", Names.Take(40).Select(n => $"'{n}'"))}."
            );
        return FileErrors.Reading(
            $"'{name}' in '{Path}'",
            () =>
            {
                // A zip archive has one position, and so serves one reader at a time.
                lock (zip)
                {
                    using var scope = NewDisposeScope();
                    var result = ZipMember.Read(entry, read);
                    if (result is Tensor tensor)
                        tensor.MoveToOuterDisposeScope();
                    return result;
                }
            }
        );
    }
}
