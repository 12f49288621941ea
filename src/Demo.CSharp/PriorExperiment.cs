using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>Scenes whose mark lies, and what each network of the first seed looked at in them.</summary>
/// <param name="Images">n×3×64×64, 0-255.</param>
/// <param name="Captions">What each shows, and what its mark says.</param>
/// <param name="Maps">For each network, the maps of the predicted class (n×3×64×64), and what was predicted.</param>
public sealed record ShortcutExamples(
    Tensor Images,
    IReadOnlyList<string> Captions,
    IReadOnlyList<(string Network, Tensor Maps, IReadOnlyList<string> Predicted)> Maps
);

/// <summary>What an experiment with priors gave.</summary>
/// <param name="Trials">Accuracies, and where the attribution lies, by network and seed.</param>
/// <param name="Examples">Some scenes.</param>
public sealed record PriorResults(Trials Trials, ShortcutExamples Examples);

/// <summary>
/// Does a prior on explanations keep a network from a shortcut? Networks are trained on <see cref="ShortcutScenes"/> whose marks are
/// honest: one that is told nothing, and one whose attribution outside of the object is a loss. They are tested where there is no
/// mark, and where it lies. A third shows what there is to learn: it is trained where there is no mark.
/// </summary>
public static class PriorExperiment
{
    /// <summary>Accuracy where the mark is honest, as in training.</summary>
    public const string Honest = "accuracy, honest mark";

    /// <summary>Accuracy where there is no mark.</summary>
    public const string Clean = "accuracy, no mark";

    /// <summary>Accuracy where the mark lies.</summary>
    public const string Lying = "accuracy, lying mark";

    /// <summary>Share of the scenes with a lying mark in which the class is predicted that the mark names.</summary>
    public const string Fooled = "follows the lying mark";

    /// <summary>Share of the positive attribution in the mark.</summary>
    public const string InMark = "attribution in the mark";

    /// <summary>Share of the positive attribution in the object.</summary>
    public const string InObject = "attribution in the object";

    /// <summary>The network that is told nothing.</summary>
    public const string Plain = "no prior";

    /// <summary>The one whose attribution outside of the object is a loss.</summary>
    public const string Prior = "object prior";

    /// <summary>The one that is trained on scenes without a mark.</summary>
    public const string Unmarked = "no mark";

    private const int Epochs = 6;
    private const int BatchSize = 64;
    private const int TestScenes = 560;
    private const int LocatedScenes = 140;
    private const int ExampleScenes = 6;
    private const int PathSteps = 20;
    private const double PeakLearningRate = 3e-3;
    private const double WeightDecay = 0.01;

    // The loss of the maps is about as large as that of the classes then.
    private const double PriorWeight = 20;

    // A step with a prior takes about so many plain ones.
    private const int PriorCost = 3;

    /// <summary>The training scenes of each seed, where nobody says how many.</summary>
    public const int DefaultScenes = 7000;

