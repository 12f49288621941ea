using System;
using System.Collections.Generic;
using System.Linq;

namespace Attribution;

public sealed partial class ImageSet
{
    private const int MostFolders = 12;

    /// <summary>Loads pictures at the size that a model takes; see <see cref="LoadImages(IEnumerable{string}, int, int,
    /// int)"/>.</summary>
    /// <exception cref="AttributionException">The model does not say what size, or takes no images of 1 or 3 channels; or a file
    /// cannot be loaded.</exception>
    public static ImageSet LoadImages(IEnumerable<string> paths, Model model) =>
        model.InputShape switch
        {
            [1 or 3, var height, var width] => LoadImages(paths, (int)height, (int)width, (int)model.InputShape[0]),
            [var channels, _, _] => throw new AttributionException(
                $"The model takes images of {channels} channels, and image files have 3, or 1 where they are made grey: give --dataset, with X (n×height×width×{channels})."
            ),
            { } shape => throw new AttributionException(
                $"The model takes no images, but values of the shape {string.Join('×', shape)}: give --dataset."
            ),
            null => throw new AttributionException(
                "The model does not say what size of images it takes: give --dataset, with images of the right size."
            ),
        };

    /// <summary>A picture in memory, as <see cref="LoadImages(IEnumerable{string}, int, int, int)"/> loads a file, at the size and in
    /// the numbers of the images of this set.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="content">The bytes of a PNG, JPEG, WebP, BMP or GIF file.</param>
    /// <exception cref="AttributionException">It is no picture, or the images of this set are none.</exception>
    public ImageSet LoadLike(string name, byte[] content)
    {
        if (!TakesPictures)
            throw new AttributionException("The model takes no pictures, so none can be added.");
        var picture = Whole(new ImageFiles([ImageFile.Of(name, content)], Height, Width, Channels), null, null, null);
        var white = Peak / picture.Peak;
        return new(picture.source, true, picture.rows, null, null, null) { Factor = white };
    }

    /// <summary>Whether pictures are of the kind of its images: of one channel or three, and no tables, signals or volumes.</summary>
    public bool TakesPictures => IsOfImages && Depth == 1 && Height > 1 && Channels is 1 or 3;

    /// <summary>The number of an image in the set that was loaded.</summary>
    /// <param name="i">Its position in this set.</param>
    public int Position(int i) => (int)rows[i];

    /// <summary>What changes when the image's file does; empty for one in memory.</summary>
    /// <param name="i">Its position in this set.</param>
    public string Stamp(int i) => source.Stamp(rows[i]);

    /// <summary>What an image is called, for people: "image 3 · id 11436", or with its file's name.</summary>
    /// <param name="i">Its position in this set.</param>
    public string Title(int i)
    {
        var (number, label) = (Position(i).ToString(), Label(i));
        return HasIds ? $"image {number} · id {label}"
            : label == number ? $"image {number}"
            : $"image {number} · {label}";
    }

    /// <summary>The positions of some images, each once, in the order given; all where neither is given.</summary>
    /// <param name="indices">Positions.</param>
    /// <param name="ids">Values of <see cref="Ids"/>, of which every image that has one is meant.</param>
    /// <exception cref="AttributionException">There is no such image.</exception>
    public IReadOnlyList<int> Choose(IReadOnlyCollection<long> indices, IReadOnlyCollection<long> ids)
    {
        foreach (var index in indices)
            if (index < 0 || index >= Count)
                throw new AttributionException($"There is no image {index}: the indices are 0 to {Count - 1}.");
        // Refuses an id that no image has.
        if (ids.Count > 0)
            TakeIds(ids);
        var withIds = ids.SelectMany(id => Positions(Ids, other => other == id));
        int[] some = [.. indices.Select(index => (int)index).Concat(withIds).Distinct()];
        return some.Length > 0 ? some : [.. Enumerable.Range(0, Count)];
    }

    /// <summary>Works on these images; what goes wrong with an instance is told of its number in the set that was loaded.</summary>
    /// <exception cref="AttributionException">The work's, of "image 7" in place of "instance 2".</exception>
    public T Naming<T>(Func<T> work) => ImageParts.Naming(this, work);

    /// <summary>The images beside the names of a model's classes: with the true classes that their folders stand for, if they lie in
    /// some, and with notes of what is to be known of the names; this set gives the images up.</summary>
    /// <param name="names">What the classes are called; null: nobody says.</param>
    /// <param name="file">The file of the names.</param>
    /// <param name="classes">How many classes the model has.</param>
    public ImageSet Named(ClassNames? names, string? file, int classes)
    {
        var images = LabelledByFolders(names, classes);
        if (names?.Note is { } note)
            images = images.Noting($"'{file}': {note}.");
        return names?.Warning(classes, $"'{file}'") is { } warning ? images.Noting(warning) : images;
    }

    /// <summary>The images with the true classes that the folders they lie in stand for: by their names where these are known, else
    /// in alphabetical order where there are as many as classes, as torchvision's ImageFolder has them. What was decided is
    /// noted; this set gives the images up.</summary>
    /// <param name="names">What the classes are called.</param>
    /// <param name="classes">How many classes the model has.</param>
    private ImageSet LabelledByFolders(ClassNames? names, int classes)
    {
        if (Folders is not { } folders)
            return this;
        string[] distinct = [.. folders.Distinct().Order(StringComparer.Ordinal)];

        ImageSet With(int[] numbers, string why)
        {
            var some = distinct.Zip(numbers, (folder, k) => $"{folder} {k}").Take(MostFolders);
            var more = distinct.Length > MostFolders ? ", …" : "";
            long[] classes = [.. folders.Select(folder => (long)numbers[Array.IndexOf(distinct, folder)])];
            return new ImageSet(source, isOwner, rows, classes, predictedClasses, ids).Noting(
                $"{why}: {string.Join(", ", some)}{more}."
            );
        }

        if (
            names is not null
            && distinct.Select(names.NumberOf).ToArray() is var known
            && known.All(k => k is not null)
        )
            return With([.. known.OfType<int>()], "The folders' names are the true classes");
        return distinct.Length == classes
            ? With(
                [.. Enumerable.Range(0, classes)],
                "The folders are taken for the classes, in alphabetical order as torchvision's ImageFolder has them"
            )
            : Noting(
                $"The true classes are not known: the images lie in {Words.Count(distinct.Length, "folder")} ({string.Join(", ", distinct.Take(MostFolders))}), and the model has {classes} classes; name the classes as the folders are with --labels."
            );
    }
}
