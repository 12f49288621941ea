namespace Attribution;

/// <summary>A method, set up: instances (n×c×h×w, 0-255) to attributions (n×c×h×w, or n×h×w where a method gives one number a
/// pixel).</summary>
/// <param name="x">Instances.</param>
/// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
/// <param name="progress">Told of every pass.</param>
/// <param name="cancellation">Stops the work.</param>
public delegate Tensor Explainer(
    Instances x,
    int? batchSize = null,
    IProgress<Progress>? progress = null,
    CancellationToken cancellation = default
);

/// <summary>What a method of <see cref="AttributionMethod.All"/> is set up with. Each takes what concerns it.</summary>
public sealed record MethodSettings
{
    /// <summary>What is explained.</summary>
    public Quantity Quantity { get; init; } = Quantity.Predicted;

    /// <summary>The layer of the methods that look at one; null: the last convolution's.</summary>
    public string? Layer { get; init; }

    /// <summary>Further layers, whose maps are fused with that layer's: the mean of all, each as a share of its largest
    /// magnitude.</summary>
    public IReadOnlyList<string> FusedLayers { get; init; } = [];

    /// <summary>Where paths begin, and what hidden pixels become.</summary>
    public Baseline Baseline { get; init; } = Baseline.Black;

    /// <summary>The points on a path.</summary>
    public int Steps { get; init; } = 50;

    /// <summary>Where they lie.</summary>
    public IntegrationRule Rule { get; init; } = IntegrationRule.RightHand;

    /// <summary>Whether gradients are multiplied with the input.</summary>
    public bool MultiplyWithInput { get; init; } = true;

    /// <summary>How many random samples are drawn an instance; null: the method's own default.</summary>
    public int? Samples { get; init; }

    /// <summary>Decides on what is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>The standard deviation of noise on an instance, as a share of its range.</summary>
    public double Noise { get; init; } = 0.15;

    /// <summary>What baselines are drawn from; null: the set that the explained instances are of.</summary>
    public Instances? Background { get; init; }

    /// <summary>The side of a window that hides pixels; null: an eighth of the image's.</summary>
    public int? WindowSize { get; init; }

    /// <summary>The pixels from a window to the next; null: half a window.</summary>
    public int? Stride { get; init; }

    /// <summary>What a max pool hands on in DeepLIFT.</summary>
    public MaxPoolRule MaxPool { get; init; }

    /// <summary>The steps of an optimisation.</summary>
    public int Iterations { get; init; } = 50;

    /// <summary>The share of the image that a mask covers.</summary>
    public double Area { get; init; } = 0.1;

    /// <summary>What is hidden and shown as one.</summary>
    public Features Features { get; init; } = Features.Usual;

    /// <summary>How many noisy copies of an instance any method's maps are averaged over, with <see cref="Noise"/>; null: it is explained
    /// as it is.</summary>
    public int? Smooth { get; init; }

    /// <summary>Whether any method's maps are averaged over an image and its mirror image, each as it is, darker and brighter.</summary>
    public bool Augment { get; init; }

    /// <summary>Refuses what makes no sense to a method that uses it.</summary>
    internal void Require(MethodSetting uses)
    {
        if (Samples is { } samples && uses.HasFlag(MethodSetting.Samples))
            RequireSamples(samples);
        if (uses.HasFlag(MethodSetting.Noise))
            RequireNoise(Noise);
        if (uses.HasFlag(MethodSetting.Window))
            RequireWindow(WindowSize, Stride);
        if (uses.HasFlag(MethodSetting.Iterations))
            RequireIterations(Iterations);
        if (uses.HasFlag(MethodSetting.Area))
            RequireArea(Area);
        RequireBackground(Background);
        if (Smooth is { } copies)
        {
            RequireSamples(copies);
            RequireNoise(Noise);
        }
    }

    // As many as memory has room for.
    internal static void RequireSamples(int samples)
    {
        const int Most = 100_000;
        if (samples is < 1 or > Most)
            throw new ArgumentOutOfRangeException(nameof(samples), samples, $"Samples are 1 to {Most}.");
    }

    internal static void RequireIterations(int iterations)
    {
        const int Most = 100_000;
        if (iterations is < 1 or > Most)
            throw new ArgumentOutOfRangeException(nameof(iterations), iterations, $"Iterations are 1 to {Most}.");
    }

