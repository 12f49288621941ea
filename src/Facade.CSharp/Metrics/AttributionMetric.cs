namespace Attribution;

/// <summary>A metric, set up: attributions of instances (n×c×h×w or n×h×w) to one score an instance; NaN where it is undefined.
/// A metric of the registry gives <see cref="MapScores"/>, which say what each map is.</summary>
/// <param name="attributions">One map an instance.</param>
/// <param name="x">Instances: n×c×h×w, 0-255.</param>
/// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
/// <param name="progress">Told of every pass.</param>
/// <param name="cancellation">Stops the work.</param>
public delegate IReadOnlyList<double> Scorer(
    Tensor attributions,
    Instances x,
    int? batchSize = null,
    IProgress<Progress>? progress = null,
    CancellationToken cancellation = default
);

/// <summary>What a metric of <see cref="AttributionMetric.All"/> is set up with. Each takes what concerns it.</summary>
public sealed record MetricSettings
{
    /// <summary>The class whose score is measured; null: the one predicted for each instance.</summary>
    public int? TargetClass { get; init; }

    /// <summary>How many pixels are removed or put back at a time; null: chosen by the images' size, see
    /// <see cref="PixelSteps.For"/>.</summary>
    public int? PixelsPerStep { get; init; }

    /// <summary>How many random samples are drawn an instance; null: the metric's own default.</summary>
    public int? Samples { get; init; }

    /// <summary>Decides on what is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>How the maps were made of a model's quantity, for the metrics that make maps of their own.</summary>
    public Func<Model, Quantity, Explainer>? Explain { get; init; }

    /// <summary>The baseline b of maps that are multiplied with x - b, as those of integrated gradients are; null for maps of
    /// what each unit of a number is worth.</summary>
    public Baseline? MultipliedFrom { get; init; }

    /// <summary>Where the part of each image is that its map is to point at: n×h×w of booleans, one mask for each instance of the set
    /// that is scored or that the scored ones are a part of, or 1×h×w for all; for the metrics that ask whether maps do.</summary>
    public Tensor? Masks { get; init; }

    /// <summary>How what a metric decides by a threshold, an order or a rank is computed.</summary>
    public Relaxation Relaxation { get; init; } = Relaxation.Exact;

    /// <summary>The core's settings for instances, where maps are made by what is given.</summary>
    internal Core.MetricSettings InCore(Instances x, Func<Target, Batch, Tensor> explain, Tensor? masks = null) =>
        InCore(x.Peak, MultipliedFrom?.For(x), explain, masks);

    internal Core.MetricSettings InCore(
        double peak = 255,
        Core.Baseline? from = null,
        Func<Target, Batch, Tensor>? explain = null,
        Tensor? masks = null
    ) =>
        new(
            Relaxation.Core,
            Interop.Option(PixelsPerStep),
            Interop.Option(Samples),
            Seed,
            peak,
            Interop.Option(from),
            explain is null ? null : Interop.Explaining(explain),
            masks is null ? null : Interop.Masks(masks)
        );
}

/// <summary>A row of the registry of metrics, from which the command line, the study and the documentation read.</summary>
public sealed class AttributionMetric
{
    private readonly Metric row;

    private AttributionMetric(Metric row) => this.row = row;

    internal Metric Row => row;

    /// <summary>Requires what a metric needs to be told: how maps are made, or where they are to point.</summary>
    internal void Require(MetricSettings settings) => Require(row, settings);

    /// <inheritdoc cref="Require(MetricSettings)"/>
    internal static void Require(Metric row, MetricSettings settings)
    {
        if (row.NeedsExplain && settings.Explain is null)
            throw new AttributionException(
                $"The metric '{row.Name}' makes maps of its own: set MetricSettings.Explain to how the maps were made."
            );
        if (row.NeedsMasks && settings.Masks is null)
            throw new AttributionException(
                $"The metric '{row.Name}' asks whether a map points at a part of the image that is known: give masks of it (MetricSettings.Masks, or --masks)."
            );
    }

    /// <summary>Every metric of attribution maps.</summary>
    public static IReadOnlyList<AttributionMetric> All { get; } =
    [.. Core.Metrics.all.Select(row => new AttributionMetric(row))];

    /// <summary>As the command line and files spell it.</summary>
    public string Name => row.Name;

    /// <summary>For people, with the unit.</summary>
    public string Title => row.Title;

    /// <summary>What it computes.</summary>
    public string Formula => row.Formula;

    /// <summary>The paper.</summary>
    public string Source => row.Source;

    /// <summary>Which of two scores is the better.</summary>
    public Better Better => row.Better;

    /// <summary>The scores that there can be: "0 to 100".</summary>
    public string Range => row.Range;

    /// <summary>What stands for a pixel that is hidden: "black"; "-" where none is.</summary>
    public string Blank => row.Blank;

