namespace Attribution;

/// <summary>One image or more, and what is known of them; kept as they are stored, and made floats a batch at a time.</summary>
/// <remarks>Subsets share the data of the set that they were taken from, which alone owns it: dispose that one, and
/// last.</remarks>
public sealed partial class ImageSet : IDisposable
{
    private const int MaxSide = 4096;

    private readonly IImageSource source;
    private readonly bool isOwner;
    private readonly long[] rows;
    private readonly long[]? trueClasses;
    private readonly long[]? predictedClasses;
    private readonly long[]? ids;

    private ImageSet(
        IImageSource source,
        bool isOwner,
        long[] rows,
        long[]? trueClasses,
        long[]? predictedClasses,
        long[]? ids
    )
    {
        (this.source, this.isOwner, this.rows) = (source, isOwner, rows);
        this.trueClasses = OnePerImage(trueClasses, "true classes");
        this.predictedClasses = OnePerImage(predictedClasses, "predicted classes");
        this.ids = OnePerImage(ids, "ids");
    }

    /// <summary>The number n of images, at least 1.</summary>
    public int Count => rows.Length;

    /// <summary>The height H of every image in pixels.</summary>
    public int Height => source.Height;

    /// <summary>The width W of every image in pixels.</summary>
    public int Width => source.Width;

    /// <summary>The number C of channels.</summary>
    public int Channels => source.Channels;

    /// <summary>The value of white: 1 when the data are floats that all lie in 0-1, else 255. Of instances that are no images the
    /// largest magnitude that they have.</summary>
    public float Peak => IsOfImages ? Factor * source.Peak : Factor * Largest;

    // What stands for white of tables, signals and volumes, whose numbers have no bounds.
    private bool IsOfImages { get; init; } = true;

    private float Largest =>
        (float)Math.Max(Math.Abs(source.Range.Least), Math.Abs(source.Range.Most)) is > 0 and var most ? most : 1;

    /// <summary>What loading it did that a person should know: that of animated pictures the first frame is taken.</summary>
    public IReadOnlyList<string> Notes => [.. source.Notes, .. Remarks];

    /// <summary>The names of the features of a table's rows; null for other sets.</summary>
    public IReadOnlyList<string>? Features { get; private init; }

    /// <summary>How many slices of a volume lie one below the other in an image; 1 for other sets.</summary>
    public int Depth { get; private init; } = 1;

    // What the source's numbers are times, and what was noted since.
    private float Factor { get; init; } = 1;

    private IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The subfolder that each image came from, where a folder of folders was loaded, as one of each class; else
    /// null.</summary>
    public IReadOnlyList<string>? Folders =>
        rows.Select(source.Folder).OfType<string>().ToArray() is var folders && folders.Length == rows.Length
            ? folders
            : null;

    /// <summary>The least and the largest value of the set that was loaded.</summary>
    internal (double Least, double Most) Range => (Factor * source.Range.Least, Factor * source.Range.Most);

    /// <summary>Whether the true class of each image is known.</summary>
    public bool HasTrueClasses => trueClasses is not null;

    /// <summary>Whether the class that a model gave each image is known.</summary>
    public bool HasPredictedClasses => predictedClasses is not null;

    /// <summary>Whether each image has an id.</summary>
    public bool HasIds => ids is not null;

    /// <summary>The true class of each image.</summary>
    /// <exception cref="AttributionException">They are not known.</exception>
    public IReadOnlyList<long> TrueClasses => trueClasses ?? throw Lacks("Y", "the true class");

    /// <summary>The class that a model gave each image.</summary>
    /// <exception cref="AttributionException">They are not known.</exception>
    public IReadOnlyList<long> PredictedClasses => predictedClasses ?? throw Lacks("Pred", "the predicted class");

    /// <summary>The id of each image, as its number in ImageNet; not unique.</summary>
    /// <exception cref="AttributionException">They are not known.</exception>
    public IReadOnlyList<long> Ids => ids ?? throw Lacks("Idx", "the id");