    /// <summary>Trains and tests the networks.</summary>
    /// <param name="seeds">How many seeds: 1, 2, … decide on first weights, order, baselines and scenes.</param>
    /// <param name="scenes">The training scenes of each.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the work within a batch.</param>
    /// <exception cref="AttributionException">There is no seed, or there are fewer scenes than a batch.</exception>
    public static PriorResults Run(
        int seeds = 5,
        int scenes = DefaultScenes,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (seeds is < 1 or > 1000)
            throw new AttributionException($"Cannot repeat an experiment with {seeds} seeds: ask for 1 to 1000.");
        if (scenes is < BatchSize or > ConceptScenes.MaxCount)
            throw new AttributionException(
                $"Cannot train on {scenes} scenes: ask for {BatchSize} to {ConceptScenes.MaxCount}."
            );
        TorchRuntime.Start();
        Trials trials = new(
            [Plain, Prior, Unmarked],
            [Honest, Clean, Lying, Fooled, InMark, InObject],
            Enumerable.Range(1, seeds)
        );
        var total = (long)seeds * Epochs * (scenes / BatchSize) * trials.Variants.Sum(Cost);
        var done = 0L;
        ShortcutExamples? examples = null;
        foreach (var seed in trials.Each)
        {
            using var drawn = ConceptScenes.Draw(scenes, FirstTrainingSeed - seed);
            using var marked = ShortcutScenes.Of(drawn, ShortcutMark.Honest);
            using var unmarked = ShortcutScenes.Of(drawn, ShortcutMark.Absent);
            using Tested tested = new(seed);
            List<(string, Tensor, IReadOnlyList<string>)> maps = [];
            foreach (var variant in trials.Variants)
            {
                var stage = $"Training: {variant}, seed {seed} of {seeds}";
                void Report() => progress?.Report(new(done += Cost(variant), total) { Stage = stage });
                var training = variant == Unmarked ? unmarked : marked;
                using var network = Fit(training, variant == Prior, seed, Report, cancellation);
                using var model = Model.FromModule(network);
                foreach (var (measure, value) in tested.Measure(model, cancellation))
                    trials.Add(variant, seed, measure, value);
                if (examples is null)
                    maps.Add((variant, Explain(model, tested.Examples), tested.Predictions(model)));
            }
            examples ??= new(tested.Examples, tested.Captions, maps);
        }
        return new(trials, examples!);
    }

    // Neither tested on, nor trained on by the demo's network.
    private const int FirstTrainingSeed = -4_000_000;

    private static long Cost(string variant) => variant == Prior ? PriorCost : 1;

    /// <summary>Seven logits of scenes, 0-255.</summary>
    internal static nn.Module<Tensor, Tensor> Network()
    {
        // The scenes' mean and deviation, which do not change in training.
        var scale = nn.BatchNorm2d(3, affine: false);
        scale.running_mean!.fill_(Number.Of(110.0));
        scale.running_var!.fill_(Number.Of(64.0 * 64.0));
        List<(string, nn.Module<Tensor, Tensor>)> layers = [("scale", scale)];
        long[] widths = [3, 16, 32, 48, 64];
        for (var i = 1; i < widths.Length; i++)
        {
            layers.Add(($"conv{i}", nn.Conv2d(widths[i - 1], widths[i], 3, stride: 2, padding: 1)));
            layers.Add(($"relu{i}", nn.ReLU()));
        }
        layers.Add(("flat", nn.Flatten()));
        layers.Add(("dense", nn.Linear(16 * widths[^1], 64)));
        layers.Add(("relu", nn.ReLU()));
        layers.Add(("logits", nn.Linear(64, ShortcutScenes.ClassNames.Count)));
        var network = nn.Sequential(layers);
        network.eval();
        return network;
    }

    private static nn.Module<Tensor, Tensor> Fit(
        ShortcutScenes scenes,
        bool hasPrior,
        int seed,
        Action onBatch,
        CancellationToken cancellation
    )
    {
        random.manual_seed(seed);
        var network = Network();
        using var scope = NewDisposeScope();
        using var model = Model.FromModule(network);
        var (count, classes) = (scenes.Images.Count, scenes.Images.TrueClasses);
        var batches = count / BatchSize;
        using var optimizer = optim.AdamW(network.parameters(), PeakLearningRate, weight_decay: WeightDecay);
        var schedule = optim.lr_scheduler.OneCycleLR(optimizer, PeakLearningRate, total_steps: Epochs * batches);
        for (var epoch = 0; epoch < Epochs; epoch++)
        {
            var order = randperm(count).data<long>().ToArray();
            for (var batch = 0; batch < batches; batch++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var step = NewDisposeScope();
                var chosen = order[(batch * BatchSize)..((batch + 1) * BatchSize)];
                long[] labels = [.. chosen.Select(i => classes[(int)i])];
                var x = scenes.Images.Take(chosen.Select(i => (int)i)).Images();
                optimizer.zero_grad();
                using (Differentiation.Record())
                {
                    var loss = nn.functional.cross_entropy(network.forward(x), tensor(labels));
                    if (hasPrior)
                    {
                        // Half of a batch is explained, from the other half.
                        const int Half = BatchSize / 2;
                        var inside = scenes.ObjectMasks[tensor(chosen[..Half])];
                        var draw = (epoch * batches) + batch;
                        var outside = ScenePriors.Loss(model, x[..Half], labels[..Half], inside, x[Half..], draw);
                        loss = loss.Plus(outside.Times(PriorWeight));
                    }
                    loss.backward();
                }
                optimizer.step();
                schedule.step();
                onBatch();
            }
        }
        return network;
    }

