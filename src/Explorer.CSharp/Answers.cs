using System.Text.Json;
using System.Threading.Channels;

namespace Attribution;

/// <summary>What is told of a question: how many wait before it, how far it is, and its answer or why there is none.</summary>
/// <param name="Name">waiting, progress, answer or failure.</param>
/// <param name="Data">JSON.</param>
internal readonly record struct Told(string Name, byte[] Data)
{
    /// <summary>Whether nothing more follows.</summary>
    public bool IsLast => Name is "answer" or "failure";
}

/// <summary>How a question is answered.</summary>
/// <param name="progress">Told of every pass; it lets quick questions go first.</param>
/// <param name="cancellation">Stops the work.</param>
/// <returns>What the page is told, made JSON.</returns>
internal delegate object Doing(IProgress<Progress> progress, CancellationToken cancellation);

/// <summary>Answers to questions, by what was asked and of which content: each is computed once, for as many as look at it, and
/// called off when nobody does any more; as many are remembered as there is room for.</summary>
internal sealed class Answers(WorkQueue queue, long mostBytes)
{
    // Behind so many nobody waits.
    private const int MostWaiting = 1000;

    // What the keys begin with of what nobody can ask again.
    private const string OnlyOnce = "once ";

    private static readonly TimeSpan often = TimeSpan.FromMilliseconds(100);

    private readonly object padlock = new();
    private readonly Dictionary<string, Asked> open = [];
    private readonly Dictionary<string, LinkedListNode<(string Key, byte[] Data)>> remembered = [];
    private readonly LinkedList<(string Key, byte[] Data)> byUse = [];
    private long bytes;
    private long asked,
        answered,
        fromMemory,
        cancelled,
        failed;

    /// <summary>Counts, for whoever watches over it.</summary>
    public object State
    {
        get
        {
            lock (padlock)
                return new
                {
                    Asked = asked,
                    Answered = answered,
                    Remembered = fromMemory,
                    Cancelled = cancelled,
                    Failed = failed,
                    Open = open.Count,
                    Running = queue.IsRunning ? 1 : 0,
                    queue.Waiting,
                    CacheBytes = bytes,
                };
        }
    }

    /// <summary>Asks, and listens until the answer is there or nobody wants it any more.</summary>
    /// <param name="key">What is asked, of which content.</param>
    /// <param name="isQuick">Whether it takes a moment only.</param>
    /// <param name="work">How it is answered.</param>
    /// <param name="cancellation">Whether it is still wanted here; others may want it still.</param>
    public async IAsyncEnumerable<Told> Ask(
        string key,
        bool isQuick,
        Doing work,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation
    )
    {
        // A listener that reads slowly needs the last word alone, and that is never dropped.
        var heard = Channel.CreateBounded<Told>(
            new BoundedChannelOptions(16) { FullMode = BoundedChannelFullMode.DropOldest }
        );
        if (Known(key) is { } known)
        {
            yield return new("answer", known);
            yield break;
        }
        var asked = Listen(key, isQuick, work, heard);
        try
        {
            while (await heard.Reader.WaitToReadAsync(cancellation))
            while (heard.Reader.TryRead(out var told))
            {
                yield return told;
                if (told.IsLast)
                    yield break;
            }
        }
        finally
        {
            Leave(asked, heard);
        }
    }

    /// <summary>Does work that is asked once, in its turn.</summary>
    /// <param name="isQuick">Whether it takes a moment only.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellation">Whether it is still wanted.</param>
    /// <exception cref="AttributionException">It fails; the message is for the page.</exception>
    public async Task<T> Once<T>(
        bool isQuick,
        Func<IProgress<Progress>, CancellationToken, T> work,
        CancellationToken cancellation
    )
    {
        T? found = default;
        Exception? failure = null;
        object Do(IProgress<Progress> progress, CancellationToken stop)
        {
            try
            {
                found = work(progress, stop);
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                failure = e;
                throw;
            }
            return new { };
        }
        await foreach (var _ in Ask($"{OnlyOnce}{Guid.NewGuid()}", isQuick, Do, cancellation))
        {
            // How far it is nobody sees.
        }
        cancellation.ThrowIfCancellationRequested();
        return failure is null ? found! : throw new AttributionException(Spoken.Sentence(failure));
    }

