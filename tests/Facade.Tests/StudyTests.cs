using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Attribution;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

/// <summary>What a study makes of a table of scores.</summary>
public static class StudyTests
{
    private const string Lower = "complexity";
    private const string Higher = "sparseness";

    public static Test Tests =>
        Runner.TestList(
            "Study",
            [
                Runner.TestCase("medians order the methods, the better first", Directions),
                Runner.TestCase("ranks are means over the images, and ties share theirs", Ranks),
                Runner.TestCase(
                    "images without a score by some method have no ranks, and no part in its pairs",
                    Undefined
                ),
                Runner.TestCase("a method without any score comes last, and takes no rank away", AllUndefined),
                Runner.TestCase("maps that are not sound take part in no median, rank or test", Unsound),
                Runner.TestCase("a method with few sound maps leaves the others' statistics as they are", FewSound),
                Runner.TestCase("what failed has no row", Failed),
                Runner.TestCase("a method by itself is first, and has no pairs", Alone),
                Runner.TestCase(
                    "pairs name the method that is better on more images first, with Wilcoxon's test",
                    Pairs
                ),
                Runner.TestCase("Holm's correction is for the pairs of each metric by itself", Corrections),
                Runner.TestCase("methods that score alike are told apart by nothing", Equal),
                Runner.TestCase("intervals hold the number, lie within the scores, and come from the seed", Intervals),
                Runner.TestCase("a box plot has quartiles, whiskers within one and a half boxes, and the rest", Boxes),
                Check.InFolder("the files hold the numbers, and null for what is unknown", Files),
            ]
        );

    /// <summary>A study of methods' scores by one metric.</summary>
    private static Study Of(string metric, params (string Method, double[] Scores)[] methods) => Of([metric], methods);

    private static Study Of(string[] metrics, (string Method, double[] Scores)[] methods, int seed = 1) =>
        new(
            new(
                [.. methods[0].Scores.Select((_, i) => $"image {i}")],
                [
                    .. from metric in metrics
                    from method in methods
                    select new MethodScores(method.Method, metric, method.Scores),
                ]
            ),
            [.. metrics.Select(AttributionMetric.Find)],
            seed
        );

    private static void Near(double actual, double expected, string what) =>
        Expect.isTrue(Math.Abs(actual - expected) < 1e-12, $"{what}: {actual}, and not {expected}");

    private static StudyRow Row(Study study, string method) => study.Rows.Single(row => row.Method == method);

    private static void Directions()
    {
        (string, double[])[] methods = [("a", [3, 1, 2]), ("b", [9, 7, 100]), ("c", [5, 4, 6])];
        foreach (var (metric, order) in new[] { (Lower, "a c b"), (Higher, "b c a") })
        {
            var study = Of(metric, methods);
            Check.Same(study.Rows.Select(row => row.Method), order.Split(' '));
            Check.Same(study.Rows.Select(row => row.Rank.Value), 1, 2, 3);
            Near(Row(study, "b").Median.Value, 9, "median");
            Check.Same(study.Rows.Select(row => row.Count), 3, 3, 3);
        }
    }

    private static void Ranks()
    {
        // By image, where lower is better: a 1, b 2, c 3; a and b 1½, c 3; all 2; c 1, a and b 2½.
        var study = Of(Lower, ("a", [1, 4, 5, 7]), ("b", [2, 4, 5, 7]), ("c", [3, 9, 5, 6]));
        Near(Row(study, "a").Rank.Value, (1 + 1.5 + 2 + 2.5) / 4, "a");
        Near(Row(study, "b").Rank.Value, (2 + 1.5 + 2 + 2.5) / 4, "b");
        Near(Row(study, "c").Rank.Value, (3 + 3 + 2 + 1) / 4.0, "c");
        Near(Row(study, "a").Median.Value, 4.5, "the mean of the two in the middle");
        Check.Same(study.Rows.Select(row => row.Method), "a", "b", "c");
    }

