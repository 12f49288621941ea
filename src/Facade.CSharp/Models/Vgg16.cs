using System;
using System.Collections.Generic;
using System.Linq;
using Attribution.Core;
using TorchSharp;
using static TorchSharp.torch;

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

    /// <summary>The network of a file. Layers: conv1_1…conv5_3 (conv1_1l… before the ReLU), pool1…pool5, flatten, fc1, fc2
    /// (fc1l, fc2l before the ReLU), fc3l.</summary>
    /// <exception cref="AttributionException">The file cannot be read, or its arrays do not make the network.</exception>
    public static LoadedModel Read(string path)
    {
        using var scope = NewDisposeScope();
        using var file = NpzFile.Open(path);
        var side = ImageSide(file);
        var nodes = new List<Node>();
        void Add(string name, Op op, params string[] inputs) => nodes.Add(Build.Node(name, op, inputs));

        Add("image", Op.Input);
        Add("mean colour", Op.NewConstant(tensor(MeanColour).reshape(3, 1, 1)));
        Add("centred", Op.Subtract, "image", "mean colour");
        foreach (var (block, convolutions) in Blocks)
        {
            foreach (var name in convolutions)
            {
                var weight = Numbers(file, name + "_W").permute(3, 2, 0, 1).contiguous();
                var convolution = Build.Convolution(weight, Numbers(file, name + "_b"), [1, 1], [1, 1], [1, 1], 1);
                Add(name + "l", convolution, nodes[^1].Name);
                Add(name, Op.NewActivation(Activation.Relu), name + "l");
            }
            Add($"pool{block}", Build.Pool(PoolKind.MaxPool, [2, 2], [2, 2], [0, 0], [1, 1], false), nodes[^1].Name);
        }
        Add("pool5 by position", Op.NewPermute([0, 2, 3, 1]), nodes[^1].Name);
        Add("flatten", Op.Flatten, nodes[^1].Name);
        foreach (var (array, layer) in Dense)
        {
            // A view: the largest array is 411 MB in the original network.
            var weight = Numbers(file, array + "_W").t();
            Add(layer + "l", Build.Linear(weight, Numbers(file, array + "_b")), nodes[^1].Name);
            if (layer != Dense[^1].Layer)
                Add(layer, Op.NewActivation(Activation.Relu), layer + "l");
        }
        return new LoadedModel(
            Build.Model([3, side, side], "image", nodes[^1].Name, nodes),
            [],
            (int)file.Header(Dense[^1].Array + "_b").Shape[0]
        );
    }

    private static IEnumerable<(int Block, string[] Convolutions)> Blocks =>
        ConvolutionsPerBlock.Select(
            (count, i) => (i + 1, Enumerable.Range(1, count).Select(j => $"conv{i + 1}_{j}").ToArray())
        );

    private static Tensor Numbers(NpzFile file, string name) => file.Read(name).to(ScalarType.Float32);

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
