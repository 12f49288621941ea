using System.IO.Compression;

namespace Attribution;

/// <summary>Writes an <c>.npz</c> file that NumPy reads; it appears whole on <see cref="Commit"/>, or not at all.</summary>
public sealed class NpzWriter : IDisposable
{
    private readonly string path;
    private readonly CompressionLevel compression;
    private readonly AtomicFile file;
    private readonly ZipArchive zip;
    private readonly HashSet<string> names = [];
    private readonly List<NpzRows> streamed = [];

    /// <summary>Opens a draft beside the target, whose folder is made where it is missing.</summary>
    /// <param name="path">The target.</param>
    /// <param name="compress">Whether arrays are compressed, as <c>numpy.savez_compressed</c> does, or stored as
    /// <c>numpy.savez</c> does: weights hardly shrink, and are read much faster.</param>
    /// <exception cref="AttributionException">The folder cannot be made or written.</exception>
    public NpzWriter(string path, bool compress = true)
    {
        this.path = path;
        compression = compress ? CompressionLevel.Fastest : CompressionLevel.NoCompression;
        file = new AtomicFile(path);
        zip = new ZipArchive(file.Stream, ZipArchiveMode.Create, leaveOpen: true);
    }

    /// <summary>Adds a whole array, of the tensor's shape and element type.</summary>
    /// <exception cref="ArgumentException">An array of that name was added before.</exception>
    /// <exception cref="AttributionException">NumPy lacks the element type, or the file cannot be written.</exception>
    public void Add(string name, Tensor values)
    {
        var header = NpyHeader.Write(values.dtype, values.shape);
        Claim(name);
        void Write(Stream member)
        {
            member.Write(header);
            TensorBytes.Write(member, values);
        }
        Zip(name, Write);
    }

    /// <summary>Adds a one-dimensional array of 64-bit integers.</summary>
    /// <exception cref="ArgumentException">An array of that name was added before.</exception>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Add(string name, IEnumerable<long> values)
    {
        using var tensor = torch.tensor(values.ToArray());
        Add(name, tensor);
    }

    /// <summary>Adds an array whose rows follow a batch at a time, in step with other such arrays if need be.</summary>
    /// <param name="name">The array's name.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The whole array's shape, the number of rows first.</param>
    /// <exception cref="ArgumentException">The shape is empty, or an array of that name was added before.</exception>
    /// <exception cref="AttributionException">NumPy lacks the element type, or the folder cannot be written.</exception>
    public NpzRows AddStreamed(string name, ScalarType type, params long[] shape)
    {
        ArgumentOutOfRangeException.ThrowIfZero(shape.Length);
        Claim(name);
        var rows = new NpzRows(path, name, type, shape);
        streamed.Add(rows);
        return rows;
    }

    /// <summary>Completes the file and puts it in its place.</summary>
    /// <exception cref="InvalidOperationException">A streamed array lacks rows.</exception>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void Commit()
    {
        foreach (var rows in streamed)
            Zip(rows.Name, rows.CopyTo);
        FileErrors.Writing($"'{path}'", zip.Dispose);
        file.Commit();
    }

    /// <summary>Deletes the drafts, unless they were committed.</summary>
    public void Dispose()
    {
        // Disposing an unfinished archive would only write its table of contents into the draft.
        foreach (var rows in streamed)
            rows.Dispose();
        file.Dispose();
    }

    private void Claim(string name)
    {
        if (!names.Add(name))
            throw new ArgumentException($"'{path}' already has an array '{name}'.", nameof(name));
    }

    private void Zip(string name, Action<Stream> write) =>
        FileErrors.Writing(
            $"'{path}'",
            () =>
            {
                var entry = zip.CreateEntry($"{name}.npy", compression);
                // The same arrays are the same bytes, whenever they are written.
                entry.LastWriteTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
                using var member = entry.Open();
                write(member);
            }
        );
}

/// <summary>The rows of one array of a file that an <see cref="NpzWriter"/> writes.</summary>
public sealed class NpzRows
{
    private readonly string path;
    private readonly ScalarType type;
    private readonly long[] shape;
    private readonly FileStream draft;
    private long count;

    internal NpzRows(string path, string name, ScalarType type, long[] shape)
    {
        var header = NpyHeader.Write(type, shape);
        (this.path, Name, this.type, this.shape) = (path, name, type, shape);
        draft = AtomicFile.Draft(path);
        draft.Write(header);
    }

    internal string Name { get; }

    /// <summary>Adds rows after those already there, converted to the array's element type.</summary>
    /// <param name="rows">k × the shape of a row, 0 ≤ k ≤ the rows still missing.</param>
    /// <exception cref="ArgumentException">The rows are of another shape, or too many.</exception>
    /// <exception cref="AttributionException">The draft beside the file cannot be written.</exception>
    public void Append(Tensor rows)
    {
        if (!rows.shape[1..].SequenceEqual(shape[1..]) || rows.shape[0] > shape[0] - count)
            throw new ArgumentException(
                $"'{Name}' takes {shape[0] - count} more rows, {Text(shape[1..])} each; got {Text(rows.shape)}.",
                nameof(rows)
            );
        using var converted = rows.to(type, copy: true);
        FileErrors.Writing($"'{path}'", () => TensorBytes.Write(draft, converted));
        count += rows.shape[0];
    }

    internal void CopyTo(Stream member)
    {
        if (count != shape[0])
            throw new InvalidOperationException($"'{Name}' has {count} of its {shape[0]} rows.");
        draft.Position = 0;
        draft.CopyTo(member, 1 << 18);
    }

    internal void Dispose() => AtomicFile.Discard(draft);

    private static string Text(long[] shape) => $"[{string.Join(", ", shape)}]";
}