    /// <summary>The scenes that the networks of a seed are tested on.</summary>
    private sealed class Tested : IDisposable
    {
        private readonly ShortcutScenes honest;
        private readonly ShortcutScenes clean;
        private readonly ShortcutScenes lying;

        // Of the fourteen classes that follow each other, each object's first.
        private readonly int[] rows = [.. Enumerable.Range(0, ExampleScenes).Select(i => 2 * i)];

        public Tested(int seed)
        {
            using var drawn = ConceptScenes.Draw(TestScenes, seed);
            honest = ShortcutScenes.Of(drawn, ShortcutMark.Honest);
            clean = ShortcutScenes.Of(drawn, ShortcutMark.Absent);
            lying = ShortcutScenes.Of(drawn, ShortcutMark.Lying);
        }

        private ImageSet Shown => lying.Images.Take(rows);

        /// <summary>Scenes of several objects, whose mark lies.</summary>
        public Tensor Examples => Shown.Images();

        /// <summary>What they show, and what their marks say.</summary>
        public IReadOnlyList<string> Captions =>
            [.. rows.Select(i => $"{Named(lying.Images.TrueClasses[i])}, marked {Named(lying.ToldClasses[i])}")];

        public IReadOnlyList<string> Predictions(Model model) => [.. Predicted(model, Shown).Select(Named)];

        /// <summary>Every measure of a network.</summary>
        public IEnumerable<(string Measure, double Value)> Measure(Model model, CancellationToken cancellation)
        {
            double Agreement(ShortcutScenes scenes, IReadOnlyList<long> classes) =>
                Predicted(model, scenes.Images, cancellation).Zip(classes, (a, b) => a == b ? 1.0 : 0.0).Average();
            yield return (Honest, Agreement(honest, honest.Images.TrueClasses));
            yield return (Clean, Agreement(clean, clean.Images.TrueClasses));
            yield return (Lying, Agreement(lying, lying.Images.TrueClasses));
            yield return (Fooled, Agreement(lying, lying.ToldClasses));
            using var scope = NewDisposeScope();
            var maps = Explain(model, lying.Images.Take(Enumerable.Range(0, LocatedScenes)), cancellation);
            double Share(Tensor masks) =>
                Localisation
                    .Shares(masks[..LocatedScenes], maps)
                    .Where(double.IsFinite)
                    .DefaultIfEmpty(double.NaN)
                    .Average();
            yield return (InMark, Share(lying.MarkMasks));
            yield return (InObject, Share(lying.ObjectMasks));
        }

        public void Dispose()
        {
            honest.Dispose();
            clean.Dispose();
            lying.Dispose();
        }

        private static string Named(long @class) => ShortcutScenes.ClassNames[(int)@class];

        private static long[] Predicted(Model model, ImageSet scenes, CancellationToken cancellation = default)
        {
            using var scope = NewDisposeScope();
            return model.Logits(scenes, cancellation: cancellation).argmax(1).data<long>().ToArray();
        }
    }

    // Integrated gradients of the predicted class's logit from black.
    private static Tensor Explain(Model model, Instances scenes, CancellationToken cancellation = default) =>
        new IntegratedGrad(model).Attribute(scenes, numSteps: PathSteps, cancellation: cancellation);
}
