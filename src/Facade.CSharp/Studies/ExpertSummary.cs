using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A unit of a layer and its influence.</summary>
/// <param name="Unit">The unit's position among those of the layer: row-major, or the channel's.</param>
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

/// <summary>An image, and a unit's value for it.</summary>
/// <param name="Position">The image's position in its set.</param>
/// <param name="Value">The unit's value.</param>
public sealed record ActiveImage(int Position, double Value);

/// <summary>The expert of a margin taken the other way round, which has the same size of influence with the other sign.</summary>
/// <param name="Unit">The unit's position among those of the layer.</param>
/// <param name="Influence">Its influence on the opposite margin.</param>
/// <param name="ActiveShare">The share of the distribution's images on which it is above 0.</param>
/// <param name="MostActive">The distribution's images for which its value is largest, largest first.</param>
public sealed record OppositeExpert(
    int Unit,
    double Influence,
    double ActiveShare,
    IReadOnlyList<ActiveImage> MostActive
);

/// <summary>A question whose answer is an expert.</summary>
/// <param name="Quantity">The quantity of interest; its labels, if it has any, are those of the images.</param>
/// <param name="Distribution">The true classes of the images that make up the distribution; null: all images.</param>
/// <param name="Margin">The two classes whose selectivity is asked for; null: none.</param>
/// <param name="IsMargin">Whether the quantity tells two sides apart, so that the other side's expert is asked for too.</param>
public sealed record ExpertQuestion(
    Quantity Quantity,
    IReadOnlyCollection<int>? Distribution = null,
    (int Class, int Against)? Margin = null,
    bool IsMargin = false
);

/// <summary>
/// An expert and what is to be known about it: its influence and the runners-up's, how often it is active, and what it
/// tells apart.
/// </summary>
/// <remarks>An expert can be a unit that never fires, since the gradient of the quantity does not ask whether its ReLU
/// ever opens; see <see cref="IsDead"/>.</remarks>
public sealed class ExpertSummary
{
    private const int MostShown = 6;

    private readonly Quantity quantity;
    private Neighbourhood around = Neighbourhood.Itself;

    private ExpertSummary(Model model, string layer, Quantity quantity, string distribution, float[] influence, int top)
    {
        this.quantity = quantity;
        (Layer, Distribution, Influence) = (layer, distribution, influence);
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

    /// <summary>What a unit of the layer is; never <see cref="Units.Auto"/>, but what that stood for.</summary>
    public Units Units { get; private init; }

    /// <summary>What to call one of them: "unit" or "channel".</summary>
    public string Noun => Units.Noun();

    /// <summary>The quantity of interest, as the command line spells it.</summary>
    public string Quantity => quantity.Name;

    /// <summary>The distribution of interest, as the command line spells it.</summary>
    public string Distribution { get; }

    /// <summary>Where around each image its influence was taken, as the command line spells it.</summary>
    public string Around => around.Name;

    /// <summary>The points around each image, for people; null where there is one.</summary>
    public string? AroundSettings => around.Settings;

    /// <summary>Whether influence was multiplied with the layer's values.</summary>
    public bool TimesActivation { get; private init; }

    /// <summary>The expert: the unit with the largest influence, the first on ties.</summary>
    public int Expert => Top[0].Unit;

    /// <summary>The expert and its runners-up, largest influence first.</summary>
    public IReadOnlyList<UnitInfluence> Top { get; }

    /// <summary>The influence of every unit, in their order.</summary>
    public IReadOnlyList<float> Influence { get; }

    /// <summary>The number of images in the distribution.</summary>
    public int Instances { get; private init; }

    /// <summary>The share of the distribution's images on which the expert is active, that is, above 0.</summary>
    public double ActiveShare { get; private init; }

    /// <summary>How often the expert is active on each class; empty where the true classes are not known.</summary>
    public IReadOnlyList<ClassActivity> Classes { get; private init; } = [];

    /// <summary>For a margin of two classes that both have images: how well the expert tells them apart. Else null.</summary>
    public Selectivity? Selectivity { get; private init; }

    /// <summary>The distribution's images for which the expert's value is largest, largest first: at most six.</summary>
    public IReadOnlyList<ActiveImage> MostActive { get; private init; } = [];

    /// <summary>For a margin: the expert of the opposite one. Else null.</summary>
    public OppositeExpert? Opposite { get; private init; }

    /// <summary>Whether the expert is active on no image of its distribution.</summary>
    public bool IsDead => ActiveShare == 0;

    /// <summary>The layer to cut at instead of a dead expert's: the one before its activation; null where there is none.</summary>
    public string? Remedy { get; }

    /// <summary>"unit 12", "channel 12".</summary>
    public string Named => $"{Noun} {Expert}";

    /// <summary>How influence was taken, where that is not at each image, for people: " · times activation"; else empty.</summary>
    public string Taken =>
        (AroundSettings is null ? "" : $" · around {Around}, {AroundSettings}")
        + (TimesActivation ? " · times activation" : "");

    /// <summary>Where to cut instead of after an activation.</summary>
    public string Advice =>
        Remedy is null ? "choose a layer before an activation" : $"cut before the activation, --layer {Remedy}";

    /// <summary>What to say of a dead expert; null of any other.</summary>
    public string? Warning =>
        IsDead
            ? $"{Words.Capital(Named)} of layer '{Layer}' is a dead expert: it has the most influence, but is active on no image of its distribution ({Instances} images); {Advice}."
            : null;

    /// <summary>Finds the expert and watches it over all images.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut.</param>
    /// <param name="quantity">The quantity of interest; its labels, if it has any, are those of x.</param>
    /// <param name="x">The images.</param>
    /// <param name="distribution">The true classes of the images that make up the distribution; null: all images.</param>
    /// <param name="margin">The two classes whose selectivity is asked for; null: none.</param>
    /// <param name="top">How many units to list.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="units">What a unit of a layer is.</param>
    /// <param name="around">Where around each image its influence is taken; null: <see cref="Neighbourhood.Itself"/>.</param>
    /// <param name="timesActivation">Whether an image's influence is multiplied with the layer's values.</param>
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
        CancellationToken cancellation = default,
        Units units = Units.Auto,
        Neighbourhood? around = null,
        bool timesActivation = false
    ) =>
        FindAll(
            model,
            [layer],
            [new(quantity, distribution, margin)],
            x,
            top,
            batchSize,
            progress,
            cancellation,
            units,
            around,
            timesActivation
        )[0];

