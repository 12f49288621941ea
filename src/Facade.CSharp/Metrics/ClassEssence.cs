using System.Text.Json;

namespace Attribution;

/// <summary>An order of a layer's units for a class: which to keep first.</summary>
/// <param name="Class">The class.</param>
/// <param name="Name">What they are ordered by: "influence", "influence-magnitude", "activation", "random".</param>
/// <param name="Orders">The units' positions, each once; of several orders the counts are added up.</param>
/// <param name="Distribution">The images that this was taken over, as the command line spells them; null: none.</param>
public sealed record UnitRanking(
    int Class,
    string Name,
    IReadOnlyList<IReadOnlyList<int>> Orders,
    string? Distribution = null
);

/// <summary>How well a class is recognised, against the rest, by a network of which some units of a layer are left.</summary>
/// <param name="Class">The class.</param>
/// <param name="Ranking">What the units are ordered by; <see cref="EssenceCurves.WholeModel"/> where all are left.</param>
/// <param name="Units">k: how many units are kept, or silenced.</param>
/// <param name="Recall">The share of the class's images that are predicted to be of it.</param>
/// <param name="Precision">The share of the images predicted to be of the class that are; NaN where none is.</param>
/// <param name="Accuracy">The share of all images on which prediction and truth agree whether they are of the class.</param>
/// <param name="F1">The harmonic mean of recall and precision: 2 TP / (2 TP + FP + FN).</param>
public sealed record EssencePoint(
    int Class,
    string Ranking,
    int Units,
    double Recall,
    double Precision,
    double Accuracy,
    double F1
)
{
    internal EssencePoint(int @class, string ranking, int units, Confusion c)
        : this(@class, ranking, units, c.Recall, c.Precision, c.Accuracy, c.F1) { }
}

/// <summary>The essence of a class: with only the k units S of a layer left that have most influence on the class's score,
/// and all others 0, f_S(x) = argmax g(1_S ⊙ h(x)) as a classifier of that class against the rest. Few units that recognise
/// it as well as the whole model are what the network learned of it. Beside influence stand its magnitude, which keeps the
/// units that speak against the class too, and the rankings that both must beat: by the units' mean value on the class, and
/// at random.</summary>
/// <remarks>Leino, Sen, Datta, Fredrikson and Li, arXiv 1802.03788. An image counts as recognised where the class has the
/// largest of all logits. What g is given in place of a silent unit is 0, whatever it is on average. Paths around the layer
/// stay as they are.</remarks>
public sealed class ClassEssence
{
    private readonly Model model;
    private readonly string layer;
    private readonly Units units;

    /// <summary>The essence of classes at a layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut; see <see cref="Model.Layers"/>.</param>
    /// <param name="units">What a unit of the layer is; a channel is kept or silenced whole.</param>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public ClassEssence(Model model, string layer, Units units = Units.Auto) =>
        (this.model, this.layer, this.units) = (model, model.RequireLayer(layer), units);

    /// <summary>Ranks the units for each class: by their influence on its score, by the magnitude of that, by their mean value,
    /// and at random; largest first.</summary>
    /// <param name="x">The images, with their true classes.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="distribution">The true classes of the images over which influence and mean value are taken; null: each
    /// class's own.</param>
    /// <param name="randomOrders">How many orders are drawn; all classes share them.</param>
    /// <param name="seed">Decides on them.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="place">Where it is done; null: <see cref="Workplace.In"/>.</param>
    /// <param name="subject">What the answers depend on beside all that, where others compute them too.</param>
    /// <exception cref="AttributionException">The true classes are not known, a distribution is empty, or there is no such
    /// class.</exception>
    public IReadOnlyList<UnitRanking> Rank(
        ImageSet x,
        IReadOnlyList<int> classes,
        IReadOnlyCollection<int>? distribution = null,
        int randomOrders = 5,
        int seed = 1,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default,
        Workplace? place = null,
        string subject = ""
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(randomOrders, 1);
        var work = Ranking(x, classes, distribution, batchSize, subject);
        (place ?? Workplace.In(model)).Do(work, progress, cancellation);
        HashSet<int> Over(int k) => [.. distribution ?? [k]];
        double[] Mean(string name, int i)
        {
            var over = Over(classes[i]);
            double count = x.TrueClasses.Count(y => over.Contains((int)y));
            return Array.ConvertAll(work.Result.Sum($"{name} {i}")!, sum => sum / count);
        }
        Importance[] found = [.. classes.Select((_, i) => new Importance(Mean("influence", i), Mean("activation", i)))];
        int[][] random =
        [
            .. Enumerable.Range(0, randomOrders).Select(i => Shuffled(found[0].Influence.Length, seed + i)),
        ];
        IEnumerable<UnitRanking> By(int k, Importance importance)
        {
            var images = $"class:{string.Join(',', Over(k))}";
            var (influence, activation) = (importance.Influence, importance.Activation);
            yield return new(k, "influence", [Descending(influence)], images);
            yield return new(k, "influence-magnitude", [Descending(Array.ConvertAll(influence, Math.Abs))], images);
            yield return new(k, "activation", [Descending(activation)], images);
            yield return new(k, "random", random);
        }
        return [.. classes.Zip(found, By).SelectMany(rankings => rankings)];
    }

