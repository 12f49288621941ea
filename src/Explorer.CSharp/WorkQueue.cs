namespace Attribution;

/// <summary>One queue for the processor. What is quick does not wait for what is long: at each of its passes a long piece of work lets
/// some quick pieces go first.</summary>
internal sealed class WorkQueue : IDisposable
{
    // Quick pieces between two passes of a long one.
    private const int MostAhead = 16;

    private readonly Lane quick;
    private readonly Lane slow;
    private readonly CancellationTokenSource stop = new();

    // Who may use the processor: one at a time, a quick one first.
    private readonly object turn = new();
    private bool isTaken;
    private bool quickWaits;

    public WorkQueue() => (quick, slow) = (new(this, true), new(this, false));

    /// <summary>The pieces that wait.</summary>
    public int Waiting => quick.Count + slow.Count;

    /// <summary>Whether a piece is being done.</summary>
    public bool IsRunning => isTaken;

    /// <summary>Adds a piece.</summary>
    public void Add(Piece piece) => (piece.IsQuick ? quick : slow).Add(piece);

    /// <summary>Lets a quick piece go first, if one waits; to be called between the passes of a long one.</summary>
    public void GiveWay()
    {
        lock (turn)
        {
            if (!quickWaits)
                return;
            Leave();
            Enter(false);
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        quick.Join();
        slow.Join();
        stop.Dispose();
    }

    private void Enter(bool isQuick)
    {
        lock (turn)
        {
            quickWaits |= isQuick;
            while (isTaken || !isQuick && quickWaits)
                Monitor.Wait(turn);
            isTaken = true;
            quickWaits &= !isQuick;
        }
    }

    private void Leave()
    {
        lock (turn)
        {
            isTaken = false;
            Monitor.PulseAll(turn);
        }
    }

    /// <summary>A piece of work.</summary>
    /// <param name="IsQuick">Whether it takes a moment only.</param>
    /// <param name="Do">Does it; it throws nothing.</param>
    /// <param name="Moved">Told how many are before it, whenever that changes.</param>
    /// <param name="Cancellation">Whether it is still wanted; work that is not is handed over all the same, to end itself.</param>
    internal sealed record Piece(
        bool IsQuick,
        Action<CancellationToken> Do,
        Action<int> Moved,
        CancellationToken Cancellation
    );

    private sealed class Lane
    {
        private readonly WorkQueue queue;
        private readonly bool isQuick;
        private readonly List<Piece> waiting = [];
        private readonly Thread thread;

        public Lane(WorkQueue queue, bool isQuick)
        {
            (this.queue, this.isQuick) = (queue, isQuick);
            thread = new(Work) { IsBackground = true, Name = isQuick ? "quick answers" : "long answers" };
            thread.Start();
            queue.stop.Token.Register(() =>
            {
                lock (waiting)
                    Monitor.PulseAll(waiting);
            });
        }

        public int Count
        {
            get
            {
                lock (waiting)
                    return waiting.Count;
            }
        }

        public void Add(Piece piece)
        {
            lock (waiting)
            {
                waiting.Add(piece);
                piece.Moved(waiting.Count - 1);
                Monitor.PulseAll(waiting);
            }
            // What nobody wants any more is ended at once, not when its turn comes.
            piece.Cancellation.Register(() => Withdraw(piece));
        }

        public void Join() => thread.Join();

        private void Withdraw(Piece piece)
        {
            lock (waiting)
                if (!waiting.Remove(piece))
                    return;
            piece.Do(piece.Cancellation);
        }

        private Piece? Next(bool isPatient)
        {
            lock (waiting)
            {
                while (isPatient && waiting.Count == 0 && !queue.stop.IsCancellationRequested)
                    Monitor.Wait(waiting);
                if (waiting.Count == 0 || queue.stop.IsCancellationRequested)
                    return null;
                var piece = waiting[0];
                waiting.RemoveAt(0);
                foreach (var (before, other) in waiting.Index())
                    other.Moved(before + 1);
                return piece;
            }
        }

        private void Work()
        {
            var most = isQuick ? MostAhead : 1;
            while (Next(isPatient: true) is { } first)
            {
                queue.Enter(isQuick);
                try
                {
                    var done = 0;
                    for (var piece = first; piece is not null; piece = ++done < most ? Next(isPatient: false) : null)
                        Do(piece);
                }
                finally
                {
                    queue.Leave();
                }
            }
        }

        private void Do(Piece piece)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(piece.Cancellation, queue.stop.Token);
            piece.Do(either.Token);
        }
    }
}
