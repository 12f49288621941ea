using System;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

public static class TrialsTests
{
    private static Trials Some()
    {
        Trials trials = new(["plain", "other"], ["accuracy"], [1, 2, 3]);
        foreach (var (seed, value) in new[] { (1, 0.5), (2, 0.6), (3, 0.7) })
            trials.Add("plain", seed, "accuracy", value);
        trials.Add("other", 2, "accuracy", 0.25);
        return trials;
    }

    public static Test Tests { get; } =
        Runner.TestList(
            "Trials",
            [
                Runner.TestCase(
                    "The mean has the interval of Student's t, and one value an unbounded one",
                    () =>
                    {
                        var trials = Some();
                        var found = trials.Mean("plain", "accuracy");
                        // t of 2 degrees at 0.975 is 4.302652730, and the deviation 0.1.
                        var half = 4.302652729749464 * 0.1 / Math.Sqrt(3);
                        foreach (
                            var (expected, actual) in new[]
                            {
                                (0.6, found.Mean),
                                (0.6 - half, found.Low),
                                (0.6 + half, found.High),
                            }
                        )
                            Expect.isTrue(Math.Abs(expected - actual) < 1e-9, $"{actual} for {expected}");
                        var single = trials.Mean("other", "accuracy");
                        Expect.equal(single.Mean, 0.25, "of what is known");
                        Expect.isTrue(double.IsInfinity(single.Low) && double.IsInfinity(single.High), "no interval");
                        Check.Throws<ArgumentException>(
                            () => trials.Add("neither", 1, "accuracy", 0),
                            "no such variant"
                        );
                    }
                ),
                Check.InFolder(
                    "The files hold every value, and what is unknown is empty",
                    folder =>
                    {
                        var trials = Some();
                        trials.WriteCsv(Path.Combine(folder, "t.csv"));
                        Check.Same(
                            File.ReadAllLines(Path.Combine(folder, "t.csv")),
                            "variant,seed,measure,value",
                            "plain,1,accuracy,0.5",
                            "plain,2,accuracy,0.6",
                            "plain,3,accuracy,0.7",
                            "other,1,accuracy,",
                            "other,2,accuracy,0.25",
                            "other,3,accuracy,"
                        );
                        trials.WriteJson(Path.Combine(folder, "t.json"));
                        var json = System.Text.Json.JsonDocument.Parse(
                            File.ReadAllText(Path.Combine(folder, "t.json"))
                        );
                        var other = json
                            .RootElement.GetProperty("variants")
                            .GetProperty("other")
                            .GetProperty("accuracy");
                        Expect.equal(other.GetProperty("mean").GetDouble(), 0.25, "the mean");
                        Expect.isFalse(other.TryGetProperty("low", out _), "no interval");
                    }
                ),
            ]
        );
}
