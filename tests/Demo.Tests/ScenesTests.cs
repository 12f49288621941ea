using System;
using System.IO;
using System.Linq;
using System.Threading;
using Attribution;
using Expecto;
using Expecto.CSharp;
using Facade.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Demo.Tests;

public static class ScenesTests
{
    private const int Classes = 14;

    public static Test Tests { get; } =
        Runner.TestList(
            "Scenes",
            [
                Runner.TestCase(
                    "The same seed gives the same bytes, whatever the size of the set",
                    () =>
                    {
                        using var few = ConceptScenes.Draw(10, seed: 3);
                        using var many = ConceptScenes.Draw(50, seed: 3);
                        Check.Same(many.X[..10], few.X);
                        Check.Same(many.ObjectMasks[..10], few.ObjectMasks);
                        Check.Same(many.PartMasks[..10], few.PartMasks);
                        Check.Same(many.Classes.Take(10), [.. few.Classes]);
                    }
                ),
                Runner.TestCase(
                    "Another seed gives other scenes",
                    () =>
                    {
                        using var one = ConceptScenes.Draw(Classes, seed: 3);
                        using var other = ConceptScenes.Draw(Classes, seed: 4);
                        var differ = one.X.ne(other.X).flatten(1).any(1);
                        Expect.isTrue(differ.all().ToBoolean(), "every scene differs");
                    }
                ),
                Runner.TestCase(
                    "Twins are of the two classes of a pair, and differ inside the part mask alone",
                    () =>
                    {
                        using var scenes = ConceptScenes.Draw(280, seed: 5);
                        using var twins = ConceptScenes.DrawTwins(280, seed: 5);
                        Check.Same(twins.Classes, [.. scenes.Classes.Select(c => c ^ 1)]);
                        Check.Same(twins.PartMasks, scenes.PartMasks);
                        var differ = scenes.X.ne(twins.X).any(3);
                        Expect.isFalse(
                            (differ & ~scenes.PartMasks).any().ToBoolean(),
                            "no pixel outside the part differs"
                        );
                        var share = differ.sum().ToDouble() / scenes.PartMasks.sum().ToDouble();
                        Expect.isTrue(share > 0.5, $"most of the part's pixels differ ({share:p0})");
                    }
                ),
                Runner.TestCase(
                    "The object masks of twins differ inside the part mask alone",
                    () =>
                    {
                        using var scenes = ConceptScenes.Draw(280, seed: 5);
                        using var twins = ConceptScenes.DrawTwins(280, seed: 5);
                        var differ = scenes.ObjectMasks.ne(twins.ObjectMasks);
                        Expect.isFalse(
                            (differ & ~scenes.PartMasks).any().ToBoolean(),
                            "objects agree outside the part"
                        );
                    }
                ),
                Runner.TestCase(
                    "Every part lies within the two twins' objects, and both masks are a fair share of the picture",
                    () =>
                    {
                        using var scenes = ConceptScenes.Draw(280, seed: 6);
                        using var twins = ConceptScenes.DrawTwins(280, seed: 6);
                        var either = scenes.ObjectMasks | twins.ObjectMasks;
                        Expect.isFalse((scenes.PartMasks & ~either).any().ToBoolean(), "no part outside the objects");
                        var objects = scenes.ObjectMasks.flatten(1).sum(1);
                        var parts = scenes.PartMasks.flatten(1).sum(1);
                        Expect.isTrue(parts.min().ToInt64() >= 30, $"smallest part: {parts.min().ToInt64()} pixels");
                        Expect.isTrue(
                            objects.min().ToInt64() >= 150,
                            $"smallest object: {objects.min().ToInt64()} pixels"
                        );
                        Expect.isTrue(
                            parts.max().ToInt64() <= 64 * 64 / 3,
                            $"largest part: {parts.max().ToInt64()} pixels"
                        );
                    }
                ),
                Runner.TestCase(
                    "Classes are equally frequent",
                    () =>
                    {
                        using var scenes = ConceptScenes.Draw(Classes * 5);
                        Check.Same(
                            scenes.Classes.CountBy(c => c).Select(c => c.Value),
                            [.. Enumerable.Repeat(5, Classes)]
                        );
                    }
                ),
                Runner.TestCase(
                    "The image set holds the same pixels and classes, and an id leads to a scene's masks",
                    () =>
                    {
                        using var scenes = ConceptScenes.Draw(Classes * 2);
                        var cats = scenes.Images.Where(2);
                        Check.Same(cats.Ids, 2, 2 + Classes);
                        Check.Same(
                            cats.Images(),
                            scenes.X[tensor(new long[] { 2, 2 + Classes })].permute(0, 3, 1, 2).to(float32)
                        );
                    }
                ),
                Runner.TestCase(
                    "An absurd number of scenes or seed of a training is refused",
                    () =>
                    {
                        foreach (var count in new[] { 0, -1, int.MaxValue })
                            Check.Refuses(() => ConceptScenes.Draw(count), $"{count}", "100000");
                        Check.Refuses(() => DemoNetwork.Train("unused.npz", seed: -1), "-1", "1000000");
                    }
                ),
                Check.InFolder(
                    "A training that is cancelled ends at once and leaves no file",
                    folder =>
                    {
                        using var cancellation = new CancellationTokenSource();
                        cancellation.Cancel();
                        var ended = false;
                        try
                        {
                            DemoNetwork.Train(Path.Combine(folder, "weights.npz"), cancellation: cancellation.Token);
                        }
                        catch (OperationCanceledException)
                        {
                            ended = true;
                        }
                        Expect.isTrue(ended, "it ends by an OperationCanceledException");
                        Check.Same(Directory.GetFileSystemEntries(folder));
                    }
                ),
                Runner.TestCase(
                    "The shipped network is at least 96% right on scenes that it never saw",
                    () =>
                    {
                        using var model = Model.LoadVgg16(DemoNetwork.WeightsPath);
                        using var scenes = ConceptScenes.Draw(Classes * 100, seed: 20260);
                        var accuracy = DemoNetwork.Evaluate(model, scenes);
                        Expect.isTrue(accuracy.Overall >= 0.96, $"it is {accuracy.Overall:p2} right");
                        Expect.isTrue(
                            accuracy.PerPair.Min() >= 0.9,
                            $"its worst pair is {accuracy.PerPair.Min():p2} right"
                        );
                    }
                ),
                Runner.TestCase(
                    "The shipped weights take at most 3 MB",
                    () =>
                    {
                        var size = new FileInfo(DemoNetwork.WeightsPath).Length;
                        Expect.isTrue(size <= 3_000_000, $"they take {size} bytes");
                    }
                ),
            ]
        );
}