    /// <summary>Logits, probabilities, or the map alone.</summary>
    public Scale Over => row.Over;

    /// <summary>Whether it makes maps of its own, so that <see cref="MetricSettings.Explain"/> must be set.</summary>
    public bool NeedsExplain => row.NeedsExplain;

    /// <summary>Whether it asks if a map points at a part of the image that is known, so that <see cref="MetricSettings.Masks"/> must
    /// be set.</summary>
    public bool NeedsMasks => row.NeedsMasks;

    /// <summary>Whether it compares a class's map with another's, which a model of a single logit does not have.</summary>
    public bool ComparesClasses => row.ComparesClasses;

    /// <summary>Whether it removes or puts back pixels, <see cref="MetricSettings.PixelsPerStep"/> at a time.</summary>
    public bool HasSteps => row.HasSteps;

    /// <summary>Forward passes an instance of so many pixels, about.</summary>
    public double Passes(MetricSettings settings, long pixels) => row.Passes.Invoke(settings.InCore()).Invoke(pixels);

    /// <summary>What the derivative of an exact score is.</summary>
    /// <param name="argument">With respect to what.</param>
    public Smoothness Smoothness(Argument argument) => row.Smoothness.Invoke(argument);

    /// <summary>What the derivative of a relaxed score is.</summary>
    /// <inheritdoc cref="Smoothness(Argument)"/>
    public Smoothness Smoothness(Argument argument, Relaxation relaxation) =>
        relaxation != Relaxation.Exact && row.Relaxes.Contains(argument)
            ? Attribution.Smoothness.AlmostEverywhere
            : Smoothness(argument);

    /// <summary>Sets it up, to give numbers and what each map is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are less than 1 sample, or 1 pixel a step.</exception>
    /// <exception cref="AttributionException">It makes maps of its own, and is not told how; or it needs masks, and is given
    /// none.</exception>
    public Scorer Create(Model model, MetricSettings settings) => new RowMetric(row, model, settings).Evaluate;

    /// <summary>Sets it up, to give tensors: one score an instance (n, in 64-bit floats) of maps and instances. Inside
    /// <see cref="Differentiation.Record"/> they are connected to both, and to the model's parameters.</summary>
    /// <inheritdoc cref="Create" path="/exception"/>
    public Func<Tensor, Tensor, Tensor> Scores(Model model, MetricSettings settings)
    {
        var metric = new RowMetric(row, model, settings);
        return (attributions, x) => metric.Scores(attributions, x);
    }

    /// <summary>The metric of a name.</summary>
    /// <exception cref="AttributionException">There is none; the message lists those there are.</exception>
    public static AttributionMetric Find(string name) =>
        All.FirstOrDefault(metric => metric.Name == name)
        ?? throw new AttributionException(
            $"There is no metric '{name}': the metrics are {string.Join(", ", All.Select(metric => metric.Name))}."
        );
}

/// <summary>A row's metric, set up.</summary>
internal sealed class RowMetric : MapMetric
{
    private readonly Metric row;
    private readonly Model model;
    private readonly MetricSettings settings;
    private readonly Quantity quantity;

    public RowMetric(Metric row, Model model, MetricSettings settings)
    {
        PixelSteps.Required(settings.PixelsPerStep);
        if (settings.Samples is { } samples)
            ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1, nameof(settings.Samples));
        AttributionMetric.Require(row, settings);
        (this.row, this.model, this.settings) = (row, model, settings);
        quantity = Quantity.OfTarget(model, settings.TargetClass, row.Over == Scale.Map ? Scale.Logits : row.Over);
    }

    private protected override Tensor Score(MapsAsked asked)
    {
        var (maps, x) = (asked.Maps, asked.X);
        var passes = asked.Count(row.Passes.Invoke(settings.InCore()).Invoke(PixelSteps.PixelsOf(maps)) * x.Count);
        var target = asked.Target(model, quantity, passes);
        using var masks = row.NeedsMasks ? asked.Masks(settings.Masks!, [.. maps.shape[^2..]]) : null;
        var core = settings.InCore(x, asked.Explaining(model, settings.Explain!, passes), masks);
        Tensor Of(Tensor maps, Batch batch) => row.Scores.Invoke(core).Invoke(target).Invoke(maps).Invoke(batch);
        // A metric of the map alone asks neither the model nor the images, which may be many.
        return row.Over == Scale.Map
            ? Of(maps, Interop.MapsOf(x.Core, maps))
            : x.Core.Score(target, batch => Of(batch.RowsOf(maps), batch));
    }

    internal override PixelSteps? StepsOf(Tensor attributions) =>
        row.HasSteps ? PixelSteps.Of(settings.PixelsPerStep, attributions) : null;
}
