using System;
using System.Linq;
using Attribution;
using Attribution.Onnx;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

internal static class OnnxModelsTests
{
    public static Test Tests =>
        Runner.TestList(
            "ONNX networks",
            [
                Agrees("mnist.onnx", 255, x => x, 1, 28),
                Agrees("cifar10_large.onnx", 1, x => x.permute(0, 2, 3, 1), 3, 32),
                Agrees("resnet_2b.onnx", 1, x => x, 3, 32),
                Agrees("resnet_4b.onnx", 1, x => x, 3, 32),
                Exported(),
            ]
        );

    /// <summary>The network in float32.</summary>
    public static Attribution.Core.Model Placed(LoadedModel model) =>
        Attribution.Core.ModelModule.toDevice(CPU, ScalarType.Float32, model.Core);

    /// <summary>The largest difference, relative to the largest number.</summary>
    public static double Error(Tensor actual, Tensor expected) =>
        ((actual - expected).abs().max() / expected.abs().max()).item<float>();

    private static Test Agrees(string file, double range, Func<Tensor, Tensor> layout, long channels, long side) =>
        Check.Shared(
            $"{file} has ONNX Runtime's logits for batches of 1 and of 5",
            $"models/{file}",
            path =>
            {
                using var scope = NewDisposeScope();
                var loaded = OnnxReader.Read(path);
                var core = Placed(loaded);
                using var generator = new Generator(3);
                var x = rand([5, channels, side, side], generator: generator) * range;
                var expected = OnnxGraph.Expected(path, layout(x));
                var five = Attribution.Core.ModelModule.logits(core, x);
                var one = cat([.. x.split(1).Select(row => Attribution.Core.ModelModule.logits(core, row))]);
                Check.Same(five.shape, 5, loaded.Classes);
                Expect.isLessThan(Error(five, expected), 1e-4, "the batch of 5 agrees");
                Expect.isLessThan(Error(one, expected), 1e-4, "the batches of 1 agree");
            }
        );

    private static Test Exported() =>
        Check.Shared(
            "a transformer exported for one image has PyTorch's logits at any batch size",
            "cases/vit-batch-one",
            folder =>
            {
                using var scope = NewDisposeScope();
                using var images = ImageSet.LoadNpz($"{folder}/x.npz");
                using var model = Model.LoadOnnx($"{folder}/vit.onnx");
                using var file = NpzFile.Open($"{folder}/x.npz");
                var expected = file.Read("logits");
                foreach (var precision in new[] { Precision.Float32, Precision.Float64 })
                foreach (var size in new[] { 1, 2, 3 })
                {
                    var logits = model.To(CPU, precision).Logits(images, size);
                    Expect.isLessThan(
                        Error(logits.to(ScalarType.Float32), expected),
                        1e-5,
                        $"{precision}, {size} a pass"
                    );
                }
            }
        );
}
