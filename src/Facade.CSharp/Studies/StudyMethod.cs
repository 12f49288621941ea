using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>How an expert is sought, for maps of what it sees.</summary>
/// <param name="Images">The images over which units are ranked, which may be more than are explained.</param>
/// <param name="Question">What is asked.</param>
public sealed record ExpertSearch(ImageSet Images, ExpertQuestion Question)
{
    /// <summary>Where the model is cut; null: <see cref="Cuts.Default"/>.</summary>
    public string? Layer { get; init; }

    /// <summary>What a unit of the layer is.</summary>
    public Units Units { get; init; }

    /// <summary>Where around each image influence is taken; null: <see cref="Neighbourhood.Itself"/>.</summary>
    public Neighbourhood? Around { get; init; }

    /// <summary>Whether an image's influence is multiplied with the layer's values.</summary>
    public bool TimesActivation { get; init; }
}

/// <summary>A unit that is an expert, where it is.</summary>
internal sealed record Placed(string Layer, Units Units, int Unit, string Description);

/// <summary>Maps, and what was noted of each instance.</summary>
internal sealed record Explained(Tensor Maps, IReadOnlyList<double>? Gaps = null, IReadOnlyList<int>? Steps = null);

/// <summary>A method and its settings, of which a study or a run of explanations makes maps.</summary>
public sealed class StudyMethod
{
    /// <summary>What maps of an expert are called where methods are listed.</summary>
    public const string InfluenceDirected = "influence-directed";

    /// <summary>The names of all methods: the influence-directed one, and those of the registry.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [InfluenceDirected, .. AttributionMethod.All.Select(method => method.Name)];

    // The share of a score's change that maps may miss without a word.
    private const double MostMissing = 0.01;

    private const double Gradient = 3;
    private const double GuessedSteps = 64;

    private readonly AttributionMethod? method;
    private readonly MethodSettings settings;
    private readonly double? tolerance;
    private readonly ExpertSearch? search;
    private readonly Func<Model, Quantity, Explainer>? other;
    private readonly Tensor? maps;
    private readonly Placed? placed;

    /// <summary>A method of the registry.</summary>
    /// <param name="method">The method.</param>
    /// <param name="settings">Its settings, whose quantity is of the images that are explained; null: the defaults.</param>
    /// <param name="tolerance">For integrated gradients: the completeness gap that may be left, as a share of the change of the
    /// score, for which each image takes as few steps as it can; null: <see cref="MethodSettings.Steps"/>.</param>
    public StudyMethod(AttributionMethod method, MethodSettings? settings = null, double? tolerance = null)
    {
        (this.method, this.settings, Name) = (method, settings ?? new(), method.Name);
        this.tolerance = method.Name == "integrated-gradients" ? tolerance : null;
        Description = $"quantity {this.settings.Quantity.Name}{Described}";
    }

    /// <summary>What an expert sees.</summary>
    /// <param name="expert">The expert.</param>
    /// <param name="multiplyWithInput">Whether its gradient is multiplied with the image.</param>
    public StudyMethod(ExpertSummary expert, bool multiplyWithInput = true)
    {
        (Expert, settings, Name) = (expert, new() { MultiplyWithInput = multiplyWithInput }, InfluenceDirected);
        Description =
            $"{expert.Named} of layer {expert.Layer} · quantity {expert.Quantity} · distribution {expert.Distribution}{expert.Taken}{Alone}";
        placed = new(expert.Layer, expert.Units, expert.Expert, Description);
    }

    // What an expert sees that another process found.
    private StudyMethod(Placed placed, bool multiplyWithInput) =>
        (this.placed, settings, Name, Description) = (
            placed,
            new() { MultiplyWithInput = multiplyWithInput },
            InfluenceDirected,
            placed.Description
        );

    /// <summary>What an expert sees that another process found.</summary>
    /// <param name="prepared">That process's <see cref="Workload.Prepared"/>.</param>
    /// <param name="model">The classifier.</param>
    /// <param name="multiplyWithInput">Whether its gradient is multiplied with the image.</param>
    /// <exception cref="AttributionException">It is none of this model.</exception>
    public static StudyMethod OfPrepared(string prepared, Model model, bool multiplyWithInput = true)
    {
        Placed? found = null;
        try
        {
            found = JsonSerializer.Deserialize<Placed>(prepared);
        }
        catch (JsonException)
        {
            // Told below.
        }
        if (found is not { Layer: not null, Description: not null, Unit: >= 0 } || !Enum.IsDefined(found.Units))
            throw new AttributionException("What was told of the expert is none of this version of the program.");
        return new(found with { Layer = model.RequireLayer(found.Layer) }, multiplyWithInput);
    }

    /// <summary>What another process must be told of its expert; null where there is none.</summary>
    internal string? Prepared => placed is null ? null : JsonSerializer.Serialize(placed);

    /// <summary>What an expert sees that is found when the work begins.</summary>
    /// <param name="search">How it is found.</param>
    /// <param name="multiplyWithInput">Whether its gradient is multiplied with the image.</param>
    public StudyMethod(ExpertSearch search, bool multiplyWithInput = true) =>
        (this.search, settings, Name, Description) = (
            search,
            new() { MultiplyWithInput = multiplyWithInput },
            InfluenceDirected,
            ""
        );

