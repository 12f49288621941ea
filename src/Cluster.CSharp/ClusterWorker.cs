using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using NATS.Client.KeyValueStore;

namespace Attribution;

/// <summary>How a worker comes by work that was told in words.</summary>
/// <param name="words">The words, files in them by their path here.</param>
/// <param name="prepared">What was found before the units; null: nothing.</param>
/// <param name="cancellation">Stops it.</param>
/// <returns>The work, and what is to be freed after it.</returns>
public delegate (Workload Work, IDisposable Inputs) WorkBuilder(
    IReadOnlyList<string> words,
    string? prepared,
    CancellationToken cancellation
);

public sealed partial class Cluster
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(1);

    /// <summary>Computes units of the studies of <c>attribution study --cluster</c> until it is stopped.</summary>
    /// <param name="machine">The kind of this machine; see <see cref="Workplace.Machine"/>.</param>
    /// <param name="root">The folder where this machine has models and images of its own, and where others are put.</param>
    /// <param name="builder">What makes work of words.</param>
    /// <param name="cancellation">Stops it; the unit that it is at is left to others.</param>
    /// <exception cref="AttributionException">A file of a study is not to be had here, or is another.</exception>
    public void Work(string machine, string root, WorkBuilder builder, CancellationToken cancellation = default) =>
        Wait(
            new Worker(this, machine, CommandLine, entry => Built(entry, root, builder, cancellation)).Run(cancellation)
        );

    /// <summary>Computes units of some work, which another process submitted by that name, until it is stopped.</summary>
    /// <param name="work">The same work.</param>
    /// <param name="machine">The kind of this machine; see <see cref="Workplace.Machine"/>.</param>
    /// <param name="name">What it is called on the cluster.</param>
    /// <param name="cancellation">Stops it; the unit that it is at is left to others.</param>
    /// <exception cref="AttributionException">The cluster's work of that name is another.</exception>
    public void Work(Workload work, string machine, string name, CancellationToken cancellation = default) =>
        Wait(new Worker(this, machine, name, _ => Task.FromResult((work, (IDisposable?)null))).Run(cancellation));

    private async Task<(Workload, IDisposable?)> Built(
        ClusterEntry entry,
        string root,
        WorkBuilder builder,
        CancellationToken cancellation
    )
    {
        List<string> words = [];
        var paths = new string[entry.Files.Count];
        for (var i = 0; i < paths.Length; i++)
            paths[i] = await Local(entry.Files[i], root, cancellation);
        foreach (var word in entry.Words!)
            words.Add(
                FileToken().Match(word) is { Success: true } token
                && int.TryParse(token.Groups[1].Value, out var file)
                && file < paths.Length
                    ? paths[file]
                    : word
            );
        var prepared = entry.PreparedFile is { } place
            ? await Patiently(
                async () => Encoding.UTF8.GetString(await files.GetBytesAsync(place, cancellation)),
                cancellation
            )
            : entry.Prepared;
        return builder(words, prepared, cancellation);
    }

    [GeneratedRegex("^file#([0-9]{1,4})$")]
    private static partial Regex FileToken();

    /// <summary>Where the file is here, or the folder: this machine's own where that is the same, or a fetched one.</summary>
    private async Task<string> Local(ContentItem item, string root, CancellationToken cancellation)
    {
        bool IsWhole(string folder) => item.Files.All(file => Is(Path.Combine(folder, file.Name), file));
        var own = item.IsFolder
            ? Folders(root, item.Name).FirstOrDefault(IsWhole)
            : Files(root, item.Name).FirstOrDefault(path => IsWhole(Path.GetDirectoryName(path)!));
        if (own is not null)
            return own;
        if (item.Files.FirstOrDefault(file => IsProgram(file.Name)) is { } program)
            throw new AttributionException(
                $"'{program.Name}' is a program, which is not run from the network: put a copy of it below {root}, SHA-256 {program.Hash}."
            );
        var place = Path.Combine(
            root,
            "fetched",
            Workload.Digest(string.Join('\n', item.Files.Select(file => $"{file.Name} {file.Hash}")))[..16]
        );
        foreach (var file in item.Files)
            await Fetch(
                file,
                Path.Combine(item.IsFolder ? Path.Combine(place, item.Name) : place, file.Name),
                cancellation
            );
        return Path.Combine(place, item.Name);
    }

    private static readonly EnumerationOptions below = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = true,
    };

    private static IEnumerable<string> Files(string root, string name) =>
        Directory.Exists(root) ? Directory.EnumerateFiles(root, name, below).Order(StringComparer.Ordinal) : [];

    private static IEnumerable<string> Folders(string root, string name) =>
        Directory.Exists(root) ? Directory.EnumerateDirectories(root, name, below).Order(StringComparer.Ordinal) : [];

    private static bool Is(string path, ContentFile file) =>
        File.Exists(path) && new FileInfo(path).Length == file.Length && Content.Hash(path) == file.Hash;

    private async Task Fetch(ContentFile file, string path, CancellationToken cancellation)
    {
        if (Is(path, file))
            return;
        var draft = $"{path}.{Environment.ProcessId}.part";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await Patiently(
                async () =>
                {
                    await using var stream = File.Create(draft);
                    try
                    {
                        await files.GetAsync(file.Hash, stream, cancellationToken: cancellation);
                    }
                    catch (NATS.Client.ObjectStore.NatsObjNotFoundException)
                    {
                        throw new AttributionException(
                            $"'{file.Name}' is neither on the cluster nor below --root: put a copy of it there, SHA-256 {file.Hash}."
                        );
                    }
                },
                cancellation
            );
            if (!Is(draft, file))
                throw new AttributionException(
                    $"The cluster's copy of '{file.Name}' is another file than the study's: its SHA-256 is not {file.Hash}; submit the study again."
                );
            File.Move(draft, path, true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AttributionException(
                $"'{path}' cannot be written: {e.Message.TrimEnd('.')}; choose another --root.",
                e
            );
        }
        finally
        {
            File.Delete(draft);
        }
    }

    /// <summary>A loop that takes units, computes them, and writes what they came to.</summary>
    private sealed class Worker(
        Cluster cluster,
        string machine,
        string program,
        Func<ClusterEntry, Task<(Workload Work, IDisposable? Inputs)>> build
    )
    {
        private readonly string id = Workload.Digest(Guid.NewGuid().ToString())[..16];
        private readonly string name = $"{Environment.MachineName} ({Environment.ProcessId})";
        private (string Name, Workload Work, IDisposable? Inputs)? built;
        private string? unitNow;
        private int done;

        private Action<string>? Said => cluster.options.Said;

        public async Task Run(CancellationToken cancellation)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var alive = Live(stop.Token);
            try
            {
                var own = await Consumer(Attribution.Cluster.Place(machine), cancellation);
                var any = await Consumer(AnyMachine, cancellation);
                while (true)
                {
                    cancellation.ThrowIfCancellationRequested();
                    if (!await Take(own, false, cancellation) && !await Take(any, false, cancellation))
                        await Take(own, true, cancellation);
                }
            }
            finally
            {
                built?.Inputs?.Dispose();
                await stop.CancelAsync();
                await alive;
            }
        }

        private Task<INatsJSConsumer> Consumer(string place, CancellationToken cancellation) =>
            cluster.Patiently(
                async () =>
                {
                    var name = $"{place}-{program}";
                    return await Existing(
                        () => cluster.stream.GetConsumerAsync(Stream, name, cancellation).AsTask(),
                        () =>
                            cluster
                                .stream.CreateOrUpdateConsumerAsync(
                                    Stream,
                                    new ConsumerConfig(name)
                                    {
                                        FilterSubject = $"{Subjects}.{place}.{program}.>",
                                        AckPolicy = ConsumerConfigAckPolicy.Explicit,
                                        AckWait = cluster.options.Lease,
                                        MaxAckPending = 100_000,
                                    },
                                    cancellation
                                )
                                .AsTask()
                    );
                },
                cancellation
            );

        // Signs of life; the first one before the first unit.
        private async Task Live(CancellationToken cancellation)
        {
            try
            {
                while (true)
                {
                    ClusterWorkerState state = new(
                        Environment.MachineName,
                        Environment.ProcessId,
                        machine,
                        built?.Name,
                        unitNow,
                        done
                    );
                    try
                    {
                        await cluster.workers.PutAsync(
                            id,
                            JsonSerializer.Serialize(state),
                            cancellationToken: cancellation
                        );
                    }
                    catch (Exception e) when (Sentence(e) is not null)
                    {
                        // It is said where work waits.
                    }
                    await Task.Delay(lifeSign, cancellation);
                }
            }
            catch (OperationCanceledException)
            {
                try
                {
                    using CancellationTokenSource soon = new(TimeSpan.FromSeconds(1));
                    await cluster.workers.PurgeAsync(id, cancellationToken: soon.Token);
                }
                catch (Exception e) when (e is OperationCanceledException || Sentence(e) is not null)
                {
                    // It is forgotten by itself.
                }
            }
        }

        // One unit, if there is one, or one comes soon.
        private async Task<bool> Take(INatsJSConsumer consumer, bool waits, CancellationToken cancellation)
        {
            INatsJSMsg<string>? message = null;
            try
            {
                if (waits)
                    message = await consumer.NextAsync<string>(
                        opts: new NatsJSNextOpts { Expires = patience },
                        cancellationToken: cancellation
                    );
                else
                    await foreach (
                        var one in consumer.FetchNoWaitAsync<string>(
                            new NatsJSFetchOpts { MaxMsgs = 1 },
                            cancellationToken: cancellation
                        )
                    )
                        message = one;
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && Sentence(e) is { } why)
            {
                await Task.Delay(patience, cancellation);
            }
            if (message is null)
                return false;
            await Serve(message, cancellation);
            return true;
        }

        private async Task Serve(INatsJSMsg<string> message, CancellationToken cancellation)
        {
            // What is no unit of this library's is thrown away.
            if (Read(message) is not var (study, id))
            {
                Said?.Invoke("A message that is no unit of this library was thrown away.");
                await message.AckTerminateAsync(cancellationToken: cancellation);
                return;
            }
            var known = await cluster.Patiently(
                () => Attribution.Cluster.Entry(cluster.results, $"{study}.{id}", cancellation),
                cancellation
            );
            if (known is not null)
            {
                await Done(message, cancellation);
                return;
            }
            var losses = (int)(message.Metadata?.NumDelivered ?? 1) - 1;
            if (losses >= cluster.options.MostLosses)
            {
                await Write(
                    study,
                    id,
                    new(message.Data!, null, $"{losses} workers were lost over it, or could not compute it", name, 0),
                    cancellation
                );
                await Done(message, cancellation);
                return;
            }
            using var renewing = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var renewed = Renew(message, renewing.Token);
            WorkUnit unit;
            WorkResult result;
            var clock = Stopwatch.StartNew();
            ClusterEntry? entry = null;
            try
            {
                entry = await Entry(study, cancellation);
                if (entry is null)
                {
                    await message.AckTerminateAsync(cancellationToken: cancellation);
                    return;
                }
                var work = await Prepare(entry);
                try
                {
                    unit = work.Parse(message.Data!);
                }
                catch (AttributionException)
                {
                    Said?.Invoke($"A unit that is none of the study '{study}' was thrown away.");
                    await message.AckTerminateAsync(cancellationToken: cancellation);
                    return;
                }
                unitNow = unit.Title;
                clock.Restart();
                result = await Task.Run(() => work.Compute(unit, null, cancellation), CancellationToken.None);
            }
            catch (Exception) when (entry is not null)
            {
                // Leaving is no loss: the unit is put in anew, for others.
                await Return(message, entry, id);
                throw;
            }
            finally
            {
                unitNow = null;
                await renewing.CancelAsync();
                await renewed;
            }
            if (result.Trouble is { } trouble)
            {
                Said?.Invoke($"{unit.Title}: {trouble.TrimEnd('.')}: it is left to another worker.");
                await message.NakAsync(cancellationToken: cancellation);
                return;
            }
            await Write(
                study,
                id,
                new(unit.Key, result.Data, null, name, Math.Round(clock.Elapsed.TotalSeconds, 3), result.Fault),
                cancellation
            );
            await Done(message, cancellation);
            done++;
        }

        // The study and the unit of a message, if it is one of this library's.
        private static (string Study, string Unit)? Read(INatsJSMsg<string> message)
        {
            var words = message.Subject.Split('.');
            return
                message.Data is { Length: > 0 and < 65536 } key
                && words.Length == 6
                && ClusterEntry.IsName(words[4])
                && words[5] == Workload.Digest(key)[..32]
                ? (words[4], words[5])
                : null;
        }

        private async Task<ClusterEntry?> Entry(string study, CancellationToken cancellation)
        {
            var text = await cluster.Patiently(
                () => Attribution.Cluster.Entry(cluster.studies, study, cancellation),
                cancellation
            );
            // Forgotten meanwhile.
            return text is null ? null : ClusterEntry.Read(text);
        }

        private async Task<Workload> Prepare(ClusterEntry entry)
        {
            if (built is { } known && known.Name == entry.Name && known.Work.Subject == entry.Subject)
                return known.Work;
            built?.Inputs?.Dispose();
            built = null;
            Said?.Invoke($"Joining '{entry.Name}', {Words.Count(entry.Units, "unit")}.");
            var (work, inputs) = await build(entry);
            if (work.Subject != entry.Subject)
            {
                inputs?.Dispose();
                throw new AttributionException(
                    $"The study '{entry.Name}' is of other images, models or settings than this worker makes of it: check that both run the same version of the library."
                );
            }
            built = (entry.Name, work, inputs);
            return work;
        }

        private async Task Renew(INatsJSMsg<string> message, CancellationToken cancellation)
        {
            try
            {
                while (true)
                {
                    await Task.Delay(cluster.options.Lease / 3, cancellation);
                    try
                    {
                        await message.AckProgressAsync(cancellationToken: cancellation);
                    }
                    catch (Exception e) when (Sentence(e) is not null)
                    {
                        // The server may be back before the lease ends.
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // It is computed.
            }
        }

        private async Task Return(INatsJSMsg<string> message, ClusterEntry entry, string id)
        {
            try
            {
                using CancellationTokenSource soon = new(TimeSpan.FromSeconds(3));
                await message.AckAsync(new AckOpts { DoubleAck = true }, soon.Token);
                await cluster.Enqueue(entry, id, message.Data!, soon.Token);
            }
            catch (Exception e) when (e is OperationCanceledException || Sentence(e) is not null)
            {
                // The submitter puts in what is missing.
            }
        }

        // Once: where there is a result already, it is the same.
        private async Task Write(string study, string id, ClusterResult result, CancellationToken cancellation)
        {
            if (result.Data is { } data && data.Length > MostInline)
            {
                await cluster.Patiently(
                    () => cluster.files.PutAsync($"{study}.{id}", Encoding.UTF8.GetBytes(data), cancellation).AsTask(),
                    cancellation
                );
                result = result with { Data = null };
            }
            await cluster.Patiently(
                () => Create(cluster.results, $"{study}.{id}", JsonSerializer.Serialize(result), cancellation),
                cancellation
            );
        }

        // Where the word is lost, another finds the result there.
        private static async Task Done(INatsJSMsg<string> message, CancellationToken cancellation)
        {
            try
            {
                await message.AckAsync(new AckOpts { DoubleAck = true }, cancellation);
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && Sentence(e) is not null)
            {
                // See above.
            }
        }
    }
}