    /// <summary>The same for several questions at several layers, of one pass over the images.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layers">Where it is cut.</param>
    /// <param name="questions">What is asked.</param>
    /// <param name="x">The images.</param>
    /// <param name="top">How many units to list.</param>
    /// <param name="batchSize">Images a pass; null: as many as 4 GiB hold. The result depends on it by rounding.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="units">What a unit of a layer is.</param>
    /// <param name="around">Where around each image its influence is taken; null: <see cref="Neighbourhood.Itself"/>.</param>
    /// <param name="timesActivation">Whether an image's influence is multiplied with the layer's values.</param>
    /// <param name="place">Where it is done; null: <see cref="Workplace.In"/>.</param>
    /// <param name="subject">What the answers depend on beside all that, such as the contents of files, where others compute
    /// them too.</param>
    /// <returns>The answers to all questions at the first layer, then at the second, and so on.</returns>
    /// <exception cref="AttributionException">A layer is not there, a distribution is empty, or true classes are asked for
    /// that are not known.</exception>
    public static IReadOnlyList<ExpertSummary> FindAll(
        Model model,
        IReadOnlyList<string> layers,
        IReadOnlyList<ExpertQuestion> questions,
        ImageSet x,
        int top = 10,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default,
        Units units = Units.Auto,
        Neighbourhood? around = null,
        bool timesActivation = false,
        Workplace? place = null,
        string subject = ""
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        layers = [.. layers.Select(model.RequireLayer)];
        var byClass = ByClass(x);
        int[][] members = [.. questions.Select(q => Members(q.Distribution, x, byClass))];
        var survey = InfluenceSurvey.Take(
            model,
            Asked(layers, questions, members, batchSize, units, around, timesActivation, subject),
            x,
            progress,
            cancellation,
            place
        );

        UnitActivity Activity(double[] values) => new(Array.ConvertAll(values, v => (float)v));

        IReadOnlyList<ActiveImage> MostActive(UnitActivity activity, int[] members) =>
            [
                .. members
                    .Select(i => new ActiveImage(i, activity.Values[i]))
                    .OrderByDescending(image => image.Value)
                    .Take(MostShown),
            ];

        ExpertSummary Answer(string layer, int i)
        {
            var (question, influence) = (questions[i], survey.Influence(layer, i));
            var expert = Array.IndexOf(influence, influence.Max());
            // The margin taken the other way round has the opposite influence.
            var other = Array.IndexOf(influence, influence.Min());
            var (activity, ofOther) = (Activity(survey.Values(layer, expert)), Activity(survey.Values(layer, other)));
            var name = question.Distribution is { } classes ? $"class:{string.Join(',', classes)}" : "all";
            return new(model, layer, question.Quantity, name, Array.ConvertAll(influence, v => (float)v), top)
            {
                Units = survey.Units(layer),
                around = around ?? Neighbourhood.Itself,
                TimesActivation = timesActivation,
                MostActive = MostActive(activity, members[i]),
                Opposite = question.IsMargin
                    ? new(other, -influence[other], ofOther.ActiveShare(members[i]), MostActive(ofOther, members[i]))
                    : null,
                Instances = members[i].Length,
                ActiveShare = activity.ActiveShare(members[i]),
                Classes =
                [
                    .. byClass
                        .OrderBy(c => c.Key)
                        .Select(c => new ClassActivity(c.Key, c.Value.Length, activity.ActiveShare(c.Value))),
                ],
                Selectivity =
                    question.Margin is var (a, b)
                    && byClass.TryGetValue(a, out var ofA)
                    && byClass.TryGetValue(b, out var ofB)
                        ? new(a, b, activity.Selectivity(ofA, ofB))
                        : null,
            };
        }

        return [.. from layer in layers from i in Enumerable.Range(0, questions.Count) select Answer(layer, i)];
    }