    /// <summary>A method of the caller's own.</summary>
    /// <param name="name">What files and tables call it.</param>
    /// <param name="explain">What explains a quantity of a model.</param>
    /// <param name="quantity">What is explained; null: the predicted class's score.</param>
    /// <param name="description">Its settings, for people.</param>
    public StudyMethod(
        string name,
        Func<Model, Quantity, Explainer> explain,
        Quantity? quantity = null,
        string description = ""
    )
    {
        (Name, other, settings) = (name, explain, new() { Quantity = quantity ?? Quantity.Predicted });
        Description = description;
    }

    /// <summary>Maps that were made before, which a metric that explains again cannot be asked about.</summary>
    /// <param name="name">What files and tables call them.</param>
    /// <param name="maps">One an image that is explained: n×c×h×w or n×h×w.</param>
    /// <param name="description">How they were made, for people.</param>
    public StudyMethod(string name, Tensor maps, string description = "")
        : this(
            name,
            (_, _) =>
                throw new AttributionException($"The maps of {name} are given, and cannot be made of anything else."),
            null,
            description
        ) => this.maps = maps;

    /// <summary>A method of the registry with its default settings.</summary>
    public static implicit operator StudyMethod(AttributionMethod method) => new(method);

    /// <summary>As files and tables spell it.</summary>
    public string Name { get; }

    /// <summary>Its settings, for people.</summary>
    public string Description { get; }

    /// <summary>The layer that a class activation map looks at; null for other methods.</summary>
    public string? Layer => Uses(MethodSetting.Layer) ? settings.Layer : null;

    /// <summary>The expert whose view it is; null for other methods, and before it is found.</summary>
    public ExpertSummary? Expert { get; }

    private bool Uses(MethodSetting setting) => method?.Uses.HasFlag(setting) == true;

    private string Alone => settings.MultiplyWithInput ? "" : " · gradient alone";

    private string Described
    {
        get
        {
            var from = $"from {settings.Baseline.Name}";
            if (tolerance is { } share)
                return $" · as many steps {from} as leave a gap of {100 * share} %{Alone}";
            IEnumerable<string> Parts()
            {
                if (Uses(MethodSetting.Steps))
                    yield return $" · {settings.Steps} steps";
                if (Uses(MethodSetting.Baseline))
                    yield return $" {from}";
                if (Uses(MethodSetting.Samples) && settings.Samples is { } samples)
                    yield return $" · {samples} samples";
                if (Uses(MethodSetting.Noise) && settings.Noise != new MethodSettings().Noise)
                    yield return $" · noise {settings.Noise}";
                if (Uses(MethodSetting.Window) && settings.WindowSize is { } window)
                    yield return $" · window {window}";
                if (Uses(MethodSetting.Window) && settings.Stride is { } stride)
                    yield return $" · stride {stride}";
                if (Uses(MethodSetting.Area))
                    yield return $" · area {settings.Area}";
                if (Uses(MethodSetting.Iterations))
                    yield return $" · {settings.Iterations} iterations";
                if (Layer is { } layer)
                    yield return $" · layer {layer}";
                if (Uses(MethodSetting.Layer) && settings.FusedLayers is { Count: > 0 } fused)
                    yield return $" · fused with {string.Join(", ", fused)}";
                if (Uses(MethodSetting.Features) && settings.Features != Features.Usual)
                    yield return $" · features {settings.Features.Name}";
                if (IsByBackground && settings.Background is { } background)
                    yield return $" · background of {background.Count} images, without the image itself";
                if (Uses(MethodSetting.MaxPool) && settings.MaxPool != MaxPoolRule.Rescale)
                    yield return $" · max pools by {settings.MaxPool.ToString().ToLowerInvariant()}";
                if (Uses(MethodSetting.Multiply))
                    yield return Alone;
                if (settings.Smooth is { } copies)
                    yield return $" · over {copies} copies with noise {settings.Noise}";
                if (settings.Augment)
                    yield return " · over mirrored, darker and brighter copies";
            }
            return string.Concat(Parts());
        }
    }

    /// <summary>Whether it compares images with others.</summary>
    internal bool IsByBackground => Uses(MethodSetting.Background);

    /// <summary>How many images it compares with, where it is told which.</summary>
    internal int? Background => IsByBackground ? settings.Background?.Count : null;

    /// <summary>The baseline of maps that are multiplied with their distance from one; null for others.</summary>
    internal Baseline? MultipliedFrom =>
        !settings.MultiplyWithInput || other is not null || method is not null && !Uses(MethodSetting.Multiply) ? null
        : Uses(MethodSetting.Baseline) ? settings.Baseline
        : Baseline.Black;

    /// <summary>Passes an image, a gradient's counting three.</summary>
    internal double Passes(Model model, Instances x)
    {
        if (tolerance is not null)
            return Gradient * GuessedSteps;
        if (maps is not null)
            return 0;
        if (method is null)
            return Gradient;
        // To count features is to find them in an image.
        if (counted is not { } last || last.Model != model || last.Of != x.Core)
            counted = last = new(model, x.Core, method.Work(model, settings, x).Passes);
        return last.Passes;
    }