    /// <summary>Loads <c>X</c> (n × H × W × C or n × H × W, of any element type; one image alone may be H × W × 3) and, where
    /// the file has them, <c>Y</c>, <c>Pred</c> and <c>Idx</c> (n integers each) from a file of the course's layout; or such
    /// an <c>X</c> that stands alone in an npy file.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or its arrays do not fit together.</exception>
    public static ImageSet LoadNpz(string path)
    {
        if (NpyArray.Is(path))
        {
            using var alone = NewDisposeScope();
            return Stored($"'{path}'", NpyArray.Load(path), null, null, null);
        }
        using var file = NpzFile.Open(path);
        RequireImages($"'X' in '{path}'", file.Header("X").Shape);
        long[]? Ints(string name) => file.Contains(name) ? file.ReadInts(name) : null;
        var (trueClasses, predictedClasses, ids) = (Ints("Y"), Ints("Pred"), Ints("Idx"));

        using var scope = NewDisposeScope();
        return Stored($"'{path}'", file.Read("X"), trueClasses, predictedClasses, ids);
    }

    private static void RequireImages(string name, IReadOnlyList<long> shape)
    {
        if (shape.Count is not (3 or 4) || shape.Any(d => d is 0 or > int.MaxValue))
            throw new AttributionException(
                $"{name} has the shape {string.Join(" x ", shape)}; save images as n x height x width x channels."
            );
        if (shape is [_, 1 or 3, _, not (1 or 3)])
            throw new AttributionException(
                $"{name} has its channels first ({string.Join(" x ", shape)}); save it as X.transpose(0, 2, 3, 1)."
            );
    }

    private static ImageSet Stored(string name, Tensor x, long[]? trueClasses, long[]? predictedClasses, long[]? ids)
    {
        RequireImages(name, x.shape);
        var images = x.shape switch
        {
            [_, _, 3] => x.unsqueeze(0),
            [_, _, _] => x.unsqueeze(3),
            _ => x,
        };
        return Whole(new StoredImages(name, images, channelsLast: true), trueClasses, predictedClasses, ids);
    }

    /// <summary>Loads pictures as squares; see <see cref="LoadImages(IEnumerable{string}, int, int, int)"/>.</summary>
    public static ImageSet LoadImages(IEnumerable<string> paths, int size) => LoadImages(paths, size, size);

    /// <summary>Loads PNG, JPEG, WebP, BMP and GIF files, and those in folders by the order of their names (other files are
    /// left out, and subfolders too, but where a folder holds no pictures of its own): the first frame of animated ones, turned upright as their EXIF data says, grey and CMYK
    /// as RGB, 16 bits as their upper 8, transparency on black, no colour profile applied, the shorter side resized to the
    /// target's (antialiased, bicubic), and the centre cut out. Pixels are decoded a batch at a time.</summary>
    /// <param name="paths">Files and folders.</param>
    /// <param name="height">H in pixels, 1 to 4096.</param>
    /// <param name="width">W in pixels, 1 to 4096.</param>
    /// <param name="channels">3 for red, green and blue; 1 for luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B).</param>
    /// <exception cref="AttributionException">A file is missing, no picture, or over 100 megapixels; a folder has no
    /// pictures; or a number is out of range.</exception>
    public static ImageSet LoadImages(IEnumerable<string> paths, int height, int width, int channels = 3)
    {
        if (height is < 1 or > MaxSide || width is < 1 or > MaxSide || channels is not (1 or 3))
            throw new AttributionException(
                $"Image files give images of 1 or 3 channels with sides of 1 to {MaxSide} pixels, and not of {channels} channels, {height} x {width}: save other images as an array (n x height x width x channels) in an .npz file."
            );
        var files = ImageFile.Find(paths);
        return files.Length > 0
            ? Whole(new ImageFiles(files, height, width, channels), null, null, null)
            : throw new AttributionException("No image file was given; name at least one file or folder.");
    }

    /// <summary>Loads a table of numbers from a text file, a row an instance: cells apart by commas, semicolons or tabs, and a first
    /// row of names where there is one. A column named y, label, class or target holds the true classes, one named id, idx or index
    /// the ids.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">c, h, w that a row's numbers are laid out as; null: 1, 1 and as many as there are.</param>
    /// <exception cref="AttributionException">The file cannot be read, a cell is no finite number, or a row has not as many numbers as
    /// are asked for.</exception>
    public static ImageSet LoadTable(string path, IReadOnlyList<long>? image = null)
    {
        var table = Table.Read(path);
        long[] shape = image is null ? [1, 1, table.Features.Length] : [.. image];
        if (shape.Aggregate(1L, (a, b) => a * b) != table.Features.Length)
            throw new AttributionException(
                $"'{path}' has {table.Features.Length} columns of numbers, but the model takes {string.Join("×", shape)}: give one for each feature."
            );
        using var scope = NewDisposeScope();
        StoredImages rows = new($"'{path}'", tensor(table.Numbers).reshape([-1, .. shape]), channelsLast: false);
        var set = Whole(rows, table.Classes, null, table.Ids);
        return new(set.source, true, set.rows, set.trueClasses, set.predictedClasses, set.ids)
        {
            Features = shape[1] == 1 ? table.Features : null,
            IsOfImages = shape[1] > 1,
        };
    }

