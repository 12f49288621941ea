using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading;

namespace Attribution;

/// <summary>Sums over images, and rows of them, as work: a unit is a block of parts, whose size follows from how many images there
/// are. Sums are of 64-bit floats, image by image in a part, parts in their order in a block, and blocks in theirs; so they
/// are the same whoever computes them.</summary>
internal sealed class ImageSums : Workload
{
    /// <summary>Computes a part.</summary>
    public delegate void PartWork(
        ImagePart part,
        Found found,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    );

    private const long PartBytes = 16L << 20;
    private const int MostOfPart = 32;
    private const int MostUnits = 1000;

    private readonly ImageSet images;
    private readonly ImageParts parts;
    private readonly int unitSize;
    private readonly double passes;
    private readonly PartWork compute;

    // What came before those that it adds to, and where these begin.
    private readonly SortedDictionary<int, Found> waiting = [];
    private int next;

    /// <summary>Work on images.</summary>
    /// <param name="subject">What the results depend on.</param>
    /// <param name="images">The images.</param>
    /// <param name="passes">Passes an image.</param>
    /// <param name="compute">Computes a part.</param>
    /// <param name="prepared">What a process that computes units must be told.</param>
    public ImageSums(string subject, ImageSet images, double passes, PartWork compute, string? prepared = null)
    {
        (this.images, this.passes, this.compute, Prepared) = (images, passes, compute, prepared);
        parts = new(images, PartBytes, MostOfPart);
        var count = parts.Starts.Count();
        unitSize = parts.Size * ((count + MostUnits - 1) / MostUnits);
        Subject = Digest($"attribution sums 1\n{subject}\n{prepared}");
    }

    /// <summary>All that was found.</summary>
    public Found Result { get; } = new();

    public override string Subject { get; }

    public override string? Prepared { get; }

    public override IEnumerable<WorkUnit> Units
    {
        get
        {
            for (var start = next; start < images.Count; start += unitSize)
                if (start >= next && !waiting.ContainsKey(start))
                    yield return Unit(start);
        }
    }

    private int CountFrom(int start) => Math.Min(unitSize, images.Count - start);

    private WorkUnit Unit(int start) =>
        new(
            start.ToString(CultureInfo.InvariantCulture),
            $"images {start} to {start + CountFrom(start) - 1}",
            passes * CountFrom(start)
        );

    private int Start(string key) =>
        int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var start)
        && start < images.Count
        && start % unitSize == 0
            ? start
            : throw new AttributionException("A unit of work is none of these images'.");

    public override WorkUnit Parse(string key) => Unit(Start(key));

    public override WorkResult Compute(WorkUnit unit, IProgress<Progress>? progress, CancellationToken cancellation)
    {
        var first = Start(unit.Key);
        var count = CountFrom(first);
        Passes told = new((long)unit.Passes, progress, cancellation);
        Found found = new();
        try
        {
            foreach (var start in parts.Starts.Where(start => start >= first && start < first + count))
                parts.Alone(
                    start,
                    parts.CountFrom(start),
                    part =>
                    {
                        compute(part, found, told.Next((long)(passes * part.Images.Count)), cancellation);
                        return found;
                    }
                );
            return new(found.Text);
        }
        catch (AttributionException e)
        {
            return new(Found.Failed(e.Message), Fault: e.Message);
        }
        catch (Exception e) when (e is not (OperationCanceledException or UsageException))
        {
            return new(Found.Failed(UnitScores.Foreign + Sentence.Of(e)), Sentence.Of(e));
        }
    }

    public override void Keep(WorkUnit unit, string result)
    {
        var start = Start(unit.Key);
        if (start < next)
            return;
        waiting[start] = Found.Read(result, unit.Title);
        while (waiting.Remove(next, out var found))
        {
            Result.Add(found);
            next += unitSize;
        }
    }

    public override void Lose(WorkUnit unit, string why) =>
        throw new AttributionException($"There is no result of {unit.Title}: {why}.");

    /// <summary>Numbers by name: sums, and rows of images one after the other.</summary>
    public sealed class Found
    {
        private const string Failure = "!";

        private readonly Dictionary<string, double[]> sums = [];
        private readonly Dictionary<string, List<double>> rows = [];

        /// <summary>A sum; null where there is none of the name.</summary>
        public double[]? Sum(string name) => sums.GetValueOrDefault(name);

        /// <summary>Rows; null where there are none of the name.</summary>
        public IReadOnlyList<double>? Rows(string name) => rows.GetValueOrDefault(name);

        public void Add(string name, double[] numbers)
        {
            if (!sums.TryGetValue(name, out var sum))
                sums[name] = [.. numbers];
            else if (sum.Length == numbers.Length)
                for (var i = 0; i < sum.Length; i++)
                    sum[i] += numbers[i];
            else
                throw new AttributionException("What was found of parts of the images does not go together.");
        }

        public void Append(string name, double[] numbers)
        {
            if (!rows.TryGetValue(name, out var known))
                rows[name] = known = [];
            known.AddRange(numbers);
        }

        public void Add(Found other)
        {
            foreach (var (name, sum) in other.sums)
                Add(name, sum);
            foreach (var (name, some) in other.rows)
                Append(name, [.. some]);
        }

        public string Text =>
            JsonSerializer.Serialize(
                sums.Select(sum => ($"+{sum.Key}", sum.Value))
                    .Concat(rows.Select(some => ($"|{some.Key}", some.Value.ToArray())))
                    .ToDictionary(
                        some => some.Item1,
                        some => Convert.ToBase64String(MemoryMarshal.AsBytes(some.Item2.AsSpan()))
                    )
            );

        public static string Failed(string why) =>
            JsonSerializer.Serialize(new Dictionary<string, string> { [Failure] = why });

        public static Found Read(string text, string title)
        {
            Found found = new();
            try
            {
                foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, string>>(text)!)
                {
                    if (name == Failure)
                        throw UnitScores.Error(value);
                    var numbers = MemoryMarshal.Cast<byte, double>(Convert.FromBase64String(value)).ToArray();
                    if (name.StartsWith('+'))
                        found.Add(name[1..], numbers);
                    else
                        found.Append(name[1..], numbers);
                }
                return found;
            }
            catch (Exception e)
                when (e is JsonException or FormatException or NullReferenceException or ArgumentException)
            {
                throw new AttributionException(
                    $"What was found of {title} is no result of this version of the program.",
                    e
                );
            }
        }
    }
}
