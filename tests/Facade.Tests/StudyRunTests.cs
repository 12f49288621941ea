using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;
using Progress = Attribution.Progress;

namespace Facade.Tests;

/// <summary>The grid of methods and metrics, and what is spelled in words.</summary>
public static class StudyRunTests
{
    private const int Side = 8;
    private const int Classes = 3;

    // More than one part of images, and no whole number of them: of small images there are 32 in one.
    private const int Many = 270;
    private const int Parts32 = (Many + 31) / 32;

    private static readonly AttributionMetric[] metrics =
    [
        AttributionMetric.Find("deletion"),
        AttributionMetric.Find("sparseness"),
    ];

    public static Test Tests =>
        Runner.TestList(
            "The grid of a study",
            [
                Scoped("has the scores that each metric gives each method's maps", Scores),
                Scoped("takes images part by part, with the quantity of each", Parts),
                Scoped("takes methods of one's own, and maps that are there already", Own),
                Scoped("names what fails, and goes on with the others", Failures),
                Scoped("tells its stages, and stops when told to", Stops),
                Check.InFolder("goes on from what it kept, with more metrics too", Resumes),
                Check.InFolder("keeps the parts that were done when it was stopped", Interrupted),
                Scoped("a unit is the same in any order, and beside any other", Units),
                Scoped("what is no unit, or no result of one, is refused", Strangers),
                Scoped("a unit that is lost is named, and the rest goes on", Losses),
                Check.InFolder("what another kind of machine found is not used unless that is wished", Machines),
                Check.InFolder("parts are joined to the whole", Joined),
                Scoped("explanations hand on the maps and learn what they are", Explains),
                Scoped("positions, ids and errors are of the set that was loaded", Positions),
                Runner.TestCase("quantities and experts' questions are spelled as on the command line", Spellings),
                Runner.TestCase("misspellings are answered by what there is", Misspellings),
            ]
        );

    private static Test Scoped(string name, Action test) =>
        Runner.TestCase(
            name,
            () =>
            {
                using var scope = NewDisposeScope();
                test();
            }
        );

    private static Model Network()
    {
        using var generator = new Generator(5, CPU);
        var first = randn([3 * Side * Side, 6], generator: generator).DetachFromDisposeScope();
        var last = randn([6, Classes], generator: generator).DetachFromDisposeScope();
        return Model.FromLayers(
            ("hidden", x => x.flatten(1).matmul(first)),
            ("relu", x => x.relu()),
            ("logits", x => x.matmul(last))
        );
    }

    private static ImageSet Images(int count)
    {
        using var generator = new Generator(7, CPU);
        var x = randint(256, [count, 3, Side, Side], generator: generator).to(ScalarType.Float32);
        long[] labels = [.. Enumerable.Range(0, count).Select(i => (long)(i % Classes))];
        return ImageSet.FromTensor(x, labels, ids: [.. labels.Select((_, i) => 100L + i / 2)]);
    }

    private static StudyMethod Method(string name, Quantity? quantity = null) =>
        new(AttributionMethod.Find(name), new() { Quantity = quantity ?? Quantity.Predicted });

    private static IReadOnlyList<double> Of(Study study, string method, string metric) =>
        study.Table.Scores.Single(s => (s.Method, s.Metric) == (method, metric)).PerInstance;

    private static void Near(IReadOnlyList<double> actual, IReadOnlyList<double> expected, string what)
    {
        Expect.equal(actual.Count, expected.Count, $"{what}: how many");
        foreach (var (i, (a, e)) in actual.Zip(expected).Index())
            Expect.isTrue(Math.Abs(a - e) <= 1e-5 * Math.Max(1, Math.Abs(e)), $"{what} of image {i}: {a}, and not {e}");
    }

    private static void Scores()
    {
        using var model = Network();
        var images = Images(6);
        var study = Study.Run(
            model,
            images,
            [AttributionMethod.Find("saliency"), AttributionMethod.Find("occlusion")],
            metrics
        );
        Check.Same(
            study.Table.Scores.Select(s => $"{s.Method} {s.Metric}"),
            "saliency deletion",
            "occlusion deletion",
            "saliency sparseness",
            "occlusion sparseness"
        );
        foreach (var name in new[] { "saliency", "occlusion" })
        {
            var maps = AttributionMethod.Find(name).Create(model, new())(images);
            foreach (var metric in metrics)
                Near(
                    Of(study, name, metric.Name),
                    metric.Create(model, new())(maps, images),
                    $"{metric.Name} of {name}"
                );
        }
        Expect.equal(study.Rows.Count, 4, "a row for each method and metric");
        Expect.equal(study.Steps, PixelSteps.For(null, Side * Side), "steps");
    }

