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
        var images = Images();
        var ops = new OnnxOps(graph, layout.Batch);
        var result = Computed(ops, tensor) ?? throw file.Fault($"has the output '{name}', which is not supported");
        if ((Detections(ops, images, output, result) ?? Regions(images, output, result)) is { } found)
            return found;
        if (IsBesideBoxes(ops, output, result))
            throw file.Fault(
                $"has the output '{name}' of one number for each of its boxes, which is no row of scores: ask for the boxes' classes by --output"
            );
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

    private Value? Computed(OnnxOps ops, string tensor)
    {
        foreach (var proto in file.Needed(tensor))
            if (!values.ContainsKey(proto.Output[0]))
                Convert(ops, proto);
        return Find(tensor);
    }

    // Of an output that is looked at beside the one that is asked for, and may have steps that are not supported.
    private Value? IfComputed(OnnxOps ops, string tensor)
    {
        try
        {
            return Computed(ops, tensor);
        }
        catch (AttributionException)
        {
            return null;
        }
    }

    // n×…, each row of an instance's own; null where it is otherwise.
    private Value? PerImage(Value value) =>
        !value.IsReal || value.IsRow || value.IsKnown ? null
        : value is { IsStacked: true, Each: [1, .. var each] }
            ? graph.Emit(graph.Unique(value.Name + "/each"), Op.NewReshape(each), null, value)
        : value is { IsStacked: false, Shape.RowsAreInstances: true } ? value
        : null;

    // Scores of classes at each position, n×k×h×w: an image's score of a class is the mean of them.
    private LoadedModel? Regions(string images, OnnxOutput output, Value result)
    {
        // Of signals n×k×t.
        if (PerImage(result) is not { } dense || dense.Rank < layout.Image.Length + 1 || dense.Rank < 3)
            return null;
        var note = "";
        if (
            file.Producer(file.Beneath(output.Tensor)) is { OpType: "Softmax" or "LogSoftmax" or "Sigmoid" } proto
            && Node(proto) is var node
            && (node.Op == "Sigmoid" || node.Axis(node.Int("axis", file.Opset < 13 ? 1 : -1), dense.Rank) == 1)
            && PerImage(node.Input(0)) is { } before
            && before.First.shape.SequenceEqual(dense.First.shape)
        )
            (dense, note) = (before, $" What the {node.Op} is taken of is explained in its place.");
        long[] shape = dense.Shape!.Sizes[1..];
        var mean = graph.Emit(
            graph.Unique("mean score"),
            Build.Function(
                Kind.Sums,
                "Mean",
                t => t[0].mean([.. Enumerable.Range(2, dense.Rank - 2).Select(i => (long)i)])
            ),
            null,
            dense
        );
        notes.Add(
            $"The output {OnnxFault.Quoted(output.Name)} has scores of {Classes(shape[0])} at each of {string.Join("×", shape[1..])} positions: an image's score is their mean; --quantity region:K or point:K@X,Y asks for some of them.{note}"
        );
        return Made(images, mean) with { Regions = new(dense.Name, shape) };
    }

    // Boxes and scores, n×m×4 and n×m×k, or one output of both: an image's score of a class is that of its most certain box.
    private LoadedModel? Detections(OnnxOps ops, string images, OnnxOutput output, Value result)
    {
        if (layout.Image.Length != 3 || PerImage(result) is not { Rank: 3 } own)
            return null;
        var all = own;
        var format = BoxNumbers.CentreAndSize;
        if (Paired(ops, output, own) is var (boxes, boxesName, scores))
        {
            // As DETR and its kin name and have them.
            format = boxesName == "pred_boxes" ? BoxNumbers.CentreAndSize : BoxNumbers.Corners;
            all = graph.Emit(graph.Unique("detections"), Op.NewConcat(2), null, boxes, scores);
        }
        else if (own.First.shape[1] > 4 && own.First.shape[2] > 4 * own.First.shape[1])
            // 4 + k rows, as YOLO from its version 8 on has them.
            all = graph.Emit(graph.Unique("detections"), Op.NewPermute([0, 2, 1]), null, own);
        else if (own.First.shape[2] > 5 && own.First.shape[1] > 4 * own.First.shape[2])
            // Boxes, a certainty that something is there, and the classes', as YOLO's versions 3 to 7 have them.
            all = graph.Emit(
                graph.Unique("detections"),
                Build.Pure(
                    "Detections",
                    t => cat([t[0].narrow(2, 0, 4), t[0].narrow(2, 4, 1) * t[0].narrow(2, 5, t[0].shape[2] - 5)], 2)
                ),
                null,
                own
            );
        else
            return null;
        long[] shape = all.Shape!.Sizes[1..];
        var most = graph.Emit(
            graph.Unique("most certain"),
            Build.Function(Kind.Selects, "ReduceMax", t => t[0].narrow(2, 4, t[0].shape[2] - 4).amax([1L])),
            null,
            all
        );
        var numbers = format == BoxNumbers.Corners ? "left, top, right, bottom" : "centre and size";
        notes.Add(
            $"The output {OnnxFault.Quoted(output.Name)} is taken for detections: {shape[0]} boxes ({numbers}; --boxes says otherwise) with scores of {Classes(shape[1] - 4)}. An image's score is its most certain box's; --quantity box:X,Y,W,H asks for that of a box."
        );
        return Made(images, most) with { Detections = new(all.Name, shape, format) };
    }

    // n×m×1 where another output is n×m×4: how much is there, and not what.
    private bool IsBesideBoxes(OnnxOps ops, OnnxOutput output, Value result) =>
        result is { Rank: 3, IsKnown: false, IsStacked: false }
        && result.First.shape[2] == 1
        && file.Outputs.Any(other =>
            other != output
            && other.IsReal
            && IfComputed(ops, other.Tensor) is { Rank: 3 } boxes
            && boxes.First.shape[1] == result.First.shape[1]
            && boxes.First.shape[2] == 4
        );

    // Boxes and scores of as many places, by their last dimensions, or by their names where both have four numbers; of several outputs
    // of scores that of most classes.
    private (Value Boxes, string Name, Value Scores)? Paired(OnnxOps ops, OnnxOutput output, Value own)
    {
        static bool IsFour(Value value) => value.First.shape[2] == 4;
        static bool IsNamed(OnnxOutput some) => some.Name.Contains("box", StringComparison.OrdinalIgnoreCase);
        var found =
            from other in file.Outputs
            where other != output && other.IsReal
            let value = IfComputed(ops, other.Tensor) is { } computed ? PerImage(computed) : null
            where value is { Rank: 3 } && value.First.shape[1] == own.First.shape[1]
            where IsFour(own) || IsFour(value)
            let isOwn = IsFour(own) && IsFour(value) ? IsNamed(output) && !IsNamed(other) : IsFour(own)
            where isOwn || !(IsFour(own) && IsFour(value)) || IsNamed(other)
            select isOwn
                ? (Boxes: own, Name: output.Name, Scores: value)
                : (Boxes: value, Name: other.Name, Scores: own);
        return found
            .OrderByDescending(pair => pair.Scores.First.shape[2])
            .Select(pair => ((Value, string, Value)?)(pair.Boxes, pair.Name, pair.Scores))
            .FirstOrDefault();
    }

    private static string Classes(long count) => count == 1 ? "1 class" : $"{count} classes";

    private LoadedModel Made(string images, Value scores)
    {
        var model = Build.Model(layout.Image, images, scores.Name, graph.LeadingTo(scores.Name));
        var classes = (int)scores.Shape!.Sizes[1];
        if (classes == 1)
            notes.Add(OnnxHead.OneLogitNote);
        return new LoadedModel(model, notes, classes, aliases.Of(ModelModule.layers(model)));
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
