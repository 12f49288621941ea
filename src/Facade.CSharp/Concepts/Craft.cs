namespace Attribution;

/// <summary>A square of an image, and how much of a concept a layer sees in it.</summary>
/// <param name="Image">The image's position.</param>
/// <param name="Top">The first row.</param>
/// <param name="Left">The first column.</param>
/// <param name="Coefficient">How much: a multiple of the concept's direction, of length 1.</param>
public readonly record struct ConceptCrop(int Image, int Top, int Left, double Coefficient);

/// <summary>A concept that was found in the crops of images.</summary>
/// <param name="Index">Its row among <see cref="CraftConcepts.Directions"/>.</param>
/// <param name="Importance">Its total Sobol index in the quantity, the mean over the images: the share of the quantity's variance in which it
/// has a part, when how much there is of each concept varies.</param>
/// <param name="Low">The lower end of the 95 % interval of that mean, by Student's t.</param>
/// <param name="High">The upper end.</param>
/// <param name="Crops">All crops, from the one that shows it most.</param>
public sealed record CraftConcept(
    int Index,
    double Importance,
    double Low,
    double High,
    IReadOnlyList<ConceptCrop> Crops
);

/// <summary>The concepts of some images at a layer.</summary>
public sealed class CraftConcepts : IDisposable
{
    internal CraftConcepts(IReadOnlyList<CraftConcept> all, Tensor directions, double error, int cropSize) =>
        (All, Directions, Error, CropSize) = (all, directions, error, cropSize);

    /// <summary>The concepts, the most important one first.</summary>
    public IReadOnlyList<CraftConcept> All { get; }

    /// <summary>W: each concept as a direction of the layer's channels, none negative, of length 1 (r×channels, 64-bit floats).</summary>
    public Tensor Directions { get; }

    /// <summary>‖A - UW‖ / ‖A‖: what of the crops' channels the concepts miss.</summary>
    public double Error { get; }

    /// <summary>The side of a crop, in pixels.</summary>
    public int CropSize { get; }

    /// <summary>Crops of a concept.</summary>
    /// <param name="images">n×c×h×w, from which the crops were cut.</param>
    /// <param name="concept">The concept.</param>
    /// <param name="count">How many crops.</param>
    /// <returns>The crops that show it most: count×c×s×s.</returns>
    public Tensor Pixels(ImageSet images, CraftConcept concept, int count)
    {
        using var scope = NewDisposeScope();
        Tensor Cut(ConceptCrop crop) =>
            images.Images(crop.Image..(crop.Image + 1))[0].narrow(1, crop.Top, CropSize).narrow(2, crop.Left, CropSize);
        return stack(concept.Crops.Take(count).Select(Cut)).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the directions.</summary>
    public void Dispose() => Directions.Dispose();
}

/// <summary>
/// CRAFT, concepts by factorisation of activations: what does a layer see in the images of a class? Crops of the images are run up to a
/// layer after a ReLU, and their channels, each the mean over its positions, are written as sums of a few directions: A ≈ UW, none of them
/// negative. How much each matters is its total Sobol index, when what there is of each is multiplied with numbers from 0 to 1.
/// </summary>
/// <remarks>Fel, Picard, Bethune, Boissin, Vigouroux, Colin, Cadène and Serre, arXiv 2211.10154. The factors are found by hierarchical
/// alternating least squares, and the indices by Jansen's estimator, as theirs. What the paper does again, a layer below, to take a concept
/// apart, is done by another such object of the images that show it.</remarks>
public sealed class Craft
{
    private const int Rounds = 300;

    private readonly Model model;
    private readonly string layer;
    private readonly Quantity quantity;
    private readonly int concepts;
    private readonly double crop;
    private readonly int designs;
    private readonly int seed;

