namespace Attribution;

/// <summary>A concept: images that have something in common, such as stripes.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Images">The images: n×c×h×w, of the size that the model takes.</param>
public sealed record Concept(string Name, Instances Images);

/// <summary>What testing with a concept activation vector found at a layer.</summary>
/// <param name="Concept">The concept's name.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Images">How many of the concept's images each classifier is fitted to, and how many of a random set.</param>
/// <param name="Scores">The TCAV score of each run, against a random set of its own: the share of the explained images whose quantity grows
/// along the concept's direction.</param>
/// <param name="Slopes">By how much it grows in the mean over these images, ∇q·v, in each run; v is of length 1.</param>
/// <param name="RandomScores">The TCAV scores of random sets against random sets, in as many runs.</param>
/// <param name="RandomSlopes">The mean slope of each of as many random sets in the concept's place, over as many runs.</param>
/// <param name="Accuracy">The share of the images, the concept's and random ones, that the classifier of all others puts on their side: 0.5
/// where there is no such direction.</param>
/// <param name="Tests">How many tests were made, over concepts and layers.</param>
public sealed record ConceptTest(
    string Concept,
    string Layer,
    int Images,
    IReadOnlyList<double> Scores,
    IReadOnlyList<double> Slopes,
    IReadOnlyList<double> RandomScores,
    IReadOnlyList<double> RandomSlopes,
    double Accuracy,
    int Tests
)
{
    /// <summary>The level of significance, before it is divided by the number of tests.</summary>
    public const double Level = 0.05;

    /// <summary>The TCAV score: the mean of the runs'.</summary>
    public double Score => Scores.Average();

    /// <summary>The standard deviation of the runs' scores.</summary>
    public double Spread => Deviation(Scores);

    /// <summary>The mean score of random sets.</summary>
    public double RandomScore => RandomScores.Average();

    /// <summary>The standard deviation of theirs.</summary>
    public double RandomSpread => Deviation(RandomScores);

    /// <summary>The mean slope of the runs.</summary>
    public double Slope => Slopes.Average();

    /// <summary>Where the slope of one more random set would lie in the concept's place: a concept beyond it has a <see cref="P"/> that is
    /// significant after the correction.</summary>
    public (double Low, double High) RandomInterval
    {
        get
        {
            var (low, high) = Statistics.predictionInterval(1 - (Level / Tests), [.. RandomSlopes]);
            return (low, high);
        }
    }

    /// <summary>The two-sided probability of a slope so far from those of random sets, were the concept's images such a set: by the t test of
    /// one value against several.</summary>
    public double P => Statistics.oneAgainst([.. RandomSlopes], Slope);

    /// <summary><see cref="P"/> times the number of tests, at most 1: Bonferroni's correction.</summary>
    public double CorrectedP => Math.Min(1, P * Tests);

    /// <summary>The probability by the paper's test, corrected likewise: a two-sided t test of the runs, <see cref="Scores"/> against <see
    /// cref="RandomScores"/>.</summary>
    /// <remarks>It takes the runs of a concept to be independent, but all of them have its images: the more runs, the more often it calls a
    /// set of images significant that was drawn at random.</remarks>
    public double RunsP => Math.Min(1, Tests * Statistics.welch([.. Scores], [.. RandomScores]));

    /// <summary>Whether more images lie on their side than by tossing coins, at the level of 5 %: without that there is no direction, and no
    /// concept.</summary>
    public bool IsSeparable
    {
        get
        {
            var all = 2 * Images;
            return Statistics.chance(all, (int)Math.Round(Accuracy * all)) < Level;
        }
    }

    /// <summary>Whether the layer has the concept, and the quantity grows or falls along it as along no random set.</summary>
    public bool IsSignificant => IsSeparable && CorrectedP < Level;

    private static double Deviation(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1));
    }
}

