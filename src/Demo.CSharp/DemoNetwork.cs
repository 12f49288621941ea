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
    private const int ScenesPerEpoch = 16_000;
    private const int BatchSize = 64;
    private const double PeakLearningRate = 3e-3;
    private const double WeightDecay = 0.05;

    // The price of an active unit in the first dense layer: without it most units answer to many classes.
    private const double Sparsity = 0.15;

    private static readonly Lazy<string> weights = new(() =>
    {
        using var resource = typeof(DemoNetwork).Assembly.GetManifestResourceStream("demo-vgg.npz")!;
        var bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return TorchRuntime.Keep("demo-vgg.npz", bytes);
    });

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
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the training within a batch.</param>
    /// <returns>The accuracy of the written network on 2 800 scenes that it never saw.</returns>
    /// <exception cref="AttributionException">The seed is out of range, or the file cannot be written.</exception>
    public static SceneAccuracy Train(
        string outPath,
        int seed = 1,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (seed is < 0 or > 1_000_000)
            throw new AttributionException($"Cannot train from seed {seed}: choose one from 0 to 1000000.");

        // Opened first, so that a folder that cannot be written is told before the work and not after it.
        using (var file = new NpzWriter(outPath))
        using (NewDisposeScope())
        {
            TorchRuntime.Start();
            random.manual_seed(seed);
            using var network = new DemoModule();
            Fit(network, seed, progress, cancellation);
            foreach (var (name, array) in network.Fold())
                file.Add(name, array);
            file.Commit();
        }
        using var model = Model.LoadVgg16(outPath);
        using var unseen = ConceptScenes.Draw(200 * ConceptScenes.ClassNames.Count, seed);
        return Evaluate(model, unseen, cancellation);
    }

    /// <summary>The share of scenes that a model classifies correctly.</summary>
    /// <param name="model">From N×3×64×64, 0-255, to N×14.</param>
    /// <param name="scenes">The scenes.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static SceneAccuracy Evaluate(Model model, ConceptScenes scenes, CancellationToken cancellation = default)
    {
        using var logits = model.Logits(scenes.Images, cancellation: cancellation);
        using var predicted = logits.argmax(1);
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

    private static void Fit(DemoModule network, int seed, IProgress<Progress>? progress, CancellationToken cancellation)
    {
        const int batches = ScenesPerEpoch / BatchSize;
        using var optimizer = optim.AdamW(network.parameters(), PeakLearningRate, weight_decay: WeightDecay);
        var schedule = optim.lr_scheduler.OneCycleLR(optimizer, PeakLearningRate, total_steps: Epochs * batches);
        network.train();
        for (var epoch = 0; epoch < Epochs; epoch++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scenes = ConceptScenes.Draw(ScenesPerEpoch, -1 - epoch - (Epochs * seed));
            using var labels = tensor(scenes.Classes.ToArray());
            using var order = randperm(ScenesPerEpoch);
            for (var batch = 0; batch < batches; batch++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var step = NewDisposeScope();
                var chosen = order.narrow(0, batch * BatchSize, BatchSize);

                // The bytes' strides (channels last) stay: the convolutions are fastest on them.
                var x = scenes.X[chosen].to(float32).permute(0, 3, 1, 2);
                var units = network.Dense(x);
                var loss = functional.cross_entropy(network.Head(units), labels[chosen]) + (Sparsity * units.mean());
                optimizer.zero_grad();
                loss.backward();
                optimizer.step();
                schedule.step();
                progress?.Report(new(((epoch * batches) + batch + 1L) * BatchSize, (long)Epochs * ScenesPerEpoch));
            }
        }
        network.eval();
    }
}