    /// <summary>Concepts at a layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut: a layer of channels with rows and columns after a ReLU, such as the last convolution's
    /// activation; see <see cref="Model.Layers"/>.</param>
    /// <param name="quantity">The quantity of interest: a class's score, <see cref="Quantity.Class"/>, as a rule.</param>
    /// <param name="concepts">r, how many concepts.</param>
    /// <param name="crop">A crop's side, as a share of the shorter side of an image.</param>
    /// <param name="designs">The N of Jansen's estimator: an image takes N (r + 2) passes from the layer on.</param>
    /// <param name="seed">Decides on what the factors begin with, and on the numbers of the estimator.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is less than one concept or design, or the crop is no share.</exception>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public Craft(
        Model model,
        string layer,
        Quantity quantity,
        int concepts = 10,
        double crop = 0.35,
        int designs = 32,
        int seed = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(concepts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(designs, 1);
        if (!(crop is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(crop), crop, "A crop is a share of an image's side, up to 1.");
        (this.model, this.layer, this.quantity) = (model, model.RequireLayer(layer), quantity);
        (this.concepts, this.crop, this.designs, this.seed) = (concepts, crop, designs, seed);
    }

    /// <summary>Finds the concepts of some images.</summary>
    /// <param name="x">The images: n×c×h×w, of one class as a rule.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The layer has negative values or no rows and columns, or does not lead to the quantity; or there
    /// are fewer crops than concepts.</exception>
    public CraftConcepts Find(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var shape = x.Core.Read.Invoke(0).Invoke(1).shape;
        if (shape.Length != 4)
            throw new AttributionException("Crops are of images: n×c×h×w.");
        var size = Math.Max(1, (int)Math.Round(crop * Math.Min(shape[2], shape[3])));
        var each = Core.Craft.crops((int)shape[2], (int)shape[3], size, 0).Length;
        if (each * x.Count < concepts)
            throw new AttributionException(
                $"There are {Words.Count(each * x.Count, "crop")}, which make no {concepts} concepts: give more images, or ask for fewer concepts."
            );
        // Part of the network alone runs on the points of the estimator, so that these are not counted.
        Passes passes = new((long)x.Count * (each + 1), progress, cancellation);
        var working = model.Working(batchSize, passes);
        var (channels, crops) = Core.Craft.channels(size, layer, working, x.Core);
        if (!(channels.abs().max().ToDouble() > 0))
            throw new AttributionException($"Layer '{layer}' is 0 in every crop: name another layer.");
        var (factors, directions, errors) = Nmf.factor(seed, concepts, Rounds, channels);
        var shares = Core.Craft.importance(seed, designs, directions, quantity.Core, layer, working, x.Core);
        ConceptCrop[] Ordered(int k)
        {
            var amounts = Attribution.Maps.Numbers(factors.select(1, k).clone());
            return
            [
                .. crops
                    .Zip(amounts, (crop, amount) => new ConceptCrop(crop.Image, crop.Top, crop.Left, amount))
                    .OrderByDescending(crop => crop.Coefficient),
            ];
        }
        CraftConcept Of(int k)
        {
            var each = Attribution.Maps.Numbers(shares.select(1, k).to(ScalarType.Float64));
            var (low, high) = Statistics.meanInterval(0.95, each);
            return new(k, each.Average(), low, high, Ordered(k));
        }
        return new(
            [.. Enumerable.Range(0, concepts).Select(Of).OrderByDescending(concept => concept.Importance)],
            directions.DetachFromDisposeScope(),
            errors.Last(),
            size
        );
    }

    /// <summary>Where the concepts are in images: the coefficients of the layer's values at each position, upsampled
    /// bilinearly.</summary>
    /// <param name="found">What <see cref="Find"/> gave.</param>
    /// <param name="x">The images, the same or others: n×c×h×w.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>n×r×h×w, concepts in the order of <see cref="CraftConcepts.Directions"/>.</returns>
    public Tensor Maps(
        CraftConcepts found,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var _ = no_grad();
        return Core.Craft.maps(
            found.Directions,
            layer,
            model.Working(batchSize, x.Count, progress, cancellation),
            x.Core
        );
    }
}