    private byte[]? Known(string key)
    {
        lock (padlock)
        {
            asked++;
            if (!remembered.TryGetValue(key, out var node))
                return null;
            fromMemory++;
            byUse.Remove(node);
            byUse.AddFirst(node);
            return node.Value.Data;
        }
    }

    private Asked Listen(string key, bool isQuick, Doing work, Channel<Told> heard)
    {
        Asked? fresh = null;
        lock (padlock)
        {
            if (!open.TryGetValue(key, out var asked))
            {
                if (open.Count >= MostWaiting)
                    throw new AttributionException("Too much is asked at once: wait a moment, and ask again.");
                open[key] = asked = fresh = new(key);
            }
            asked.Listeners.Add(heard);
            if (asked.Last is { } last)
                heard.Writer.TryWrite(last);
            if (fresh is null)
                return asked;
        }
        queue.Add(
            new(
                isQuick,
                cancellation => Do(fresh, work, cancellation),
                before => Tell(fresh, new("waiting", Json.Bytes(new { Ahead = before }))),
                fresh.Wanted.Token
            )
        );
        return fresh;
    }

    private void Leave(Asked asked, Channel<Told> heard)
    {
        lock (padlock)
        {
            asked.Listeners.Remove(heard);
            if (asked.Listeners.Count > 0 || asked.IsOver)
                return;
            // Who asks the same again, asks anew.
            open.Remove(asked.Key);
        }
        asked.Wanted.Cancel();
    }

    private void Do(Asked asked, Doing work, CancellationToken cancellation)
    {
        Told last;
        var isToKeep = false;
        try
        {
            cancellation.ThrowIfCancellationRequested();
            last = new("answer", Json.Bytes(work(new Reporter(this, asked, cancellation), cancellation)));
            isToKeep = true;
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            last = new("failure", Json.Bytes(new { Sentence = "Nobody looked at the question any more." }));
        }
        catch (Exception e)
        {
            last = new("failure", Json.Bytes(new { Sentence = Spoken.Sentence(e) }));
        }
        lock (padlock)
        {
            asked.IsOver = true;
            if (open.GetValueOrDefault(asked.Key) == asked)
                open.Remove(asked.Key);
            if (isToKeep)
                answered++;
            else if (cancellation.IsCancellationRequested)
                cancelled++;
            else
                failed++;
            if (isToKeep)
                Remember(asked.Key, last.Data);
        }
        Tell(asked, last);
    }

    private void Remember(string key, byte[] data)
    {
        if (
            data.Length > mostBytes / 4
            || key.StartsWith(OnlyOnce, StringComparison.Ordinal)
            || remembered.ContainsKey(key)
        )
            return;
        remembered[key] = byUse.AddFirst((key, data));
        bytes += data.Length;
        while (bytes > mostBytes)
        {
            var (oldest, forgotten) = byUse.Last!.Value;
            byUse.RemoveLast();
            remembered.Remove(oldest);
            bytes -= forgotten.Length;
        }
    }

    private void GiveWay() => queue.GiveWay();

    private void Tell(Asked asked, Told told)
    {
        lock (padlock)
        {
            asked.Last = told;
            foreach (var listener in asked.Listeners)
                listener.Writer.TryWrite(told);
        }
    }

    private sealed class Asked(string key)
    {
        public string Key => key;
        public List<Channel<Told>> Listeners { get; } = [];
        public CancellationTokenSource Wanted { get; } = new();
        public Told? Last { get; set; }
        public bool IsOver { get; set; }
    }

    private sealed class Reporter(Answers answers, Asked asked, CancellationToken cancellation) : IProgress<Progress>
    {
        private DateTime last = DateTime.MinValue;

        public void Report(Progress progress)
        {
            cancellation.ThrowIfCancellationRequested();
            answers.GiveWay();
            if (DateTime.UtcNow - last < often)
                return;
            last = DateTime.UtcNow;
            var share = (double)progress.Done / Math.Max(progress.Total, 1);
            answers.Tell(asked, new("progress", Json.Bytes(new { progress.Stage, Share = share })));
        }
    }
}
