using System.Runtime.InteropServices;

namespace Attribution.Onnx;

/// <summary>Gives a dimension of the batch to a file that takes one image without it (c×h×w or h×w×c), and puts it before the
/// image itself: the step that does so is left out, and those before it treat each image by itself.</summary>
internal sealed class BatchDimension
{
    private static readonly string[] Elementwise = "Add Sub Mul Div Cast Clip Identity BatchNormalization".Split(' ');

    private readonly GraphProto graph;

    private BatchDimension(GraphProto graph) => this.graph = graph;

    /// <summary>Changes such a file's graph; leaves others, and those that it does not understand, as they are.</summary>
    public static void Add(GraphProto graph)
    {
        var stored = graph.Initializer.Select(tensor => tensor.Name).ToHashSet();
        if (
            graph.Input.Where(input => !stored.Contains(input.Name)).ToArray() is not [var input]
            || input.Type?.TensorType?.Shape?.Dim is not { Count: 3 } sizes
            || !IsImage([.. sizes.Select(size => size.DimValue)])
        )
            return;
        if (new BatchDimension(graph).Lifted(input.Name) is not { } nodes)
            return;
        graph.Node.Clear();
        graph.Node.AddRange(nodes);
        sizes.Insert(0, new TensorShapeProto.Types.Dimension { DimParam = "n" });
    }

    /// <summary>Whether sizes are those of one image.</summary>
    public static bool IsImage(IReadOnlyList<long> sizes) =>
        sizes is [1 or 3 or 4, > 4, > 4] or [> 4, > 4, 1 or 3 or 4];

    // The graph's nodes for a batch; null where they do not give the image one.
    private NodeProto[]? Lifted(string input)
    {
        var before = new HashSet<string> { input };
        var lifted = new List<NodeProto>();
        var isAdded = false;
        foreach (var node in graph.Node)
        {
            var copy = node.Clone();
            var axes = node.OpType is "Unsqueeze" or "Squeeze" ? Axes(node) : null;
            if (node.Input.Any(before.Contains))
                if (Elementwise.Contains(node.OpType))
                    before.UnionWith(node.Output);
                else if (node.OpType == "Transpose" && Order(copy) is { } order)
                {
                    for (var i = 0; i < order.Count; i++)
                        order[i]++;
                    order.Insert(0, 0);
                    before.UnionWith(node.Output);
                }
                else if (node.OpType == "Unsqueeze" && axes is [0])
                    isAdded = true;
                else
                    return null;
            // The batch of one that is taken off at the end stays.
            if (axes is [0] && (node.OpType == "Unsqueeze" ? before.Contains(node.Input[0]) : isAdded))
            {
                copy.OpType = "Identity";
                copy.Attribute.Clear();
                while (copy.Input.Count > 1)
                    copy.Input.RemoveAt(1);
            }
            lifted.Add(copy);
        }
        return isAdded ? [.. lifted] : null;
    }

    private static IList<long>? Order(NodeProto transpose) =>
        transpose.Attribute.FirstOrDefault(attribute => attribute.Name == "perm")?.Ints;

    private long[]? Axes(NodeProto node)
    {
        if (node.Attribute.FirstOrDefault(attribute => attribute.Name == "axes") is { } own)
            return [.. own.Ints];
        if (node.Input.Count < 2)
            return null;
        var name = node.Input[1];
        var stored =
            graph.Initializer.FirstOrDefault(tensor => tensor.Name == name)
            ?? graph
                .Node.FirstOrDefault(other => other.OpType == "Constant" && other.Output.Contains(name))
                ?.Attribute.FirstOrDefault(attribute => attribute.Name == "value")
                ?.T;
        return stored is null ? null
            : stored.Int64Data.Count > 0 ? [.. stored.Int64Data]
            : stored.RawData.Length % sizeof(long) == 0 ? MemoryMarshal.Cast<byte, long>(stored.RawData.Span).ToArray()
            : null;
    }
}
