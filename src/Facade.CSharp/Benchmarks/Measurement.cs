using System.Collections.Generic;

namespace Attribution;

/// <summary>A time, and what it is measured against.</summary>
/// <param name="Name">What was timed.</param>
/// <param name="Images">How many images it explained or scored.</param>
/// <param name="Seconds">The time of the fastest round.</param>
/// <param name="Floor">What the same passes cost at least: bare loops, in the same process; null for a floor itself.</param>
/// <param name="Ratio">The time over its floor's; null for a floor.</param>
/// <param name="Target">What the ratio should be at most; null where nothing is promised.</param>
public sealed record Measurement(
    string Name,
    long Images,
    double Seconds,
    string? Floor = null,
    double? Ratio = null,
    double? Target = null
)
{
    /// <summary>Images a second.</summary>
    public double ImagesPerSecond => Images / Seconds;
}

/// <summary>What a run in bfloat16 changes.</summary>
/// <param name="RankCorrelation">Spearman's correlation of the pixel attributions of saliency with float32's, the mean over
/// the images.</param>
/// <param name="NecessityOrdering">The mean necessity ordering in float32.</param>
/// <param name="NecessityOrderingChange">That in bfloat16 minus that in float32.</param>
public sealed record PrecisionChange(double RankCorrelation, double NecessityOrdering, double NecessityOrderingChange);

/// <summary>What was measured of a whole process.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Value">The measured value.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Target">What it should be at most; null where nothing is promised.</param>
public sealed record ProcessMeasurement(string Name, double Value, string Unit, double? Target = null);

/// <summary>The result of <see cref="Benchmark.Run"/>.</summary>
/// <param name="Measurements">Every time.</param>
/// <param name="Layer">The layer of the influence and the expert.</param>
/// <param name="BFloat16">What bfloat16 changes; null where it was not run.</param>
public sealed record BenchmarkResult(IReadOnlyList<Measurement> Measurements, string Layer, PrecisionChange? BFloat16)
{
    /// <summary>Writes the measurements as JSON, with those of <see cref="Benchmark.RunMethods"/> and of processes.</summary>
    /// <exception cref="AttributionException">The file cannot be written.</exception>
    public void WriteJson(
        string path,
        IReadOnlyList<Measurement> methods,
        IReadOnlyList<ProcessMeasurement> processes
    ) =>
        Json.Write(
            path,
            new
            {
                Layer,
                Measurements,
                Methods = methods,
                Processes = processes,
                Bfloat16 = BFloat16,
            }
        );
}
