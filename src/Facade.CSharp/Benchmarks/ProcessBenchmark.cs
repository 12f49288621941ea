using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;

namespace Attribution;

/// <summary>Measures whole processes of a program that runs <see cref="Benchmark"/>: bare loops with the allocator's own settings,
/// the memory beyond the weights, and the time of a short command.</summary>
/// <param name="program">What starts the program: the executable, and its first arguments.</param>
/// <param name="words">The words that make it run the same benchmark again; <c>--part NAME</c> is put after them, and the program
/// prints what <see cref="Part"/> gives as its last line.</param>
public sealed class ProcessBenchmark(IReadOnlyList<string> program, IReadOnlyList<string> words)
{
    private const long HalfOfDefault = 2L << 30;
    private const double StockTarget = 0.45;
    private const int Starts = 4;

    private sealed record Findings(Measurement[] Measurements, long Peak);

    /// <summary>What a process of its own finds out, as a line of JSON.</summary>
    /// <param name="benchmark">The benchmark.</param>
    /// <param name="part"><c>stock</c>: the bare loops; <c>memory</c>: the most memory beyond the weights.</param>
    /// <param name="rounds">How often loops are timed.</param>
    public static string Part(Benchmark benchmark, string part, int rounds)
    {
        if (part == "stock")
            return JsonSerializer.Serialize(new Findings([.. benchmark.RunStock(rounds)], 0));
        if (part != "memory")
            throw new UsageException($"--part takes methods, stock or memory, and not '{part}'.");
        benchmark.RunOnce();
        return JsonSerializer.Serialize(new Findings([], Peak() - benchmark.WeightBytes));
    }

    /// <summary>Measures whole processes.</summary>
    /// <param name="benchmark">The benchmark that was run in this process.</param>
    /// <param name="result">What it found.</param>
    /// <param name="memory">The bytes that a pass may take; null: half of what it may take by default.</param>
    /// <param name="smallModel">The file of a small model, for the time of <c>layers</c> and of reading VGG16's weights; null: neither
    /// is measured.</param>
    /// <exception cref="AttributionException">A process failed.</exception>
    public IReadOnlyList<ProcessMeasurement> Run(
        Benchmark benchmark,
        BenchmarkResult result,
        long? memory,
        string? smallModel
    ) => [.. Stock(result), .. Memory(benchmark, memory ?? HalfOfDefault), .. Short(smallModel)];

    private IEnumerable<ProcessMeasurement> Stock(BenchmarkResult result)
    {
        foreach (var stock in Of("stock", [("ATTRIBUTION_ALLOCATOR", "default")]).Measurements)
        {
            var engine = result.Measurements.First(m => m.Name == stock.Name);
            yield return new(
                $"{stock.Name}, against stock settings",
                engine.Seconds / stock.Seconds,
                "×",
                stock.Name.Contains(" to ") ? null : StockTarget
            );
        }
    }

    private IEnumerable<ProcessMeasurement> Memory(Benchmark benchmark, long memory)
    {
        if (!OperatingSystem.IsLinux())
            yield break;
        static double Gigabytes(long bytes) => bytes / Math.Pow(2, 30);
        var peak = Of("memory", [], "--memory", $"{memory}B").Peak;
        var weights = Gigabytes(benchmark.WeightBytes).ToString("0.00", CultureInfo.InvariantCulture);
        yield return new($"peak memory beyond the weights ({weights} GB)", Gigabytes(peak), "GB", Gigabytes(memory));
    }

    private IEnumerable<ProcessMeasurement> Short(string? smallModel)
    {
        if (smallModel is null)
            yield break;
        // The first of them warms the file cache.
        double[] times =
        [
            .. Enumerable.Range(0, Starts).Select(_ => Again([], "layers", "--model", smallModel).Seconds).ToArray()[
                1..
            ],
        ];
        yield return new("'attribution layers' on a small model, warm", times.Order().ElementAt(1), "s", 0.8);

        var folder = Directory.CreateTempSubdirectory("attribution-");
        try
        {
            var seconds = Benchmark.ReadingSeconds(Path.Combine(folder.FullName, "vgg16.npz"));
            yield return new("reading full VGG16 weights, warm file cache", seconds, "s", 1.5);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private Findings Of(string part, (string, string)[] environment, params string[] more) =>
        // The model's notes come first.
        JsonSerializer.Deserialize<Findings>(
            Again(environment, [.. words, "--part", part, .. more]).Output.TrimEnd().Split('\n')[^1]
        )!;

    private (string Output, double Seconds) Again((string, string)[] environment, params string[] arguments)
    {
        ProcessStartInfo start = new(program[0], [.. program.Skip(1), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var clock = Stopwatch.StartNew();
        using var child = Process.Start(start)!;
        var errors = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return child.ExitCode == 0
            ? (output, clock.Elapsed.TotalSeconds)
            : throw new AttributionException($"A part of the benchmark failed: {errors.Result.Trim()}");
    }

    // The most memory that this process has had, bytes.
    private static long Peak()
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:"));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}