    private static void Parts()
    {
        using var model = Network();
        var images = Images(Many);
        var quantity = Quantity.TrueClass(images.TrueClasses);
        var study = Study.Run(model, images, [Method("saliency", quantity)], metrics);
        var maps = new SaliencyMap(model, quantity).Attribute(images);
        Near(Of(study, "saliency", "sparseness"), Sparseness.Evaluate(maps), "sparseness");
        Near(Of(study, "saliency", "deletion"), metrics[0].Create(model, new())(maps, images), "deletion");
    }

    private static void Own()
    {
        using var model = Network();
        var images = Images(Many);
        var maps = images.Images().square();
        StudyMethod own = new(
            "own",
            (_, _) => (x, _, _, _) => images.Images().narrow(0, Many - x.Count, x.Count).square()
        );
        StudyMethod given = new("given", maps);
        var study = Study.Run(model, images, [given], metrics);
        Near(Of(study, "given", "sparseness"), Sparseness.Evaluate(maps), "given");
        var few = images.Take([.. Enumerable.Range(Many - 5, 5)]);
        Near(
            Of(Study.Run(model, few, [own], metrics), "own", "sparseness"),
            [.. Of(study, "given", "sparseness").Skip(Many - 5)],
            "own"
        );
    }

    private static void Failures()
    {
        using var model = Network();
        var images = Images(4);
        // The network has no convolution.
        StudyMethod[] methods =
        [
            Method("saliency"),
            Method("grad-cam"),
            new("broken", (_, _) => throw new AttributionException("No.")),
        ];
        var study = Study.Run(model, images, methods, metrics);
        Check.Same(
            study.Failures.Select(sentence => sentence.Split(':')[0]),
            "The method grad-cam failed",
            "The method broken failed"
        );
        Check.Same(study.Rows.Select(row => row.Method).Distinct(), "saliency");
        var broken = study.Table.Scores.Where(s => s.Method == "broken").ToArray();
        Check.Same(broken.Select(s => s.Failure), "No.", "No.");

        var every = Study.Run(model, images, methods, metrics, new() { IsEveryMethod = true });
        Expect.equal((every.Failures.Count, every.LeftOut.Count), (0, 2), "of all that there are");
        Expect.equal(every.LeftOut[1], "The method broken is left out: No.", "by name");
        Check.Refuses(() => Study.Run(model, images, methods[1..2], metrics), "no convolution");

        var redrawn = Study.Run(
            model,
            images,
            methods[..1],
            [.. metrics, AttributionMetric.Find("parameter-randomisation")]
        );
        Expect.isTrue(
            redrawn.Failures.Single().StartsWith("The metric parameter-randomisation failed: "),
            "functions have no weights"
        );
    }

    private sealed class Heard(Action<Progress>? then = null) : IProgress<Progress>
    {
        public List<Progress> All { get; } = [];

        public void Report(Progress value)
        {
            All.Add(value);
            then?.Invoke(value);
        }
    }

    private static void Stops()
    {
        using var model = Network();
        var images = Images(4);
        Heard heard = new();
        Study.Run(model, images, [Method("occlusion")], metrics, progress: heard);
        var evaluating = heard.All.Where(p => p.Stage == "Evaluating 4 images").ToArray();
        Expect.isTrue(evaluating.Length > 2, "it says what it is at");
        Expect.isTrue(evaluating.All(p => p.Done >= 0 && p.Done <= p.Total), "within the whole");
        Expect.isTrue(evaluating.Zip(evaluating.Skip(1)).All(p => p.First.Done <= p.Second.Done), "never back");

        using CancellationTokenSource stop = new();
        Heard stopping = new(_ => stop.Cancel());
        Stopped(
            () =>
                Study.Run(model, images, [Method("occlusion")], metrics, progress: stopping, cancellation: stop.Token),
            "it stops"
        );
    }

    private static void Stopped(Action work, string what)
    {
        try
        {
            work();
        }
        catch (OperationCanceledException)
        {
            return;
        }
        throw new InvalidOperationException($"Expected the work to stop: {what}.");
    }

