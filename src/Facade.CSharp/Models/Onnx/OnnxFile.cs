namespace Attribution.Onnx;

/// <summary>An ONNX file's graph with its names looked up: which node or initializer gives which tensor.</summary>
internal sealed class OnnxFile
{
    private const long OldestOpset = 7;

    // Undefined, float, float16, double, bfloat16.
    private static readonly int[] RealTypes = [0, 1, 10, 11, 16];

    // A classifier has one, and a few beside it; more are a mistake, or mean harm.
    private const int MostOutputs = 64;

    // What keeps a probability what it is: other shapes and types, and bounds that keep its logarithm finite.
    private static readonly string[] KeepingOps =
        "Identity Flatten Reshape Squeeze Unsqueeze Transpose Dropout Cast Clip".Split(' ');

    private readonly Dictionary<string, NodeProto> producers = [];
    private readonly Dictionary<string, TensorProto> initializers = [];

    public OnnxFile(string path, ModelProto model)
    {
        Path = path;
        Graph = model.Graph;
        Tensors = new TensorReader(path);
        Opset = model.OpsetImport.Where(o => IsStandard(o.Domain)).Select(o => o.Version).DefaultIfEmpty(1).Max();
        if (Opset < OldestOpset)
            throw Fault($"is written for operator set {Opset}; export it with {OldestOpset} or later");

        foreach (var initializer in Graph.Initializer)
            if (!initializers.TryAdd(initializer.Name, initializer))
                throw Fault($"has two tensors named '{initializer.Name}'");
        foreach (var node in Graph.Node)
        {
            if (node.Output.Count == 0 || node.Output[0].Length == 0)
                throw Fault($"has a node '{node.Name}' ({node.OpType}) without an output");
            foreach (var output in node.Output.Where(o => o.Length > 0))
                if (initializers.ContainsKey(output) || !producers.TryAdd(output, node))
                    throw Fault($"has two tensors named '{output}'");
        }
        // Until version 4 of the format every initializer was an input too.
        var inputs = Graph.Input.Where(i => !initializers.ContainsKey(i.Name)).ToArray();
        Input = inputs is [var one]
            ? one
            : throw Fault($"takes {inputs.Length} inputs, but a classifier of images takes one");
        if (producers.ContainsKey(Input.Name))
            throw Fault($"has two tensors named '{Input.Name}'");
        Outputs = [.. Graph.Output.DistinctBy(o => o.Name).Take(MostOutputs).Select(Output)];
    }

    public string Path { get; }
    public GraphProto Graph { get; }
    public long Opset { get; }
    public ValueInfoProto Input { get; }
    public IReadOnlyList<OnnxOutput> Outputs { get; }
    public TensorReader Tensors { get; }

    public bool Names(string tensor) =>
        tensor == Input.Name || producers.ContainsKey(tensor) || initializers.ContainsKey(tensor);

    /// <summary>The weights of that name; null where no initializer is named so.</summary>
    public Value? Constant(string name) => initializers.TryGetValue(name, out var stored) ? Stored(stored) : null;

    /// <summary>The numbers of an initializer.</summary>
    public Value Stored(TensorProto stored) =>
        Value.Constant(stored.Name, Tensors.Read(stored, $"tensor {OnnxFault.Quoted(stored.Name)}"));

    /// <summary>The tensor that another follows from by steps that keep a probability what it is.</summary>
    public string Beneath(string tensor)
    {
        for (var steps = 0; steps < Graph.Node.Count && Producer(tensor) is { Input.Count: > 0 } node; steps++)
            if (KeepingOps.Contains(node.OpType))
                tensor = node.Input[0];
            else
                break;
        return tensor;
    }

    /// <summary>The node that gives a tensor; null where none does.</summary>
    public NodeProto? Producer(string tensor) => producers.GetValueOrDefault(tensor);

    // scikit-learn's converter makes maps of class to probability of its scores.
    private OnnxOutput Output(ValueInfoProto output)
    {
        if (Producer(output.Name) is { OpType: "ZipMap", Domain: "ai.onnx.ml", Input: [var scores, ..] })
            return new OnnxOutput(output.Name, scores, true);
        var type = output.Type?.TensorType?.ElemType ?? 0;
        return new OnnxOutput(output.Name, output.Name, RealTypes.Contains(type));
    }

    /// <summary>The nodes that a tensor is computed by, each after those that give its inputs.</summary>
    /// <exception cref="AttributionException">A node needs its own result, or a tensor that nothing gives.</exception>
    public IReadOnlyList<NodeProto> Needed(string output)
    {
        var order = new List<NodeProto>();
        var finished = new Dictionary<NodeProto, bool>(ReferenceEqualityComparer.Instance);
        var stack = new Stack<(NodeProto Node, bool Leaves)>();

        void Enter(string name, string reader)
        {
            if (producers.TryGetValue(name, out var node))
                stack.Push((node, false));
            else if (name.Length > 0 && name != Input.Name && !initializers.ContainsKey(name))
                throw Fault($"has {reader} '{name}', which nothing in it computes");
        }

        Enter(output, "the output");
        while (stack.TryPop(out var top))
        {
            if (top.Leaves)
            {
                finished[top.Node] = true;
                order.Add(top.Node);
            }
            else if (!finished.TryGetValue(top.Node, out var done))
            {
                finished[top.Node] = false;
                stack.Push((top.Node, true));
                foreach (var input in top.Node.Input.Reverse())
                    Enter(input, $"node '{top.Node.Name}' ({top.Node.OpType}) that takes");
                foreach (var captured in Captured(top.Node).Where(producers.ContainsKey))
                    Enter(captured, "");
            }
            else if (!done)
                throw Fault($"has a node '{top.Node.Name}' ({top.Node.OpType}) that needs its own result");
        }
        return order;
    }

    // What a node's branches may take from around it.
    private static IEnumerable<string> Captured(NodeProto node) =>
        from attribute in node.Attribute
        where attribute.G is not null
        from name in attribute
            .G.Output.Select(o => o.Name)
            .Concat(attribute.G.Node.SelectMany(inner => inner.Input.Concat(Captured(inner))))
        select name;

    public static bool IsStandard(string domain) => domain is "" or "ai.onnx";

    public AttributionException Fault(string problem, Exception? cause = null) =>
        OnnxFault.Of($"'{Path}' {problem}.", cause);
}
