using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attribution;

/// <summary>Share of scenes that a network classifies correctly.</summary>
/// <param name="Overall">Over all scenes, from 0 to 1.</param>
/// <param name="PerPair">Over the scenes of each of <see cref="ConceptScenes.Pairs"/>.</param>
public sealed record SceneAccuracy(double Overall, IReadOnlyList<double> PerPair);

/// <summary>The small VGG that tells the classes of <see cref="ConceptScenes"/> apart: its training, and the shipped result.</summary>
/// <remarks>
/// The layers are VGG16's with few channels. Batch normalisation helps the training and is folded into the convolutions
/// afterwards, as is the scale of the input, so that the file holds the same arrays as <c>vgg16_weights.npz</c>.
/// </remarks>
public static class DemoNetwork
{
    private const int Epochs = 3;
    private const double PeakLearningRate = 3e-3;
    private const double WeightDecay = 0.05;

    // The price of an active unit in the first dense layer: without it most units answer to many classes.
    private const double Sparsity = 0.15;

    // The weight of the maps' loss in the end. It grows from 0 after the first epoch: before, the statistics of the normalisations, by
    // which a trained network explains, are far from the scenes', and so are its maps.
    private const double PriorWeight = 1;

    private static readonly Lazy<string> weights = new(() => Kept("demo-vgg.npz"));

    internal static string Kept(string file)
    {
        using var resource = typeof(DemoNetwork).Assembly.GetManifestResourceStream(file)!;
        var bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return TorchRuntime.Keep(file, bytes);
    }

    /// <summary>The file of the shipped weights, in the format of <c>vgg16_weights.npz</c>.</summary>
    /// <remarks>The weights are part of the library, and laid in the user's cache on first use.</remarks>
    public static string WeightsPath => weights.Value;

    /// <summary>Trains the network and writes its weights in the format of <c>vgg16_weights.npz</c>.</summary>
    /// <remarks>
    /// Every epoch draws scenes of its own, all from negative seeds: the scenes of a seed from 0 upwards are never trained on.
    /// The same seed gives the same weights on the same machine with the same number of threads.
    /// </remarks>
    /// <param name="outPath">The file to write; it appears whole or not at all.</param>
    /// <param name="seed">From 0 to 1 000 000: decides on the first weights and on the scenes.</param>
    /// <param name="prior">Where the evidence may lie: expected gradients of the true class's logit outside of it are a loss (see
    /// <see cref="AttributionPrior.Outside"/>).</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the training within a batch.</param>
    /// <returns>The accuracy of the written network on 2 800 scenes that it never saw.</returns>
    /// <exception cref="AttributionException">The seed is out of range, or the file cannot be written.</exception>
    public static SceneAccuracy Train(
        string outPath,
        int seed = 1,
        ScenePrior prior = ScenePrior.None,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        RequireSeed(seed);

        // Opened first, so that a folder that cannot be written is told before the work and not after it.
        using (var file = new NpzWriter(outPath))
        using (NewDisposeScope())
        {
            TorchRuntime.Start();
            random.manual_seed(seed);
            using var network = new DemoModule();
            Fit(network, seed, prior, progress, cancellation);
            foreach (var (name, array) in network.Fold())
                file.Add(name, array);
            file.Commit();
        }
        using var model = Model.LoadVgg16(outPath);
        using var unseen = ConceptScenes.Draw(200 * ConceptScenes.ClassNames.Count, seed);
        return Evaluate(model, unseen, cancellation);
    }

    /// <summary>The first scenes that a training from a seed sees: those of its first epoch.</summary>
    /// <param name="count">How many, up to 16 000.</param>
    /// <param name="seed">The training's: that of the shipped network is 1.</param>
    /// <exception cref="AttributionException">The count or the seed is out of range.</exception>
    public static ConceptScenes TrainingScenes(int count, int seed = 1)
    {
        if (count > SceneTraining.ScenesPerEpoch)
            throw new AttributionException(
                $"An epoch has {SceneTraining.ScenesPerEpoch} scenes, but {count} were asked for."
            );
        RequireSeed(seed);
        return ConceptScenes.Draw(count, SeedOf(0, seed));
    }

    private static int SeedOf(int epoch, int seed) => -1 - epoch - (Epochs * seed);

    internal static void RequireSeed(int seed)
    {
        if (seed is < 0 or > 1_000_000)
            throw new AttributionException($"Cannot train from seed {seed}: choose one from 0 to 1000000.");
    }

    /// <summary>The share of scenes that a model classifies correctly; of a segmentation, by the class of most of what it takes for an
    /// object.</summary>
    /// <param name="model">From N×3×64×64, 0-255, to N×14, or a segmentation whose last class is the background.</param>
    /// <param name="scenes">The scenes.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static SceneAccuracy Evaluate(Model model, ConceptScenes scenes, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var predicted = model.Regions is { } regions
            ? cat([.. scenes.Images.Images().split(SceneTraining.BatchSize).Select(x => MostOf(model, regions, x))])
            : model.Logits(scenes.Images, cancellation: cancellation).argmax(1);
        var hits = scenes
            .Classes.Zip(predicted.data<long>(), (label, guess) => (Pair: label / 2, Hit: label == guess ? 1.0 : 0.0))
            .ToArray();
        return new(
            hits.Average(scene => scene.Hit),
            [
                .. hits.GroupBy(scene => scene.Pair)
                    .OrderBy(pair => pair.Key)
                    .Select(pair => pair.Average(scene => scene.Hit)),
            ]
        );
    }

    private static Tensor MostOf(Model model, RegionScores regions, Tensor x)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var classes = Core.ModelModule.value(regions.Layer, model.Core, x).argmax(1).flatten(1);
        var counts = stack(
            [.. Enumerable.Range(0, ConceptScenes.ClassNames.Count).Select(k => classes.eq((long)k).sum(1))],
            1
        );
        return counts.argmax(1).MoveToOuterDisposeScope();
    }

    private static void Fit(
        DemoModule network,
        int seed,
        ScenePrior prior,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        using var model = Model.FromModule(network);
        SceneTraining training = new(Epochs, PeakLearningRate, WeightDecay, SeedOf);
        training.Fit(network, seed, Loss, progress, cancellation);

        Tensor Loss(SceneBatch batch)
        {
            var units = network.Dense(batch.X);
            var loss = functional.cross_entropy(network.Head(units), batch.Labels).Plus(units.mean().Times(Sparsity));
            if (prior == ScenePrior.None || batch.Epoch == 0)
                return loss;
            var inside = prior == ScenePrior.Part ? batch.PartMasks : batch.ObjectMasks;
            var outside = ScenePriors.Loss(
                model,
                batch.X,
                batch.Labels.data<long>().ToArray(),
                inside,
                batch.Others(),
                batch.Number
            );
            const int batches = SceneTraining.Batches;
            var grown = (batch.Number - batches) / ((Epochs - 1.0) * batches);
            return loss.Plus(outside.Times(grown * PriorWeight));
        }
    }
}