    // The influence of the units on each class, and their values, summed over its images.
    private ImageSums Ranking(
        ImageSet x,
        IReadOnlyList<int> classes,
        IReadOnlyCollection<int>? distribution,
        int? batchSize,
        string subject
    )
    {
        if (classes.Count == 0)
            throw new AttributionException("The essence of no class was asked for: name at least one.");
        var labels = x.TrueClasses;
        HashSet<int>[] over = [.. classes.Select(k => (HashSet<int>)[.. distribution ?? [k]])];
        // Refuses classes without images.
        foreach (var some in over)
            x.Where([.. some]);
        var size = ImageParts.Naming(x, () => batchSize ?? model.SteadyBatch(x));
        return new(
            Subject(
                x,
                size,
                $"{subject}\n{string.Join(';', classes.Zip(over, (k, some) => $"{k}:{string.Join(',', some)}"))}"
            ),
            x,
            3,
            (part, sums, progress, cancellation) =>
            {
                bool Holds(int i, int row) => over[i].Contains((int)labels[part.Start + row]);
                int[] own =
                [
                    .. Enumerable
                        .Range(0, classes.Count)
                        .Where(i => Enumerable.Range(0, part.Images.Count).Any(row => Holds(i, row))),
                ];
                if (own.Length == 0)
                    return;
                var totals = Core.ClassEssence.totals(
                    [.. own.Select(i => new Interest(Quantity.Class(classes[i]), row => Holds(i, row)).Core)],
                    units.InCore(),
                    layer,
                    model.Working(size, part.Images.Count, progress, cancellation),
                    part.Instances.Core
                );
                foreach (var (i, total) in own.Zip(totals))
                {
                    sums.Add($"influence {i}", total.Influence);
                    sums.Add($"activation {i}", total.Activation);
                }
            }
        );
    }

    private string Subject(ImageSet x, int batchSize, string more) =>
        string.Join(
            '\n',
            [more, $"{layer} {units} {batchSize}", string.Join(',', Enumerable.Range(0, x.Count).Select(x.Position))]
        );

    // What each set of units that is left predicts.
    private ImageSums Tallies(bool[][] sets, ImageSet x, int? batchSize, string subject)
    {
        var size = ImageParts.Naming(x, () => batchSize ?? model.SteadyBatch(x));
        var labels = x.TrueClasses;
        static double[] Numbers(int[] counts) => Array.ConvertAll(counts, n => (double)n);
        return new(
            Subject(x, size, subject),
            x,
            1 + sets.Length,
            (part, sums, progress, cancellation) =>
            {
                var found = Core.ClassEssence.tallies(
                    sets,
                    [.. Enumerable.Range(part.Start, part.Images.Count).Select(row => labels[row])],
                    units.InCore(),
                    layer,
                    model.Working(size, part.Images.Count * (1L + sets.Length), progress, cancellation),
                    part.Instances.Core
                );
                sums.Add("true", Numbers(found[0].True));
                foreach (var (i, tally) in found.Index())
                {
                    sums.Add($"predicted {i}", Numbers(tally.Predicted));
                    sums.Add($"both {i}", Numbers(tally.Both));
                }
            },
            JsonSerializer.Serialize(
                Array.ConvertAll(sets, set => new string([.. set.Select(isLeft => isLeft ? '1' : '0')]))
            )
        );
    }

    /// <summary>The work of <see cref="Rank"/>, or of <see cref="Evaluate"/> where it is told of sets, for a process that computes
    /// units of it.</summary>
    /// <param name="prepared">What it is told of what was found before; null: nothing.</param>
    /// <param name="x">The images, with their true classes.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="distribution">The true classes of the images over which influence and mean value are taken.</param>
    /// <param name="batchSize">Images a pass.</param>
    /// <param name="subject">What the answers depend on beside all that.</param>
    /// <exception cref="AttributionException">The true classes are not known, a distribution is empty, or it is told nonsense.</exception>
    public Workload Plan(
        string? prepared,
        ImageSet x,
        IReadOnlyList<int> classes,
        IReadOnlyCollection<int>? distribution,
        int? batchSize,
        string subject
    )
    {
        if (prepared is null)
            return Ranking(x, classes, distribution, batchSize, subject);
        string[]? sets = null;
        try
        {
            sets = JsonSerializer.Deserialize<string[]>(prepared);
        }
        catch (JsonException)
        {
            // Told below.
        }
        return sets is { Length: > 0 } && sets.All(set => set is { Length: > 0 } && set.All(c => c is '0' or '1'))
            ? Tallies(Array.ConvertAll(sets, set => set.Select(c => c == '1').ToArray()), x, batchSize, subject)
            : throw new AttributionException("What was told of the units is none of this version of the program.");
    }

