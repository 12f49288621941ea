using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using NATS.Client.KeyValueStore;
using NATS.Client.ObjectStore;

namespace Attribution;

/// <summary>Machines that share the units of long work, by a NATS server with JetStream: a stream of units, of which each is given to
/// one worker at a time, and a store of results, of which each is written once.</summary>
/// <remarks>What a lost worker was at is given to another after its lease. Servers and machines may come and go; whoever waits for
/// them goes on when they are back.</remarks>
public sealed partial class Cluster : IDisposable
{
    private const string Stream = "attribution_units";
    private const string Subjects = "attribution.units";
    private const string AnyMachine = "any";
    private const string CommandLine = "attribution";

    private static readonly Version oldest = new(2, 9);
    private static readonly TimeSpan lifeSign = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan lifetime = TimeSpan.FromSeconds(20);

    private readonly NatsConnection connection;
    private readonly ClusterOptions options;
    private readonly NatsJSContext stream;
    private readonly INatsKVStore studies;
    private readonly INatsKVStore results;
    private readonly INatsKVStore workers;
    private readonly INatsObjStore files;

    private Cluster(
        string address,
        ClusterOptions options,
        NatsConnection connection,
        NatsJSContext stream,
        INatsKVStore studies,
        INatsKVStore results,
        INatsKVStore workers,
        INatsObjStore files
    )
    {
        (Address, this.options, this.connection, this.stream) = (address, options, connection, stream);
        (this.studies, this.results, this.workers, this.files) = (studies, results, workers, files);
    }

    /// <summary>The server's address.</summary>
    public string Address { get; }

    /// <summary>Connects to a server, and makes the stream and the stores there where they are missing.</summary>
    /// <param name="address">nats://host:4222, or tls://host:4222; several, separated by commas, of one cluster.</param>
    /// <param name="options">How it is reached; null: the defaults.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="AttributionException">The server cannot be reached, is too old, has no JetStream, or refuses the
    /// credentials.</exception>
    public static Cluster Connect(
        string address,
        ClusterOptions? options = null,
        CancellationToken cancellation = default
    ) => Wait(ConnectAsync(address, options ?? new(), cancellation));

    private static T Wait<T>(Task<T> work) => work.GetAwaiter().GetResult();

    private static void Wait(Task work) => work.GetAwaiter().GetResult();

