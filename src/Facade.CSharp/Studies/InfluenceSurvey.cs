using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>What a survey of influence is of, and how it is taken.</summary>
/// <param name="Layers">Where the model is cut.</param>
/// <param name="Interests">What is asked.</param>
/// <param name="Units">What a unit of a layer is.</param>
internal sealed record SurveyQuestion(IReadOnlyList<string> Layers, IReadOnlyList<Interest> Interests, Units Units)
{
    /// <summary>Where around each image influence is taken.</summary>
    public Neighbourhood Around { get; init; } = Neighbourhood.Itself;

    /// <summary>Whether an image's influence is multiplied with the layer's values.</summary>
    public bool TimesActivation { get; init; }

    public int? BatchSize { get; init; }

    /// <summary>What the answers depend on beside all that, where others compute them too.</summary>
    public string Subject { get; init; } = "";
}

/// <summary>The influences on some interests at some layers, and the values of the units with the most and with the least of
/// it, for every image: of one pass over the images, where all of the layers' values are few, and else of one more.</summary>
internal sealed class InfluenceSurvey
{
    private const long MostKept = 512L << 20;

    private readonly Dictionary<(string Layer, int Interest), double[]> influences = [];
    private readonly Dictionary<(string Layer, int Unit), double[]> values = [];
    private readonly Dictionary<string, Units> readings = [];

    private InfluenceSurvey() { }

    /// <summary>What a unit of a layer is.</summary>
    public Units Units(string layer) => readings[layer];

    /// <summary>The influence of each unit.</summary>
    public double[] Influence(string layer, int interest) => influences[(layer, interest)];

    /// <summary>The value for each image of a unit that has the most or the least influence on one of the interests.</summary>
    public double[] Values(string layer, int unit) => values[(layer, unit)];

    public static InfluenceSurvey Take(
        Model model,
        SurveyQuestion asked,
        ImageSet images,
        IProgress<Progress>? progress,
        CancellationToken cancellation,
        Workplace? place = null
    )
    {
        asked = asked with { Layers = [.. asked.Layers.Select(model.RequireLayer).Distinct()] };
        place ??= Workplace.In(model);
        int[] counts =
        [
            .. asked.Interests.Select(interest => Enumerable.Range(0, images.Count).Count(row => Holds(interest, row))),
        ];
        if (counts.Contains(0))
            throw new AttributionException("The distribution of interest is empty: no instance belongs to it.");
        var totals = Totals(model, asked, images);
        place.Do(totals, progress, cancellation);
        var found = new InfluenceSurvey();
        Dictionary<string, int[]> units = [];
        foreach (var layer in asked.Layers)
        {
            for (var i = 0; i < counts.Length; i++)
                found.influences[(layer, i)] = Array.ConvertAll(
                    totals.Result.Sum($"influence {i} of {layer}")!,
                    // As it is told: the largest told is the largest.
                    sum => (double)(float)(sum / counts[i])
                );
            found.readings[layer] = (Units)(int)totals.Result.Rows($"reading of {layer}")![0];
            units[layer] =
            [
                .. Enumerable
                    .Range(0, counts.Length)
                    .Select(i => found.influences[(layer, i)])
                    .SelectMany(influence =>
                        new[] { influence.Max(), influence.Min() }.Select(v => Array.IndexOf(influence, v))
                    )
                    .Distinct(),
            ];
        }
        var missing = units.Where(of => totals.Result.Rows($"values of {of.Key}") is null).ToDictionary();
        ImageSums? later = null;
        if (missing.Count > 0)
        {
            later = Activations(model, asked, images, missing);
            place.Do(later, progress, cancellation);
        }
        foreach (var (layer, some) in units)
        foreach (var (column, unit) in some.Index())
        {
            var all = totals.Result.Rows($"values of {layer}");
            var rows = all ?? later!.Result.Rows($"values of {layer}")!;
            var (width, at) = all is null ? (some.Length, column) : (rows.Count / images.Count, unit);
            var own = new double[images.Count];
            for (var row = 0; row < own.Length; row++)
                own[row] = rows[row * width + at];
            found.values[(layer, unit)] = own;
        }
        return found;
    }