    private static void Undefined()
    {
        var (none, inf) = (double.NaN, double.PositiveInfinity);
        var study = Of(Lower, ("a", [1, 5, none, 9, 9]), ("b", [2, 4, 7, none, 8]), ("c", [3, 3, 3, 3, inf]));
        Check.Same(new[] { "a", "b", "c" }.Select(method => Row(study, method).Count), 4, 4, 4);
        Near(Row(study, "a").Median.Value, 7, "a");
        Near(Row(study, "b").Median.Value, 5.5, "b");
        // Of the first image a, b, c; of the second c, b, a.
        Check.Same(study.Rows.Select(row => row.Rank.Value), 2, 2, 2);
        var pairs = study.Pairs.ToDictionary(pair => string.Concat(new[] { pair.First, pair.Second }.Order()));
        Check.Same(new[] { "ab", "ac", "bc" }.Select(names => pairs[names].Count), 3, 3, 3);
        Expect.equal((pairs["ab"].First, pairs["ab"].Second), ("b", "a"), "pair");
        Near(pairs["ab"].BetterShare, 2 / 3.0, "on two of three");
    }

    private static void AllUndefined()
    {
        var none = double.NaN;
        var study = Of(Higher, ("a", [none, none]), ("b", [1, 2]));
        Check.Same(study.Rows.Select(row => row.Method), "b", "a");
        Check.Same(study.Rows.Select(row => row.Count), 2, 0);
        Estimate[] unknown = [Row(study, "a").Rank, Row(study, "a").Median];
        Expect.isTrue(
            unknown.All(e => double.IsNaN(e.Value) && double.IsNaN(e.Low) && double.IsNaN(e.High)),
            "no rank, and no median of nothing"
        );
        Check.Same([Row(study, "b").Rank], new Estimate(1, 1, 1));
        var pair = study.Pairs.Single();
        Expect.equal((pair.Count, pair.BetterShare, pair.Probability, pair.Corrected), (0, 0.5, 1.0, 1.0), "pair");
    }

    private static MethodScores WithMaps(string method, double[] scores, string states) =>
        new(method, Lower, scores) { Maps = States(states) };

    // s for sound, e for empty, n for nothing positive, c for constant, x for not finite.
    private static MapStates States(string states) => new(states.Select(s => (MapState)"sencx".IndexOf(s)));

    private static Study Of(params MethodScores[] scores) =>
        new(new([.. scores[0].PerInstance.Select((_, i) => $"image {i}")], scores), [AttributionMetric.Find(Lower)]);

    private static void Unsound()
    {
        // Each of a's unsound maps would be the best of its image.
        var study = Of(
            WithMaps("a", [9, 0, 0, 0, 7, 9, 9, 9], "sencssss"),
            WithMaps("b", [5, 5, 5, 5, 8, 5, 5, 5], "ssssssss"),
            WithMaps("c", [1, 1, 1, 1, 1, 1, 1, 0], "ssssssse")
        );
        var a = Row(study, "a");
        Expect.equal(
            (a.Count, a.Unsound, a.Ranked),
            (5, 3, 4),
            "images: five are sound, and four of them by all methods"
        );
        Near(a.Median.Value, 9, "median");
        Near(a.Rank.Value, (3 + 2 + 3 + 3) / 4.0, "rank");
        Near(Row(study, "b").Rank.Value, (2 + 3 + 2 + 2) / 4.0, "rank");
        Near(Row(study, "c").Rank.Value, 1, "rank");
        Expect.equal(study.Rows.First().Method, "c", "the best");
        var pairs = study.Pairs.ToDictionary(pair => string.Concat(new[] { pair.First, pair.Second }.Order()));
        Check.Same(new[] { "ab", "ac", "bc" }.Select(names => pairs[names].Count), 5, 4, 7);
        Expect.equal(pairs["ab"].First, "b", "on four of five");
        Check.Same(
            study.Notes.Select(note => note.Split(':')[0]),
            "The map of a is zero everywhere for 1 of 8 images and is the same number everywhere for 1 of 8 images and has no positive pixel for 1 of 8 images",
            "The map of c is zero everywhere for 1 of 8 images"
        );
        Check.Same(study.Scores(Lower, "a").Select(double.IsNaN), false, true, true, true, false, false, false, false);
    }

