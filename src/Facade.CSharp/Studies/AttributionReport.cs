using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using TorchSharp;

namespace Attribution;

/// <summary>
/// What influence-directed explanation says of a classifier on a set of images, and how it compares with saliency maps and
/// integrated gradients: numbers and maps, to be laid out by others. It owns its maps, but not the images.
/// </summary>
public sealed class AttributionReport : IDisposable
{
    private readonly ReportMaps maps;

    internal AttributionReport(ReportMaps maps) => this.maps = maps;

    /// <summary>The images, which must live as long as pictures are made of the report.</summary>
    public required ImageSet Images { get; init; }

    /// <summary>What it was asked for, with the names that were found.</summary>
    public required ReportOptions Options { get; init; }

    /// <summary>What the classes are called.</summary>
    public ClassNames Names => Options.Names!;

    /// <summary>The images with their classes.</summary>
    public required IReadOnlyList<ReportInstance> Instances { get; init; }

    /// <summary>Whether the true classes are known. If not, the model's predictions stand for them.</summary>
    public required bool HasTrueClasses { get; init; }

    /// <summary>The pairs of classes that are compared: the two classes and, where there are more than two, the related ones.</summary>
    public required IReadOnlyList<ClassPair> Pairs { get; init; }

    /// <summary>Where the model is cut.</summary>
    public required string Layer { get; init; }

    /// <summary>What its units are called: "unit" or "channel".</summary>
    public required string Noun { get; init; }

    /// <summary>The layer on the other side of the activation; null where there is none.</summary>
    public required string? Companion { get; init; }

    /// <summary>Whether <see cref="Layer"/> comes before the activation and <see cref="Companion"/> after it.</summary>
    public required bool IsCutBeforeActivation { get; init; }

    /// <summary>The experts of the classes' scores.</summary>
    public required ExpertSection Experts { get; init; }

    /// <summary>The experts of the margins of each pair.</summary>
    public required ExpertSection Margins { get; init; }

    /// <summary>The methods side by side.</summary>
    public required IReadOnlyList<MethodRow> Methods { get; init; }

    /// <summary>The average drop.</summary>
    public required DropSection Drop { get; init; }

    /// <summary>The steps in which pixels are removed and put back.</summary>
    public required PixelSteps Steps { get; init; }

    /// <summary>What was left out since it failed, and why: a sentence each.</summary>
    public required IReadOnlyList<string> Failures { get; init; }

    /// <summary>The methods of which some maps are empty, constant or the like, and what becomes of these: a sentence each.</summary>
    public required IReadOnlyList<string> Unsound { get; init; }

    /// <summary>The necessity ordering.</summary>
    public required IReadOnlyList<NecessityRow> Necessity { get; init; }

    /// <summary>Where the attribution lies; null where that is not known.</summary>
    public required LocationSection? Locations { get; init; }

    /// <summary>Every method by the criteria of a study; null where it was not asked for.</summary>
    public required Study? Study { get; init; }

    /// <summary>Which methods find the distinguishing part; null where that is not known, or was not asked for.</summary>
    public required TruthSection? Truth { get; init; }

    /// <summary>The essence of the classes: the curves with the first units kept, and with the first units silenced; empty where
    /// it was not asked for, or true classes are not known.</summary>
    public required IReadOnlyList<EssenceCurves> Essence { get; init; }

    /// <summary>What the report rests on.</summary>
    public required IReadOnlyList<ReportChoice> Choices { get; init; }

    /// <summary>What loading the model, and comparing it with the file of images, had to say.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The share of the images whose true class the model predicts; NaN where they are not known.</summary>
    public double Accuracy => HasTrueClasses ? Instances.Average(i => i.IsCorrect == true ? 1.0 : 0.0) : double.NaN;

    /// <summary>The scores of the three methods: the average drop's, then the necessity ordering's, each over the images of its
    /// section.</summary>
    public IReadOnlyList<MethodScores> Scores => [.. ReportScores.All(this).Select(of => of.Scores)];

    /// <summary>What was found, in a few sentences that the numbers decide, the most telling first.</summary>
    public IReadOnlyList<string> Findings => ReportFindings.Of(this);

    /// <summary>Makes a report.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="images">Images of two classes at least.</param>
    /// <param name="options">What it is about; null: everything is chosen.</param>
    /// <param name="progress">Told of every pass; how many there are is an estimate.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The images are of one class alone; or a class, id or layer is asked for that
    /// is not there.</exception>
    public static AttributionReport Create(
        Model model,
        ImageSet images,
        ReportOptions? options = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = torch.NewDisposeScope();
        var maps = new ReportMaps(images);
        try
        {
            return new ReportBuilder(model, images, options ?? new(), maps, progress, cancellation).Build();
        }
        catch
        {
            maps.Dispose();
            throw;
        }
    }

    /// <summary>Writes every score, a row each: <c>Idx,method,metric,score</c>; empty where it is undefined.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteScoresCsv(string path) => ReportScores.WriteCsv(this, path);

    /// <summary>Writes <c>{method: {metric: {score, instances, per_instance, skipped}}}</c>.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteScoresJson(string path) => ReportScores.WriteJson(this, path);

    /// <summary>Writes the experts: layer, quantity, distribution, expert, its influence and the runners-up, and how it
    /// behaves.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteExpertsJson(string path) => ReportScores.WriteExperts(this, path);

    /// <summary>Frees the maps.</summary>
    public void Dispose() => maps.Dispose();
}
