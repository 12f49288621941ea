using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using NATS.Client.JetStream;
using NATS.Client.KeyValueStore;
using NATS.Client.ObjectStore;

namespace Attribution;

/// <summary>What a unit came to, as the cluster keeps it.</summary>
/// <param name="Key">The unit.</param>
/// <param name="Data">Its result; null where it is in the store of files, in pieces, or there is none.</param>
/// <param name="Lost">Why there is none: workers were lost over it; null: there is one.</param>
/// <param name="Worker">Who computed it.</param>
/// <param name="Seconds">How long that took.</param>
/// <param name="Fault">What failed by itself, in a sentence; null: nothing.</param>
internal sealed record ClusterResult(
    string Key,
    string? Data,
    string? Lost,
    string Worker,
    double Seconds,
    string? Fault = null
);

public sealed partial class Cluster
{
    // More than this goes to the store of files.
    private const int MostInline = 256 * 1024;
    private const int PublishedAtOnce = 256;
    private static readonly TimeSpan lookAgain = TimeSpan.FromSeconds(15);

    /// <summary>The cluster as a place for work: it is handed out to workers, and their results are collected. Stopped, the cluster
    /// goes on computing, and the same work collects what it finds when it is done again.</summary>
    /// <param name="job">How workers that have only the library come by the same work, such as those of <c>attribution worker</c>;
    /// null: workers are programs that have it, and call <see cref="Work(Workload, string, string, CancellationToken)"/>.</param>
    /// <param name="name">What it is called on the cluster, of letters, digits, hyphens and underscores; null: by its content.</param>
    /// <param name="isMixed">Whether machines of several kinds may compute it, though their last digits differ.</param>
    /// <exception cref="UsageException">It cannot be called so.</exception>
    public Workplace Place(ClusterJob? job = null, string? name = null, bool isMixed = false) =>
        name is null || ClusterEntry.IsName(name)
            ? new StudyPlace(this, job, name, isMixed)
            : throw new UsageException(
                $"--name takes up to 64 letters, digits, hyphens and underscores, and not '{name}'."
            );

    private sealed class StudyPlace(Cluster cluster, ClusterJob? job, string? name, bool isMixed) : Workplace
    {
        // Each result says of what kind of machine it is.
        public override string? Arithmetic => null;

        // Work may be done in several steps, each of which is told what came of those before.
        private int steps;

        public override void Do(Workload work, IProgress<Progress>? progress, CancellationToken cancellation) =>
            Wait(
                cluster.Submit(
                    work,
                    job,
                    ++steps == 1 || name is null ? name : $"{name}-{steps}",
                    isMixed,
                    progress,
                    cancellation
                )
            );
    }

    private async Task Submit(
        Workload work,
        ClusterJob? job,
        string? name,
        bool isMixed,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        // The longest first: then no machine is left alone with one of them at the end.
        WorkUnit[] units = [.. work.Units.OrderByDescending(unit => unit.Passes)];
        if (units.Length == 0)
            return;
        ClusterEntry asked = new()
        {
            Name =
                name
                ?? $"{job?.Words[0] ?? "work"}-{Workload.Digest($"{work.Subject}\n{string.Join('\n', job?.Words ?? [])}\n{isMixed}")[..12]}",
            Subject = work.Subject,
            Prepared = work.Prepared is { Length: <= MostInline } told ? told : null,
            PreparedFile = work.Prepared is { Length: > MostInline } lengthy ? Workload.Digest(lengthy) : null,
            Words = job?.Words,
            Files = [.. (job?.Files ?? []).Select(Contents)],
            Units = units.Length,
        };
        if (asked.PreparedFile is { } place)
            await Patiently(
                () => files.PutAsync(place, System.Text.Encoding.UTF8.GetBytes(work.Prepared!), cancellation).AsTask(),
                cancellation
            );
        var entry = await Patiently(() => Register(asked, isMixed, progress, cancellation), cancellation);
        if (job is not null)
            await Upload(job, entry, progress, cancellation);
        Follower follower = new(this, work, entry, units, progress);
        await follower.Run(cancellation);
    }