    /// <summary>The work that a process is told of that computes units of a survey.</summary>
    /// <exception cref="AttributionException">It is told nonsense.</exception>
    public static ImageSums Plan(Model model, SurveyQuestion asked, ImageSet images, string? prepared)
    {
        asked = asked with { Layers = [.. asked.Layers.Select(model.RequireLayer).Distinct()] };
        if (prepared is null)
            return Totals(model, asked, images);
        Dictionary<string, int[]>? units = null;
        try
        {
            units = JsonSerializer.Deserialize<Dictionary<string, int[]>>(prepared);
        }
        catch (JsonException)
        {
            // Told below.
        }
        return units?.All(of => asked.Layers.Contains(of.Key) && of.Value?.All(unit => unit >= 0) == true) == true
            ? Activations(model, asked, images, units)
            : throw new AttributionException("What was told of the units is none of this version of the program.");
    }

    private static bool Holds(Interest interest, int row) => interest.Distribution?.Invoke(row) ?? true;

    private static string Subject(SurveyQuestion asked, ImageSet images, int batchSize) =>
        string.Join(
            '\n',
            [
                asked.Subject,
                string.Join(',', asked.Layers),
                string.Join(',', asked.Interests.Select(interest => interest.Quantity.Name)),
                $"{asked.Units} {asked.Around.Name} {asked.Around.Settings} {asked.TimesActivation} {batchSize}",
                string.Join(',', Enumerable.Range(0, images.Count).Select(images.Position)),
            ]
        );

    private static int BatchSize(Model model, SurveyQuestion asked, ImageSet images) =>
        ImageParts.Naming(images, () => asked.BatchSize ?? model.SteadyBatch(images));

    private static ImageSums Totals(Model model, SurveyQuestion asked, ImageSet images)
    {
        var batchSize = BatchSize(model, asked, images);

        void Compute(
            ImagePart part,
            ImageSums.Found found,
            IProgress<Progress>? progress,
            CancellationToken cancellation
        )
        {
            void Keep(string layer, Batch batch, Tensor values)
            {
                using var scope = NewDisposeScope();
                var reading = ModelModule.reading(asked.Units.InCore(), layer, model.Core, values.shape);
                if (batch.Rows[0].item<long>() == 0 && part.Start == 0)
                    found.Append($"reading of {layer}", [(double)reading.FromCore()]);
                var rows = UnitsModule.read(reading, values.detach());
                if (8L * images.Count * rows.shape[1] * asked.Layers.Count <= MostKept)
                    found.Append($"values of {layer}", Doubles(rows));
            }

            // Those that some image of the part belongs to; a quantity that several ask about stays one.
            var own = asked
                .Interests.Index()
                .Where(i => Enumerable.Range(part.Start, part.Images.Count).Any(row => Holds(i.Item, row)))
                .ToArray();
            Dictionary<Quantity, Quantity> quantities = [];
            Quantity Of(Quantity quantity) =>
                quantities.TryGetValue(quantity, out var known) ? known : quantities[quantity] = part.Of(quantity);
            var totals = Interop.Survey(
                asked.Around.For(part.Instances),
                asked.TimesActivation,
                own.Select(i => new Interest(Of(i.Item.Quantity), row => Holds(i.Item, part.Start + row)).Core),
                asked.Units.InCore(),
                asked.Layers,
                model.Working(batchSize, (long)part.Images.Count * asked.Around.Passes, progress, cancellation),
                part.Instances.Core,
                Keep
            );
            foreach (var layer in asked.Layers)
            foreach (var (place, i) in own.Index())
                found.Add($"influence {i.Index} of {layer}", Doubles(totals[layer][place]));
        }

        return new(Subject(asked, images, batchSize), images, 3 * asked.Around.Passes, Compute);
    }

    private static ImageSums Activations(
        Model model,
        SurveyQuestion asked,
        ImageSet images,
        IReadOnlyDictionary<string, int[]> units
    )
    {
        var batchSize = BatchSize(model, asked, images);
        return new(
            Subject(asked, images, batchSize),
            images,
            units.Count,
            (part, found, progress, cancellation) =>
            {
                foreach (var (layer, some) in units)
                    found.Append(
                        $"values of {layer}",
                        Doubles(
                            Attribution.Core.Influence.activations(
                                some,
                                asked.Units.InCore(),
                                layer,
                                model.Working(batchSize, part.Images.Count, progress, cancellation),
                                part.Instances.Core
                            )
                        )
                    );
            },
            JsonSerializer.Serialize(units)
        );
    }

    private static double[] Doubles(Tensor numbers) =>
        TensorModule.toArray<double>(numbers.flatten().to(ScalarType.Float64, CPU));
}
