using System.IO;
using System.Linq;
using Attribution;
using Attribution.Core;
using Expecto;
using Expecto.CSharp;
using static TorchSharp.torch;

namespace Facade.Tests;

internal static class Vgg16Tests
{
    public static Test Tests =>
        Runner.TestList(
            "VGG16",
            [
                Check.Shared(
                    "vgg16-tiny has the oracle's logits and layers",
                    "models/vgg16-tiny.npz",
                    path =>
                    {
                        using var scope = NewDisposeScope();
                        var shared = Path.GetDirectoryName(Path.GetDirectoryName(path))!;
                        var loaded = Vgg16.Read(path);
                        using var data = NpzFile.Open(Path.Combine(shared, "data", "course-tiny.npz"));
                        using var golden = NpzFile.Open(Path.Combine(shared, "golden", "vgg16-tiny.npz"));
                        var x = data.Read("X").to(ScalarType.Float32).permute(0, 3, 1, 2);
                        var logits = golden.Read("logits").to(ScalarType.Float32);
                        Check.Same(loaded.Core.InputShape.Value, 3, 64, 64);
                        Expect.equal(loaded.Classes, (int)logits.shape[1], "the classes are the golden ones");
                        Expect.isLessThan(
                            OnnxModelsTests.Error(ModelModule.logits(loaded.Core, x), logits),
                            1e-4,
                            "the logits agree"
                        );
                        foreach (var layer in new[] { "fc1", "fc1l", "pool5" })
                            Expect.isLessThan(
                                OnnxModelsTests.Error(
                                    ModelModule.units(layer, loaded.Core, x),
                                    golden.Read(layer).to(ScalarType.Float32).flatten(1)
                                ),
                                1e-4,
                                $"{layer} agrees"
                            );
                    }
                ),
            ]
        );
}