    private static async Task<Cluster> ConnectAsync(
        string address,
        ClusterOptions options,
        CancellationToken cancellation
    )
    {
        foreach (var one in address.Split(','))
        {
            if (
                !Uri.TryCreate(one, UriKind.Absolute, out var uri)
                || uri.Scheme is not ("nats" or "tls" or "ws" or "wss")
            )
                throw new UsageException($"--cluster takes an address such as nats://host:4222, and not '{one}'.");
            if (uri.UserInfo != "")
                throw new UsageException(
                    "--cluster takes an address without a password, which others would see: put it in a file, and name that by --creds."
                );
        }
        foreach (
            var (option, file) in new[]
            {
                ("--creds", options.Credentials),
                ("--tls-ca", options.CertificateAuthority),
                ("--tls-cert", options.Certificate),
                ("--tls-key", options.Key),
            }
        )
            if (file is not null && !File.Exists(file))
                throw new AttributionException($"The file '{file}' of {option} does not exist; check the path.");
        if (options.Credentials is { } given && !Holds(given, "NATS USER JWT"))
            throw new AttributionException($"The file '{given}' of --creds holds no credentials of a NATS server.");
        var isTls =
            options.CertificateAuthority is not null
            || options.Certificate is not null
            || address.Contains("tls://", StringComparison.Ordinal);
        NatsConnection connection = new(
            NatsOpts.Default with
            {
                Url = address,
                Name = CommandLine,
                ConnectTimeout = TimeSpan.FromSeconds(5),
                RequestTimeout = TimeSpan.FromSeconds(10),
                MaxReconnectRetry = -1,
                AuthOpts = options.Credentials is { } creds
                    ? NatsAuthOpts.Default with
                    {
                        CredsFile = creds,
                    }
                    : NatsAuthOpts.Default,
                TlsOpts = isTls
                    ? NatsTlsOpts.Default with
                    {
                        Mode = TlsMode.Require,
                        CaFile = options.CertificateAuthority,
                        CertFile = options.Certificate,
                        KeyFile = options.Key,
                    }
                    : NatsTlsOpts.Default,
            }
        );
        var isOpen = false;
        try
        {
            await connection.ConnectAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20), cancellation);
            isOpen = true;
            return await OpenAsync(address, options, connection, cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await connection.DisposeAsync();
            throw e is AttributionException or UsageException
                ? e
                : new AttributionException(WhyNot(address, isOpen, e), e);
        }
        catch (OperationCanceledException)
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private static async Task<Cluster> OpenAsync(
        string address,
        ClusterOptions options,
        NatsConnection connection,
        CancellationToken cancellation
    )
    {
        var server = connection.ServerInfo!;
        if (Version.TryParse(server.Version.Split('-')[0], out var version) && version < oldest)
            throw new AttributionException(
                $"The server at {address} is too old: it is {server.Version}, and {oldest} or later is needed."
            );
        if (!server.JetStreamAvailable)
            throw new AttributionException(
                $"The server at {address} has no JetStream: start it with 'nats-server -js'."
            );
        NatsJSContext stream = new(connection);
        try
        {
            await stream.GetAccountInfoAsync(cancellation);
        }
        catch (NatsJSApiNoResponseException)
        {
            // A server that has only just begun may lose what it is asked first.
            await stream.GetAccountInfoAsync(cancellation);
        }
        NatsKVContext stores = new(stream);
        NatsObjContext objects = new(stream);

        async Task<Cluster> Open(int copies)
        {
            await Existing(
                () => stream.GetStreamAsync(Stream, cancellationToken: cancellation).AsTask(),
                () =>
                    stream
                        .CreateStreamAsync(
                            new StreamConfig(Stream, [$"{Subjects}.>"])
                            {
                                Retention = StreamConfigRetention.Workqueue,
                                // A unit that waits is not put in twice.
                                MaxMsgsPerSubject = 1,
                                Discard = StreamConfigDiscard.New,
                                DiscardNewPerSubject = true,
                                NumReplicas = copies,
                            },
                            cancellation
                        )
                        .AsTask()
            );
            Task<INatsKVStore> Store(string name, TimeSpan age = default) =>
                Existing(
                    () => stores.GetStoreAsync(name, cancellation).AsTask(),
                    () =>
                        stores
                            .CreateStoreAsync(
                                new NatsKVConfig(name) { NumberOfReplicas = copies, MaxAge = age },
                                cancellation
                            )
                            .AsTask()
                );
            return new(
                address,
                options,
                connection,
                stream,
                await Store("attribution_studies"),
                await Store("attribution_results"),
                await Store("attribution_workers", lifetime),
                await Existing(
                    () => objects.GetObjectStoreAsync("attribution_files", cancellation).AsTask(),
                    () =>
                        objects
                            .CreateObjectStoreAsync(
                                new NatsObjConfig("attribution_files") { NumberOfReplicas = copies },
                                cancellation
                            )
                            .AsTask()
                )
            );
        }

        if (string.IsNullOrEmpty(server.Cluster))
            return await Open(1);
        try
        {
            return await Open(3);
        }
        catch (NatsJSApiException)
        {
            // Of fewer than three servers.
            return await Open(1);
        }
    }