    /// <summary>The work of <see cref="FindAll"/>, for a process that computes units of it.</summary>
    /// <param name="prepared">What it is told of what was found before; null: nothing.</param>
    /// <param name="model">The classifier.</param>
    /// <param name="layers">Where it is cut.</param>
    /// <param name="questions">What is asked.</param>
    /// <param name="x">The images.</param>
    /// <param name="batchSize">Images a pass.</param>
    /// <param name="units">What a unit of a layer is.</param>
    /// <param name="around">Where around each image its influence is taken.</param>
    /// <param name="timesActivation">Whether an image's influence is multiplied with the layer's values.</param>
    /// <param name="subject">What the answers depend on beside all that.</param>
    /// <exception cref="AttributionException">A layer is not there, a distribution is empty, or true classes are asked for
    /// that are not known.</exception>
    public static Workload Plan(
        string? prepared,
        Model model,
        IReadOnlyList<string> layers,
        IReadOnlyList<ExpertQuestion> questions,
        ImageSet x,
        int? batchSize,
        Units units,
        Neighbourhood? around,
        bool timesActivation,
        string subject
    )
    {
        layers = [.. layers.Select(model.RequireLayer)];
        var byClass = ByClass(x);
        int[][] members = [.. questions.Select(q => Members(q.Distribution, x, byClass))];
        return InfluenceSurvey.Plan(
            model,
            Asked(layers, questions, members, batchSize, units, around, timesActivation, subject),
            x,
            prepared
        );
    }

    private static Dictionary<long, int[]> ByClass(ImageSet x) =>
        (x.HasTrueClasses ? Enumerable.Range(0, x.Count) : [])
            .GroupBy(i => x.TrueClasses[i])
            .ToDictionary(group => group.Key, group => group.ToArray());

    private static int[] Members(IReadOnlyCollection<int>? distribution, ImageSet x, Dictionary<long, int[]> byClass)
    {
        if (distribution is null)
            return [.. Enumerable.Range(0, x.Count)];
        // Refuses a class without images, and images without classes.
        x.Where([.. distribution]);
        return [.. distribution.Distinct().SelectMany(k => byClass[k]).Order()];
    }

    private static SurveyQuestion Asked(
        IReadOnlyList<string> layers,
        IReadOnlyList<ExpertQuestion> questions,
        int[][] members,
        int? batchSize,
        Units units,
        Neighbourhood? around,
        bool timesActivation,
        string subject
    )
    {
        Interest Of(ExpertQuestion question, int[] members)
        {
            HashSet<int> among = [.. members];
            return new(question.Quantity, among.Contains);
        }

        return new(layers, [.. questions.Zip(members, Of)], units)
        {
            Around = around ?? Neighbourhood.Itself,
            TimesActivation = timesActivation,
            BatchSize = batchSize,
            Subject =
                $"{subject}\n{string.Join(';', questions.Select(q => q.Distribution is { } some ? string.Join(',', some) : "all"))}",
        };
    }

    /// <summary>Writes <c>experts.json</c>: the expert, or a list of them where there are several.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public static void WriteJson(string path, IReadOnlyList<ExpertSummary> experts)
    {
        if (experts.Count == 1)
            Json.Write(path, experts[0].ForJson());
        else
            Json.Write(path, experts.Select(expert => expert.ForJson()));
    }

    /// <summary>Writes <c>influence.npz</c>: <c>influence</c>, one number a unit, or <c>influence_0</c>, <c>influence_1</c>, … in
    /// the order of the list where there are several.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public static void WriteInfluence(string path, IReadOnlyList<ExpertSummary> experts)
    {
        using var writer = new NpzWriter(path);
        foreach (var (i, expert) in experts.Index())
        {
            using var values = tensor(expert.Influence.ToArray());
            writer.Add(experts.Count == 1 ? "influence" : $"influence_{i}", values);
        }
        writer.Commit();
    }

    /// <summary>The classes that the quantity grows with, or those that it falls with; none where it is no sum of logits.</summary>
    /// <param name="falling">Whether those that it falls with.</param>
    public IReadOnlyList<int> ClassesOf(bool falling) =>
        quantity.Core.Source.IsLogits && quantity.Core.Linear is { } linear
            ? [.. linear.Value.Where(term => term.Item2 < 0 == falling).Select(term => term.Item1)]
            : [];

    internal object ForJson() =>
        new
        {
            Layer,
            Units = Units.Name(),
            Quantity,
            Distribution,
            Around,
            AroundSettings,
            TimesActivation,
            Expert,
            Top,
            Instances,
            ActiveShare,
            IsDead,
            Remedy = IsDead ? Remedy : null,
            Opposite = Opposite is { } other ? new UnitInfluence(other.Unit, other.Influence) : null,
            Classes,
            Selectivity,
        };
}
