using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Text;
using Attribution;
using Expecto;
using Expecto.CSharp;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Facade.Tests;

/// <summary>Models of TorchScript files. TorchScript/make.py made these, and net.npz, in PyTorch.</summary>
public static class TorchScriptTests
{
    private const string Uncut = "cannot be cut: export the model to ONNX";
    private const int Class = 1;

    private static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Models", "TorchScript", name);

    private static Model Load(string name = "net.pt", Preprocessing? preprocessing = null) =>
        Model.LoadTorchScript(PathOf(name), preprocessing);

    private static Tensor Images()
    {
        using var images = ImageSet.LoadNpz(PathOf("net.npz"));
        return images.Images();
    }

    private static Tensor PyTorchs(string name)
    {
        using var npz = NpzFile.Open(PathOf("net.npz"));
        return npz.Read(name);
    }

    private static void Near(Tensor actual, Tensor expected, double tolerance = 1e-5)
    {
        Check.Same(actual.shape, expected.shape);
        var (a, e) = (actual.to(ScalarType.Float64), expected.to(ScalarType.Float64));
        Expect.isLessThan(
            (a - e).abs().max().ToDouble(),
            tolerance * e.abs().max().ToDouble(),
            "the largest difference"
        );
    }

    private static void Near(IEnumerable<double> actual, IEnumerable<double> expected) =>
        Near(tensor(actual.ToArray()), tensor(expected.ToArray()));

    // The same network, written out.
    private static Model Layers()
    {
        using var module = jit.load(PathOf("net.pt"));
        var w = module
            .named_parameters()
            .Select(named => (named.name, buffer: (Tensor)named.parameter))
            .Concat(module.named_buffers())
            .ToDictionary(named => named.name, named => named.buffer.detach().clone());
        return Model.FromLayers(
            ("conv", x => F.conv2d(x, w["conv.weight"], w["conv.bias"], padding: new long[] { 1, 1 })),
            (
                "norm",
                x =>
                    F.batch_norm(
                        x,
                        w["norm.running_mean"],
                        w["norm.running_var"],
                        w["norm.weight"],
                        w["norm.bias"],
                        training: false,
                        eps: 1e-5
                    )
            ),
            ("relu", x => x.relu()),
            ("pool", x => F.max_pool2d(x, 2)),
            ("head", x => F.linear(x.flatten(1), w["head.weight"], w["head.bias"]))
        );
    }

    private static Test Case(string name, Action test) =>
        Runner.TestCase(
            name,
            () =>
            {
                using var scope = NewDisposeScope();
                test();
            }
        );

    private static Test Refused(string name, string file, params string[] words) =>
        Case(
            $"{name} is refused in one sentence",
            () =>
            {
                using var model = Load(file);
                Check.Refuses(() => new SaliencyMap(model).Attribute(Images()), [file, .. words]);
            }
        );

    // What is made of a good file's bytes.
    private static Test Broken(string name, Func<byte[], byte[]> make, params string[] words) =>
        Check.InFolder(
            $"{name} is refused in one sentence",
            folder =>
            {
                var path = Path.Combine(folder, "broken.pt");
                File.WriteAllBytes(path, make(File.ReadAllBytes(PathOf("net.pt"))));
                Check.Refuses(() => Model.LoadTorchScript(path), ["broken.pt", .. words]);
            }
        );

