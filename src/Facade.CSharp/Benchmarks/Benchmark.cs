using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>
/// Times the methods and metrics against the passes that they need: bare loops over the same network, in the same process,
/// in the same layout and with the same allocator. Every round times everything once.
/// </summary>
public sealed class Benchmark : IDisposable
{
    private const int Steps = 32;
    private const int Few = 2;
    private const int Some = 8;
    private const int Samples = 8;
    private const int PixelsPerStep = 1000;
    private const string ForwardFloor = "forward";
    private const string GradientFloor = "forward and input gradient";

    private readonly Model model;
    private readonly string layer;
    private readonly CancellationToken cancellation;
    private readonly Tensor x;
    private readonly Tensor few;
    private readonly Tensor maps;

    /// <summary>A benchmark of random images.</summary>
    /// <param name="model">The classifier; its input shape must be known.</param>
    /// <param name="layer">The layer of the influence and of the expert.</param>
    /// <param name="images">How many images.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="AttributionException">The model does not say what images it takes, or has no such layer.</exception>
    public Benchmark(Model model, string layer, int images = 16, CancellationToken cancellation = default)
    {
        (this.model, this.layer, this.cancellation) = (model, model.RequireLayer(layer), cancellation);
        var shape =
            model.InputShape
            ?? throw new AttributionException(
                "The model does not say what images it takes, so that none can be made for it."
            );
        using var generator = new Generator(1, CPU);
        x = rand([images, .. shape], generator: generator).mul_(255);
        few = x.narrow(0, 0, Math.Min(Few, images));
        maps = randn([images, .. shape.Skip(1)], generator: generator);
    }

    private sealed record Case(
        string Name,
        long Images,
        Action Work,
        double? Target = null,
        params (string Floor, long Images)[] Passes
    );

    /// <summary>Times everything.</summary>
    /// <param name="rounds">How often; the shortest times are told.</param>
    /// <param name="withBFloat16">Whether saliency is timed in bfloat16 too.</param>
    /// <param name="progress">Told of every case.</param>
    public BenchmarkResult Run(int rounds = 3, bool withBFloat16 = true, IProgress<Progress>? progress = null)
    {
        using var half = withBFloat16 ? model.To(model.Core.Device, Precision.BFloat16) : null;
        var measurements = Measure([.. Floors(true), .. Methods(half)], rounds, progress);
        return new(measurements, layer, half is null ? null : Change(half));
    }

    /// <summary>Times every method of the registry against the passes that it takes; those of many passes explain few images, with
    /// few samples, steps and windows. Methods that the network is not for are left out.</summary>
    /// <inheritdoc cref="Run"/>
    public IReadOnlyList<Measurement> RunMethods(int rounds = 3, IProgress<Progress>? progress = null)
    {
        using var some = x.narrow(0, 0, Math.Min(Some, x.shape[0]));
        return Measure([.. WholeFloors(some), .. Registered(some)], rounds, progress);
    }

    private IReadOnlyList<Measurement> Measure(Case[] cases, int rounds, IProgress<Progress>? progress)
    {
        var seconds = Time(cases, rounds, progress);
        double Floor(Case c) =>
            c.Passes.Sum(pass => pass.Images * seconds[pass.Floor] / cases.First(f => f.Name == pass.Floor).Images);
        Measurement Measured(Case c) =>
            c.Passes.Length == 0
                ? new(c.Name, c.Images, seconds[c.Name])
                : new(
                    c.Name,
                    c.Images,
                    seconds[c.Name],
                    string.Join(" + ", c.Passes.Select(p => $"{p.Images} × {p.Floor}")),
                    seconds[c.Name] / Floor(c),
                    c.Target
                );
        return [.. cases.Select(Measured)];
    }

    /// <summary>Times the bare loops alone, in the layout that images have by default.</summary>
    public IReadOnlyList<Measurement> RunStock(int rounds = 3, IProgress<Progress>? progress = null) =>
        Measure([.. Floors(false)], rounds, progress);

    /// <summary>Runs each kind of pass, ways back by rules among them: for watching memory.</summary>
    public void RunOnce()
    {
        foreach (var c in Methods(null).Concat(Registered(x).Where(c => c.Target is null)))
            c.Work();
    }