    /// <summary>Loads instances of a model that takes no images: <c>X</c>, n×c×t of signals, n×f of tables or n×c×d×h×w of volumes,
    /// and <c>Y</c>, <c>Pred</c> and <c>Idx</c> where the file has them. They are laid out as images; see <see
    /// cref="Model.AsImages"/>.</summary>
    /// <param name="path">An npz file, or an npy file of X alone.</param>
    /// <param name="instance">The shape of one.</param>
    /// <exception cref="AttributionException">The file cannot be read, or its X has another shape.</exception>
    public static ImageSet LoadInstances(string path, IReadOnlyList<long> instance)
    {
        using var scope = NewDisposeScope();
        using var file = NpyArray.Is(path) ? null : NpzFile.Open(path);
        long[]? Ints(string name) => file is not null && file.Contains(name) ? file.ReadInts(name) : null;
        var x = file is null ? NpyArray.Load(path) : file.Read("X");
        if (x.dim() < 2 || x.shape[0] < 1 || !x.shape.Skip(1).SequenceEqual(instance))
            throw new AttributionException(
                $"'X' in '{path}' has the shape {string.Join(" x ", x.shape)}, but the model takes n x {string.Join(" x ", instance)}."
            );
        StoredImages laid = new($"'X' in '{path}'", Core.Images.lay(x.contiguous()), channelsLast: false);
        var set = Whole(laid, Ints("Y"), Ints("Pred"), Ints("Idx"));
        return new(set.source, true, set.rows, set.trueClasses, set.predictedClasses, set.ids)
        {
            Depth = instance is [_, var depth, _, _] ? (int)depth : 1,
            IsOfImages = false,
        };
    }

    /// <summary>A set of images in memory, shared with the tensor and not copied.</summary>
    /// <param name="x">n × C × H × W, of any element type.</param>
    /// <param name="trueClasses">The true class of each image.</param>
    /// <param name="predictedClasses">The class that a model gave each image.</param>
    /// <param name="ids">The id of each image.</param>
    /// <exception cref="ArgumentException">x is not four-dimensional, or is empty.</exception>
    /// <exception cref="AttributionException">There is not one class or id an image.</exception>
    public static ImageSet FromTensor(
        Tensor x,
        long[]? trueClasses = null,
        long[]? predictedClasses = null,
        long[]? ids = null
    )
    {
        if (x.dim() != 4 || x.numel() == 0)
            throw new ArgumentException($"Expected n x C x H x W, got [{string.Join(", ", x.shape)}].", nameof(x));
        using var scope = NewDisposeScope();
        var images = new StoredImages("The set", x.detach().cpu(), channelsLast: false);
        return Whole(images, trueClasses, predictedClasses, ids);
    }

    /// <summary>A range of the images as n × C × H × W float32, of values as stored.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the set.</exception>
    /// <exception cref="AttributionException">An image's file is damaged, or its values are not finite.</exception>
    public Tensor Images(Range range)
    {
        var batch = source.Batch(rows[range]);
        return Factor == 1 ? batch : batch.mul_(Number.Of(Factor));
    }

    /// <summary>All images as n × C × H × W float32.</summary>
    /// <exception cref="AttributionException">An image's file is damaged, or its values are not finite.</exception>
    public Tensor Images() => Images(..);

    /// <summary>A short name of an image: its file's, or else its id, or else its number in the set that was loaded.</summary>
    public string Label(int i) => source.Label(rows[i]) ?? (ids is null ? rows[i] : ids[i]).ToString();

    /// <summary>The height and width of an image's file, where it is brought to another size as it is read.</summary>
    internal (int Height, int Width)? StoredSize(int i) => source.StoredSize(rows[i]);

