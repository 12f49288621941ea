using System;
using System.Collections.Generic;
using System.Linq;
using Expecto;
using Expecto.CSharp;

namespace Facade.Tests;

internal static class OnnxRandomTests
{
    private const int Graphs = 200;

    public static Test Tests =>
        Runner.TestList(
            "ONNX graphs at random",
            [
                .. Enumerable
                    .Range(1, Graphs)
                    .Select(seed =>
                        Check.InFolder(
                            $"graph {seed} is what ONNX Runtime makes of it, and so is its derivative",
                            folder => OnnxOpsTests.Agrees(new Growing(seed).Graph, folder, (ulong)seed)
                        )
                    ),
            ]
        );

    /// <summary>A network of 3 to 10 random steps over n×c×h×w, each from a random earlier value.</summary>
    private sealed class Growing
    {
        private const int MostNumbers = 600;

        private readonly Random random;
        private readonly long batch;
        private readonly List<(string Name, long[] Sizes)> values = [];
        private int names;

        public Growing(int seed)
        {
            random = new Random(seed);
            // The batch is open, or written down.
            batch = random.Next(3);
            // Of more columns than pixels have channels, so that it is no n×h×w×c.
            long[] sizes = [random.Next(1, 6), random.Next(3, 9), random.Next(5, 9)];
            Graph = new OnnxGraph(random.Next(13, 18), [batch, .. sizes]);
            values.Add(("x", sizes));
            var steps = random.Next(3, 11);
            while (values.Count <= steps)
                Grow(values[random.Next(Math.Max(0, values.Count - 3), values.Count)]);
            // All that was made counts.
            var rows = values.Select((value, i) => (Name: $"row{i}", Value: value)).ToArray();
            foreach (var (name, value) in rows)
                Graph.Node("Flatten", value.Name, name);
            Graph.Node("Concat", string.Join(' ', rows.Select(row => row.Name)), "all", ("axis", 1));
        }

        public OnnxGraph Graph { get; }

        private string Fresh() => $"v{names++}";

        private long Below(long most) => random.NextInt64(1, most + 1);

        private string Ints(params long[] numbers)
        {
            var name = Fresh();
            Graph.Ints(name, numbers);
            return name;
        }

        private string Weights(params long[] sizes)
        {
            var name = Fresh();
            Graph.Weights(name, sizes);
            return name;
        }

        private void Add(string op, string inputs, long[] sizes, params (string, object)[] attributes)
        {
            if (sizes.Aggregate(1L, (a, b) => a * b) is < 1 or > MostNumbers)
                return;
            var name = Fresh();
            Graph.Node(op, inputs, name, attributes);
            values.Add((name, sizes));
        }