    /// <summary>Writes a file of random VGG16 weights in their original shapes, and gives the seconds that reading it takes when
    /// it was just read.</summary>
    public static double ReadingSeconds(string path)
    {
        Vgg16.WriteRandom(path, 1);
        Model.LoadVgg16(path).Dispose();
        var clock = Stopwatch.StartNew();
        Model.LoadVgg16(path).Dispose();
        return clock.Elapsed.TotalSeconds;
    }

    /// <summary>The bytes of the model's weights.</summary>
    public long WeightBytes => ModelModule.bytes(model.Core);

    private IEnumerable<Case> Floors(bool isChannelsLast)
    {
        var part = new PlainLoop(model, layer, isChannelsLast);
        var n = x.shape[0];
        return
        [
            .. WholeFloors(x, isChannelsLast),
            new(ToLayer, n, () => part.Forward(x)),
            new(GradientToLayer, n, () => part.Gradient(x)),
        ];
    }

    private Case[] WholeFloors(Tensor images, bool isChannelsLast = true)
    {
        var whole = new PlainLoop(model, model.Core.Graph.Output, isChannelsLast);
        var n = images.shape[0];
        return [new(ForwardFloor, n, () => whole.Forward(images)), new(GradientFloor, n, () => whole.Gradient(images))];
    }

    private string ToLayer => $"forward to {layer}";

    private string GradientToLayer => $"forward and input gradient to {layer}";

    private IEnumerable<Case> Methods(Model? half)
    {
        const double Tight = 1.08;
        var n = x.shape[0];
        var classes = Math.Min(14, model.Logits(few).shape[1]);

        void Influence(long quantities) =>
            Free(
                InflDirected.Influences(
                    model,
                    layer,
                    [.. Enumerable.Range(0, (int)quantities).Select(k => new Interest(Quantity.Class(k)))],
                    x,
                    cancellation: cancellation
                )
            );

        yield return new("saliency", n, () => Saliency(model), Tight, (GradientFloor, n));
        yield return new(
            "expert attribution",
            n,
            () => Free(new InflDirected(model, layer, Quantity.Predicted).ExpertAttribution(0, x)),
            Tight,
            (GradientToLayer, n)
        );
        yield return new(
            $"integrated gradients, {Steps} steps",
            few.shape[0],
            () => Free(new IntegratedGrad(model).Attribute(few, numSteps: Steps, cancellation: cancellation)),
            Tight,
            (GradientFloor, Steps * few.shape[0]),
            (ForwardFloor, few.shape[0])
        );
        yield return new("influence, 1 quantity", n, () => Influence(1), 1.05, (ToLayer, n));
        yield return new($"influence, {classes} quantities", n, () => Influence(classes), 1.15, (ToLayer, n));
        var removals = PixelCurves.passes(NecessityOrdering.path(PixelsPerStep), maps.narrow(0, 0, few.shape[0]));
        yield return new(
            "necessity ordering",
            few.shape[0],
            () => new N_Ord(model, pixelsPerStep: PixelsPerStep).Evaluate(maps.narrow(0, 0, few.shape[0]), few),
            Tight,
            (ForwardFloor, removals + few.shape[0] + 1)
        );
        yield return new(
            "average drop",
            n,
            () => new AverageDrop(model, onNonPositive: NonPositive.Skip).Evaluate(maps, x),
            Tight,
            (ForwardFloor, 2 * n)
        );
        foreach (var derivative in Derivatives())
            yield return derivative;
        if (half is not null)
            yield return new("saliency in bfloat16", n, () => Saliency(half), 0.60, ("saliency", n));
    }