    internal static void RequireArea(double area)
    {
        if (area is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(
                nameof(area),
                area,
                "An area is a share between 0 and 1 of the image."
            );
    }

    internal static void RequireNoise(double noise)
    {
        if (!double.IsFinite(noise) || noise < 0)
            throw new ArgumentOutOfRangeException(nameof(noise), noise, "A standard deviation is 0 or more.");
    }

    internal static void RequireWindow(int? windowSize, int? stride)
    {
        if (windowSize < 1)
            throw new ArgumentOutOfRangeException(nameof(windowSize), windowSize, "A window has at least 1 pixel.");
        if (stride < 1 || stride > windowSize)
            throw new ArgumentOutOfRangeException(
                nameof(stride),
                stride,
                "A stride is 1 pixel at least, and a window at most, so that windows cover every pixel."
            );
    }

    internal static void RequireBackground(Instances? background)
    {
        if (background is { Count: 0 })
            throw new AttributionException("The background is empty: give it at least one instance to draw.");
    }

    /// <summary>The core's settings for instances.</summary>
    internal Core.MethodSettings InCore(IEnumerable<string> layers, Instances x) =>
        new(
            Interop.List(layers),
            Baseline.For(x),
            QuadratureModule.nodes(Rule.InCore(), Steps),
            MultiplyWithInput,
            Interop.Option(Samples),
            Seed,
            Noise,
            Interop.Option(Background?.Core ?? x.Whole),
            WindowSize,
            Stride,
            MaxPool.InCore(),
            Iterations,
            Area,
            Features.Core,
            x.Peak,
            Interop.Option(Smooth),
            Augment
        );

    /// <summary>The layers that are named.</summary>
    internal IEnumerable<string> Layers => Layer is null ? FusedLayers : FusedLayers.Prepend(Layer);

    /// <summary>These settings for another quantity, from another baseline.</summary>
    public MethodSettings For(Quantity quantity, Baseline baseline) =>
        this with
        {
            Quantity = quantity,
            Baseline = baseline,
        };
}

/// <summary>The passes that a method makes of an instance.</summary>
/// <param name="Forwards">Through the network.</param>
/// <param name="Gradients">Through it and back to the instance.</param>
/// <param name="IsByRules">Whether a way back is by rules, which compute more than a gradient does.</param>
public readonly record struct Work(long Forwards, long Gradients, bool IsByRules = false)
{
    /// <summary>In forward passes, a gradient counting three.</summary>
    public double Passes => Forwards + 3.0 * Gradients;
}

/// <summary>A row of the registry of attribution methods, from which the command line, the study and the documentation
/// read.</summary>
public sealed class AttributionMethod
{
    private readonly Method row;

    private AttributionMethod(Method row) => this.row = row;

    /// <summary>Every method that needs no more than a model and settings.</summary>
    public static IReadOnlyList<AttributionMethod> All { get; } =
    [.. Core.Methods.all.Select(row => new AttributionMethod(row))];

    /// <summary>As the command line and files spell it.</summary>
    public string Name => row.Name;

    /// <summary>For people.</summary>
    public string Title => row.Title;

    /// <summary>What it computes.</summary>
    public string Formula => row.Formula;

    /// <summary>The paper.</summary>
    public string Source => row.Source;

    /// <summary>Which settings, beside the quantity, it uses.</summary>
    public MethodSetting Uses => row.Uses;

    /// <summary>What it takes for one of such instances.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="settings">Its settings.</param>
    /// <param name="x">The instances, the first of which stands for all.</param>
    public Work Work(Model model, MethodSettings settings, Instances x)
    {
        var work = Core.MethodModule.work(row, model.Core, settings.InCore(settings.Layers, x), x.Core);
        return new(work.Forwards, work.Gradients, work.IsByRules);
    }

    /// <summary>What its derivative is.</summary>
    /// <param name="argument">With respect to what.</param>
    public Smoothness Smoothness(Argument argument) => row.Smoothness.Invoke(argument);

    /// <summary>Whether a model has what the method is about, such as ReLUs or attention.</summary>
    public bool AppliesTo(Model model) => row.Requires is not { Value: var (_, has) } || has.Invoke(model.Core.Graph);

    /// <summary>Sets it up.</summary>
    /// <exception cref="ArgumentException">A setting that it uses makes no sense.</exception>
    /// <exception cref="AttributionException">The model has none of the layers that the method is about, or that is
    /// named.</exception>
    public Explainer Create(Model model, MethodSettings settings)
    {
        if (row.Requires is { Value: var (title, has) })
            model.Require(title, has.Invoke);
        settings.Require(Uses);
        string[] layers = Uses.HasFlag(MethodSetting.Layer)
            ?
            [
                Cuts.Named(model, settings.Layers.FirstOrDefault(), settings.Quantity),
                .. settings.Layers.Skip(1).Select(model.RequireLayer),
            ]
            : [];
        return (x, batchSize, progress, cancellation) =>
        {
            var work = Work(model, settings, x);
            var inCore = settings.InCore(layers, x);
            return model.Map(
                x,
                settings.Quantity,
                row.Pass,
                x.Count * (work.Forwards + work.Gradients),
                (target, batch) => Core.MethodModule.attribute(row, inCore, target, batch),
                batchSize,
                progress,
                cancellation
            );
        };
    }

    /// <summary>The method of a name.</summary>
    /// <exception cref="AttributionException">There is none; the message lists those there are.</exception>
    public static AttributionMethod Find(string name) =>
        All.FirstOrDefault(method => method.Name == name)
        ?? throw new AttributionException(
            $"There is no method '{name}': the methods are {string.Join(", ", All.Select(method => method.Name))}."
        );
}
