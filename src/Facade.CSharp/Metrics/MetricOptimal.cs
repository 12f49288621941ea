namespace Attribution;

/// <summary>The map that a metric likes best: what it rewards when nothing else restrains it. Of the maps on the way along the slope
/// of the metric's relaxed score, from given maps or from noise, each image's best.</summary>
public sealed class MetricOptimal
{
    /// <summary>τ of the relaxation where the settings' is exact and the metric ranks pixels, or counts them.</summary>
    public const double DefaultTau = 0.1;

    private readonly Model model;
    private readonly Metric row;
    private readonly MetricSettings settings;
    private readonly int iterations;

    /// <summary>A search for the best maps by a metric.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="metric">The metric.</param>
    /// <param name="settings">Its settings; null: the standard ones.</param>
    /// <param name="iterations">The steps: a score and its derivative each.</param>
    /// <exception cref="ArgumentOutOfRangeException">iterations is not 1 to 100 000.</exception>
    /// <exception cref="AttributionException">The metric has no derivative in the map, or makes maps of its own and is not told
    /// how, or needs masks and is given none.</exception>
    public MetricOptimal(Model model, AttributionMetric metric, MetricSettings? settings = null, int iterations = 50)
    {
        MethodSettings.RequireIterations(iterations);
        if (!Exists(metric))
            throw new AttributionException(
                $"The metric '{metric.Name}' has no derivative in the map, so that no best one can be found."
            );
        settings ??= new();
        metric.Require(settings);
        if (settings.Relaxation == Relaxation.Exact && metric.Row.Relaxes.Contains(Argument.Map))
            settings = settings with { Relaxation = Relaxation.Soft(DefaultTau) };
        (this.model, row, this.settings, this.iterations) = (model, metric.Row, settings, iterations);
    }

    /// <summary>Whether a metric has a derivative in the map, if need be relaxed, so that a best map can be looked for.</summary>
    public static bool Exists(AttributionMetric metric) => Core.MetricOptimal.exists(metric.Row);

    /// <summary>The noise that a search begins with where nobody says: n×h×w, each image its own.</summary>
    /// <param name="x">Instances: n×c×h×w.</param>
    public Tensor Start(Instances x) =>
        Core.MetricOptimal.noise(settings.Seed, InstancesModule.read(x.Core, 0, x.Count));

    /// <summary>The maps that the metric likes best: n×h×w, or of the shape of those to begin with.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="start">The maps to begin with: n×c×h×w or n×h×w; null: noise, each image its own.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor Find(
        Instances x,
        Tensor? start = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        // There must be as many maps as instances to ask for anything.
        using var none = start is null ? empty(x.Count) : null;
        MapsAsked asked = new(start ?? none!, x, null, progress, cancellation);
        var quantity = Quantity.OfTarget(model, settings.TargetClass, row.Over == Scale.Map ? Scale.Logits : row.Over);
        using var first = InstancesModule.read(x.Core, 0, 1).X;
        var pixels = first.shape[2] * first.shape[3];
        var each = row.Passes.Invoke(settings.InCore()).Invoke(pixels);
        var passes = asked.Count(each * x.Count * (iterations + 1));
        using var masks = row.NeedsMasks ? asked.Masks(settings.Masks!, [.. first.shape[^2..]]) : null;
        var core = settings.InCore(x, asked.Explaining(model, settings.Explain!, passes), masks);
        return x.Core.Liked(asked.Target(model, quantity, passes), row, core, iterations, start);
    }
}