        private void Grow((string Name, long[] Sizes) from)
        {
            var (x, sizes) = from;
            var (c, h, w) = (sizes[0], sizes[1], sizes[2]);
            var axis = random.Next(1, 4);
            var size = sizes[axis - 1];
            long[] With(long other) => [.. sizes.Select((s, i) => i == axis - 1 ? other : s)];
            (string, object) Pads(int atMost, out long vertical, out long horizontal)
            {
                long[] pads = [.. Enumerable.Range(0, 4).Select(_ => random.NextInt64(atMost + 1))];
                (vertical, horizontal) = (pads[0] + pads[2], pads[1] + pads[3]);
                return ("pads", pads);
            }
            var twin = values.Where(v => v.Sizes.SequenceEqual(sizes)).OrderBy(_ => random.Next()).First().Name;
            switch (random.Next(24))
            {
                case 0 or 1:
                    var activations =
                        "Relu LeakyRelu Sigmoid Tanh Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Sin Erf Abs Neg Identity";
                    Add(
                        activations.Split(' ')[random.Next(Graph.Model.OpsetImport[0].Version > 13 ? 16 : 8)],
                        x,
                        sizes
                    );
                    break;
                case 2 or 3:
                    var groups = random.Next(3) == 0 ? c : 1;
                    var (filters, kernel, stride) = (groups * Below(4), Below(3), Below(2));
                    var pads = Pads(2, out var vertical, out var horizontal);
                    if (h + vertical < kernel || w + horizontal < kernel)
                        return;
                    Add(
                        "Conv",
                        $"{x} {Weights(filters, c / groups, kernel, kernel)} {Weights(filters)}",
                        [filters, (h + vertical - kernel) / stride + 1, (w + horizontal - kernel) / stride + 1],
                        ("group", (int)groups),
                        ("strides", new[] { stride, stride }),
                        pads
                    );
                    break;
                case 4:
                    if (h < 3 || w < 3)
                        return;
                    var paddings = Pads(1, out var tall, out var wide);
                    Add(
                        random.Next(2) == 0 ? "MaxPool" : "AveragePool",
                        x,
                        [c, (h + tall - 3) / 2 + 1, w + wide - 1],
                        ("kernel_shape", new[] { 3L, 2L }),
                        ("strides", new[] { 2L, 1L }),
                        paddings
                    );
                    break;
                case 5 or 6:
                    Add("Add Sub Mul Max Min Sum Mean".Split(' ')[random.Next(7)], $"{x} {twin}", sizes);
                    break;
                case 7:
                    Add("Add Sub Mul Max".Split(' ')[random.Next(4)], $"{Weights(c, 1, 1)} {x}", sizes);
                    break;
                case 8 or 9:
                    Add("Concat", $"{x} {twin} {x}", With(3 * size), ("axis", axis - 4));
                    break;
                case 10:
                    // A constant beside each image, where the file says that there is one.
                    if (batch == 1)
                        Add("Concat", $"{Weights([1, .. With(2)])} {x}", With(size + 2), ("axis", axis));
                    break;
                case 11:
                    var (before, after) = (random.Next(-1, 3), random.Next(3));
                    long[] all =
                    [
                        .. Enumerable
                            .Range(0, 8)
                            .Select(i =>
                                i == axis ? before
                                : i == axis + 4 ? (long)after
                                : 0
                            ),
                    ];
                    if (size > Math.Max(1, Math.Max(before, after)))
                        Add(
                            "Pad",
                            $"{x} {Ints(all)}",
                            With(size + before + after),
                            ("mode", "constant reflect edge".Split(' ')[random.Next(before < 0 ? 1 : 3)])
                        );
                    break;
                case 12:
                    var scales = Fresh();
                    Graph.Weights(scales, [4], [1, 1, 2, 1.5f]);
                    Add(
                        "Resize",
                        $"{x} - {scales}",
                        [c, 2 * h, w * 3 / 2],
                        ("mode", "nearest linear cubic".Split(' ')[random.Next(3)]),
                        (
                            "coordinate_transformation_mode",
                            "half_pixel asymmetric align_corners".Split(' ')[random.Next(3)]
                        )
                    );
                    break;
                case 13:
                    long[] order = [.. new long[] { 1, 2, 3 }.OrderBy(_ => random.Next())];
                    Add(
                        "Transpose",
                        x,
                        [.. order.Select(a => sizes[a - 1])],
                        ("perm", new[] { 0L }.Concat(order).ToArray())
                    );
                    break;
                case 14:
                    // The batch as it is written down, inferred, or copied.
                    Add("Reshape", $"{x} {Ints(batch > 0 && random.Next(2) == 0 ? batch : 0, w, c, -1)}", [w, c, h]);
                    break;
                case 15:
                    var (start, step) = (random.NextInt64(size), random.Next(2) == 0 ? -1L : 2L);
                    Add(
                        "Slice",
                        $"{x} {Ints(start)} {Ints(step < 0 ? long.MinValue : long.MaxValue)} {Ints(axis)} {Ints(step)}",
                        With(step < 0 ? start + 1 : (size - start + 1) / 2)
                    );
                    break;
                case 16:
                    Add(
                        "Gather",
                        $"{x} {Ints([.. Enumerable.Range(0, 3).Select(_ => random.NextInt64(-size, size))])}",
                        With(3),
                        ("axis", axis)
                    );
                    break;
                case 17:
                    var ops = "Softmax LogSoftmax LpNormalization".Split(' ');
                    Add(ops[random.Next(3)], x, sizes, ("axis", axis));
                    break;
                case 18:
                    Add(
                        "ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp".Split(' ')[
                            random.Next(7)
                        ],
                        x,
                        With(1),
                        ("axes", new[] { (long)axis })
                    );
                    break;
                case 19:
                    Add("InstanceNormalization", $"{x} {Weights(c)} {Weights(c)}", sizes, ("epsilon", 0.1));
                    break;
                case 20:
                    Add("MatMul", $"{x} {Weights(w, 3)}", [c, h, 3]);
                    break;
                case 21:
                    Add("Einsum", $"{x} {twin}", [c, h, h], ("equation", "ncij,nckj->ncik"));
                    break;
                case 22:
                    if (c % 4 == 0)
                        Add("DepthToSpace", x, [c / 4, 2 * h, 2 * w], ("blocksize", 2));
                    else if (h % 2 == 0 && w % 2 == 0)
                        Add("SpaceToDepth", x, [4 * c, h / 2, w / 2], ("blocksize", 2));
                    break;
                default:
                    var repeats = Below(2);
                    Add(
                        "Tile",
                        $"{x} {Ints([1, .. With(1).Select((_, i) => i == axis - 1 ? repeats : 1)])}",
                        With(repeats * size)
                    );
                    break;
            }
        }
    }
}