/// <summary>
/// TCAV, testing with concept activation vectors: does a score grow where an image has more of a concept? A linear classifier of a layer's
/// values tells the concept's images from random ones, its normal v is the concept's direction, and the TCAV score is the share of the
/// explained images x with ∇q(g(z))·v > 0 at z = h(x). It is significant where the mean of ∇q·v is further from 0 than random sets of images
/// in the concept's place have it.
/// </summary>
/// <remarks>Kim, Wattenberg, Gilmer, Cai, Wexler, Viegas and Sayres, arXiv 1711.11279. The classifiers are ridge classifiers, and their
/// accuracy is that of leaving each image out. The paper compares the runs' scores by a t test, <see cref="ConceptTest.RunsP"/>. What decides
/// here is the concept's mean slope over all runs against that of whole random sets, after Crawford and Howell, The Clinical
/// Neuropsychologist 12(4), 1998: the runs of a concept share its images, and of a share, which random sets bring to 0 and to 1 too at late
/// layers, nothing can stand out.</remarks>
public sealed class Tcav
{
    private readonly Model model;
    private readonly string[] layers;
    private readonly Quantity quantity;
    private readonly int runs;
    private readonly double ridge;
    private readonly int seed;

    /// <summary>Tests at one layer.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layer">Where it is cut; see <see cref="Model.Layers"/>.</param>
    /// <param name="quantity">The quantity of interest: a class's score, <see cref="Quantity.Class"/>, as a rule.</param>
    /// <param name="runs">How many random sets a concept is compared with, and how many stand in its place.</param>
    /// <param name="ridge">λ of the classifiers, as a multiple of the mean square of the values' distances from their mean.</param>
    /// <param name="seed">Decides on the random sets.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than two runs, or the ridge is not positive.</exception>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public Tcav(Model model, string layer, Quantity quantity, int runs = 20, double ridge = 1, int seed = 1)
        : this(model, [layer], quantity, runs, ridge, seed) { }

