namespace Attribution;

/// <summary>How far a long operation is: passes of single instances through the model, done and in all.</summary>
/// <param name="Done">Passes done.</param>
/// <param name="Total">Passes in all.</param>
public readonly record struct Progress(long Done, long Total);

/// <summary>Counts the passes of a long operation, and stops it when it is told to.</summary>
internal sealed class Passes(long total, IProgress<Progress>? progress, CancellationToken cancellation)
{
    private long done;

    /// <summary>Some passes begin.</summary>
    public void Begin(long passes)
    {
        cancellation.ThrowIfCancellationRequested();
        Report(done);
        done += passes;
    }

    /// <summary>Some passes that someone else begins, and reports on in a count of its own.</summary>
    public IProgress<Progress>? Next(long passes)
    {
        var before = done;
        Begin(passes);
        return progress is null ? null : new Part(this, before, passes);
    }

    private void Report(long done) => progress?.Report(new(Math.Min(done, total), total));

    private sealed class Part(Passes whole, long before, long passes) : IProgress<Progress>
    {
        public void Report(Progress part) => whole.Report(before + passes * part.Done / Math.Max(part.Total, 1));
    }
}
