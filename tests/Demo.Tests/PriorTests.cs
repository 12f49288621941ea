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

public static class PriorTests
{
    private const int Scenes = 42;

    public static Test Tests { get; } =
        Runner.TestList(
            "Priors",
            [
                Runner.TestCase(
                    "Scenes with an honest, a lying and no mark are the same outside of the mark",
                    () =>
                    {
                        using var clean = ShortcutScenes.Draw(Scenes, seed: 3, ShortcutMark.Absent);
                        using var honest = ShortcutScenes.Draw(Scenes, seed: 3, ShortcutMark.Honest);
                        using var lying = ShortcutScenes.Draw(Scenes, seed: 3, ShortcutMark.Lying);
                        using var scenes = ConceptScenes.Draw(Scenes, seed: 3);
                        Check.Same(clean.Images.Images(), scenes.X.permute(0, 3, 1, 2).to(float32));
                        Check.Same(clean.Images.TrueClasses, [.. scenes.Classes.Select(c => c / 2)]);
                        foreach (var marked in new[] { honest, lying })
                        {
                            Check.Same(marked.Images.TrueClasses, [.. clean.Images.TrueClasses]);
                            var differ = marked.Images.Images().ne(clean.Images.Images()).any(1);
                            Expect.isFalse((differ & ~marked.MarkMasks).any().ToBoolean(), "outside");
                            Expect.isFalse((marked.ObjectMasks & marked.MarkMasks).any().ToBoolean(), "no object");
                        }
                    }
                ),
                Runner.TestCase(
                    "A mark has the colour of the class that it names, and a lying one names another than the scene's",
                    () =>
                    {
                        using var honest = ShortcutScenes.Draw(Scenes, seed: 4, ShortcutMark.Honest);
                        using var lying = ShortcutScenes.Draw(Scenes, seed: 4, ShortcutMark.Lying);
                        Check.Same(honest.ToldClasses, [.. honest.Images.TrueClasses]);
                        Expect.isTrue(
                            lying.ToldClasses.Zip(lying.Images.TrueClasses).All(pair => pair.First != pair.Second),
                            "it lies"
                        );
                        string Colour(ShortcutScenes scenes, int i) =>
                            string.Join(",", scenes.Images.Images(i..(i + 1))[0, .., 2, 2].data<float>().ToArray());
                        var colours = Enumerable
                            .Range(0, Scenes)
                            .SelectMany(i =>
                                new[]
                                {
                                    (honest.ToldClasses[i], Colour(honest, i)),
                                    (lying.ToldClasses[i], Colour(lying, i)),
                                }
                            )
                            .Distinct()
                            .ToArray();
                        Expect.equal(colours.Length, ShortcutScenes.ClassNames.Count, "one colour a class");
                        Expect.equal(colours.Select(c => c.Item2).Distinct().Count(), colours.Length, "each its own");
                    }
                ),
                Runner.TestCase(
                    "A network that is told where the object is follows a lying mark less than one that is not",
                    () =>
                    {
                        var results = PriorExperiment.Run(seeds: 1, scenes: 1400);
                        double Of(string network, string measure) => results.Trials.Mean(network, measure).Mean;
                        foreach (var network in results.Trials.Variants)
                        foreach (var measure in results.Trials.Measures)
                            Expect.isTrue(Of(network, measure) is >= 0 and <= 1, $"{network}, {measure}");
                        Expect.isTrue(
                            Of(PriorExperiment.Plain, PriorExperiment.Fooled) > 0.9,
                            "the plain one is fooled"
                        );
                        Expect.isTrue(Of(PriorExperiment.Prior, PriorExperiment.Fooled) < 0.5, "the other is not");
                        Expect.isTrue(
                            Of(PriorExperiment.Plain, PriorExperiment.InMark)
                                > 5 * Of(PriorExperiment.Prior, PriorExperiment.InMark),
                            "and its maps say why"
                        );
                        Expect.equal(results.Examples.Maps.Count, 3, "maps of each network");
                        Expect.equal(
                            results.Examples.Images.shape[0],
                            results.Examples.Captions.Count,
                            "of each scene"
                        );
                    }
                ),
                Runner.TestCase(
                    "An absurd number of seeds or scenes is refused, and work that is cancelled ends",
                    () =>
                    {
                        Check.Refuses(() => PriorExperiment.Run(seeds: 0), "0", "1 to 1000");
                        Check.Refuses(() => PriorExperiment.Run(scenes: 10), "10", "64");
                        using var cancellation = new CancellationTokenSource();
                        cancellation.Cancel();
                        var ended = false;
                        try
                        {
                            PriorExperiment.Run(seeds: 1, scenes: 64, cancellation: cancellation.Token);
                        }
                        catch (OperationCanceledException)
                        {
                            ended = true;
                        }
                        Expect.isTrue(ended, "it ends by an OperationCanceledException");
                    }
                ),
            ]
        );
}
