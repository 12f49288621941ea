using System.Collections.Generic;
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
    private static readonly int[] Blocks = [2, 2, 3, 3, 3];

    private static IEnumerable<string> Convolutions =>
        Blocks.SelectMany((count, i) => Enumerable.Range(1, count).Select(j => $"conv{i + 1}_{j}"));

    // Two channels everywhere, images of 64×64, three classes; some arrays in other shapes, which may be none.
    private static string Save(string folder, params (string Name, long[]? Shape)[] others)
    {
        Dictionary<string, long[]?> shapes = [];
        foreach (var name in Convolutions)
            (shapes[name + "_W"], shapes[name + "_b"]) = ([3, 3, name == "conv1_1" ? 3 : 2, 2], [2]);
        foreach (var (name, rows, columns) in new[] { ("fc6", 8, 5), ("fc7", 5, 4), ("fc8", 4, 3) })
            (shapes[name + "_W"], shapes[name + "_b"]) = ([rows, columns], [columns]);
        foreach (var (name, shape) in others)
            shapes[name] = shape;

        var path = Path.Combine(folder, "weights.npz");
        using var scope = NewDisposeScope();
        using var file = new NpzWriter(path);
        foreach (var (name, shape) in shapes)
            if (shape is not null)
                file.Add(name, ones(shape));
        file.Commit();
        return path;
    }

    private static Test Refuses(string name, string array, long[]? shape, params string[] words) =>
        Check.InFolder(
            $"{name} is refused",
            folder =>
                Check.Refuses(() => Vgg16.Read(Save(folder, (array, shape))), [$"'{array}'", "weights.npz", .. words])
        );

    public static Test Tests =>
        Runner.TestList(
            "VGG16",
            [
                Check.InFolder(
                    "the layers have the course's names, and each activation's input is a layer too",
                    folder =>
                    {
                        var layers = ModelModule.layers(Vgg16.Read(Save(folder)).Core).ToArray();
                        string[] expected =
                        [
                            "image",
                            "centred",
                            .. Blocks.SelectMany(
                                (count, i) =>
                                    Enumerable
                                        .Range(1, count)
                                        .SelectMany(j => new[] { $"conv{i + 1}_{j}l", $"conv{i + 1}_{j}" })
                                        .Append($"pool{i + 1}")
                            ),
                            "pool5 by position",
                            .. new[] { "flatten", "fc1l", "fc1", "fc2l", "fc2", "fc3l" },
                        ];
                        Check.Same(layers, expected);
                    }
                ),
                Check.InFolder(
                    "the mean colour is subtracted within the network",
                    folder =>
                    {
                        var model = OnnxModelsTests.Placed(Vgg16.Read(Save(folder)));
                        var mean = tensor(new[] { 123.68f, 116.779f, 103.939f })
                            .reshape(1, 3, 1, 1)
                            .expand(2, 3, 64, 64);
                        Expect.equal(
                            ModelModule.units(Attribution.Core.Units.Each, "conv1_1l", model, mean).max().item<float>(),
                            1f,
                            "only the bias is left"
                        );
                    }
                ),
                Refuses("a missing array", "conv3_2_W", null),
                Refuses(
                    "a convolution of another width than the one before",
                    "conv3_2_W",
                    [3, 3, 7, 2],
                    "3×3×2",
                    "3×3×7×2"
                ),
                Refuses("a kernel of another size", "conv1_1_W", [5, 5, 3, 2], "3×3×3", "5×5×3×2"),
                Refuses("a bias of another width", "conv4_1_b", [3], "should be 2"),
                Refuses("a layer of no width", "conv5_3_W", [3, 3, 2, 0]),
                Refuses("dense weights that fit no image", "fc6_W", [10, 5], "10×5"),
                Refuses("dense layers that do not chain", "fc7_W", [6, 4], "5×", "6×4"),
                Refuses("weights of another rank", "fc8_W", [4], "4×"),
                Check.Shared(
                    "vgg16-tiny has the oracle's logits and layers",
                    "models/vgg16-tiny.npz",
                    path =>
                    {
                        using var scope = NewDisposeScope();
                        var shared = Path.GetDirectoryName(Path.GetDirectoryName(path))!;
                        var loaded = Vgg16.Read(path);
                        var core = OnnxModelsTests.Placed(loaded);
                        using var data = NpzFile.Open(Path.Combine(shared, "data", "course-tiny.npz"));
                        using var golden = NpzFile.Open(Path.Combine(shared, "golden", "vgg16-tiny.npz"));
                        var x = data.Read("X").to(ScalarType.Float32).permute(0, 3, 1, 2);
                        var logits = golden.Read("logits").to(ScalarType.Float32);
                        Check.Same(core.InputShape.Value, 3, 64, 64);
                        Expect.equal(loaded.Classes, (int)logits.shape[1], "the classes are the golden ones");
                        Expect.isLessThan(
                            OnnxModelsTests.Error(ModelModule.logits(core, x), logits),
                            1e-4,
                            "the logits agree"
                        );
                        foreach (var layer in new[] { "fc1", "fc1l", "pool5" })
                            Expect.isLessThan(
                                OnnxModelsTests.Error(
                                    ModelModule.units(Attribution.Core.Units.Each, layer, core, x),
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