    // The good file with another line in its module's source.
    private static string Changed(string folder, string line, string by, string gives = "Tensor")
    {
        var path = Path.Combine(folder, "changed.pt");
        File.Delete(path);
        using var source = ZipFile.OpenRead(PathOf("net.pt"));
        using var target = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var member in source.Entries)
        {
            using var reader = new StreamReader(member.Open(), Encoding.Latin1);
            var text = reader.ReadToEnd();
            if (member.Name == "__torch__.py")
                text = text.Replace(line, by).Replace("x: Tensor) -> Tensor", $"x: Tensor) -> {gives}");
            using var writer = new StreamWriter(
                target.CreateEntry(member.FullName, CompressionLevel.NoCompression).Open(),
                Encoding.Latin1
            );
            writer.Write(text);
        }
        return path;
    }

    private static byte[] Noise(int length)
    {
        var bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    public static Test Tests =>
        Runner.TestList(
            "TorchScript files",
            [
                Case(
                    "give PyTorch's logits, in evaluation though saved in training, for every batch size",
                    () =>
                    {
                        using var model = Load();
                        foreach (var size in new int?[] { null, 1, 2 })
                            Near(model.Logits(Images(), size), PyTorchs("logits"));
                    }
                ),
                Case(
                    "give PyTorch's gradients, for every batch size",
                    () =>
                    {
                        using var model = Load();
                        var x = Images();
                        foreach (var size in new int?[] { null, 1, 2 })
                        {
                            var saliency = new SaliencyMap(model, Class);
                            Near(saliency.Attribute(x, size, multiplyWithInput: false), PyTorchs("gradient"));
                            Near(saliency.Attribute(x, size), PyTorchs("gradient") * x);
                        }
                    }
                ),
                Case(
                    "have preprocessing in front of them, with its own gradient",
                    () =>
                    {
                        var steps = new Preprocessing(2, [10, 20, 30], [1, 3, 5], ChannelOrder.Bgr);
                        using var plain = Load();
                        using var model = Load(preprocessing: steps);
                        var x = Images();
                        var std = tensor(new[] { 1f, 3f, 5f }).reshape(3, 1, 1);
                        var given = (x.flip(1) / 2 - tensor(new[] { 10f, 20f, 30f }).reshape(3, 1, 1)) / std;
                        Near(model.Logits(x), plain.Logits(given));

                        Tensor Gradient(Model of, Tensor at) =>
                            new SaliencyMap(of, Class).Attribute(at, multiplyWithInput: false);
                        Near(Gradient(model, x), (Gradient(plain, given) / (2 * std)).flip(1));
                    }
                ),
                Case(
                    "have integrated gradients that are complete",
                    () =>
                    {
                        using var model = Load();
                        var gradients = new IntegratedGrad(model, Class);
                        var found = gradients.AttributeAdaptively(Images(), tolerance: 0.01);
                        Expect.isLessThan(found.Gaps.Max(), 0.01, "the gap");
                        var black = model.Logits(zeros_like(Images()));
                        var rise = (model.Logits(Images()) - black).select(1, Class);
                        Near(found.Attributions.sum([1, 2, 3]), rise, 0.02);
                    }
                ),
                Case(
                    "have the maps and scores of the same network written out as layers",
                    () =>
                    {
                        using var model = Load();
                        using var layers = Layers();
                        var x = Images();
                        Near(new IntegratedGrad(model).Attribute(x), new IntegratedGrad(layers).Attribute(x));
                        using var generator = new Generator(4);
                        var maps = randn(x.shape, generator: generator);
                        Near(
                            new N_Ord(model, pixelsPerStep: 10).Evaluate(maps, x),
                            new N_Ord(layers, pixelsPerStep: 10).Evaluate(maps, x)
                        );
                        Near(
                            new AverageDrop(model).Evaluate(maps, x).Drops,
                            new AverageDrop(layers).Evaluate(maps, x).Drops
                        );
                    }
                ),
                Case(
                    "go into another precision as a model of its own, with what is in front of them",
                    () =>
                    {
                        var model = Load(preprocessing: Preprocessing.Unit);
                        using var wide = model.To(CPU, Precision.Float64);
                        using var coarse = wide.To("cpu", Precision.BFloat16);
                        Check.Same(
                            [model.Precision, wide.Precision, coarse.Precision],
                            Precision.Float32,
                            Precision.Float64,
                            Precision.BFloat16
                        );
                        var expected = model.Logits(Images());
                        model.Dispose();
                        Near(wide.Logits(Images()), expected);
                        Near(coarse.Logits(Images()), expected, 0.05);
                        Check.Same(coarse.Notes.Select(note => note.Contains("bfloat16")), true);
                    }
                ),
                Case(
                    "keep their precision where they look things up by whole numbers",
                    () =>
                    {
                        using var model = Load("table.pt");
                        var order = tensor(new[] { 3f, 1f, 2f });
                        Near(model.Logits(Images()), Images().mean([2, 3]) * order);
                        using var same = model.To(CPU, Precision.Float32);
                        Near(same.Logits(Images()), Images().mean([2, 3]) * order);
                        Check.Refuses(() => model.To(CPU, Precision.Float64), "table.pt", "'order'", "Int64");
                    }
                ),
                Case(
                    "have no layers inside to cut, and say what to do",
                    () =>
                    {
                        using var model = Load(preprocessing: Preprocessing.Unit);
                        Check.Same(model.Layers, "image", "input", "logits");
                        Check.Same(model.Describe().Select(layer => layer.Note), "", "", "");
                        Check.Refuses(() => new InflDirected(model, "conv", Quantity.Predicted), "net.pt", Uncut);
                        Check.Refuses(() => Cuts.Default(model), "net.pt", Uncut);
                        Check.Refuses(() => model.Within(1 << 20), "batch size");

                        // The images themselves are a layer.
                        var pixels = new InflDirected(model, "image", Quantity.Class(Class), Units.Each);
                        var gradients = new SaliencyMap(model, Class).Attribute(Images(), multiplyWithInput: false);
                        Near(pixels.Influence(Images()).flatten(), gradients.mean([0]).flatten());
                    }
                ),
                Case(
                    "say in one sentence which images they do not take",
                    () =>
                    {
                        using var plain = Load();
                        Check.Refuses(() => plain.Logits(zeros(2, 3, 8, 8)), "net.pt", "3×8×8", "cannot be multiplied");
                        Check.Refuses(() => plain.Logits(zeros(2, 1, 16, 16)), "net.pt", "1×16×16", "channels");
                        Check.Refuses(() => plain.Logits(zeros(2, 5)), "net.pt", "shape 5 ");
                        using var colour = Load(preprocessing: Preprocessing.ImageNet);
                        Check.Refuses(() => colour.Logits(zeros(2, 1, 16, 16)), "net.pt", "1 channels");
                        using var reversed = Load(preprocessing: new(channelOrder: ChannelOrder.Bgr));
                        Check.Refuses(() => reversed.Logits(zeros(2, 1, 16, 16)), "net.pt", "bgr");
                    }
                ),
                Refused("a module of several results", "pair.pt", "several results"),
                Check.InFolder(
                    "that give a dictionary are refused in one sentence",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        const string Last = "return (head).forward(_1, )";
                        var path = Changed(folder, Last, "return {\"out\": (head).forward(_1, )}", "Dict[str, Tensor]");
                        using var model = Model.LoadTorchScript(path);
                        Check.Refuses(
                            () => model.Logits(Images()),
                            path,
                            "dictionary",
                            "save a module that returns them"
                        );
                    }
                ),
                Check.InFolder(
                    "that were traced with one image run on each of several, and with two say so",
                    folder =>
                    {
                        using var scope = NewDisposeScope();
                        const string Flat = "torch.flatten((drop).forward(x0, ), 1)";
                        using var whole = Load();
                        var path = Changed(folder, Flat, "torch.reshape((drop).forward(x0, ), [1, 256])");
                        using (var one = Model.LoadTorchScript(path))
                        {
                            Near(one.Logits(Images()), whole.Logits(Images()));
                            foreach (var size in new int?[] { null, 1, 2 })
                                Near(
                                    new SaliencyMap(one, Class).Attribute(Images(), size),
                                    new SaliencyMap(whole, Class).Attribute(Images(), size)
                                );
                        }
                        path = Changed(folder, Flat, "torch.reshape((drop).forward(x0, ), [2, 256])");
                        using var two = Model.LoadTorchScript(path);
                        Check.Refuses(() => two.Logits(Images()), path, "[2, 256]", "trace it with one");
                    }
                ),
                Refused("a module that gradients do not pass", "detached.pt", "no gradient", "does not require grad"),
                Refused("a module whose way back is overwritten", "overwritten.pt", "no gradient", "inplace operation"),
                Case(
                    "of weights without a network are refused in one sentence",
                    () => Check.Refuses(() => Load("weights.pt"), "weights.pt", "no network", "torch.jit.trace")
                ),
                Case(
                    "that are missing, or a folder, are refused in one sentence",
                    () =>
                    {
                        Check.Refuses(() => Load("missing.pt"), "missing.pt", "does not exist");
                        Check.Refuses(() => Load(""), "TorchScript", "that you may read");
                        Check.Refuses(() => Model.LoadTorchScript(""), "the path is empty");
                    }
                ),
                Case(
                    "of operators that libtorch lacks are refused in one sentence",
                    () => Check.Refuses(() => Load("foreign.pt"), "foreign.pt", "torchvision::nms")
                ),
                Broken("an empty file", _ => [], "is empty"),
                Broken("a file of noise", _ => Noise(5000), "damaged", "torch.jit.trace"),
                Broken("half a file", bytes => bytes[..(bytes.Length / 2)], "damaged"),
                Broken(
                    "a file with a member of another name",
                    bytes =>
                    {
                        var end = Encoding.ASCII.GetString(bytes).LastIndexOf("modules/pooling.py");
                        bytes[end] ^= 1;
                        return bytes;
                    },
                    "damaged"
                ),
                Broken(
                    "a file with one wrong bit in a weight",
                    bytes =>
                    {
                        bytes[200] ^= 4;
                        return bytes;
                    },
                    "damaged"
                ),
            ]
        );
}
