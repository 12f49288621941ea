using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace Attribution;

/// <summary>A unit of long work.</summary>
/// <param name="Key">What is to be computed, in words that the work of another process on the same inputs understands.</param>
/// <param name="Title">What it is, for people.</param>
/// <param name="Passes">Passes of single instances through the model, about.</param>
public sealed record WorkUnit(string Key, string Title, double Passes)
{
    /// <summary>A short name of the key, the same everywhere: 32 hexadecimal digits.</summary>
    public string Id => Workload.Digest(Key)[..32];
}

/// <summary>What a unit came to.</summary>
/// <param name="Data">The result, in words that <see cref="Workload.Keep"/> understands.</param>
/// <param name="Trouble">What this machine failed at that another might do, such as memory, in a sentence; null: nothing. A fault
/// of the inputs is a result like any other, and is in the data.</param>
/// <param name="Fault">What failed by itself, in a sentence, for people who watch; null: nothing.</param>
public sealed record WorkResult(string Data, string? Trouble = null, string? Fault = null);

/// <summary>Long work that is done unit by unit. Each is computed by itself, so that it gives the same to the last bit in whatever
/// order, process or equal machine.</summary>
public abstract class Workload
{
    /// <summary>All that results depend on beside their unit: contents and settings, the same on every machine.</summary>
    public abstract string Subject { get; }

    /// <summary>The units whose results are not known yet, as they are when each is asked for.</summary>
    public abstract IEnumerable<WorkUnit> Units { get; }

    /// <summary>What a machine that computes units must be told of what was found before them; null: nothing.</summary>
    public virtual string? Prepared => null;

    /// <summary>The unit of a key.</summary>
    /// <exception cref="AttributionException">The work has none of that key.</exception>
    public abstract WorkUnit Parse(string key);

    /// <summary>Computes a unit, and nothing else: the work is as it was.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops it.</param>
    public abstract WorkResult Compute(WorkUnit unit, IProgress<Progress>? progress, CancellationToken cancellation);

    /// <summary>Takes the result of a unit in.</summary>
    /// <exception cref="AttributionException">It is no result of that unit.</exception>
    public abstract void Keep(WorkUnit unit, string result);

    /// <summary>Takes in that a unit has no result, since those who computed it were lost.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="why">What happened, for people.</param>
    public abstract void Lose(WorkUnit unit, string why);

    /// <summary>The SHA-256 of a text, in hexadecimal digits.</summary>
    public static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}

/// <summary>Where the units of long work are computed.</summary>
public abstract class Workplace
{
    /// <summary>In this process, one after the other.</summary>
    /// <param name="model">The classifier, whose device takes part in what machine this is.</param>
    public static Workplace In(Model model) => new ThisProcess(Machine(model.Core.Device), _ => true);

    /// <summary>In this process, one of several equal parts of the units, for machines that do not know of each other.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="part">Which part, from 1.</param>
    /// <param name="parts">How many there are.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    public static Workplace Part(Model model, int part, int parts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(part, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(part, parts);
        // By the digest of its key, so that no part gets all units of one method.
        return new ThisProcess(
            Machine(model.Core.Device),
            unit => Convert.ToUInt32(unit.Id[..8], 16) % (uint)parts == part - 1
        );
    }

    /// <summary>Has all units computed, and hands their results to the work.</summary>
    /// <param name="work">The work.</param>
    /// <param name="progress">Told of how far it is.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="AttributionException">It cannot be done here.</exception>
    public abstract void Do(Workload work, IProgress<Progress>? progress, CancellationToken cancellation);

    /// <summary>The kind of machine that computes there: what decides the last digits of results; null: it is not known yet.</summary>
    public abstract string? Arithmetic { get; }

    /// <summary>The kind of this machine: the library, libtorch, the processor, the number of threads and the device.</summary>
    /// <param name="device">Where models run; null: the processor.</param>
    public static string Machine(TorchSharp.torch.Device? device = null) =>
        $"attribution {typeof(Workplace).Assembly.GetName().Version?.ToString(3)}, {Core.Machine.arithmetic.Value}, {device ?? TorchSharp.torch.CPU}";

    private sealed class ThisProcess(string machine, Func<WorkUnit, bool> isOwn) : Workplace
    {
        public override string? Arithmetic => machine;

        public override void Do(Workload work, IProgress<Progress>? progress, CancellationToken cancellation)
        {
            // What a unit is at is of no interest among so many.
            Passes passes = new((long)work.Units.Where(isOwn).Sum(unit => unit.Passes), progress, cancellation);
            foreach (var unit in work.Units.Where(isOwn))
                work.Keep(unit, work.Compute(unit, passes.Next((long)unit.Passes), cancellation).Data);
        }
    }
}