    private static bool Holds(string file, string mark)
    {
        try
        {
            return File.ReadAllText(file).Contains(mark, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AttributionException($"Cannot read '{file}': {e.Message.TrimEnd('.')}.", e);
        }
    }

    // What is there, or else what is made. Of two that make it at once the server may refuse one, which then finds what the
    // other made.
    private static async Task<T> Existing<T>(Func<Task<T>> find, Func<Task<T>> make)
    {
        try
        {
            return await find();
        }
        catch (NatsJSApiException missing) when (missing.Error.Code == 404)
        {
            try
            {
                return await make();
            }
            catch (NatsJSApiException)
            {
                for (var wait = 25; wait < 500; wait *= 2)
                    try
                    {
                        await Task.Delay(wait);
                        return await find();
                    }
                    catch (NatsJSApiException again) when (again.Error.Code == 404) { }
                throw;
            }
        }
    }

    // Why a server cannot be used.
    private static string WhyNot(string address, bool isOpen, Exception e)
    {
        var all = string.Join(' ', Chain(e).Select(one => one.Message));
        if (
            all.Contains("uthoriz", StringComparison.Ordinal)
            || all.Contains("uthentic", StringComparison.Ordinal)
                && !all.Contains("certificate", StringComparison.OrdinalIgnoreCase)
        )
            return $"The server at {address} refuses the credentials: name the right file by --creds.";
        if (
            all.Contains("certificate", StringComparison.OrdinalIgnoreCase)
            || all.Contains("SSL", StringComparison.OrdinalIgnoreCase)
            || all.Contains("TLS", StringComparison.Ordinal)
        )
            return $"The connection to {address} cannot be made safe: check --tls-ca, --tls-cert and --tls-key.";
        if (e is NatsNoRespondersException or NatsJSApiException { Error.ErrCode: 10039 or 10076 })
            return $"The server at {address} has no JetStream for this account: start it with 'nats-server -js'.";
        if (isOpen)
            return $"The server at {address} does not let this client use JetStream: give its account the right to, or name other credentials by --creds.";
        return $"The cluster at {address} cannot be reached: start 'nats-server -js' there, or check the address.";
    }

    private static IEnumerable<Exception> Chain(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
            yield return e;
    }

    private static string? Sentence(Exception e) =>
        e
            is NatsJSApiException { Error.ErrCode: 10023 or 10047 or 10122 }
                or NatsJSException { Message: "insufficient resources" }
            ? "The cluster's disk is full: make room there; the work waits"
        : e is NatsJSApiException or NatsJSException
            ? $"The cluster does not do what it is asked ({e.Message.TrimEnd('.')}); the work waits"
        : e is NatsException or TimeoutException or IOException { InnerException: System.Net.Sockets.SocketException }
            ? "The cluster does not answer; the work waits"
        : null;

    // Tries until it succeeds: servers come back, and disks are made free.
    private async Task<T> Patiently<T>(Func<Task<T>> work, CancellationToken cancellation)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                return await work();
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && Sentence(e) is { } why)
            {
                // A blink is not worth a word.
                if (tries == 3)
                    options.Said?.Invoke($"{why}.");
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 100 << Math.Min(tries, 6))), cancellation);
            }
        }
    }

    private Task Patiently(Func<Task> work, CancellationToken cancellation) =>
        Patiently(
            async () =>
            {
                await work();
                return true;
            },
            cancellation
        );

    private static string Place(string? arithmetic) =>
        arithmetic is null ? AnyMachine : Workload.Digest(arithmetic)[..16];

    private static string Subject(string? arithmetic, string program, string study, string unit) =>
        $"{Subjects}.{Place(arithmetic)}.{program}.{study}.{unit}";

    /// <summary>The workers that are there.</summary>
    public IReadOnlyList<ClusterWorkerState> Workers(CancellationToken cancellation = default) =>
        Wait(Patiently(() => WorkersAsync(cancellation), cancellation));

    private async Task<IReadOnlyList<ClusterWorkerState>> WorkersAsync(CancellationToken cancellation)
    {
        List<ClusterWorkerState> found = [];
        foreach (var (_, text) in await All(workers, ">", cancellation))
            try
            {
                if (
                    JsonSerializer.Deserialize<ClusterWorkerState>(text) is
                    { Host: not null, Arithmetic: not null } state
                )
                    found.Add(state);
            }
            catch (JsonException)
            {
                // A stranger's.
            }
        return [.. found.OrderBy(worker => worker.Host, StringComparer.Ordinal).ThenBy(worker => worker.Process)];
    }

    // What stands under a key; null: nothing.
    private static async Task<string?> Entry(INatsKVStore store, string key, CancellationToken cancellation)
    {
        var found = await store.TryGetEntryAsync<string>(key, cancellationToken: cancellation);
        return found.Success ? found.Value.Value
            : found.Error is NatsKVKeyNotFoundException or NatsKVKeyDeletedException ? null
            : throw found.Error;
    }

    // Writes what is not there yet; what is there stays as it is.
    private static async Task Create(INatsKVStore store, string key, string text, CancellationToken cancellation)
    {
        var written = await store.TryUpdateAsync(key, text, 0, cancellationToken: cancellation);
        if (!written.Success && written.Error is not NatsKVWrongLastRevisionException)
            throw written.Error;
    }

    // The entries of a store.
    private static async Task<List<(string Key, string Text)>> All(
        INatsKVStore store,
        string keys,
        CancellationToken cancellation
    )
    {
        List<(string, string)> found = [];
        var isEmpty = false;
        await foreach (
            var entry in store.WatchAsync<string>(
                keys,
                opts: new NatsKVWatchOpts
                {
                    IgnoreDeletes = true,
                    OnNoData = _ =>
                    {
                        isEmpty = true;
                        return ValueTask.FromResult(true);
                    },
                },
                cancellationToken: cancellation
            )
        )
        {
            if (entry.Value is { } text)
                found.Add((entry.Key, text));
            if (entry.Delta == 0)
                break;
        }
        return isEmpty ? [] : found;
    }

    /// <summary>The studies that the cluster has, with how many of their units are done.</summary>
    public IReadOnlyList<ClusterStudy> Studies(CancellationToken cancellation = default) =>
        Wait(Patiently(() => StudiesAsync(cancellation), cancellation));

    private async Task<IReadOnlyList<ClusterStudy>> StudiesAsync(CancellationToken cancellation)
    {
        List<ClusterStudy> found = [];
        foreach (var (key, text) in await All(studies, ">", cancellation))
            try
            {
                var entry = ClusterEntry.Read(text);
                var done = 0;
                await foreach (var _ in results.GetKeysAsync([$"{key}.>"], cancellationToken: cancellation))
                    done++;
                found.Add(new(entry.Name, entry.Units, done, entry.Arithmetic));
            }
            catch (AttributionException)
            {
                // Another version's, or a stranger's.
            }
        return [.. found.OrderBy(study => study.Name, StringComparer.Ordinal)];
    }

    /// <summary>Forgets a study, its units and its results; what a submitter has collected stays with it.</summary>
    /// <exception cref="AttributionException">There is none of the name.</exception>
    public void Forget(string name, CancellationToken cancellation = default) =>
        Wait(
            Patiently(
                async () =>
                {
                    if (!ClusterEntry.IsName(name) || await Entry(studies, name, cancellation) is null)
                        throw new AttributionException(
                            $"The cluster has no study '{name}': 'attribution cluster' lists them."
                        );
                    await stream.PurgeStreamAsync(
                        Stream,
                        new StreamPurgeRequest { Filter = $"{Subjects}.*.*.{name}.*" },
                        cancellation
                    );
                    await stream.PurgeStreamAsync(
                        "KV_attribution_results",
                        new StreamPurgeRequest { Filter = $"$KV.attribution_results.{name}.>" },
                        cancellation
                    );
                    // So that nothing marks the place of what was there: the name is free again.
                    await stream.PurgeStreamAsync(
                        "KV_attribution_studies",
                        new StreamPurgeRequest { Filter = $"$KV.attribution_studies.{name}" },
                        cancellation
                    );
                },
                cancellation
            )
        );

    /// <summary>Leaves the cluster.</summary>
    public void Dispose() => connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
}

/// <summary>A study that a cluster has.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Units">How many units there are.</param>
/// <param name="Done">How many of them are done.</param>
/// <param name="Arithmetic">The kind of machine that computes it; null: any.</param>
public sealed record ClusterStudy(string Name, int Units, int Done, string? Arithmetic);