    private static void Resumes(string folder)
    {
        using var scope = NewDisposeScope();
        using var model = Network();
        var images = Images(Many);
        var file = Path.Combine(folder, "kept");
        List<string> said = [];
        StudyOptions options = new() { Kept = file, Said = said.Add };
        var asked = 0;
        StudyMethod counted = new(
            "counted",
            (_, _) =>
                (x, _, _, _) =>
                {
                    asked++;
                    return ones(x.Count, 3, Side, Side) + arange(Side);
                }
        );
        var first = Study.Run(model, images, [counted], metrics[1..], options);
        Expect.equal(asked, Parts32, "each part once");
        var again = Study.Run(model, images, [counted], metrics[1..], options);
        Expect.equal(asked, Parts32, "what is known is not computed");
        Check.Same(Of(again, "counted", "sparseness"), [.. Of(first, "counted", "sparseness")]);
        Check.Same(
            said.Where(s => s.StartsWith("Going on")),
            $"Going on from {Parts32} results of an earlier run in this folder."
        );

        Study.Run(model, images, [counted], metrics, options);
        Expect.equal(asked, 2 * Parts32, "another metric needs the maps again");
        Study.Run(model, images, [counted], metrics, options with { Settings = "others" });
        Expect.isTrue(said.Any(s => s.EndsWith("is not used.")), "nor what was found with others");
        Expect.equal(asked, 3 * Parts32, "all is computed");
    }

    private static void Interrupted(string folder)
    {
        using var scope = NewDisposeScope();
        using var model = Network();
        var images = Images(Many);
        StudyOptions options = new() { Kept = Path.Combine(folder, "kept") };
        using CancellationTokenSource stop = new();
        var asked = 0;
        StudyMethod method = new(
            "slow",
            (_, _) =>
                (x, _, _, cancellation) =>
                {
                    if (++asked == 2)
                        stop.Cancel();
                    cancellation.ThrowIfCancellationRequested();
                    return ones(x.Count, 3, Side, Side) + arange(Side);
                }
        );
        Stopped(
            () => Study.Run(model, images, [method], metrics[1..], options, cancellation: stop.Token),
            "in the second part"
        );
        List<string> said = [];
        var study = Study.Run(model, images, [method], metrics[1..], options with { Said = said.Add });
        Expect.equal(asked, 1 + Parts32, "all but the first part");
        Expect.isTrue(said.Any(s => s.StartsWith("Going on from 1 results")), "the first is known");
        Expect.equal(Of(study, "slow", "sparseness").Count, Many, "all images");
    }

    // Float32 convolutions, whose last digits follow the size of a pass.
    private static Model Convolutional()
    {
        using var generator = new Generator(9, CPU);
        var kernel = randn([8, 3, 3, 3], generator: generator).DetachFromDisposeScope();
        var last = randn([8 * Side * Side, Classes], generator: generator).DetachFromDisposeScope();
        return Model.FromLayers(
            ("conv", x => nn.functional.conv2d(x, kernel, padding: [1, 1]).relu()),
            ("logits", x => x.flatten(1).matmul(last))
        );
    }

    private sealed class Reversed(List<string> order) : Workplace
    {
        public override string? Arithmetic => null;

        public override void Do(Workload work, IProgress<Progress>? progress, CancellationToken cancellation)
        {
            WorkUnit[] units = [.. work.Units.Reverse()];
            // Each is understood by its key alone.
            var found = units.Select(unit => work.Compute(work.Parse(unit.Key), null, cancellation).Data).ToArray();
            foreach (var (unit, result) in units.Zip(found).Reverse())
                work.Keep(unit, result);
            order.AddRange(units.Select(unit => unit.Title));
        }
    }

    private static string[] Bits(Study study, string method) =>
        [
            .. study
                .Table.Scores.Where(s => s.Method == method)
                .SelectMany(s => s.PerInstance)
                .Select(score => BitConverter.DoubleToInt64Bits(score).ToString()),
        ];

    private static void Units()
    {
        using var model = Convolutional();
        var images = Images(70);
        AttributionMetric[] asked = [.. metrics, AttributionMetric.Find("max-sensitivity")];
        StudyMethod[] methods = [Method("saliency"), Method("integrated-gradients"), Method("smoothgrad")];
        var all = Study.Run(model, images, methods, asked);
        List<string> order = [];
        var reversed = Study.Run(model, images, methods, asked, place: new Reversed(order));
        Expect.equal(order[0], "smoothgrad, images 64 to 69", "the last comes first");
        foreach (var method in methods)
        {
            var alone = Study.Run(model, images, [method], asked);
            Check.Same(Bits(alone, method.Name), Bits(all, method.Name));
            Check.Same(Bits(reversed, method.Name), Bits(all, method.Name));
        }
    }

    private static string Told(Action act)
    {
        try
        {
            act();
        }
        catch (AttributionException e)
        {
            return e.Message;
        }
        return "nothing was refused";
    }

