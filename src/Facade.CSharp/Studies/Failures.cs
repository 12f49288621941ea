using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;

namespace Attribution;

/// <summary>What was asked for is misspelled, or does not go together; the message begins with the option of the command line that
/// is wrong.</summary>
public sealed class UsageException(string message) : ArgumentException(message);

/// <summary>What went wrong, for people.</summary>
public static class Sentence
{
    /// <summary>An error in one sentence, without names of ours or a stack trace.</summary>
    public static string Of(Exception e) =>
        e switch
        {
            AttributionException or ITold => e.Message,
            // .NET appends the names of parameters, which are ours and not the user's.
            ArgumentException => e.Message.Split([" (Parameter '", "\n"], StringSplitOptions.None)[0],
            OutOfMemoryException => "There is not enough memory: try a smaller --batch-size.",
            ExternalException when e.Message.Contains("alloc") =>
                "There is not enough memory for a batch: try a smaller --batch-size.",
            ExternalException => $"The tensor library failed: {e.Message.Split('\n')[0]}",
            IOException or UnauthorizedAccessException => $"A file cannot be used: {e.Message}",
            _ => $"An error of attribution itself, please report it: {e.GetType().Name}: {e.Message.Split('\n')[0]}",
        };
}

/// <summary>What failed of several things of a kind, of which the others go on.</summary>
/// <param name="isEvery">Whether they stand for all that there are, so that what the model does not allow is left out, and no
/// failure of the whole.</param>
internal sealed class Failures(bool isEvery)
{
    private readonly List<(string Name, Exception Error)> found = [];

    /// <summary>What the work gives; null where it fails, which is noted under a name.</summary>
    public T? Try<T>(string name, Func<T> work)
        where T : class
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is not (OperationCanceledException or UsageException))
        {
            Add(name, e);
            return null;
        }
    }

    /// <summary>Notes that something failed, and why.</summary>
    public void Add(string name, Exception error) => found.Add((name, error));

    public bool Has(string name) => found.Exists(failure => failure.Name == name);

    /// <summary>Why something failed.</summary>
    public string Reason(string name) => Sentence.Of(found.First(failure => failure.Name == name).Error);

    /// <summary>Where everything of these names failed, that is the failure of the whole.</summary>
    /// <exception cref="AttributionException">It did.</exception>
    public void RequireSome(IReadOnlyCollection<string> names)
    {
        if (names.Count == 0 || !names.All(Has))
            return;
        throw names.Select(Reason).Distinct().ToArray() is [var same]
            ? new AttributionException(same, found[0].Error)
            : new AttributionException(string.Join('\n', Sentences));
    }

    /// <summary>A sentence for each.</summary>
    public IReadOnlyList<string> Sentences => [.. found.Select(Told)];

    /// <summary>Those that are failures of the whole.</summary>
    public IReadOnlyList<string> Fatal => [.. found.Where(failure => !IsLeftOut(failure)).Select(Told)];

    /// <summary>Those that are only left out.</summary>
    public IReadOnlyList<string> LeftOut => [.. found.Where(IsLeftOut).Select(Told)];

    private bool IsLeftOut((string Name, Exception Error) failure) => isEvery && failure.Error is AttributionException;

    private string Told((string Name, Exception Error) failure) =>
        $"{failure.Name} {(IsLeftOut(failure) ? "is left out" : "failed")}: {Sentence.Of(failure.Error)}";
}