    private sealed record Counted(Model Model, Core.Instances Of, double Passes);

    private Counted? counted;

    /// <summary>Refuses a layer that the model has not: a mistake in what was asked for, and no fault of one method.</summary>
    internal void RequireLayer(Model model)
    {
        if ((search?.Layer ?? Layer) is { } layer)
            model.RequireLayer(layer);
    }

    /// <summary>The same for a model: where no layer is named it is chosen, and an expert is found.</summary>
    /// <exception cref="AttributionException">The model or the settings do not allow it.</exception>
    internal StudyMethod For(
        Model model,
        Action<string>? said,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        if (search is not null)
            return new(Found(search, model, said, batchSize, progress, cancellation), settings.MultiplyWithInput);
        if (method is null)
            return this;
        var layer = Uses(MethodSetting.Layer) ? Cuts.Named(model, settings.Layer, settings.Quantity) : null;
        StudyMethod placed = new(method, settings with { Layer = layer }, tolerance);
        method.Create(model, placed.settings);
        return placed;
    }

    private static ExpertSummary Found(
        ExpertSearch search,
        Model model,
        Action<string>? said,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        var layer = search.Layer ?? Cuts.Told(model, said);
        return ImageParts.Naming(
            search.Images,
            () =>
                ExpertSummary.FindAll(
                    model,
                    [layer],
                    [search.Question],
                    search.Images,
                    batchSize: batchSize,
                    progress: progress.In($"Finding the expert of layer {layer}"),
                    cancellation: cancellation,
                    units: search.Units,
                    around: search.Around,
                    timesActivation: search.TimesActivation
                )[0]
        );
    }

    /// <summary>The maps of a part of the images.</summary>
    internal Explained Explain(
        Model model,
        ImagePart part,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        var found = maps is null
            ? Explain(model, part.Of(settings.Quantity), part.Instances, batchSize, progress, cancellation)
            : new(maps.narrow(0, part.Start, part.Images.Count));
        // One number a pixel is the same number for each of its channels.
        return found.Maps.ndim == 3 ? found with { Maps = found.Maps.unsqueeze(1).expand_as(part.X) } : found;
    }

    /// <summary>What makes its maps of a model's quantity.</summary>
    internal Explainer Explainer(Model model, Quantity quantity) =>
        (x, batchSize, progress, cancellation) => Explain(model, quantity, x, batchSize, progress, cancellation).Maps;

    private Explained Explain(
        Model model,
        Quantity quantity,
        Instances x,
        int? batchSize,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        var (baseline, multiply) = (settings.Baseline, settings.MultiplyWithInput);
        if (placed is { } expert)
            return new(
                new InflDirected(model, expert.Layer, Quantity.Predicted, expert.Units).ExpertAttribution(
                    expert.Unit,
                    x,
                    batchSize,
                    multiply,
                    progress,
                    cancellation
                )
            );
        if (tolerance is { } share)
        {
            var found = new IntegratedGrad(model, quantity).AttributeAdaptively(
                x,
                baseline,
                batchSize,
                share,
                multiplyWithInput: multiply,
                progress: progress,
                cancellation: cancellation
            );
            return new(found.Attributions, found.Gaps, found.Steps);
        }
        if (Name == "deeplift" && method is not null)
        {
            var found = new DeepLift(model, quantity, baseline, multiply, settings.MaxPool).AttributeWithGaps(
                x,
                batchSize,
                progress,
                cancellation
            );
            return new(found.Attributions, found.Gaps);
        }
        var explain =
            other?.Invoke(model, quantity)
            ?? method?.Create(model, settings with { Quantity = quantity })
            ?? throw new InvalidOperationException("The expert has not been found.");
        return new(explain(x, batchSize, progress, cancellation));
    }

    /// <summary>What there is to say of the maps when all are made; null where there is nothing.</summary>
    /// <param name="gaps">What was noted of each, if anything was.</param>
    /// <param name="steps">The same.</param>
    internal string? Note(IReadOnlyList<double> gaps, IReadOnlyList<int> steps)
    {
        double[] far = [.. gaps.Where(gap => gap > (tolerance ?? MostMissing))];
        if (tolerance is not { } share)
            return far.Length == 0
                ? null
                : $"DeepLIFT's maps of {far.Length} of {Words.Count(gaps.Count, "image")} do not sum to the change of the score: up to {100 * far.Max():F1} % of it is missing.";
        // A study that goes on may have nothing left to explain.
        if (steps.Count == 0)
            return null;
        int[] sorted = [.. steps.Order()];
        var unreached =
            far.Length > 0 ? $"; {far.Length} of them keep a larger gap, up to {100 * gaps.Max():F1} %" : "";
        return $"Integrated gradients took {sorted[0]} to {sorted[^1]} steps an image (median {sorted[sorted.Length / 2]}) for a completeness gap of {100 * share} %{unreached}.";
    }
}