    private static void FewSound()
    {
        var random = new Random(4);
        for (var round = 0; round < 20; round++)
        {
            const int Count = 9;
            MethodScores Random(string method, double soundShare) =>
                WithMaps(
                    method,
                    [.. Enumerable.Range(0, Count).Select(_ => Math.Round(10 * random.NextDouble()))],
                    string.Concat(
                        Enumerable
                            .Range(0, Count)
                            .Select(_ => random.NextDouble() < soundShare ? 's' : "encx"[random.Next(4)])
                    )
                );
            MethodScores[] methods = [Random("a", 1), Random("b", 0.9), Random("c", 0.95)];
            if (methods.Any(m => m.Maps.Sound * 2 < Count))
                continue;
            var empty = WithMaps("empty", new double[Count], new string('e', Count));
            var few = Random("few", 0) with { Maps = States("sss" + "eeencx") };
            var (alone, with, withFew) = (Of(methods), Of([empty, .. methods]), Of([.. methods, few]));
            Check.Same(with.Rows.Where(row => row.Method != "empty"), [.. alone.Rows]);
            Check.Same(with.Pairs.Where(pair => pair.Count > 0), [.. alone.Pairs.Where(pair => pair.Count > 0)]);
            Expect.equal(with.Rows[^1].Method, "empty", "it comes last");
            Check.Same(withFew.Rows.Where(row => row.Method != "few"), [.. alone.Rows]);
            Expect.equal((withFew.Rows[^1].Method, withFew.Rows[^1].IsRanked), ("few", false), "it comes last");
            Expect.isTrue(withFew.Notes.Any(note => note.StartsWith("few takes no rank by complexity")), "it says so");
        }
    }

    private static void Failed()
    {
        var study = Of(
            WithMaps("a", [1, 2], "ss"),
            MethodScores.Failed("b", Lower, 2, "No."),
            WithMaps("c", [2, 1], "ss")
        );
        Check.Same(study.Rows.Select(row => row.Method).Order(), "a", "c");
        Expect.equal(study.Pairs.Count, 1, "pairs");
    }

    private static void Alone()
    {
        var study = Of(Lower, ("a", [4, 2, 3]));
        Check.Same([study.Rows.Single().Rank], new Estimate(1, 1, 1));
        Expect.isTrue(study.Pairs.Count == 0, "no pairs");
    }

    private static void Pairs()
    {
        // The differences 1, 2, 3, 4, 5 and -6 have the ranks 1 to 6: the positive ones sum to 15 of 21. Of the 64 ways to
        // give signs 14 sum to 15 or more, as many as have a negative sum of 6 or less.
        double[] a = [0, 0, 0, 0, 0, 0];
        double[] b = [1, 2, 3, 4, 5, -6];
        var pair = Of(Lower, ("a", a), ("b", b)).Pairs.Single();
        Expect.equal((pair.Metric, pair.First, pair.Second, pair.Count), (Lower, "a", "b", 6), "pair");
        Near(pair.BetterShare, 5 / 6.0, "share");
        Near(pair.Probability, 2 * 14 / 64.0, "probability");
        Near(pair.Corrected, pair.Probability, "of one pair");

        var other = Of(Higher, ("a", a), ("b", b)).Pairs.Single();
        Expect.equal((other.First, other.Second), ("b", "a"), "pair");
        Near(other.BetterShare, 5 / 6.0, "share");
        Near(other.Probability, pair.Probability, "the same either way");
    }

