using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A unit of a layer and its influence.</summary>
/// <param name="Unit">The unit's row-major position in the layer.</param>
/// <param name="Influence">Its influence on the quantity over the distribution.</param>
public sealed record UnitInfluence(int Unit, double Influence);

/// <summary>How often a unit is active on the images of a class.</summary>
/// <param name="Class">The true class.</param>
/// <param name="Instances">The number of its images.</param>
/// <param name="ActiveShare">The share of them on which the unit is above 0.</param>
public sealed record ClassActivity(long Class, int Instances, double ActiveShare);

/// <summary>How well a unit's value tells the images of one class from another's.</summary>
/// <param name="Class">The class that it should detect.</param>
/// <param name="Against">The other class.</param>
/// <param name="Auc">The area under the ROC curve: 1 tells them apart, 0.5 tells nothing.</param>
public sealed record Selectivity(long Class, long Against, double Auc);

/// <summary>
/// An expert and what is to be known about it: its influence and the runners-up's, how often it is active, and what it
/// tells apart.
/// </summary>
/// <remarks>An expert can be a unit that never fires, since the gradient of the quantity does not ask whether its ReLU
/// ever opens; see <see cref="IsDead"/>.</remarks>
public sealed class ExpertSummary
{
    private ExpertSummary(Model model, string layer, Quantity quantity, string distribution, float[] influence, int top)
    {
        (Layer, Quantity, Distribution, Influence) = (layer, quantity.Name, distribution, influence);
        // A stable sort keeps the first of equals in front, as an expert is the first on ties.
        Top =
        [
            .. influence
                .Select((value, unit) => new UnitInfluence(unit, value))
                .OrderByDescending(u => u.Influence)
                .Take(top),
        ];
        Remedy = Cuts.BeforeActivation(model, layer);
    }

    /// <summary>The layer.</summary>
    public string Layer { get; }

    /// <summary>The quantity of interest, as the command line spells it.</summary>
    public string Quantity { get; }

    /// <summary>The distribution of interest, as the command line spells it.</summary>
    public string Distribution { get; }

    /// <summary>The expert: the unit with the largest influence, the first on ties.</summary>
    public int Expert => Top[0].Unit;

    /// <summary>The expert and its runners-up, largest influence first.</summary>
    public IReadOnlyList<UnitInfluence> Top { get; }

    /// <summary>The influence of every unit, in row-major order.</summary>
    public IReadOnlyList<float> Influence { get; }

    /// <summary>The number of images in the distribution.</summary>
    public int Instances { get; private init; }

    /// <summary>The share of the distribution's images on which the expert is active, that is, above 0.</summary>
    public double ActiveShare { get; private init; }

    /// <summary>How often the expert is active on each class; empty where the true classes are not known.</summary>
    public IReadOnlyList<ClassActivity> Classes { get; private init; } = [];

    /// <summary>For a margin of two classes that both have images: how well the expert tells them apart. Else null.</summary>
    public Selectivity? Selectivity { get; private init; }

    /// <summary>Whether the expert is active on no image of its distribution.</summary>
    public bool IsDead => ActiveShare == 0;

    /// <summary>The layer to cut at instead of a dead expert's: the one before its activation; null where there is none.</summary>
    public string? Remedy { get; }

    /// <summary>Finds the expert and watches it over all images.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut.</param>
    /// <param name="quantity">The quantity of interest; its labels, if it has any, are those of x.</param>
    /// <param name="x">The images.</param>
    /// <param name="distribution">The true classes of the images that make up the distribution; null: all images.</param>
    /// <param name="margin">The two classes whose selectivity is asked for; null: none.</param>
    /// <param name="top">How many units to list.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result does not depend on it.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The layer is not there, the distribution is empty, or true classes are asked
    /// for that are not known.</exception>
    public static ExpertSummary Find(
        Model model,
        string layer,
        Quantity quantity,
        ImageSet x,
        IReadOnlyCollection<int>? distribution = null,
        (int Class, int Against)? margin = null,
        int top = 10,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        int[] All(Func<long, bool> isWanted) =>
            [.. Enumerable.Range(0, x.Count).Where(i => isWanted(x.TrueClasses[i]))];
        if (distribution is not null)
            x.Where([.. distribution]);
        var members = distribution is null
            ? Enumerable.Range(0, x.Count).ToArray()
            : All(y => distribution.Any(k => k == y));
        var isMember = members.ToHashSet();

        // The first half of the passes finds the expert, the second watches it.
        using var influence = InflDirected
            .Influences(
                model,
                layer,
                [new(quantity, isMember.Contains)],
                x,
                batchSize,
                Half.Of(progress, 0),
                cancellation
            )[0]
            .flatten();
        var activity = new InflDirected(model, layer, quantity).Activity(
            InflDirected.Expert(influence),
            x,
            batchSize,
            Half.Of(progress, 1),
            cancellation
        );

        var classes = x.HasTrueClasses ? x.TrueClasses.Distinct().Order() : Enumerable.Empty<long>();
        var name = distribution is null ? "all" : $"class:{string.Join(',', distribution)}";
        return new(model, layer, quantity, name, influence.to(ScalarType.Float32).data<float>().ToArray(), top)
        {
            Instances = members.Length,
            ActiveShare = activity.ActiveShare(members),
            Classes =
            [
                .. classes
                    .Select(k => (k, of: All(y => y == k)))
                    .Select(c => new ClassActivity(c.k, c.of.Length, activity.ActiveShare(c.of))),
            ],
            Selectivity =
                margin is var (a, b)
                && x.HasTrueClasses
                && All(y => y == a) is { Length: > 0 } ofA
                && All(y => y == b) is { Length: > 0 } ofB
                    ? new(a, b, activity.Selectivity(ofA, ofB))
                    : null,
        };
    }

    /// <summary>Writes <c>experts.json</c>.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) => Json.Write(path, ForJson());

    /// <summary>Writes <c>influence.npz</c>: <c>influence</c>, one number a unit.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteInfluence(string path)
    {
        using var values = tensor(Influence.ToArray());
        using var writer = new NpzWriter(path);
        writer.Add("influence", values);
        writer.Commit();
    }

    internal object ForJson() =>
        new
        {
            Layer,
            Quantity,
            Distribution,
            Expert,
            Top,
            Instances,
            ActiveShare,
            IsDead,
            Remedy = IsDead ? Remedy : null,
            Classes,
            Selectivity,
        };

    private sealed class Half(IProgress<Progress> whole, int done) : IProgress<Progress>
    {
        public static Half? Of(IProgress<Progress>? whole, int done) => whole is null ? null : new(whole, done);

        public void Report(Progress half) => whole.Report(new(half.Done + done * half.Total, 2 * half.Total));
    }
}
