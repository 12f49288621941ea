namespace Attribution;

/// <summary>Reads the course's <c>vgg16_weights.npz</c>: the architecture of Simonyan and Zisserman (arXiv 1409.1556) with
/// the widths, the image size and the number of classes that the arrays have.</summary>
internal static class Vgg16
{
    private static readonly int[] ConvolutionsPerBlock = [2, 2, 3, 3, 3];

    // Each array's layer in the course's numbering; the last layer is the logits.
    private static readonly (string Array, string Layer)[] Dense = [("fc6", "fc1"), ("fc7", "fc2"), ("fc8", "fc3")];

    // The mean colour of ImageNet, which the network subtracts.
    private static readonly double[] MeanColour = [123.68, 116.779, 103.939];

    /// <summary>What the network does to images first.</summary>
    public static Preprocessing Preprocessing { get; } = new(1, MeanColour, [1], ChannelOrder.Rgb);

    /// <summary>The network of a file. Layers: conv1_1…conv5_3 (conv1_1l… before the ReLU), pool1…pool5, flatten, fc1, fc2
    /// (fc1l, fc2l before the ReLU), fc3l.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or its arrays do not make the network.</exception>
    public static LoadedModel Read(string path)
    {
        using var scope = NewDisposeScope();
        using var file = NpzFile.Open(path);
        return Network(ImageSide(file), name => file.Read(name).to(ScalarType.Float32));
    }

    /// <summary>The original's shapes with random weights, which keep the size of the values from layer to layer.</summary>
    public static LoadedModel Random(long seed)
    {
        using var scope = NewDisposeScope();
        var arrays = RandomArrays(seed).ToDictionary(array => array.Name, array => array.Values);
        return Network(7L << ConvolutionsPerBlock.Length, name => arrays[name]);
    }

    /// <summary>A file of such weights.</summary>
    public static void WriteRandom(string path, long seed)
    {
        using var scope = NewDisposeScope();
        using var writer = new NpzWriter(path, compress: false);
        foreach (var (name, values) in RandomArrays(seed))
            writer.Add(name, values);
        writer.Commit();
    }

    private static IEnumerable<(string Name, Tensor Values)> RandomArrays(long seed)
    {
        using var generator = new Generator((ulong)seed, CPU);
        long[] widths = [64, 128, 256, 512, 512];
        var inputs = (long)MeanColour.Length;
        var convolutions = Blocks.SelectMany(block =>
            block.Convolutions.Select(name => (name, outputs: widths[block.Block - 1]))
        );
        foreach (var (name, outputs) in convolutions)
        {
            var deviation = Number.Of(Math.Sqrt(2.0 / (9 * inputs)));
            yield return (name + "_W", randn(3, 3, inputs, outputs, generator: generator).mul_(deviation));
            yield return (name + "_b", zeros(outputs));
            inputs = outputs;
        }
        inputs *= 7 * 7;
        foreach (var ((name, _), outputs) in Dense.Zip([4096L, 4096L, 1000L]))
        {
            var deviation = Number.Of(Math.Sqrt(2.0 / inputs));
            yield return (name + "_W", randn(inputs, outputs, generator: generator).mul_(deviation));
            yield return (name + "_b", zeros(outputs));
            inputs = outputs;
        }
    }

    private static LoadedModel Network(long side, Func<string, Tensor> array)
    {
        var nodes = new List<Node>();
        void Add(string name, Op op, params string[] inputs) => nodes.Add(Build.Node(name, op, inputs));

        Add("image", Op.Input);
        Add("mean colour", Op.NewConstant(tensor(MeanColour).reshape(3, 1, 1)));
        Add("centred", Op.Subtract, "image", "mean colour");
        foreach (var (block, convolutions) in Blocks)
        {
            foreach (var name in convolutions)
            {
                var weight = array(name + "_W").permute(3, 2, 0, 1).contiguous();
                var convolution = Build.Convolution(weight, array(name + "_b"), [1, 1], [1, 1], [1, 1], 1);
                Add(name + "l", convolution, nodes[^1].Name);
                Add(name, Op.NewActivation(Activation.Relu), name + "l");
            }
            Add($"pool{block}", Build.Pool(PoolKind.MaxPool, [2, 2], [2, 2], [0, 0], [1, 1], false), nodes[^1].Name);
        }
        Add("pool5 by position", Op.NewPermute([0, 2, 3, 1]), nodes[^1].Name);
        Add("flatten", Op.Flatten, nodes[^1].Name);
        foreach (var (name, layer) in Dense)
        {
            // A view: the largest array is 411 MB in the original network.
            var weight = array(name + "_W").t();
            Add(layer + "l", Build.Linear(weight, array(name + "_b")), nodes[^1].Name);
            if (layer != Dense[^1].Layer)
                Add(layer, Op.NewActivation(Activation.Relu), layer + "l");
        }
        return new LoadedModel(
            Build.Model([3, side, side], "image", nodes[^1].Name, nodes),
            [],
            (int)array(Dense[^1].Array + "_b").shape[0]
        );
    }

    private static IEnumerable<(int Block, string[] Convolutions)> Blocks =>
        ConvolutionsPerBlock.Select(
            (count, i) => (i + 1, Enumerable.Range(1, count).Select(j => $"conv{i + 1}_{j}").ToArray())
        );

    // Requires every array to fit the one before it.
    private static long ImageSide(NpzFile file)
    {
        AttributionException Fault(string array, string expected) =>
            new(
                $"'{array}' in '{file.Path}' should be {expected}, but is {string.Join("×", file.Header(array).Shape)}: the file is not a VGG16's."
            );

        // The width that a layer's arrays give, where its weights take the width before.
        long Width(string name, string kernel, long[] leading)
        {
            var (weight, bias) = (file.Header(name + "_W").Shape, file.Header(name + "_b").Shape);
            if (weight.Count != leading.Length + 1 || !weight.SkipLast(1).SequenceEqual(leading) || weight[^1] < 1)
                throw Fault(name + "_W", $"{kernel}{leading[^1]}×(any width)");
            if (!bias.SequenceEqual([weight[^1]]))
                throw Fault(name + "_b", $"{weight[^1]}");
            return weight[^1];
        }

        var width = Blocks
            .SelectMany(block => block.Convolutions)
            .Aggregate((long)MeanColour.Length, (before, name) => Width(name, "3×3×", [3, 3, before]));
        var first = Dense[0].Array + "_W";
        var rows = file.Header(first).Shape.FirstOrDefault();
        var positions = (long)Math.Round(Math.Sqrt(rows / (double)width));
        if (positions < 1 || positions > int.MaxValue || positions * positions * width != rows)
            throw Fault(first, $"a square number of positions times {width} rows");
        Dense.Aggregate(rows, (before, layer) => Width(layer.Array, "", [before]));
        // Each block's pooling halves the side.
        return positions << ConvolutionsPerBlock.Length;
    }
}
