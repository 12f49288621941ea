namespace Attribution;

/// <summary>Masks that say where in the images of a set a part is, read from a file or a folder.</summary>
public static class ImageMasks
{
    /// <summary>The masks of a set's images: n×h×w of booleans, or 1×h×w where the file holds one for all.</summary>
    /// <param name="path">An .npz or .npy file of one array (of several the one named <c>masks</c>), n×h×w, or h×w of one for all,
    /// of booleans or of numbers, of which all but 0 are inside; or a folder of pictures, named like the images' files but for the
    /// ending, or else one for each image in the order of their names, black outside. A picture has its image's size, or the one that
    /// the image's file has before it is brought to the model's size, as it then is too: half a pixel and more is inside.</param>
    /// <param name="images">The images, as they were loaded.</param>
    /// <exception cref="AttributionException">The file or folder cannot be read, or the masks are not one for each image, of its
    /// size.</exception>
    public static Tensor Load(string path, ImageSet images) =>
        Directory.Exists(path) ? OfPictures(path, images) : OfArray(path, images);

    private static Tensor OfArray(string path, ImageSet images)
    {
        using var scope = NewDisposeScope();
        var stored = Stored(path);
        var masks = stored.ndim == 2 ? stored.unsqueeze(0) : stored;
        var isOne = stored.ndim == 2;
        if (masks.ndim != 3 || !masks.shape[1..].SequenceEqual([images.Height, images.Width]))
            throw new AttributionException(
                $"The masks in '{path}' have the shape {string.Join('×', stored.shape)}, but the images are {images.Height}×{images.Width}: save them as {images.Count}×{images.Height}×{images.Width}."
            );
        if (!isOne && masks.shape[0] != images.Count)
            throw new AttributionException(
                $"'{path}' has {Words.Count((int)masks.shape[0], "mask")}, but the data have {Words.Count(images.Count, "image")}: save one for each, those left out by --indices too."
            );
        return masks.ne(Number.Of(0)).MoveToOuterDisposeScope();
    }

    private static Tensor Stored(string path)
    {
        const string Name = "masks";
        if (NpyArray.Is(path))
            return NpyArray.Load(path);
        using var file = NpzFile.Open(path);
        var name =
            file.Contains(Name) ? Name
            : file.Names.Count == 1 ? file.Names[0]
            : throw new AttributionException(
                $"'{path}' has the arrays {string.Join(", ", file.Names.Select(n => $"'{n}'"))}, and none is named '{Name}': name the masks so."
            );
        return file.Read(name);
    }

    private static Tensor OfPictures(string folder, ImageSet images)
    {
        using var scope = NewDisposeScope();
        var found = Ordered(folder, ImageFile.Find([folder]), images);
        return stack([.. found.Select((file, i) => Of(file, images, i))]).MoveToOuterDisposeScope();
    }

    private static ImageFile[] Ordered(string folder, ImageFile[] files, ImageSet images)
    {
        static string Stem(string name) => Path.ChangeExtension(name, null);
        var named = files.GroupBy(file => Stem(file.Name)).ToDictionary(same => same.Key, same => same.First());
        string[] labels = [.. Enumerable.Range(0, images.Count).Select(images.Label)];
        if (labels.All(label => named.ContainsKey(Stem(label))))
            return [.. labels.Select(label => named[Stem(label)])];
        if (labels.FirstOrDefault(label => named.ContainsKey(Stem(label))) is not null)
            throw new AttributionException(
                $"The folder '{folder}' has masks named like the images, but none for '{labels.First(label => !named.ContainsKey(Stem(label)))}': add it."
            );
        return files.Length == images.Count
            ? files
            : throw new AttributionException(
                $"The folder '{folder}' has {Words.Count(files.Length, "mask")}, but the data have {Words.Count(images.Count, "image")}: name each like its image, or give one for each in their order."
            );
    }

    private static Tensor Of(ImageFile file, ImageSet images, int i)
    {
        var mask = file.Mask(images.Height, images.Width, out var size);
        return size == (images.Height, images.Width) || images.StoredSize(i) == size
            ? mask
            : throw new AttributionException(
                $"The mask '{file.Name}' is {size.Height}×{size.Width}, but its image is {images.Height}×{images.Width}: save it in the image's size."
            );
    }
}
