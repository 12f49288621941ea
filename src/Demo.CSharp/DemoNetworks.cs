using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using TorchSharp;
using static TorchSharp.torch;

namespace Attribution;

/// <summary>A network for <see cref="ConceptScenes"/> beside the <see cref="DemoNetwork"/>.</summary>
public enum SceneNetwork
{
    /// <summary>A vision transformer: 8×8 tokens and a class token, four blocks of attention of four heads.</summary>
    Vit,

    /// <summary>A Swin transformer: 16×16 tokens, of which four become one halfway, attention within windows that move.</summary>
    Swin,

    /// <summary>A segmentation: the scores of the fourteen classes and, last, of the background at each pixel.</summary>
    Segmentation,
}

/// <summary>The small transformers and the segmentation for <see cref="ConceptScenes"/>: their training, and the shipped results, as ONNX
/// files.</summary>
public static class DemoNetworks
{
    private const double PeakLearningRate = 1.5e-3;
    private const double WeightDecay = 0.05;

    private static readonly Dictionary<SceneNetwork, Lazy<string>> files = Enum.GetValues<SceneNetwork>()
        .ToDictionary(network => network, network => new Lazy<string>(() => DemoNetwork.Kept(FileName(network))));

    /// <summary>The file of a shipped network, laid in the user's cache on first use.</summary>
    public static string ModelPath(SceneNetwork network) => files[network].Value;

    /// <summary>What its file is called.</summary>
    public static string FileName(SceneNetwork network) => $"demo-{network.ToString().ToLowerInvariant()}.onnx";

    /// <summary>Trains a network and writes it as an ONNX file.</summary>
    /// <param name="network">Which.</param>
    /// <param name="outPath">The file to write; it appears whole or not at all.</param>
    /// <param name="seed">From 0 to 1 000 000: decides on the first weights and on the scenes.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the training within a batch.</param>
    public static SceneAccuracy Train(
        SceneNetwork network,
        string outPath,
        int seed = 1,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        DemoNetwork.RequireSeed(seed);
        using (AtomicFile file = new(outPath))
        using (NewDisposeScope())
        {
            TorchRuntime.Start();
            random.manual_seed(seed);
            var (module, loss, bytes) = Made(network);
            using var owned = module;
            var epochs = network == SceneNetwork.Segmentation ? 16 : 12;
            SceneTraining training = new(
                epochs,
                PeakLearningRate,
                WeightDecay,
                (epoch, seed) => -1 - epoch - (epochs * seed)
            );
            training.Fit(module, seed, loss, progress, cancellation);
            file.Stream.Write(bytes());
            file.Commit();
        }
        using var model = Model.LoadOnnx(outPath);
        using var unseen = ConceptScenes.Draw(200 * ConceptScenes.ClassNames.Count, seed);
        return DemoNetwork.Evaluate(model, unseen, cancellation);
    }

    private static (nn.Module<Tensor, Tensor> Module, Func<SceneBatch, Tensor> Loss, Func<byte[]> File) Made(
        SceneNetwork network
    )
    {
        if (network == SceneNetwork.Segmentation)
        {
            SegmentationModule segmentation = new();
            return (segmentation, segmentation.Loss, segmentation.File);
        }
        var shape = network == SceneNetwork.Vit ? TransformerShape.Vit : TransformerShape.Swin;
        TransformerModule module = new(shape);
        return (
            module,
            batch => nn.functional.cross_entropy(module.forward(batch.X), batch.Labels),
            () => TransformerFile.Of(module, shape)
        );
    }
}