    private static ContentItem Contents(ClusterFile file)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(file.Path));
        var isFolder = Directory.Exists(path);
        var folder = isFolder ? path : Path.GetDirectoryName(path)!;
        IEnumerable<string> names = isFolder
            ? Directory
                .GetFiles(path, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(one => Path.GetRelativePath(path, one).Replace('\\', '/'))
            : [Path.GetFileName(path), .. file.Beside];
        return new(
            Path.GetFileName(path),
            isFolder,
            [
                .. names.Select(name =>
                {
                    var one = Path.Combine(folder, name);
                    return new ContentFile(name, Content.Hash(one), new FileInfo(one).Length);
                }),
            ]
        );
    }

    // The entry of the work on the cluster, which the first submitter wrote.
    private async Task<ClusterEntry> Register(
        ClusterEntry asked,
        bool isMixed,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        async Task<ClusterEntry?> Known()
        {
            if (await Entry(studies, asked.Name, cancellation) is not { } text)
                return null;
            var known = ClusterEntry.Read(text);
            var isSame =
                known.Subject == asked.Subject
                && (known.Words ?? []).SequenceEqual(asked.Words ?? [])
                && (known.Arithmetic is null) == isMixed;
            return isSame
                ? known
                : throw new AttributionException(
                    $"The cluster has a study '{asked.Name}' of other images, models or settings: choose another --name, or 'attribution cluster --forget {asked.Name}'."
                );
        }

        if (await Known() is { } known)
            return known;
        var entry = isMixed ? asked : asked with { Arithmetic = await Elect(progress, cancellation) };
        await Create(studies, asked.Name, entry.Text, cancellation);
        // Another submitter may have been first.
        return await Known() ?? entry;
    }

    // The kind of machine that most workers are.
    private async Task<string> Elect(IProgress<Progress>? progress, CancellationToken cancellation)
    {
        for (var asked = 0; ; asked++)
        {
            var kinds = (await WorkersAsync(cancellation))
                .GroupBy(worker => worker.Arithmetic)
                .OrderByDescending(kind => kind.Count())
                .ThenBy(kind => kind.Key, StringComparer.Ordinal)
                .ToArray();
            if (kinds.Length > 1)
                options.Said?.Invoke(
                    $"Of the workers {kinds[0].Count()} of one kind compute, so that all numbers are of one arithmetic ({kinds[0].Key}); {kinds.Skip(1).Sum(kind => kind.Count())} of others wait. --mixed lets all compute."
                );
            if (kinds.Length > 0)
                return kinds[0].Key;
            if (asked == 2)
                options.Said?.Invoke(
                    $"No worker is there yet: start 'attribution worker --cluster {Address}' on every machine that is to compute."
                );
            progress?.Report(new(0, 1) { Stage = "Waiting for workers" });
            await Task.Delay(500, cancellation);
        }
    }

    private async Task Upload(
        ClusterJob job,
        ClusterEntry entry,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        foreach (var (file, item) in job.Files.Zip(entry.Files))
        foreach (var content in item.Files)
        {
            // What runs code is not fetched by anyone.
            if (IsProgram(content.Name))
                continue;
            progress?.Report(new(0, 1) { Stage = $"Handing out {content.Name}" });
            var whole = Path.GetFullPath(file.Path);
            var path = Path.Combine(item.IsFolder ? whole : Path.GetDirectoryName(whole)!, content.Name);
            await Patiently(
                async () =>
                {
                    try
                    {
                        await files.GetInfoAsync(content.Hash, cancellationToken: cancellation);
                        return;
                    }
                    catch (NatsObjNotFoundException)
                    {
                        // It is not there yet.
                    }
                    await using var bytes = File.OpenRead(path);
                    await files.PutAsync(content.Hash, bytes, cancellationToken: cancellation);
                },
                cancellation
            );
        }
    }

    internal static bool IsProgram(string name) =>
        Path.GetExtension(name).ToLowerInvariant() is ".pt" or ".pth" or ".ts" or ".torchscript";

    /// <summary>Hands units out, and takes in results as they come.</summary>
    private sealed class Follower(
        Cluster cluster,
        Workload work,
        ClusterEntry entry,
        WorkUnit[] units,
        IProgress<Progress>? progress
    )
    {
        private readonly Dictionary<string, WorkUnit> left = units.ToDictionary(unit => unit.Id);
        private readonly Dictionary<string, (double Seconds, int Count)> times = [];
        private readonly HashSet<string> told = [];
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private string stage = $"Units of {entry.Name}";
        private int here;

        public async Task Run(CancellationToken cancellation)
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var telling = Tell(ends.Token);
            try
            {
                await cluster.Patiently(() => Publish(cancellation), cancellation);
                while (left.Count > 0)
                    await cluster.Patiently(() => Follow(cancellation), cancellation);
            }
            finally
            {
                await ends.CancelAsync();
                await telling;
            }
        }

        private async Task Publish(CancellationToken cancellation)
        {
            if (await Entry(cluster.studies, entry.Name, cancellation) is null)
                throw new AttributionException(
                    $"The cluster has forgotten '{entry.Name}': run the same command to submit it again."
                );
            HashSet<string> known = [];
            await foreach (
                var key in cluster.results.GetKeysAsync([$"{entry.Name}.>"], cancellationToken: cancellation)
            )
                known.Add(key[(entry.Name.Length + 1)..]);
            foreach (
                var some in units
                    .Where(unit => left.ContainsKey(unit.Id) && !known.Contains(unit.Id))
                    .Chunk(PublishedAtOnce)
            )
                await Task.WhenAll(some.Select(unit => cluster.Enqueue(entry, unit.Id, unit.Key, cancellation)));
        }

        // Results until there are none left, or none came for a while: then what may have been lost is handed out again.
        private async Task Follow(CancellationToken cancellation)
        {
            using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            quiet.CancelAfter(lookAgain);
            try
            {
                await foreach (
                    var found in cluster.results.WatchAsync<string>(
                        $"{entry.Name}.>",
                        opts: new NatsKVWatchOpts { IgnoreDeletes = true },
                        cancellationToken: quiet.Token
                    )
                )
                {
                    quiet.CancelAfter(lookAgain);
                    var id = found.Key[(entry.Name.Length + 1)..];
                    if (found.Value is { } text && left.TryGetValue(id, out var unit))
                        await Take(unit, text, cancellation);
                    if (left.Count == 0)
                        return;
                }
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // It was quiet.
            }
            await Publish(cancellation);
        }

        private async Task Take(WorkUnit unit, string text, CancellationToken cancellation)
        {
            ClusterResult? result = null;
            try
            {
                result = JsonSerializer.Deserialize<ClusterResult>(text);
            }
            catch (JsonException)
            {
                // Told below.
            }
            if (result?.Key != unit.Key)
                throw new AttributionException(
                    $"The cluster holds a result of {unit.Title} that is none: 'attribution cluster --forget {entry.Name}', and submit the study again."
                );
            // Failures are told as they come, each once.
            if ((result.Lost ?? result.Fault) is { } fault && told.Add($"{unit.Title.Split(',')[0]}: {fault}"))
                cluster.options.Said?.Invoke($"{unit.Title}: {fault.TrimEnd('.')}.");
            if (result.Lost is { } why)
                work.Lose(
                    unit,
                    $"{why} ('attribution cluster --forget {entry.Name}', and the same command, tries it again)"
                );
            else
                work.Keep(unit, result.Data ?? await cluster.Fetched(entry.Name, unit.Id, cancellation));
            lock (times)
            {
                left.Remove(unit.Id);
                var group = unit.Title.Split(',')[0];
                var (seconds, count) = times.GetValueOrDefault(group);
                times[group] = (seconds + result.Seconds, count + 1);
                here++;
            }
            Report();
        }

        private void Report() => progress?.Report(new(units.Length - left.Count, units.Length) { Stage = stage });

        // How it goes, every ten seconds in other words, so that a log of it stays readable.
        private async Task Tell(CancellationToken ends)
        {
            for (var seconds = 2; !ends.IsCancellationRequested; seconds = 10)
                try
                {
                    await Task.Delay(TimeSpan.FromSeconds(seconds), ends);
                    var workers = (await cluster.WorkersAsync(ends)).Count(worker => worker.Study == entry.Name);
                    lock (times)
                    {
                        var slowest =
                            times.Count == 0
                                ? ""
                                : $", slowest {times.MaxBy(t => t.Value.Seconds / t.Value.Count).Key}";
                        stage =
                            $"{Words.Count(workers, "worker")}, {here / clock.Elapsed.TotalSeconds:0.0} units a second{slowest}";
                    }
                    Report();
                }
                catch (Exception e) when (e is OperationCanceledException || Sentence(e) is not null)
                {
                    // The follower itself says that the server is away.
                }
        }
    }

    // Puts a unit in, unless it waits there already.
    private async Task Enqueue(ClusterEntry entry, string id, string key, CancellationToken cancellation)
    {
        var subject = Subject(entry.Arithmetic, entry.Words is null ? entry.Name : CommandLine, entry.Name, id);
        var reply = await stream.PublishAsync(subject, key, cancellationToken: cancellation);
        if (reply.Error is { ErrCode: not 10077 } error)
            throw new NatsJSApiException(error);
    }

    private async Task<string> Fetched(string name, string id, CancellationToken cancellation) =>
        System.Text.Encoding.UTF8.GetString(await files.GetBytesAsync($"{name}.{id}", cancellation));
}