    private static void Strangers()
    {
        using var model = Network();
        var work = Study.Plan(model, Images(40), [Method("saliency")], metrics);
        var unit = work.Units.First();
        foreach (
            var key in new[]
            {
                "",
                "{}",
                "null",
                unit.Key.Replace("saliency", "occlusion"),
                unit.Key.Replace("\"Start\":0", "\"Start\":1"),
                unit.Key.Replace("\"Start\":0", "\"Start\":64"),
                unit.Key.Replace("deletion", "insertion"),
                unit.Key[..^1],
            }
        )
            Expect.stringContains(Told(() => work.Parse(key)), "none of this study's", key);
        var result = work.Compute(unit, null, default).Data;
        foreach (
            var wrong in new[]
            {
                "",
                "{}",
                "null",
                result[..^2],
                result.Replace("maps", "mops"),
                result.Replace("deletion", "other"),
                result.Replace("\"Machine\":\"", "\"Machine\":\"\\n"),
                work.Compute(work.Units.Last(), null, default).Data,
            }
        )
            Expect.stringContains(Told(() => work.Keep(unit, wrong)), "no result of this version", wrong);
        Expect.equal(work.Units.Count(), 2, "nothing was taken in");
        work.Keep(unit, result);
        Expect.equal(work.Units.Count(), 1, "but the result");
    }

    private sealed class Losing : Workplace
    {
        public override string? Arithmetic => null;

        public override void Do(Workload work, IProgress<Progress>? progress, CancellationToken cancellation)
        {
            foreach (var unit in work.Units)
                if (unit.Title == "occlusion, images 32 to 63")
                    work.Lose(unit, "5 workers were lost over it");
                else
                    work.Keep(unit, work.Compute(unit, null, cancellation).Data);
        }
    }

    private static void Losses()
    {
        using var model = Network();
        var study = Study.Run(
            model,
            Images(70),
            [Method("saliency"), Method("occlusion")],
            metrics,
            place: new Losing()
        );
        Expect.isTrue(Of(study, "saliency", "deletion").All(double.IsFinite), "the rest");
        Check.Same(
            study.Failures,
            "The method occlusion failed: occlusion, images 32 to 63 has no result: 5 workers were lost over it."
        );
    }

    private static void Machines(string folder)
    {
        using var scope = NewDisposeScope();
        using var model = Network();
        var images = Images(40);
        List<string> said = [];
        StudyOptions options = new() { Kept = Path.Combine(folder, "kept"), Said = said.Add };
        var study = Study.Run(model, images, [Method("saliency")], metrics, options);
        Check.Same(study.Machines, Workplace.Machine());
        File.WriteAllText(
            options.Kept!,
            File.ReadAllText(options.Kept!).Replace(Workplace.Machine(), "another processor")
        );
        Study.Run(model, images, [Method("saliency")], metrics, options with { IsMixed = true });
        Expect.isTrue(said.Any(s => s.StartsWith("Going on from 4 results")), "mixed");
        said.Clear();
        Study.Run(model, images, [Method("saliency")], metrics, options);
        Expect.isTrue(said.Any(s => s.Contains("another processor") && s.Contains("--mixed")), "it says so");
        Expect.isFalse(said.Any(s => s.StartsWith("Going on")), "and computes all anew");
    }

    private static void Joined(string folder)
    {
        using var scope = NewDisposeScope();
        using var model = Convolutional();
        var images = Images(100);
        StudyMethod[] methods = [Method("saliency"), Method("occlusion"), Method("smoothgrad")];
        var whole = Study.Run(model, images, methods, metrics);
        string[] files = [.. Enumerable.Range(1, 4).Select(part => Path.Combine(folder, $"part{part}"))];
        foreach (var (i, file) in files.Index())
            Study.RunPart(i + 1, 4, model, images, methods, metrics, new() { Kept = file });
        var kept = Path.Combine(folder, "all");
        // A dearer method has smaller units: of 100 images 7 of 16, and 4 of 32.
        var count = Study.Merge([.. files.Where(File.Exists)], kept);
        Expect.equal(count, 2 * (4 + 4 + 7), "results");
        List<string> said = [];
        var joined = Study.Run(model, images, methods, metrics, new() { Kept = kept, Said = said.Add });
        Expect.isTrue(said.Any(s => s.StartsWith($"Going on from {count} results")), "nothing is computed again");
        foreach (var method in methods)
            Check.Same(Bits(joined, method.Name), Bits(whole, method.Name));
        Expect.stringContains(Told(() => Study.Merge([], kept)), "No part", "none");
    }

