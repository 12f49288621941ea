namespace Attribution.Onnx;

/// <summary>Builds the network that leads from images of a layout to one of a file's outputs.</summary>
internal sealed class OnnxImport(
    OnnxFile file,
    ImageLayout layout,
    Preprocessing preprocessing,
    IReadOnlyList<string> saidBefore
)
{
    private readonly GraphBuilder graph = new(file.Names);
    private readonly Dictionary<string, Value> values = [];
    private readonly LayerAliases aliases = new();
    private readonly List<string> notes = [.. saidBefore, .. new[] { layout.Note }.OfType<string>()];

    /// <summary>The network whose scores are the output, or the logits that the output is the probabilities of.</summary>
    /// <exception cref="AttributionException">The network cannot be run, or the output is not n×k real numbers.</exception>
    public LoadedModel To(OnnxOutput output)
    {
        var (name, tensor) = (output.Name, output.Tensor);
        var nodes = file.Needed(tensor);
        var images = Images();
        var ops = new OnnxOps(graph, layout.Batch);
        foreach (var proto in nodes)
            Convert(ops, proto);

        var result = Find(tensor) ?? throw file.Fault($"has the output '{name}', which is not supported");
        var scores = Rows(name, result);
        var head = Head(ops, images, tensor, scores);
        if (head.Note is not null)
            notes.Add(head.Note);
        if (head.Logits is not null)
            scores = Rows(name, head.Logits);
        if (head.IsOneProbability)
        {
            var logOdds = Build.Pure("LogOdds", t => Interop.LogOdds(t[0]));
            scores = graph.Emit(graph.Unique("log-odds"), logOdds, t => Value.Meta(t[0]), scores);
        }
        var model = Build.Model(layout.Image, images, scores.Name, graph.LeadingTo(scores.Name));
        var classes = (int)scores.Shape!.Sizes[1];
        if (classes == 1)
            notes.Add(OnnxHead.OneLogitNote);
        return new LoadedModel(model, notes, classes, aliases.Of(ModelModule.layers(model)), head.Scores);
    }

    // What the scores are, by the node that makes them, or else by their values.
    private OnnxHead Head(OnnxOps ops, string images, string tensor, Value scores)
    {
        var beneath = file.Beneath(tensor);
        if (file.Producer(beneath) is { OpType: "Softmax" or "LogSoftmax" or "Sigmoid" } proto)
        {
            var node = Node(proto);
            if (node.Op == "Sigmoid" ? node.Input(0).IsRow : ops.IsOverClasses(node))
                return OnnxHead.Of(node, beneath == tensor);
        }
        if (Find(beneath) is not { IsRow: true } row)
            return OnnxHead.Plain;
        var model = Build.Model(layout.Image, images, scores.Name, graph.LeadingTo(scores.Name));
        var computed = values.Values.Where(value => value.IsRow).DistinctBy(value => value.Name);
        return OnnxHead.Of(row.Name, model, layout.Image, computed.ToDictionary(value => value.Name));
    }

    private Value? Find(string name) => name.Length == 0 ? null : values.GetValueOrDefault(name) ?? file.Constant(name);

    private OnnxNode Node(NodeProto proto)
    {
        Value? Given(string name) =>
            name.Length == 0
                ? null
                : Find(name)
                    ?? throw file.Fault(
                        $"has a node '{proto.Name}' ({proto.OpType}) that takes '{name}', which is not supported"
                    );
        return new OnnxNode(file.Path, proto, [.. proto.Input.Select(Given)], file.Opset, file.Tensors);
    }

    private void Convert(OnnxOps ops, NodeProto proto)
    {
        var node = Node(proto);
        if (!OnnxFile.IsStandard(proto.Domain))
            throw node.Fault(
                $"is of the domain '{proto.Domain}', which is not supported: export the model in ONNX's own operators, with functions inlined and before an optimizer has changed it"
            );
        if (node.Op == "If")
        {
            Branch(ops, node);
            return;
        }
        try
        {
            foreach (var (name, value) in proto.Output.Zip(ops.Convert(node)))
                values[name] = value;
            aliases.Add(proto, values[node.Output].Name);
        }
        // Whatever a damaged file makes an op refuse is the file's fault.
        catch (Exception e) when (e is not AttributionException)
        {
            var shapes = node.Given.Select(input => $"[{string.Join(", ", Meant(input))}]");
            throw node.Fault(
                $"does not take inputs of the shapes {string.Join(", ", shapes)}: {e.Message.Split('\n')[0].TrimEnd('.')}",
                e
            );
        }
    }

    // The shape that the file means.
    private long[] Meant(Value value) =>
        value.Shape is { } shape && !value.IsStacked ? shape.At(layout.Batch) : value.Each;

    // A condition is known when the file is read, or the node is refused.
    private void Branch(OnnxOps ops, OnnxNode node)
    {
        // What a file asks about the number of images, such as whether there is one, it asks for what is done with one.
        var condition = node.Input(0) is { IsKnown: true } known && layout.Batch == 1 ? known.One : node.Constant(0);
        var isTrue = condition.IsAll();
        var branch = node.Graph(isTrue ? "then_branch" : "else_branch");
        void RequireNew(string name)
        {
            if (file.Names(name) || values.ContainsKey(name))
                throw node.Fault($"has a branch with another tensor named '{name}'");
        }
        foreach (var stored in branch.Initializer)
        {
            RequireNew(stored.Name);
            values[stored.Name] = file.Stored(stored);
        }
        foreach (var proto in branch.Node)
        {
            foreach (var name in proto.Output.Where(name => name.Length > 0))
                RequireNew(name);
            Convert(ops, proto);
        }
        foreach (var (outer, inner) in node.Outputs.Zip(branch.Output))
            values[outer] =
                Find(inner.Name) ?? throw node.Fault($"has a branch whose result '{inner.Name}' nothing computes");
    }

    // One row of scores an image.
    private Value Rows(string output, Value result)
    {
        if (!result.IsReal)
            throw file.Fault($"has the output '{output}' of whole numbers, which are labels and no scores");
        if (result is { IsRow: true, Shape.Sizes: [_, .. var each] })
            return each.Length == 1 && !result.IsStacked
                ? result
                : graph.Emit(graph.Unique("logits"), Op.Flatten, null, result);
        throw file.Fault(
            $"has the output '{output}' of the shape [{string.Join(", ", Meant(result))}], which is not one score for each class of each image"
        );
    }

    // The file's input by its own name; whatever comes before it, from the image on, by names of ours. Gives the image's.
    private string Images()
    {
        var steps = new PreprocessingSteps(preprocessing, file.Path).For(layout.Image).ToList();
        if (layout.Step is { } step)
            steps.Add(("input", step, null));

        var images = steps.Count == 0 ? file.Input.Name : graph.Unique("image");
        try
        {
            var value = graph.Images(images, layout.Image);
            for (var i = 0; i < steps.Count; i++)
            {
                var name = i == steps.Count - 1 ? file.Input.Name : graph.Unique(steps[i].Name);
                Value[] by = steps[i].Constant is { } c ? [Value.Constant(graph.Unique(name + "/by"), c)] : [];
                value = graph.Emit(name, steps[i].Op, by is [] ? null : t => Value.Meta(t[0]), [value, .. by]);
            }
            values[file.Input.Name] = value;
            return images;
        }
        catch (InvalidOperationException e)
        {
            throw file.Fault($"takes images of {string.Join("×", layout.Image)}: {e.Message}", e);
        }
    }
}
