namespace Attribution;

/// <summary>Images that a unit wants to see, and how much it makes of them. It owns the images.</summary>
public sealed class IdealImages : IDisposable
{
    internal IdealImages(Tensor images, IReadOnlyList<IReadOnlyList<double>> values, string? advice) =>
        (Images, Values, Advice) = (images, values, advice);

    private string? Advice { get; }

    /// <summary>n×c×h×w, from 0 to white.</summary>
    public Tensor Images { get; }

    /// <summary>For each image what was made large, at what each step saw, and last at the image itself.</summary>
    public IReadOnlyList<IReadOnlyList<double>> Values { get; }

    /// <summary>What was made large, at each image.</summary>
    public IReadOnlyList<double> Reached => [.. Values.Select(values => values[^1])];

    /// <summary>Whether it was 0 from the first step to the last, of every image: a unit that its activation holds at 0 has no slope.</summary>
    public bool IsDead => Values.All(values => values.All(value => value == 0));

    /// <summary>What to say where <see cref="IsDead"/>; else null.</summary>
    public string? Warning => IsDead ? Advice : null;

    /// <summary>Frees the images.</summary>
    public void Dispose() => Images.Dispose();
}

/// <summary>Activation maximisation: what a unit of a layer, or a class, wants to see. An image w σ(C F⁻¹(a ⊙ z)) is found, z its spectrum, a
/// falling as natural images' amplitudes do, and C the axes of natural colours, that makes q(f(x)) as large as it can; each step sees it
/// moved, turned, and larger or smaller by chance, so that no pattern wins that single pixels make.</summary>
/// <remarks>Olah, Mordvintsev and Schubert, Feature visualization, Distill 2017; the steps are Adam's, arXiv 1412.6980. What is found is one of
/// many images: ask for several.</remarks>
public sealed class ActivationMaximisation
{
    // Chosen, as the other numbers are, by the pictures of the demo's network.
    internal const int Steps = 64;

    private readonly Model model;
    private readonly Quantity quantity;
    private readonly string advice;
    private readonly double rate;
    private readonly double shift;
    private readonly double zoom;
    private readonly double turn;

    /// <summary>What a unit of a layer wants to see.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">The layer; cut before an activation, since a unit that is held at 0 has no slope.</param>
    /// <param name="unit">The unit's position among those of the layer.</param>
    /// <param name="units">What a unit of the layer is.</param>
    /// <param name="rate">The length of the first step, in the numbers of a spectrum.</param>
    /// <param name="shift">By how much each step sees the image moved, at most: a share of its sides.</param>
    /// <param name="zoom">By how much it sees it larger or smaller, at most: a share.</param>
    /// <param name="turn">By how much it sees it turned, at most: degrees.</param>
    /// <exception cref="ArgumentOutOfRangeException">rate is not positive, shift or zoom is not a share below 1, or turn is not 0 to 180.</exception>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public ActivationMaximisation(
        Model model,
        string layer,
        int unit,
        Units units = Units.Auto,
        double rate = 0.05,
        double shift = 0.06,
        double zoom = 0.05,
        double turn = 5
    )
        : this(model, Quantity.Unit(model.RequireLayer(layer), unit, units), rate, shift, zoom, turn)
    {
        var before = Cuts.BeforeActivation(model, layer);
        advice =
            $"Unit {unit} of layer '{layer}' is dead: it stays at 0, whatever is tried; {(before is null ? "choose a layer before an activation" : $"cut before the activation, at layer '{before}'")}.";
    }

    /// <summary>What a quantity of interest, such as a class's score, is largest on.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is made large. What it takes from an image, such as its predicted class, it takes from the noise that the
    /// search begins with.</param>
    /// <param name="rate">The length of the first step, in the numbers of a spectrum.</param>
    /// <param name="shift">By how much each step sees the image moved, at most: a share of its sides.</param>
    /// <param name="zoom">By how much it sees it larger or smaller, at most: a share.</param>
    /// <param name="turn">By how much it sees it turned, at most: degrees.</param>
    /// <exception cref="ArgumentOutOfRangeException">rate is not positive, shift or zoom is not a share below 1, or turn is not 0 to 180.</exception>
    public ActivationMaximisation(
        Model model,
        Quantity quantity,
        double rate = 0.05,
        double shift = 0.06,
        double zoom = 0.05,
        double turn = 5
    )
    {
        Require(rate > 0 && double.IsFinite(rate), nameof(rate), rate, "The first step is a number above 0.");
        Require(shift is >= 0 and < 1, nameof(shift), shift, "It is a share from 0 to less than 1.");
        Require(zoom is >= 0 and < 1, nameof(zoom), zoom, "It is a share from 0 to less than 1.");
        Require(turn is >= 0 and <= 180, nameof(turn), turn, "It is 0 to 180 degrees.");
        (this.model, this.quantity, this.rate) = (model, quantity, rate);
        (this.shift, this.zoom, this.turn) = (shift, zoom, turn);
        advice = $"{quantity.Name} stays at 0, whatever is tried: choose a quantity before an activation.";
    }

    private static void Require(bool holds, string name, double value, string what)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(name, value, what);
    }

    /// <summary>The images.</summary>
    /// <param name="seed">Decides on where each begins and what its steps see: the same seed, the same images.</param>
    /// <param name="steps">A gradient each.</param>
    /// <param name="draws">How many images, each from a beginning of its own.</param>
    /// <param name="shape">Channels, height and width; null: what the model takes.</param>
    /// <param name="peak">The number that stands for white.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentOutOfRangeException">steps is not 1 to 100 000, draws is less than 1, or peak is not positive.</exception>
    /// <exception cref="AttributionException">The model takes no images, or no shape is known, or the layer has no such unit.</exception>
    public IdealImages Image(
        long seed = 1,
        int steps = Steps,
        int draws = 1,
        IReadOnlyList<long>? shape = null,
        double peak = 255,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        MethodSettings.RequireIterations(steps);
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        Require(peak > 0 && double.IsFinite(peak), nameof(peak), peak, "White is a number above 0.");
        shape ??=
            model.InputShape
            ?? throw new AttributionException(
                "The model takes images of any shape: say which, as channels, height and width."
            );
        using var scope = NewDisposeScope();
        var ascent = new Ascent(steps, rate, shift, zoom, turn, peak, seed);
        var type = model.Precision == Precision.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Instances places = zeros([draws, .. shape], dtype: type);
        var found = model.Map(
            places,
            quantity,
            Pass.Gradient,
            draws * (steps + 1L),
            (target, batch) => Interop.Ideal(ascent, target, batch),
            batchSize,
            progress,
            cancellation
        );
        var pixels = shape.Aggregate(1L, (product, side) => product * side);
        var images = found.narrow(1, 0, pixels).reshape([draws, .. shape]).clone();
        var values = found.narrow(1, pixels, steps + 1).to(ScalarType.Float64).contiguous();
        return new(
            images.MoveToOuterDisposeScope(),
            [.. Enumerable.Range(0, draws).Select(i => Maps.Numbers(values[i].clone()))],
            advice
        );
    }
}