    private static void Explains()
    {
        using var model = Network();
        var images = Images(Many);
        List<(string, int, long)> made = [];
        var found = Explanations.Run(
            model,
            images,
            [Method("saliency", Quantity.TrueClass(images.TrueClasses)), new("none", zeros(Many, Side, Side))],
            new() { Made = part => made.Add((part.Method.Name, part.Start, part.Maps.shape[0])) }
        );
        Check.Same(made, ("saliency", 0, 256L), ("none", 0, 256L), ("saliency", 256, 14L), ("none", 256, 14L));
        Expect.equal(found.Maps(found.Methods[1]).Positions(MapState.Empty).Count, Many, "empty maps");
        Expect.isTrue(found.Notes.Any(n => n.StartsWith("The map of none is zero everywhere for 270 of 270")), "noted");
        using var classes = model.Logits(images).argmax(1);
        Check.Same(found.PredictedClasses, classes.data<long>().ToArray());
    }

    private static void Positions()
    {
        var images = Images(10);
        Check.Same(images.Choose([7, 2, 7], [101]), 7, 2, 3);
        Check.Same(images.Choose([], []), [.. Enumerable.Range(0, 10)]);
        Check.Refuses(() => images.Choose([10], []), "no image 10", "0 to 9");
        var some = images.Take([7, 2]);
        Check.Same(Enumerable.Range(0, 2).Select(some.Position), 7, 2);
        Check.Refuses(
            () => some.Naming<int>(() => throw new AttributionException("The output for instance 1 is wrong.")),
            "for image 2 is"
        );
    }

    private static void Spellings()
    {
        using var model = Network();
        var images = Images(6);
        var names = ClassNames.Of(["cat", "dog", "hen"]);
        string Name(string text) => Spelled.Quantity(text).For(model, images, names.Find).Name;
        foreach (
            var (text, name) in new[]
            {
                ("predicted", "predicted"),
                ("true", "true"),
                ("class:dog", "class:1"),
                ("margin:cat,hen", "margin:0,2"),
                ("margin:cat+dog, hen", "margin:0+1,2"),
                ("one-vs-rest:2", "one-vs-rest:2"),
                ("threshold:dog,0.5", "threshold:1,0.5"),
                ("unit:hidden,4", "unit:hidden,4"),
            }
        )
            Expect.equal(Name(text), name, text);

        var question = Spelled.Quantity("margin:dog,cat").Ask("own", model, images, names.Find);
        Expect.equal(question.Margin, (1, 0), "the two sides");
        Check.Same(question.Distribution!, 1, 0);
        Expect.isTrue(question.IsMargin, "it has an opposite");
        Expect.isNull(Spelled.Quantity("predicted").Ask("all", model, images, names.Find).Distribution, "all images");
        Check.Same(Spelled.Quantity("predicted").Ask("class:hen,1", model, images, names.Find).Distribution!, 2, 1);
        Expect.equal(Spelled.Baseline("white"), Baseline.White, "a baseline");
        Expect.equal(
            Spelled.Neighbourhood("gaussian:20", Baseline.Black, 50, IntegrationRule.RightHand, 9, 3).ToString(),
            "gaussian:20 (9 draws, seed 3)",
            "noise"
        );
    }

    private static void Misspellings()
    {
        void Refused(Action act, string word)
        {
            try
            {
                act();
            }
            catch (UsageException e)
            {
                Expect.isTrue(e.Message.Contains(word), $"'{e.Message}' has {word}");
                return;
            }
            throw new InvalidOperationException($"Expected a misspelling told by {word}.");
        }

        foreach (
            var text in new[]
            {
                "best",
                "class:",
                "margin:1",
                "margin:1+,+",
                "one-vs-rest:",
                "threshold:1",
                "threshold:1,high",
                "unit:fc1",
                "unit:fc1,-1",
            }
        )
            Refused(() => Spelled.Quantity(text), "not '");
        foreach (var text in new[] { "some", "class:", "class:," })
            Refused(() => Spelled.Distribution(text), "class:K");
        foreach (var text in new[] { "grey", "random:x" })
            Refused(() => Spelled.Baseline(text), text);
        foreach (var text in new[] { "circle", "gaussian", "gaussian:-1" })
            Refused(() => Spelled.Neighbourhood(text, Baseline.Black, 5, IntegrationRule.RightHand, 5, 1), text);
        Refused(() => Spelled.Neighbourhood("line", Baseline.Black, null, IntegrationRule.RightHand, 5, 1), "auto");
    }
}