    /// <summary>The images whose true class is one of those given, in order.</summary>
    /// <exception cref="AttributionException">The true classes are not known, or no image is of these.</exception>
    public ImageSet Where(params int[] classes)
    {
        var found = Positions(TrueClasses, c => Array.Exists(classes, k => k == c));
        return found.Length > 0
            ? Subset(found)
            : throw new AttributionException(
                $"{source.Name} has no image of class {string.Join(", ", classes)}; its classes are {Some(TrueClasses)}."
            );
    }

    /// <summary>The images at the given positions, in the given order.</summary>
    /// <exception cref="AttributionException">A position is not in the set, or there is none.</exception>
    public ImageSet Take(IEnumerable<int> indices)
    {
        int[] positions = [.. indices];
        if (positions.Length == 0)
            throw new AttributionException("No index was given; name at least one image.");
        foreach (var i in positions)
            if (i < 0 || i >= Count)
                throw new AttributionException($"{source.Name} has no image {i}; its images are 0 to {Count - 1}.");
        return Subset(positions);
    }

    /// <summary>For each given id in turn, all images that have it.</summary>
    /// <exception cref="AttributionException">The ids are not known, or no image has one of those given.</exception>
    public ImageSet TakeIds(IEnumerable<long> ids) =>
        Take(
            ids.SelectMany(id =>
                Positions(Ids, other => other == id) is { Length: > 0 } found
                    ? found
                    : throw new AttributionException(
                        $"{source.Name} has no image with id {id}; its ids are {Some(Ids)}."
                    )
            )
        );

    /// <summary>The same images with these true classes.</summary>
    /// <exception cref="AttributionException">There is not one an image.</exception>
    public ImageSet WithTrueClasses(IReadOnlyList<long> classes) => With(rows, [.. classes], predictedClasses, ids);

    /// <summary>The same images with these predicted classes.</summary>
    /// <exception cref="AttributionException">There is not one an image.</exception>
    public ImageSet WithPredictedClasses(IReadOnlyList<long> classes) => With(rows, trueClasses, [.. classes], ids);

    /// <summary>The same images with a sentence more in <see cref="Notes"/>; this set gives them up.</summary>
    public ImageSet Noting(string note) => Adjusted(1, note);

    /// <summary>The same images times a number, which white is times too, with a note of it; this set gives them up.</summary>
    internal ImageSet Adjusted(float factor, string note) =>
        new(source, isOwner, rows, trueClasses, predictedClasses, ids)
        {
            Factor = Factor * factor,
            Remarks = [.. Remarks, note],
        };

    private ImageSet With(long[] rows, long[]? trueClasses, long[]? predictedClasses, long[]? ids) =>
        new(source, false, rows, trueClasses, predictedClasses, ids)
        {
            Factor = Factor,
            Remarks = Remarks,
            Features = Features,
            Depth = Depth,
            IsOfImages = IsOfImages,
        };

    /// <summary>Frees the images, if this set owns them.</summary>
    public void Dispose()
    {
        if (isOwner)
            source.Dispose();
    }

    private static ImageSet Whole(IImageSource source, long[]? trueClasses, long[]? predictedClasses, long[]? ids)
    {
        try
        {
            return new(source, true, [.. Enumerable.Range(0, source.Count)], trueClasses, predictedClasses, ids);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private ImageSet Subset(int[] positions)
    {
        long[]? Of(long[]? all) => all is null ? null : Array.ConvertAll(positions, i => all[i]);
        return With(Of(rows)!, Of(trueClasses), Of(predictedClasses), Of(ids));
    }

    private long[]? OnePerImage(long[]? values, string what) =>
        values is null || values.Length == Count
            ? values
            : throw new AttributionException(
                $"{source.Name} has {Count} images but {values.Length} {what}; give one each."
            );

    private AttributionException Lacks(string name, string what) =>
        new($"{source.Name} lacks '{name}', {what} of each image; add it to an .npz file, or give it from a program.");

    private static int[] Positions(IReadOnlyList<long> values, Func<long, bool> wanted) =>
        [.. Enumerable.Range(0, values.Count).Where(i => wanted(values[i]))];

    private static string Some(IEnumerable<long> values)
    {
        long[] distinct = [.. values.Distinct().Order()];
        return string.Join(", ", distinct.Take(20)) + (distinct.Length > 20 ? ", ..." : "");
    }
}
