using System.Security.Cryptography;

namespace Attribution;

/// <summary>The images that can be asked about: those of the set by their position, and those that people added by the hash of their
/// file, of which as many are kept as there is room for.</summary>
internal sealed class Pictures(ImageSet images)
{
    /// <summary>The bytes of the largest file that can be added.</summary>
    public const long MostBytes = 20 << 20;

    /// <summary>The bytes of the largest file that is listened to, to say that it is too large.</summary>
    public const long MostRead = 10 * MostBytes;

    private const long MostKept = 10 * MostBytes;
    private const int MostName = 200;

    private readonly LinkedList<Added> added = [];

    /// <summary>The set.</summary>
    public ImageSet All => images;

    /// <summary>Whether a key is that of an image of the set.</summary>
    public static bool IsOfSet(string key) => key.Length < 10 && key.All(char.IsAsciiDigit);

    /// <summary>Takes a picture's file in.</summary>
    /// <exception cref="AttributionException">It is no picture.</exception>
    public (string Key, string Label) Add(string name, byte[] file)
    {
        name = new([.. name.Where(c => !char.IsControl(c)).Take(MostName)]);
        name = name.Length == 0 ? "picture" : name;
        var key = Convert.ToHexStringLower(SHA256.HashData(file));
        var image = images.LoadLike(name, file);
        // A file whose pixels are damaged is refused now, not at the first question.
        image.Images().Dispose();
        lock (added)
        {
            Forget(key);
            added.AddFirst(new Added(key, name, image, file.Length));
            while (added.Sum(a => a.Bytes) > MostKept)
                Forget(added.Last!.Value.Key);
        }
        return (key, name);
    }

    /// <summary>One image.</summary>
    /// <exception cref="UnknownImage">It was added, and is not there any more.</exception>
    /// <exception cref="AttributionException">There is none of the key.</exception>
    public ImageSet Of(string key)
    {
        if (IsOfSet(key))
            return images.Take([int.Parse(key, CultureInfo.InvariantCulture)]);
        if (key.Length != 2 * SHA256.HashSizeInBytes || !key.All(char.IsAsciiHexDigitLower))
            throw new AttributionException($"There is no image '{key}': choose one of the page's.");
        lock (added)
        {
            var found = added.FirstOrDefault(a => a.Key == key) ?? throw new UnknownImage(key);
            added.Remove(found);
            added.AddFirst(found);
            return found.Image;
        }
    }

    /// <summary>What an image is called.</summary>
    public string Title(string key)
    {
        if (IsOfSet(key))
            return images.Title(int.Parse(key, CultureInfo.InvariantCulture));
        lock (added)
            return added.FirstOrDefault(a => a.Key == key)?.Name ?? "picture";
    }

    // What still works with one keeps it: an image is its file's bytes, and holds nothing else.
    private void Forget(string key)
    {
        if (added.FirstOrDefault(a => a.Key == key) is { } found)
            added.Remove(found);
    }

    private sealed record Added(string Key, string Name, ImageSet Image, long Bytes);
}

/// <summary>An image that was added is not there any more: the page, which has it still, adds it again.</summary>
internal sealed class UnknownImage(string key)
    : Exception("The explorer was started anew since this picture was added: add it again.")
{
    public string Key => key;
}
