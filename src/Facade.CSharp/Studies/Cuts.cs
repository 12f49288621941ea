using System;
using System.Linq;
using Attribution.Core;

namespace Attribution;

/// <summary>Where to cut a model.</summary>
public static class Cuts
{
    private const string CoursesLayer = "fc1l";

    /// <summary>The layer to cut at where nobody names one: what feeds the activation of the last hidden dense layer (for
    /// VGG16 <c>fc1l</c>, the course's layer before its activation), or else the last activation. Before an activation,
    /// since a cut after it can name a unit that never fires.</summary>
    /// <exception cref="AttributionException">The model is a TorchScript file's, whose layers cannot be cut.</exception>
    public static string Default(Model model)
    {
        model.RequireCuts();
        var graph = model.Core.Graph;
        if (model.Layers.Contains(CoursesLayer))
            return CoursesLayer;

        var hidden = graph.Nodes.Where(node => IsBend(node.Op) && node.Name != graph.Output).ToArray();
        var last = hidden.LastOrDefault(node => IsDense(graph, Fed(graph, node))) ?? hidden.LastOrDefault();
        return last is null ? Node(graph, graph.Output).Inputs[0] : Fed(graph, last);
    }

    // A root or a square is a step of a normalisation.
    private static bool IsBend(Op op) => op is Op.Activation { Item: not Activation.Power };

    // What an activation is applied to, whatever fixed number it is scaled by first, as in a GELU by erf.
    private static string Fed(Graph graph, Node activation)
    {
        var name = activation.Inputs[0];
        while (
            Node(graph, name) is { Op: { IsMultiply: true } or { IsDivide: true } } scaled
            && scaled.Inputs.Where(input => !Node(graph, input).Op.IsConstant).ToArray() is [var before]
        )
            name = before;
        return name;
    }

    /// <summary>The same, which is said.</summary>
    internal static string Told(Model model, Action<string>? said)
    {
        var layer = Default(model);
        said?.Invoke($"Cut at layer '{layer}'; --layer names another.");
        return layer;
    }

    /// <summary>The layer whose values the activation of the given one is applied to, or null where it has none. Values that
    /// were only rearranged or pooled since count as the activation's.</summary>
    /// <exception cref="AttributionException">The model has no such layer; the message offers the closest names.</exception>
    public static string? BeforeActivation(Model model, string layer)
    {
        var graph = model.Core.Graph;
        var node = Node(graph, model.RequireLayer(layer));
        while (Rearranges(node.Op))
            node = Node(graph, node.Inputs[0]);
        return node.Op.IsActivation ? node.Inputs[0] : null;
    }

    /// <summary>The layer that a layer is the activation of, number by number, or else the layer itself: where its units can be climbed though
    /// they are off.</summary>
    internal static string Unbent(Model model, string layer)
    {
        var node = Node(model.Core.Graph, model.RequireLayer(layer));
        return node.Op.IsActivation ? node.Inputs[0] : node.Name;
    }

    /// <summary>The layer of class activation maps where nobody names one: the last value with channels and positions (n×c×h×w) on which all
    /// paths from the image to the scores depend, such as the last convolution's activation, with the shortcut that is added
    /// before it, or the concatenation of branches; of a transformer whose class token is read, the last block's normalised tokens. A pooled
    /// value stands for what it was pooled of.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="quantity">What is explained, where that ends at a layer (<see cref="Quantity.Unit"/>); null: the scores.</param>
    /// <exception cref="AttributionException">There is no such value, or the model has no layers to cut at.</exception>
    public static string LastConvolution(Model model, Quantity? quantity = null)
    {
        model.RequireCuts();
        return CamLayer.last(quantity is null ? model.Core : SourceModule.model(quantity.Core.Source, model.Core));
    }

    /// <summary>The layer of a name, or of class activation maps where there is none.</summary>
    internal static string Named(Model model, string? layer, Quantity quantity) =>
        layer is null ? LastConvolution(model, quantity) : model.RequireLayer(layer);

    /// <summary>Why one may want to cut at a layer.</summary>
    internal static ILookup<string, string> Notes(Model model)
    {
        var nodes = model.Core.Graph.Nodes;
        (string Layer, string Note)[] notes =
        [
            .. nodes.Where(node => node.Op.IsLinear).Select(node => (node.Name, "dense")),
            .. nodes.Where(node => node.Op.IsConvolution).TakeLast(1).Select(node => (node.Name, "last convolution")),
            .. model.HasCuts ? [(Default(model), "default cut")] : Array.Empty<(string, string)>(),
        ];
        return notes.ToLookup(note => note.Layer, note => note.Note);
    }

    private static bool IsDense(Graph graph, string name)
    {
        // A dense layer may be written as a product, and a bias or a normalisation that follow it.
        var node = Node(graph, name);
        return node.Op.IsLinear
            || node.Op.IsMatMul
            || (node.Op.IsAdd || node.Op.IsBatchNorm || Rearranges(node.Op))
                && node.Inputs.Any(input => IsDense(graph, input));
    }

    private static bool Rearranges(Op op) =>
        op.IsFlatten || op.IsReshape || op.IsPermute || op.IsIdentity || op.IsPool || op.IsGlobalPool;

    private static Node Node(Graph graph, string name) => graph.Nodes.First(node => node.Name == name);
}