    // What a derivative in the image costs, of a map and of a score: each pass of a sweep runs again on the way back.
    private IEnumerable<Case> Derivatives()
    {
        const int Points = 8;
        var n = few.shape[0];
        var step = (int)(few.shape[2] * few.shape[3] / Points);
        var deletion = AttributionMetric.Find("deletion").Scores(model, new() { PixelsPerStep = step });
        var passes =
            PixelCurves.passes(Attribution.Core.Deletion.path(step, BaselineModule.black), maps.narrow(0, 0, n)) + n;

        void Derive(Func<Tensor, Tensor> f)
        {
            using var scope = NewDisposeScope();
            using var recording = Differentiation.Record();
            var image = few.detach().clone().requires_grad_();
            f(image).square().sum().backward();
        }

        yield return new(
            "derivative of saliency",
            n,
            () => Derive(image => new SaliencyMap(model).Attribute(image, cancellation: cancellation)),
            null,
            (GradientFloor, 2 * n)
        );
        yield return new(
            "derivative of deletion",
            n,
            () => Derive(image => deletion(maps.narrow(0, 0, n), image)),
            null,
            (ForwardFloor, passes),
            (GradientFloor, passes)
        );
    }

    private IEnumerable<Case> Registered(Tensor some)
    {
        const double PlainPasses = 1.10;
        // Two windows along the longer side.
        var window = (int)((some.shape.Skip(2).Max() + 1) / 2);
        MethodSettings settings = new()
        {
            Samples = Samples,
            Steps = Samples,
            WindowSize = window,
            Stride = window,
        };
        foreach (var method in AttributionMethod.All)
        {
            if (Explainer(method, settings) is not { } explain)
                continue;
            var work = method.Work(model, settings, some);
            var images = work.Forwards + work.Gradients > 2 ? few : some;
            var n = images.shape[0];
            yield return new(
                method.Name,
                n,
                () => Free(explain(images, cancellation: cancellation)),
                work.IsByRules ? null : PlainPasses,
                [
                    .. new[] { (ForwardFloor, work.Forwards * n), (GradientFloor, work.Gradients * n) }.Where(p =>
                        p.Item2 > 0
                    ),
                ]
            );
        }
    }

    // Null where the network has nothing that the method is about.
    private Explainer? Explainer(AttributionMethod method, MethodSettings settings)
    {
        try
        {
            return method.Create(model, settings);
        }
        catch (AttributionException)
        {
            return null;
        }
    }

    private void Saliency(Model of) => Free(new SaliencyMap(of).Attribute(x, cancellation: cancellation));

    private PrecisionChange Change(Model half)
    {
        using var scope = NewDisposeScope();
        double[][] Pixels(Tensor map) =>
            [
                .. TensorModule
                    .toArray<double>(TensorModule.pixels(map).to(ScalarType.Float64))
                    .Chunk((int)(x.shape[2] * x.shape[3])),
            ];
        var (exact, coarse) = (new SaliencyMap(model).Attribute(x), new SaliencyMap(half).Attribute(x));
        var correlations = Pixels(exact).Zip(Pixels(coarse), Statistics.rankCorrelation);
        double Score(Model of, Tensor map) =>
            new N_Ord(of, pixelsPerStep: PixelsPerStep).Evaluate(map.narrow(0, 0, few.shape[0]), few).Average();
        var score = Score(model, exact);
        return new(correlations.Average(), score, Score(half, coarse) - score);
    }

    // The fastest of the rounds: whatever else runs on the machine can only add to a time.
    private Dictionary<string, double> Time(IReadOnlyList<Case> cases, int rounds, IProgress<Progress>? progress)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        var seconds = cases.ToDictionary(c => c.Name, _ => double.PositiveInfinity);
        var clock = new Stopwatch();
        // The first time of all makes plans and takes memory, and is not counted.
        for (var round = -1; round < rounds; round++)
        for (var i = 0; i < cases.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report(new((round + 1L) * cases.Count + i, (rounds + 1L) * cases.Count));
            clock.Restart();
            cases[i].Work();
            if (round >= 0)
                seconds[cases[i].Name] = Math.Min(seconds[cases[i].Name], clock.Elapsed.TotalSeconds);
        }
        return seconds;
    }

    private static void Free(params IEnumerable<Tensor> tensors)
    {
        foreach (var tensor in tensors)
            tensor.Dispose();
    }

    /// <summary>Frees the images.</summary>
    public void Dispose()
    {
        x.Dispose();
        few.Dispose();
        maps.Dispose();
    }
}
