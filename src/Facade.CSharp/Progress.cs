using System;
using System.Threading;

namespace Attribution;

/// <summary>How far a long operation is: passes of single instances through the model, done and in all.</summary>
/// <param name="Done">Passes done.</param>
/// <param name="Total">Passes in all.</param>
public readonly record struct Progress(long Done, long Total)
{
    /// <summary>What is being done, in a few words for people; null where nobody says.</summary>
    public string? Stage { get; init; }
}

/// <summary>Counts the passes of a long operation, and stops it when it is told to.</summary>
internal sealed class Passes(long total, IProgress<Progress>? progress, CancellationToken cancellation)
{
    private long done;

    /// <summary>Passes in all, which may be known better later on.</summary>
    public long Total { get; set; } = total;

    /// <summary>Some passes begin.</summary>
    public void Begin(long passes, string? stage = null)
    {
        cancellation.ThrowIfCancellationRequested();
        Report(done, stage);
        done += passes;
    }

    /// <summary>Some passes that someone else begins, and reports on in a count of its own; what they are for is told with each.</summary>
    public IProgress<Progress>? Next(long passes, string? stage = null)
    {
        var before = done;
        Begin(passes, stage);
        return progress is null ? null : new Part(this, before, passes, stage);
    }

    private void Report(long done, string? stage) =>
        progress?.Report(new(Math.Min(done, Total), Total) { Stage = stage });

    private sealed class Part(Passes whole, long before, long passes, string? stage) : IProgress<Progress>
    {
        public void Report(Progress part) =>
            whole.Report(before + passes * part.Done / Math.Max(part.Total, 1), stage ?? part.Stage);
    }
}
