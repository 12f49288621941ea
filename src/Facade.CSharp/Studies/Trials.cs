namespace Attribution;

/// <summary>The mean of a measure over trials.</summary>
/// <param name="Mean">The mean; NaN where the measure is defined for none.</param>
/// <param name="Low">The lower end of its 95 % interval, by Student's t.</param>
/// <param name="High">The upper end.</param>
public sealed record TrialMean(double Mean, double Low, double High);

/// <summary>What several variants of an experiment gave, each tried several times, with other seeds or on other images: one number a
/// variant, measure and trial.</summary>
public sealed class Trials
{
    private const double Level = 0.95;

    private readonly Dictionary<(string Variant, string Measure, int Trial), double> values = [];

    /// <summary>No values yet.</summary>
    /// <param name="variants">What is compared, in the order of tables.</param>
    /// <param name="measures">What is measured.</param>
    /// <param name="each">The numbers of the trials.</param>
    /// <param name="trial">What a trial differs in from another.</param>
    /// <param name="areShares">Whether all that is measured lies between 0 and 1.</param>
    public Trials(
        IEnumerable<string> variants,
        IEnumerable<string> measures,
        IEnumerable<int> each,
        string trial = "seed",
        bool areShares = true
    ) => (Variants, Measures, Each, Trial, AreShares) = ([.. variants], [.. measures], [.. each], trial, areShares);

    /// <summary>What is compared.</summary>
    public IReadOnlyList<string> Variants { get; }

    /// <summary>What is measured.</summary>
    public IReadOnlyList<string> Measures { get; }

    /// <summary>The numbers of the trials: seeds, or positions of images.</summary>
    public IReadOnlyList<int> Each { get; }

    /// <summary>What a trial differs in from another: "seed" or "image".</summary>
    public string Trial { get; }

    /// <summary>Whether all that is measured lies between 0 and 1.</summary>
    public bool AreShares { get; }

    /// <summary>Keeps what a variant gave in a trial.</summary>
    /// <exception cref="ArgumentException">There is no such variant, measure or trial.</exception>
    public void Add(string variant, int trial, string measure, double value)
    {
        if (!Variants.Contains(variant) || !Measures.Contains(measure) || !Each.Contains(trial))
            throw new ArgumentException($"There is no '{measure}' of '{variant}' with {Trial} {trial} here.");
        values[(variant, measure, trial)] = value;
    }

    /// <summary>Keeps what a variant gave in every trial, in their order.</summary>
    /// <exception cref="ArgumentException">There is no such variant or measure, or not a value for each trial.</exception>
    public void Add(string variant, string measure, IReadOnlyList<double> values)
    {
        if (values.Count != Each.Count)
            throw new ArgumentException($"There must be {Each.Count} values, but there are {values.Count}.");
        foreach (var (trial, value) in Each.Zip(values))
            Add(variant, trial, measure, value);
    }

    /// <summary>What a variant gave of a measure, in the order of the trials; NaN where nothing is known.</summary>
    public IReadOnlyList<double> Values(string variant, string measure) =>
        [.. Each.Select(trial => values.GetValueOrDefault((variant, measure, trial), double.NaN))];

    /// <summary>Its mean, and the interval of it: unbounded for a single trial.</summary>
    public TrialMean Mean(string variant, string measure)
    {
        double[] known = [.. Values(variant, measure).Where(double.IsFinite)];
        if (known.Length == 0)
            return new(double.NaN, double.NaN, double.NaN);
        var (low, high) = Statistics.meanInterval(Level, known);
        double Inside(double end) => AreShares && double.IsFinite(end) ? Math.Clamp(end, 0, 1) : end;
        return new(known.Average(), Inside(low), Inside(high));
    }

    /// <summary>Writes <c>variant,seed,measure,value</c>, or whatever a trial is in place of a seed; a row each.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteCsv(string path)
    {
        Records rows = new("variant", Trial, "measure", "value");
        foreach (var variant in Variants)
        foreach (var measure in Measures)
        foreach (var (trial, value) in Each.Zip(Values(variant, measure)))
            rows.Add(variant, trial, measure, value);
        rows.WriteCsv(path);
    }

    /// <summary>Writes for each variant and measure the mean, the ends of its interval and the values; what is not finite is left
    /// out.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(string path) =>
        Json.Write(
            path,
            new
            {
                Trial,
                Each,
                Variants = Variants.ToDictionary(
                    variant => variant,
                    variant =>
                        Measures.ToDictionary(
                            measure => measure,
                            measure =>
                            {
                                var (mean, low, high) = Mean(variant, measure);
                                return new
                                {
                                    Mean = Json.Number(mean),
                                    Low = Json.Number(low),
                                    High = Json.Number(high),
                                    Values = Values(variant, measure).Select(Json.Number),
                                };
                            }
                        )
                ),
            }
        );
}
