namespace Attribution.Onnx;

/// <summary>Puts the nodes of a file's own functions in the places where they are called, since an importer knows ONNX's
/// operators alone.</summary>
internal sealed class LocalFunctions
{
    // A function may call another, but none that calls it.
    private const int DeepestCalls = 32;
    private const int MostNodes = 1_000_000;

    private readonly Dictionary<(string Domain, string Name, string Overload), FunctionProto> functions = [];
    private readonly string path;
    private int calls;
    private int nodes;

    private LocalFunctions(string path, ModelProto model)
    {
        this.path = path;
        foreach (var function in model.Functions)
            functions.TryAdd((function.Domain, function.Name, function.Overload), function);
    }

    /// <summary>Changes a model into one without calls.</summary>
    /// <exception cref="AttributionException">A function calls itself.</exception>
    public static void Inline(string path, ModelProto model)
    {
        if (model.Functions.Count == 0)
            return;
        var functions = new LocalFunctions(path, model);
        NodeProto[] inlined = [.. functions.Expanded(model.Graph.Node, 0)];
        model.Graph.Node.Clear();
        model.Graph.Node.AddRange(inlined);
        model.Functions.Clear();
    }

    private IEnumerable<NodeProto> Expanded(IEnumerable<NodeProto> calls, int depth) =>
        calls.SelectMany(node =>
        {
            if (++nodes > MostNodes || depth > DeepestCalls)
                throw OnnxFault.Of($"'{path}' has functions that call each other without an end.");
            return functions.TryGetValue((node.Domain, node.OpType, node.Overload), out var function)
                ? Expanded(Body(node, function), depth + 1)
                : [node];
        });

    private IEnumerable<NodeProto> Body(NodeProto call, FunctionProto function)
    {
        var prefix = $"{(call.Name.Length > 0 ? call.Name : call.OpType)}/{++calls}/";
        var names = new Dictionary<string, string> { [""] = "" };
        foreach (var (i, name) in function.Input.Index())
            names[name] = i < call.Input.Count ? call.Input[i] : "";
        // A result that the caller does not take needs a name all the same.
        foreach (var (i, name) in function.Output.Index())
            names[name] = i < call.Output.Count && call.Output[i].Length > 0 ? call.Output[i] : prefix + name;
        var given = call
            .Attribute.Concat(function.AttributeProto)
            .GroupBy(attribute => attribute.Name)
            .ToDictionary(group => group.Key, group => group.First());
        return function.Node.Select(node => Renamed(node, names, given, prefix));
    }

    private static NodeProto Renamed(
        NodeProto node,
        Dictionary<string, string> names,
        Dictionary<string, AttributeProto> given,
        string prefix
    )
    {
        string Name(string name) => names.TryGetValue(name, out var known) ? known : names[name] = prefix + name;
        var copy = node.Clone();
        copy.Name = node.Name.Length > 0 ? prefix + node.Name : "";
        for (var i = 0; i < copy.Input.Count; i++)
            copy.Input[i] = Name(copy.Input[i]);
        for (var i = 0; i < copy.Output.Count; i++)
            copy.Output[i] = Name(copy.Output[i]);
        copy.Attribute.Clear();
        foreach (var attribute in node.Attribute)
            if (attribute.RefAttrName.Length == 0)
                copy.Attribute.Add(Renamed(attribute, names, given, prefix));
            else if (given.TryGetValue(attribute.RefAttrName, out var value))
            {
                var named = value.Clone();
                named.Name = attribute.Name;
                copy.Attribute.Add(named);
            }
        return copy;
    }

    // The nodes of a branch take what is around it by name.
    private static AttributeProto Renamed(
        AttributeProto attribute,
        Dictionary<string, string> names,
        Dictionary<string, AttributeProto> given,
        string prefix
    )
    {
        var copy = attribute.Clone();
        foreach (var graph in copy.Graphs.Append(copy.G).OfType<GraphProto>())
        {
            foreach (var stored in graph.Initializer)
                stored.Name = names[stored.Name] = prefix + stored.Name;
            NodeProto[] nodes = [.. graph.Node.Select(node => Renamed(node, names, given, prefix))];
            graph.Node.Clear();
            graph.Node.AddRange(nodes);
            foreach (var output in graph.Output)
                output.Name = names.GetValueOrDefault(output.Name, output.Name);
        }
        return copy;
    }
}
