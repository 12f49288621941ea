using System;
using System.Linq;
using System.Threading;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A batch of a training on scenes.</summary>
internal sealed class SceneBatch(
    ConceptScenes scenes,
    Tensor labels,
    Tensor rows,
    Func<Tensor> others,
    int epoch,
    int number
)
{
    /// <summary>N×3×64×64, 0-255.</summary>
    public Tensor X => Images(scenes, rows);

    public Tensor Labels => labels[rows];

    public Tensor PartMasks => scenes.PartMasks[rows];

    public Tensor ObjectMasks => scenes.ObjectMasks[rows];

    /// <summary>Scenes of another batch.</summary>
    public Tensor Others() => Images(scenes, others());

    public int Epoch => epoch;

    /// <summary>Its number in the whole training.</summary>
    public int Number => number;

    // The bytes' strides (channels last) stay: convolutions are fastest on them.
    private static Tensor Images(ConceptScenes scenes, Tensor rows) => scenes.X[rows].to(float32).permute(0, 3, 1, 2);
}

/// <summary>Trains a module on scenes: every epoch draws its own.</summary>
/// <param name="epochs">How many.</param>
/// <param name="peakRate">The highest learning rate of one cycle.</param>
/// <param name="decay">That of the weights.</param>
/// <param name="seedOf">The seed of an epoch's scenes, given that of the training.</param>
internal sealed class SceneTraining(int epochs, double peakRate, double decay, Func<int, int, int> seedOf)
{
    public const int ScenesPerEpoch = 16_000;
    public const int Batches = ScenesPerEpoch / BatchSize;
    public const int BatchSize = 64;

    /// <summary>Trains, and leaves the module evaluating.</summary>
    public void Fit(
        nn.Module<Tensor, Tensor> network,
        int seed,
        Func<SceneBatch, Tensor> lossOf,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    )
    {
        using var optimizer = optim.AdamW(network.parameters(), peakRate, weight_decay: decay);
        var schedule = optim.lr_scheduler.OneCycleLR(optimizer, peakRate, total_steps: epochs * Batches);
        network.train();
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scenes = ConceptScenes.Draw(ScenesPerEpoch, seedOf(epoch, seed));
            using var labels = tensor(scenes.Classes.ToArray());
            using var order = randperm(ScenesPerEpoch);
            for (var batch = 0; batch < Batches; batch++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var step = NewDisposeScope();
                Tensor Rows(int number) => order.narrow(0, number % Batches * BatchSize, BatchSize);
                var next = batch + 1;
                SceneBatch these = new(scenes, labels, Rows(batch), () => Rows(next), epoch, (epoch * Batches) + batch);
                optimizer.zero_grad();
                using (Differentiation.Record())
                    lossOf(these).backward();
                optimizer.step();
                schedule.step();
                progress?.Report(new((these.Number + 1L) * BatchSize, (long)epochs * ScenesPerEpoch));
            }
        }
        network.eval();
    }
}