    /// <summary>Measures the network with the first k units of each ranking kept, or silenced, and all others not. Every image
    /// is brought to the layer once.</summary>
    /// <param name="rankings">The rankings, of one layer's units.</param>
    /// <param name="x">The images, with their true classes: those that the units were ranked on, or others.</param>
    /// <param name="counts">Every k, from 1 to all units; null: 1, 2, 5, 10, 20, … and all.</param>
    /// <param name="silence">Whether the first k are silenced and all others kept.</param>
    /// <param name="batchSize">Images a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="place">Where it is done; null: <see cref="Workplace.In"/>.</param>
    /// <param name="subject">What the answers depend on beside all that, where others compute them too.</param>
    /// <exception cref="AttributionException">The true classes are not known, or the layer has fewer units than a k.</exception>
    /// <exception cref="ArgumentException">A ranking does not hold every unit once.</exception>
    public EssenceCurves Evaluate(
        IReadOnlyList<UnitRanking> rankings,
        ImageSet x,
        IReadOnlyCollection<int>? counts = null,
        bool silence = false,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default,
        Workplace? place = null,
        string subject = ""
    )
    {
        var all = rankings.FirstOrDefault()?.Orders.FirstOrDefault()?.Count ?? 0;
        if (rankings.SelectMany(r => r.Orders).Any(o => !o.Order().SequenceEqual(Enumerable.Range(0, all))) || all == 0)
            throw new ArgumentException("A ranking holds every unit of the layer once.", nameof(rankings));
        int[] ks = [.. (counts ?? Geometric(all)).Distinct().Order()];
        foreach (var k in ks)
            if (k < 1 || k > all)
                throw new AttributionException(
                    $"Layer '{layer}' has {all} units, so that 1 to {all} of them can be kept or silenced, and not {k}."
                );

        var sets = new List<bool[]>();
        var places = new Dictionary<(IReadOnlyList<int>? Order, int Left), int>();
        // The position of the set that is left, which is the same for all orders where it is all units or none.
        int Place(IReadOnlyList<int> order, int left)
        {
            var key = left % all == 0 ? (null, left) : (order, left);
            if (places.TryAdd(key, sets.Count))
                sets.Add(
                    silence
                        ? Core.ClassEssence.silence(all - left, [.. order])
                        : Core.ClassEssence.keep(left, [.. order])
                );
            return places[key];
        }

        var whole = Place(rankings[0].Orders[0], all);
        (UnitRanking Ranking, int Units, int[] Sets)[] questions =
        [
            .. from ranking in rankings
            from k in ks
            let left = silence ? all - k : k
            select (ranking, k, ranking.Orders.Select(order => Place(order, left)).ToArray()),
        ];

        var work = Tallies([.. sets], x, batchSize, subject);
        (place ?? Workplace.In(model)).Do(work, progress, cancellation);
        int[] Counts(string name) => Array.ConvertAll(work.Result.Sum(name)!, n => (int)n);
        var isTrue = Counts("true");
        Tally[] tallies =
        [
            .. sets.Select((_, i) => new Tally(x.Count, isTrue, Counts($"predicted {i}"), Counts($"both {i}"))),
        ];
        foreach (var k in rankings.Select(r => r.Class))
            if (k < 0 || k >= tallies[0].True.Length)
                throw new AttributionException(
                    $"There is no class {k}: the model has {tallies[0].True.Length} classes, 0 to {tallies[0].True.Length - 1}."
                );

        EssencePoint OfWhole(int k) => new(k, EssenceCurves.WholeModel, all, tallies[whole].Of(k));
        EssencePoint Answer((UnitRanking Ranking, int Units, int[] Sets) asked)
        {
            var (k, name) = (asked.Ranking.Class, asked.Ranking.Name);
            return new(k, name, asked.Units, asked.Sets.Select(set => tallies[set].Of(k)).Aggregate((a, b) => a + b));
        }
        EssencePoint[] points =
        [
            .. rankings.Select(r => r.Class).Distinct().Select(OfWhole),
            .. questions.Select(Answer),
        ];
        var counted = x.TrueClasses.CountBy(y => (int)y).ToDictionary();
        return new(layer, Reading(x), all, silence, rankings, counted, points);
    }

    // What Auto stands for, the layer's own shape tells.
    private Units Reading(ImageSet x)
    {
        using var scope = NewDisposeScope();
        var values = ModelModule.cut(layer, model.Core).H.Invoke(x.Images(..1)).Head;
        return ModelModule.reading(units.InCore(), layer, model.Core, values.shape).FromCore();
    }

    /// <summary>1, 2, 5, 10, 20, 50, … and all.</summary>
    private static IEnumerable<int> Geometric(int all)
    {
        for (long power = 1; power < all; power *= 10)
            foreach (var k in new[] { power, 2 * power, 5 * power }.Where(k => k < all))
                yield return (int)k;
        yield return all;
    }

    // A stable sort keeps the first of equals in front, as an expert is the first on ties.
    private static int[] Descending(double[] values) =>
        [.. Enumerable.Range(0, values.Length).OrderByDescending(unit => values[unit])];

    private static int[] Shuffled(int count, int seed)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        new Random(seed).Shuffle(order);
        return order;
    }
}