    private static void Corrections()
    {
        // All six differences of a and c, and of b and c, have one sign: 2/64. Those of a and b are as in Pairs: 28/64.
        (string, double[])[] methods =
        [
            ("a", [0, 0, 0, 0, 0, 0]),
            ("b", [1, 2, 3, 4, 5, -6]),
            ("c", [10, 20, 30, 40, 50, 60]),
        ];
        var study = Of([Lower, Higher], methods);
        foreach (var metric in new[] { Lower, Higher })
        {
            StudyPair[] pairs = [.. study.Pairs.Where(pair => pair.Metric == metric)];
            Check.Same(pairs.Select(pair => pair.Probability), 2 / 64.0, 2 / 64.0, 28 / 64.0);
            Check.Same(pairs.Select(pair => pair.Corrected), 6 / 64.0, 6 / 64.0, 28 / 64.0);
            Expect.isTrue(
                pairs.Take(2).All(pair => (metric == Lower ? pair.Second : pair.First) == "c"),
                "c is the worst where lower is better, and the best where higher is"
            );
        }
    }

    private static void Equal()
    {
        var study = Of(Higher, ("a", [1, 2, 3]), ("b", [1, 2, 3]));
        Check.Same(study.Rows.Select(row => row.Rank), new(1.5, 1.5, 1.5), new Estimate(1.5, 1.5, 1.5));
        var pair = study.Pairs.Single();
        Expect.equal((pair.Count, pair.BetterShare, pair.Probability), (3, 0.5, 1.0), "pair");
    }

    private static void Intervals()
    {
        var random = new Random(3);
        double[] scores = [.. Enumerable.Range(0, 100).Select(_ => random.NextDouble())];
        (string, double[])[] methods = [("a", scores), ("b", [.. scores.Reverse()])];
        var rows = Of([Lower], methods).Rows;
        foreach (var estimate in rows.SelectMany(row => new[] { row.Median, row.Rank }))
            Expect.isTrue(
                estimate.Low < estimate.Value && estimate.Value < estimate.High,
                $"{estimate.Low} < {estimate.Value} < {estimate.High}"
            );

        // The median of 100 uniform numbers deviates by ½/√100, and the mean rank of two by the same.
        foreach (var estimate in rows.SelectMany(row => new[] { row.Median, row.Rank }))
            Expect.isTrue(Math.Abs(estimate.High - estimate.Low - 4 * 0.05) < 0.08, $"{estimate} is 4σ wide");

        Check.Same(Of([Lower], methods).Rows, [.. rows]);
        Expect.isFalse(Of([Lower], methods, seed: 2).Rows.SequenceEqual(rows), "another seed");
    }

    private static void Boxes()
    {
        var box = Of(Lower, ("a", [5, 1, 2, 3, 4, 100, double.NaN]), ("b", [.. Enumerable.Repeat(double.NaN, 7)]));
        var found = box.Box(Lower, "a")!;
        Check.Same(
            [found.Least, found.Lower, found.Median, found.Upper, found.Most, .. found.Beyond],
            1,
            2.25,
            3.5,
            4.75,
            5,
            100
        );
        Expect.isNull(box.Box(Lower, "b"), "no score");
        Expect.equal(BoxPlot.Of([7]) with { Beyond = [] }, new BoxPlot(7, 7, 7, 7, 7, []), "one number");
    }

    private static void Files(string folder)
    {
        var study = Of([Lower, Higher], [("a", [1, double.NaN]), ("b", [double.NaN, 2])]);
        var (csv, json) = (Path.Combine(folder, "s.csv"), Path.Combine(folder, "s.json"));
        study.WriteCsv(csv);
        Check.Same(
            File.ReadAllLines(csv)[..5],
            "Idx,method,metric,score",
            "image 0,a,complexity,1",
            "image 1,a,complexity,",
            "image 0,b,complexity,",
            "image 1,b,complexity,2"
        );

        study.WriteJson(json);
        using var file = JsonDocument.Parse(File.ReadAllText(json));
        var row = file.RootElement.GetProperty("rows")[0];
        Expect.equal(row.GetProperty("method").GetString(), "a", "the better");
        Near(row.GetProperty("median").GetProperty("value").GetDouble(), 1, "median");
        Expect.isFalse(row.GetProperty("rank").TryGetProperty("value", out _), "no image has every score");
        Expect.equal(file.RootElement.GetProperty("metrics")[1].GetProperty("better").GetString(), "higher", "better");
        Expect.equal(file.RootElement.GetProperty("pairs").GetArrayLength(), 2, "pairs");
    }
}
