using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

/// <summary>What the tests have in common.</summary>
internal static class Check
{
    /// <summary>A test that reads a file of the folder that developers share, and is skipped where that is absent.</summary>
    public static Test Shared(string name, string file, Action<string> test)
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Attribution.sln")))
            {
                var path = Path.GetFullPath(Path.Combine(folder, "..", "shared", file));
                if (Path.Exists(path))
                    return Runner.TestCase(name, () => test(path));
            }
        return Runner.PendingTestCase($"{name} (skipped: there is no ../shared/{file})", () => { });
    }

    /// <summary>A test whose tensors are freed when it ends.</summary>
    public static Test InScope(string name, Action test) =>
        Runner.TestCase(
            name,
            () =>
            {
                using var scope = NewDisposeScope();
                test();
            }
        );

    /// <summary>Normal numbers in 64-bit floats.</summary>
    public static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator, dtype: float64);
    }

    /// <summary>The act throws such an exception.</summary>
    public static void Throws<T>(Action act, string what)
        where T : Exception
    {
        try
        {
            act();
        }
        catch (T)
        {
            return;
        }
        throw new InvalidOperationException($"Expected {typeof(T).Name}: {what}.");
    }

    /// <summary>A test with a folder of its own, deleted afterwards.</summary>
    public static Test InFolder(string name, Action<string> test) =>
        Runner.TestCase(
            name,
            () =>
            {
                var folder = Directory.CreateTempSubdirectory("attribution-").FullName;
                try
                {
                    test(folder);
                }
                finally
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
        );

    /// <summary>The act fails with one sentence, without line breaks, that has all these words.</summary>
    public static void Refuses(Action act, params string[] words)
    {
        try
        {
            act();
        }
        catch (AttributionException e)
        {
            foreach (var word in words)
                Expect.isTrue(e.Message.Contains(word), $"'{e.Message}' has '{word}'");
            Expect.isTrue(e.Message.EndsWith('.') && !e.Message.Contains('\n'), $"'{e.Message}' is a sentence");
            return;
        }
        throw new InvalidOperationException($"Expected an error that says {string.Join(", ", words)}.");
    }

    /// <summary>Equality of sequences, told by their first difference.</summary>
    public static void Same<T>(IEnumerable<T> actual, params T[] expected) =>
        Expect.equal(actual.ToArray(), expected, "the sequences are equal");

    /// <summary>The tensors have the same shape, and the same numbers but for so much.</summary>
    public static void Near(Tensor expected, Tensor actual, double tolerance)
    {
        Same(actual.shape, expected.shape);
        var apart = (expected - actual).abs().max().ToDouble();
        Expect.isTrue(apart <= tolerance, $"they are {apart} apart");
    }

    /// <summary>Equality of tensors, element by element, and of their shapes.</summary>
    public static void Same(Tensor actual, Tensor expected)
    {
        Same(actual.shape, expected.shape);
        Expect.isTrue(actual.eq(expected).all().ToBoolean(), "the tensors are equal");
    }
}
