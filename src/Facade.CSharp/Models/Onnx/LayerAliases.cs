namespace Attribution.Onnx;

/// <summary>The other names of a file's layers: those of nodes, and of the modules that were exported as them. A module's
/// layer is its last node's.</summary>
internal sealed class LayerAliases
{
    // The paths of a deeper one would take more memory than the file.
    private const int DeepestScope = 32;

    private static readonly string[] parameters = [".weight", ".bias"];

    private readonly List<(string Name, string Layer)> nodes = [];
    private readonly Dictionary<string, string> modules = [];

    /// <summary>Takes the names of a node whose first value a layer holds.</summary>
    public void Add(NodeProto node, string layer)
    {
        nodes.Add((node.Name, layer));
        foreach (var module in Modules(node.Name).Concat(node.Input.SelectMany(Owner)))
            modules[module] = layer;
    }

    /// <summary>Each name that is none of the layers' own, and the layer that it names: a layer's innermost module before its
    /// outer ones and its node.</summary>
    public IReadOnlyList<(string Name, string Layer)> Of(IEnumerable<string> layers)
    {
        var own = layers.ToHashSet();
        return
        [
            .. modules
                .Select(module => (Name: module.Key, Layer: module.Value))
                .OrderByDescending(module => module.Name.Length)
                // A node's name is unique, or names nothing.
                .Concat(nodes.GroupBy(node => node.Name).Where(same => same.Count() == 1).SelectMany(same => same))
                .Where(alias => alias.Name.Length > 0 && own.Contains(alias.Layer) && !own.Contains(alias.Name))
                .DistinctBy(alias => alias.Name),
        ];
    }

    // A parameter "features.0.weight" is of the module "features.0".
    private static IEnumerable<string> Owner(string input) =>
        parameters
            .Where(end => input.EndsWith(end, StringComparison.Ordinal))
            .Select(parameter => input[..^parameter.Length]);

    // PyTorch names a node by its scope: "/layer1/layer1.0/conv1/Conv" is of the modules "layer1", "layer1.0" and
    // "layer1.0.conv1", since a member of a list repeats the list's name.
    private static IEnumerable<string> Modules(string node)
    {
        var scopes = node.Split('/');
        if (scopes[0] != "" || scopes.Length > DeepestScope)
            yield break;
        var (outer, last) = ("", "");
        foreach (var scope in scopes.Skip(1).SkipLast(1))
        {
            if (last.Length > 0 && !scope.StartsWith(last + ".", StringComparison.Ordinal))
                outer += last + ".";
            last = scope;
            yield return outer + last;
        }
    }
}