    /// <summary>Tests at several layers.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="layers">Where it is cut; see <see cref="Model.Layers"/>. Where all that follows is linear, the gradient is the same for all
    /// images, and a run's score is 0 or 1.</param>
    /// <param name="quantity">The quantity of interest: a class's score, <see cref="Quantity.Class"/>, as a rule.</param>
    /// <param name="runs">How many random sets a concept is compared with, and how many stand in its place.</param>
    /// <param name="ridge">λ of the classifiers, as a multiple of the mean square of the values' distances from their mean: the larger, the
    /// nearer is the direction to that from one mean to the other.</param>
    /// <param name="seed">Decides on the random sets.</param>
    /// <exception cref="ArgumentException">There is no layer.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than two runs, or the ridge is not positive.</exception>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public Tcav(
        Model model,
        IEnumerable<string> layers,
        Quantity quantity,
        int runs = 20,
        double ridge = 1,
        int seed = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(runs, 2);
        if (!(ridge > 0 && double.IsFinite(ridge)))
            throw new ArgumentOutOfRangeException(nameof(ridge), ridge, "A ridge is a positive number.");
        this.layers = [.. layers.Select(model.RequireLayer).Distinct()];
        if (this.layers.Length == 0)
            throw new ArgumentException("Name a layer.", nameof(layers));
        (this.model, this.quantity, this.runs, this.ridge, this.seed) = (model, quantity, runs, ridge, seed);
    }

    /// <summary>The layers.</summary>
    public IReadOnlyList<string> Layers => layers;

    /// <summary>Tests each concept at each layer; Bonferroni's correction is over all of them.</summary>
    /// <param name="concepts">The concepts, of at least ten images each.</param>
    /// <param name="others">What random sets are drawn from: images of the same kind without the concepts, twice as many as a concept has or
    /// more. A concept of more images than half of these takes part in each run with as many, drawn anew.</param>
    /// <param name="x">The explained images, of one class as a rule.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>The tests, concept by concept at the first layer, then at the next.</returns>
    /// <exception cref="ArgumentException">There is no concept, or two have the same name.</exception>
    /// <exception cref="AttributionException">There are too few images of a concept, or others; or a layer has the same values for all, or
    /// does not lead to the quantity.</exception>
    public IReadOnlyList<ConceptTest> Test(
        IReadOnlyList<Concept> concepts,
        Instances others,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Require(concepts, others);
        long images = concepts.Sum(concept => concept.Images.Count) + others.Count + x.Count;
        Passes passes = new(layers.Length * images, progress, cancellation);
        var working = model.Working(batchSize, passes);
        return
        [
            .. layers.SelectMany(layer =>
                At(layer, working, concepts, others, x, layers.Length * concepts.Count, cancellation)
            ),
        ];
    }

    private ConceptTest[] At(
        string layer,
        Core.Model working,
        IReadOnlyList<Concept> concepts,
        Instances others,
        Instances x,
        int tests,
        CancellationToken cancellation
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // A quantity of true classes is of the explained images: it is asked of no other.
        Tensor[] parts =
        [
            Core.Tcav.values(layer, working, others.Core),
            .. concepts.Select(concept => Core.Tcav.values(layer, working, concept.Images.Core)),
        ];
        var values = cat(parts);
        var products = Core.Tcav.products(values, values);
        var slopes = Core.Tcav.slopes(quantity.Core, layer, values, working, x.Core);
        static long[] Places(long first, long count) => [.. Enumerable.Range(0, (int)count).Select(i => first + i)];
        var rest = Places(0, others.Count);
        Dictionary<int, ConceptScores[]> inPlace = [];
        List<ConceptTest> found = [];
        var start = rest.LongLength;
        foreach (var concept in concepts)
        {
            cancellation.ThrowIfCancellationRequested();
            var own = Places(start, concept.Images.Count);
            start += own.Length;
            var size = Core.Tcav.size(own.Length, rest.Length);
            // The same seed, so that a concept's result depends on no other concept.
            if (!inPlace.TryGetValue(size, out var random))
                inPlace[size] = random = Core.Tcav.ofRandom(
                    ridge,
                    runs,
                    new Random(seed),
                    size,
                    products,
                    slopes,
                    rest
                );
            var scores = Core.Tcav.ofConcept(ridge, runs, new Random(seed), size, products, slopes, own, rest);
            found.Add(
                new(
                    concept.Name,
                    layer,
                    size,
                    scores.Scores,
                    scores.Slopes,
                    [.. random.Select(set => set.Scores[0])],
                    [.. random.Select(set => set.Slopes.Average())],
                    scores.Accuracies.Average(),
                    tests
                )
            );
        }
        return [.. found];
    }

    /// <summary>The concept activation vector at each layer, of all images: of the layer's shape and of length 1, from the others to the
    /// concept.</summary>
    /// <param name="concept">The concept.</param>
    /// <param name="others">Images without it; as many as the concept has are taken, drawn at random, or as many of the concept as there are
    /// others.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">There are too few images, or a layer has the same values for all.</exception>
    public IReadOnlyList<Tensor> Vectors(
        Concept concept,
        Instances others,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Require([concept], others);
        Passes passes = new(layers.Length * (long)(concept.Images.Count + others.Count), progress, cancellation);
        var working = model.Working(batchSize, passes);
        var size = Math.Min(concept.Images.Count, others.Count);
        Tensor At(string layer)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            Random random = new(seed);
            Tensor Some(Instances images)
            {
                var places = Enumerable.Range(0, images.Count).Select(i => (long)i).ToArray();
                random.Shuffle(places);
                return Core.Tcav.values(layer, working, images.Core).index_select(0, tensor(places[..size]));
            }
            var shape = ModelModule.value(layer, working, x(concept.Images)).shape;
            return Core
                .Tcav.vector(ridge, Some(concept.Images), Some(others))
                .reshape([.. shape.Skip(1)])
                .MoveToOuterDisposeScope();
        }
        static Tensor x(Instances images) => images.Core.Read.Invoke(0).Invoke(1);
        return [.. layers.Select(At)];
    }

    private static void Require(IReadOnlyList<Concept> concepts, Instances others)
    {
        if (concepts.Count == 0)
            throw new ArgumentException("Name a concept.", nameof(concepts));
        if (concepts.GroupBy(concept => concept.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ArgumentException($"Two concepts are called '{twice.Key}'.", nameof(concepts));
        const int fewest = Core.Tcav.Fewest;
        foreach (var concept in concepts)
            if (concept.Images.Count < fewest)
                throw new AttributionException(
                    $"The concept '{concept.Name}' has {Words.Count(concept.Images.Count, "image")}, which is too few to tell a direction from chance: give at least {fewest}, and better 50."
                );
        if (others.Count < 2 * fewest)
            throw new AttributionException(
                $"Random sets are drawn from {Words.Count(others.Count, "image")}, which is too few for two different ones: give at least {2 * fewest} images without the concepts, and better some hundreds."
            );
    }
}
