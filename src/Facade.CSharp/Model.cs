namespace Attribution;

/// <summary>A classifier: images (n×c×h×w, 0-255) to logits (n×k), with the layers at which it can be cut. Preprocessing is
/// part of it. It owns its weights; a model may be used from several threads at once.</summary>
public sealed partial class Model : IDisposable
{
    private const string CoarseNote =
        "The model computes in bfloat16, which keeps 8 bits of a number: maps and scores differ from float32's.";

    private const string BoundedNote =
        "The module ends in a softmax or a sigmoid: its scores are probabilities, whose gradients are near 0 where a class is all but certain. Leave it out of the module.";

    // Null where the layers are the model's own.
    private readonly TorchScript? script;

    // What is made of the script's network.
    private readonly Func<Core.Model, Core.Model> read;

    private readonly Weights weights;

    // What computes while a derivative is recorded: the same on the weights that it is connected to.
    private readonly Lazy<Core.Model> connected;

    // The same without anything computed from weights, which whoever has their handles may change.
    private readonly Lazy<Core.Model> changeable;

    private Model(
        Core.Model core,
        Weights? weights = null,
        TorchScript? script = null,
        Func<Core.Model, Core.Model>? read = null
    )
    {
        (Core, this.weights, this.script) = (core, weights ?? Weights.Of(core), script);
        this.read = read ?? (core => core);
        (connected, changeable) = (new(() => this.weights.Connect(core)), new(core.Changeable));
        Layers = [.. ModelModule.layers(core)];
    }

    private IReadOnlyList<(string Name, string Layer)> Aliases { get; init; } = [];

    internal Core.Model Core { get; }

    /// <summary>What computes now: inside <see cref="Differentiation.Record"/> the model on <see cref="Parameters"/>.</summary>
    internal Core.Model Now =>
        Recording.IsOn ? connected.Value
        : weights.AreGiven ? changeable.Value
        : Core;

    /// <summary>The parameters by their names, to which maps and scores are connected inside <see
    /// cref="Differentiation.Record"/>. A module's are its own, by the module's names. Those of any other model are named
    /// <c>layer.weight</c> and <c>layer.bias</c>: handles on the weights themselves, which ask for no gradient until
    /// <c>requires_grad</c> is set, and through which they can be changed. Models that share weights share them; a model
    /// that <see cref="To(Device, Precision)"/> gives has its own.</summary>
    /// <remarks>Empty for a TorchScript file, whose module keeps its own to itself, and for functions, which are connected
    /// to whatever they use.</remarks>
    public IReadOnlyDictionary<string, Tensor> Parameters => weights.Parameters;

    /// <summary>What its scores are. An ONNX file tells; of other models <see cref="WithScores"/> says it.</summary>
    public ScoreKind Scores { get; private init; }

    /// <summary>Whether its one logit z stands for two classes; see <see cref="OfTwoClasses"/>.</summary>
    public bool IsBinary => Core.IsTwoSided;

    internal Head Head =>
        (IsBinary, Scores) switch
        {
            (true, _) or (_, ScoreKind.IndependentLogits) => Head.Sigmoid,
            (_, ScoreKind.Probabilities) => Head.Identity,
            _ => Head.Softmax,
        };

    /// <summary>The numbers that it computes in. A model that is loaded from a file computes in 64-bit floats where it is
    /// small, since rounding to 32 bits flips the activations that are nearest to zero, and a few of them move a small
    /// network's map by a percent; see <see cref="To(Device, Precision)"/>.</summary>
    public Precision Precision =>
        Core.Precision?.Value switch
        {
            ScalarType.Float64 => Precision.Float64,
            ScalarType.BFloat16 => Precision.BFloat16,
            _ => Precision.Float32,
        };

    /// <summary>The names of the places where the model can be cut, from the images to the logits.</summary>
    public IReadOnlyList<string> Layers { get; }

    /// <summary>What loading it did that a person should know: a softmax that was cut off, for example.</summary>
    public IReadOnlyList<string> Notes { get; private init; } = [];

    /// <summary>What it does to images first, as far as it was told or its file says; null where it is not known.</summary>
    public Preprocessing? Preprocessing { get; private init; }

    /// <summary>The scores at each position of a segmentation or a heat map, whose means are its logits; null for other models.</summary>
    public RegionScores? Regions { get; private init; }

    /// <summary>The boxes and scores of a detector, whose most certain ones are its logits; null for other models.</summary>
    public DetectionScores? Detections { get; private init; }

    /// <summary>The same detector, whose boxes' four numbers are these. The weights are shared: dispose of one of the two.</summary>
    /// <exception cref="AttributionException">The model detects nothing.</exception>
    public Model WithBoxes(BoxNumbers boxes)
    {
        var detections =
            Detections ?? throw new AttributionException("The model gives no boxes whose numbers could be told.");
        return Changed(core => core, detections: detections with { Boxes = boxes });
    }

    /// <summary>The same model, of instances that are laid out as images: rows of a table n×f as n×1×1×f, signals n×c×t as n×c×1×t, volumes
    /// n×c×d×h×w as n×c×(d·h)×w. The weights are shared: dispose of one of the two. A model of images is itself.</summary>
    public Model AsImages() =>
        InputShape is { } shape ? Changed(core => Attribution.Core.Images.model([.. shape], core)) : this;

    /// <summary>Channels, height and width of the images that it takes; null where any will do.</summary>
    public IReadOnlyList<long>? InputShape => Core.InputShape?.Value;

    /// <summary>A chain of named functions, each of which gives the layer of its name; the last gives the logits.</summary>
    /// <param name="layers">Differentiable functions that treat the instances of a batch one by one.</param>
    /// <exception cref="ArgumentException">There is no layer, or two have the same name.</exception>
    public static Model FromLayers(params (string Name, Func<Tensor, Tensor> Apply)[] layers) =>
        layers.Length == 0
            ? throw new ArgumentException("A model has at least one layer.", nameof(layers))
            : new(Interop.OfFunctions(layers));

    /// <summary>
    /// A TorchSharp module. Containers (<see cref="TorchSharp.Modules.Sequential"/>) give a layer for each module in them,
    /// by name: "features.0"; what is not a container gives its logits alone.
    /// </summary>
    /// <remarks>
    /// The module stays the caller's: it keeps its mode, its parameters' requires_grad and their gradients, and disposing
    /// of the model leaves it as it is. A model evaluates, whatever the module's mode: no dropout, and the running
    /// statistics. Its weights are the module's own, not copies: further training is seen at once, by all but what
    /// <see cref="To(Device, Precision)"/> has copied. A module that is moved or converted makes another model. Forward
    /// hooks of TorchSharp's own modules do not run.
    /// </remarks>
    /// <param name="module">From n×c×h×w, 0-255, to n×k; the model computes on its device and in its numbers.</param>
    /// <exception cref="AttributionException">A batch normalisation keeps no running statistics, or the module computes in
    /// numbers that no model has.</exception>
    public static Model FromModule(nn.Module<Tensor, Tensor> module)
    {
        var core = TorchModule.Read(module);
        var weights = Weights.Of(module);
        var last = core.Graph.Nodes[^1].Op;
        return last.IsSoftmax || last is Op.Activation { Item.IsSigmoid: true }
            ? new(core, weights) { Notes = [BoundedNote], Scores = ScoreKind.Probabilities }
            : new(core, weights);
    }

    /// <summary>VGG16 from the course's <c>vgg16_weights.npz</c>; widths, input size and classes are read off the arrays.</summary>
    /// <exception cref="AttributionException">The file is missing or broken, or its shapes do not chain.</exception>
    public static Model LoadVgg16(string weightsPath) =>
        Loaded(Vgg16.Read(weightsPath) with { Preprocessing = Vgg16.Preprocessing });

    /// <summary>VGG16 in its original shapes (3×224×224, 1000 classes) with random weights: for measuring time.</summary>
    public static Model RandomVgg16(long seed = 1) => Loaded(Vgg16.Random(seed));

    /// <summary>A classifier from an ONNX file; every intermediate tensor is a layer under its ONNX name. Its node's name, and
    /// the path of the module that it was exported from, where its names tell, name it too.</summary>
    /// <param name="path">The file.</param>
    /// <param name="preprocessing">What is done to images (0-255) before the file's own first step. What it leaves out is
    /// taken from the file's metadata (attribution.scale, .mean, .std and .channel_order; Image.NominalPixelRange and
    /// Image.BitmapPixelFormat; mean and std) where they say it, which is noted, and else changes nothing.</param>
    /// <param name="output">The output that holds the scores, or any tensor of the file that has one for each class; null: of
    /// the outputs of real numbers, one row an image, one of several scores before one of a single one, then that whose name
    /// speaks most for scores (logits, scores, probabilities, classes, output, any other, embeddings and auxiliary ones), then
    /// the last. Of several outputs, which one was taken is noted.</param>
    /// <remarks>Scores are logits: where the output is a softmax, its logarithm, or a sigmoid, however that is written, what it is
    /// taken of is explained in its place, which is noted; where that is not to be found in the file, so is that. A single
    /// logit is taken for two classes; see <see cref="OfTwoClasses"/>.</remarks>
    /// <exception cref="AttributionException">The file is missing, broken, or has an operator that is not supported, or no such
    /// output, or none that holds scores.</exception>
    public static Model LoadOnnx(string path, Preprocessing? preprocessing = null, string? output = null) =>
        Loaded(Onnx.OnnxReader.Read(path, preprocessing, output));

    /// <summary>A classifier from a TorchScript file, which torch.jit.script or torch.jit.trace made in PyTorch and saved.</summary>
    /// <remarks>
    /// It evaluates, whatever the mode it was saved in. Its layers are the images, what preprocessing makes of them, and the
    /// logits: what is inside the module cannot be cut, and takes no known amount of memory, so that a pass is 16 images
    /// unless it is told. The module computes in the numbers of its weights, float32 as a rule, whatever its size;
    /// <see cref="To(Device, Precision)"/> reads the file again. Scores are what the module gives: a softmax that ends it is
    /// not cut off. Such a file is a program: load it from where you would run one.
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="preprocessing">What is done to images (0-255) before the module; null: nothing.</param>
    /// <exception cref="AttributionException">The file is missing or broken, or holds weights without a network. Uses of the
    /// model throw it too, where the module does not take the images, gives something else than logits, or cannot be
    /// differentiated.</exception>
    public static Model LoadTorchScript(string path, Preprocessing? preprocessing = null)
    {
        var script = new TorchScript(path, preprocessing, CPU);
        return new(script.Core, Weights.None, script) { Preprocessing = preprocessing };
    }

    private static Model Loaded(LoadedModel loaded)
    {
        var placed = ModelModule.toDevice(CPU, ModelModule.defaultPrecision(loaded.Core), loaded.Core);
        // What stayed as it was is the placed model's by now.
        ModelModule.dispose(loaded.Core);
        var model = new Model(placed)
        {
            Notes = loaded.Notes,
            Aliases = loaded.Aliases ?? [],
            Scores = loaded.Scores,
            Preprocessing = loaded.Preprocessing,
            Regions = loaded.Regions,
            Detections = loaded.Detections,
        };
        return loaded.Classes == 1 ? model.OfTwoClasses() : model;
    }

    /// <summary>The model of one logit z as a classifier of two classes: 1, whose score is z and whose probability is σ(z),
    /// and 0, whose score is -z and whose probability is σ(-z) = 1 - σ(z). Its predicted class is 1 where z is positive.
    /// ONNX files of one logit are taken so from the start. The weights are shared: dispose of one of the two.</summary>
    /// <exception cref="AttributionException">Uses of the model throw it where it has more than one logit.</exception>
    public Model OfTwoClasses() => Changed(core => core.TwoSided());

    /// <summary>The same model, whose scores are of another kind. The weights are shared: dispose of one of the two.</summary>
    /// <param name="scores">What they are.</param>
    public Model WithScores(ScoreKind scores) => Changed(core => core, scores: scores);

    /// <summary>
    /// The model with what its values on eight images tell of its scores: whether they are probabilities, or one logit for two
    /// classes; <see cref="Notes"/> has it. For models that do not say it, TorchScript files and modules of one piece; an ONNX
    /// file's is known from the start. The weights are shared: dispose of one of the two.
    /// </summary>
    /// <param name="image">The shape of an image: channels, height, width.</param>
    public Model Recognised(params long[] image)
    {
        using var scope = NewDisposeScope();
        if (IsBinary)
            return WithScores(Scores);
        using var _ = no_grad();
        var scores = ModelModule.logits(Core, Onnx.OnnxHead.Varied(image));
        var head = Onnx.OnnxHead.Of(scores.to(ScalarType.Float64));
        var isOne = scores.shape[1] == 1;
        string[] oneLogit = isOne ? [Onnx.OnnxHead.OneLogitNote] : [];
        string[] notes = [.. Notes, .. new[] { head.Note }.OfType<string>(), .. oneLogit];
        Core.Model Recognise(Core.Model core)
        {
            core = head.IsOneProbability ? core.OfLogOdds() : core;
            return isOne ? core.TwoSided() : core;
        }
        return Changed(Recognise, notes, head.Scores);
    }

    /// <summary>The scores of the classes (n×k): the logits, or of a model of one logit z for two classes -z and z (n×2).</summary>
    /// <inheritdoc cref="Logits"/>
    public Tensor ClassScores(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        static Tensor Outputs(Target target, Batch batch) => TargetModule.explained(target, batch).Outputs.Value;
        return Map(x, Quantity.Predicted, Pass.Forward, x.Count, Outputs, batchSize, progress, cancellation);
    }

    /// <summary>The probabilities of the classes, by what the model's scores are.</summary>
    /// <param name="scores">n×k, as <see cref="ClassScores"/> gives them.</param>
    public Tensor Probabilities(Tensor scores) =>
        Head.IsSigmoid ? scores.sigmoid()
        : Head.IsIdentity ? scores.alias()
        : scores.softmax(1);

    /// <summary>The logits (n×k) of images.</summary>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    public Tensor Logits(
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var scores = ClassScores(x, batchSize, progress, cancellation);
        if (!IsBinary)
            return scores;
        using (scores)
            return scores.narrow(1, 1, 1).clone();
    }

    /// <summary>
    /// The model on another device or in another precision. Weights that stay as they are, are shared, and freed when both
    /// models are disposed of.
    /// </summary>
    /// <param name="device">Such as <c>torch.CPU</c> or <c>torch.CUDA</c>.</param>
    /// <param name="precision">The numbers that it computes in; images and results stay as they are.</param>
    /// <exception cref="AttributionException">The device is not there, or a TorchScript file cannot be read again or
    /// converted.</exception>
    public Model To(Device device, Precision precision = Precision.Float32)
    {
        RequireCuda(device.type == DeviceType.CUDA);

        var type = precision switch
        {
            Precision.BFloat16 => ScalarType.BFloat16,
            Precision.Float64 => ScalarType.Float64,
            _ => ScalarType.Float32,
        };
        string[] coarse = precision == Precision.BFloat16 ? [CoarseNote] : [];
        string[] notes = [.. Notes.Except([CoarseNote]), .. coarse];
        if (script is null)
            return Like(ModelModule.toDevice(device, type, Core), notes: notes);
        var moved = script.To(device, type);
        return Like(read(moved.Core), Weights.None, moved, read, notes);
    }

    /// <inheritdoc cref="To(Device, Precision)" path="/summary | /exception"/>
    /// <param name="device">"cpu", "cuda", or "cuda:1" for the second one.</param>
    /// <param name="precision">The numbers that it computes in.</param>
    public Model To(string device, Precision precision)
    {
        RequireCuda(device.StartsWith("cuda"));
        return To(torch.device(device), precision);
    }

    /// <summary>
    /// The model with passes that take at most that much memory for the values of their batch; by default half of what is
    /// free, and at most 4 GiB, since more makes no pass faster. Results depend on it by rounding alone. The weights are shared: dispose of
    /// neither model before both are done with.
    /// </summary>
    /// <param name="bytes">The memory; a pass takes one instance at least.</param>
    /// <exception cref="ArgumentOutOfRangeException">bytes is not positive.</exception>
    /// <exception cref="AttributionException">The model is a TorchScript file's.</exception>
    public Model Within(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        if (script is not null)
            throw new AttributionException(
                "What a TorchScript file's passes take of memory is not known: give them a batch size instead."
            );
        return Changed(core => core.Within(bytes));
    }

    /// <summary>The model with softplus(βx)/β in place of its ReLUs: smooth, so that its maps have derivatives where those of ReLUs have
    /// none; the nearer to the model itself the larger β is. The weights are shared: dispose of one of the two.</summary>
    /// <remarks>Dombrowski et al., arXiv 1906.07983. Max pools stay as they are, and so do ReLUs inside of modules and functions that
    /// are not seen into.</remarks>
    /// <param name="beta">β, in units of one over an activation's.</param>
    /// <exception cref="ArgumentOutOfRangeException">β is not positive.</exception>
    public Model Smooth(double beta)
    {
        if (!(beta > 0 && double.IsFinite(beta)))
            throw new ArgumentOutOfRangeException(nameof(beta), beta, "β is a positive number.");
        return Changed(core => ModelModule.smooth(beta, core));
    }

    /// <summary>
    /// The model with random weights in its layers nearest to the logits: normal, of each tensor's own mean and standard
    /// deviation. A normalisation keeps its statistics. The weights are its own: dispose of it.
    /// </summary>
    /// <param name="seed">Decides on what is drawn: a layer's weights are the same, however many layers are random.</param>
    /// <param name="fromTop">How many of the layers that have weights; null: all.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many.</exception>
    /// <exception cref="AttributionException">The model has no weights: it is made of functions.</exception>
    public Model Randomised(long seed = 1, int? fromTop = null)
    {
        var layers = Attribution.Core.ParameterRandomisation.layers(Core);
        var count = fromTop ?? layers.Length;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(fromTop));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, layers.Length, nameof(fromTop));
        var core = Attribution.Core.ParameterRandomisation.randomised(seed, layers[..count], Core);
        return Like(core);
    }

    // The same model, computing otherwise.
    private Model Changed(
        Func<Core.Model, Core.Model> change,
        IReadOnlyList<string>? notes = null,
        ScoreKind? scores = null,
        DetectionScores? detections = null
    ) => Like(change(Core), weights, script, core => change(read(core)), notes, scores, detections);

    // A model of which the same is known, but for what is given.
    private Model Like(
        Core.Model core,
        Weights? weights = null,
        TorchScript? script = null,
        Func<Core.Model, Core.Model>? read = null,
        IReadOnlyList<string>? notes = null,
        ScoreKind? scores = null,
        DetectionScores? detections = null
    ) =>
        new(core, weights, script, read)
        {
            Regions = Regions,
            Detections = detections ?? Detections,
            Notes = notes ?? Notes,
            Aliases = Aliases,
            Scores = scores ?? Scores,
            Preprocessing = Preprocessing,
        };

    /// <summary>The same model at work, connected to what it is connected to.</summary>
    internal Model At(Core.Model core) => Like(core, Weights.None);

    private static void RequireCuda(bool isAsked)
    {
        if (isAsked && !cuda.is_available())
            throw new AttributionException(
                "This build has no CUDA device: reference TorchSharp's libtorch-cuda package in place of libtorch-cpu, or use the device cpu."
            );
    }

    /// <summary>What there is to know of every layer.</summary>
    public IReadOnlyList<Layer> Describe()
    {
        var notes = Cuts.Notes(this);
        var also = Aliases.ToLookup(alias => alias.Layer, alias => alias.Name);
        var inputs = Inputs();
        return
        [
            .. from layer in ModelModule.describe(Core)
            let name = layer.Item1
            let rows = ModelModule.rows(name, Core)
            let reading = rows == 1
                ? ModelModule.reading(Attribution.Core.Units.Auto, name, Core, [1, .. layer.Item3])
                : Attribution.Core.Units.Each
            let positions = UnitsModule.positions(reading, layer.Item3.Length + 1)
            let grid = ModelModule.grid(name, Core)?.Value
            let ofHeads = ModelModule.heads(name, Core, [1, .. layer.Item3])?.Value
            let heads = ofHeads is { } axis ? $"{layer.Item3[axis - 1]} heads" : null
            let beside = rows == 1 ? null : $"{rows} rows an image"
            // Of channels, rows and columns the shape tells it, and of numbers without channels nobody asks.
            let places = grid is null || grid.Axes is [2, 3] || grid.Axes.Length == layer.Item3.Length
                ? null
                : $"positions {GridModule.describe(grid)}"
            select new Layer(
                name,
                layer.Item2,
                layer.Item3,
                reading.FromCore(),
                [.. also[name]],
                string.Join(", ", notes[name].Concat(new[] { heads, beside, places }.OfType<string>()))
            )
            {
                Units = layer.Item3.Where((_, axis) => !positions.Contains(axis + 1)).Aggregate(1L, (a, b) => a * b),
                Positions = grid is null ? "" : GridModule.describe(grid),
                Inputs = inputs[name],
            },
        ];
    }

    // Of each layer the layers that it is computed of; constants, and steps that are no layers, are seen through.
    private Dictionary<string, string[]> Inputs()
    {
        HashSet<string> layers = [.. Layers];
        Dictionary<string, string[]> found = [];
        foreach (var node in Core.Graph.Nodes)
            found[node.Name] =
            [
                .. node
                    .Inputs.SelectMany(input =>
                        layers.Contains(input) || input == Core.Graph.Input ? [input]
                        : found.TryGetValue(input, out var before) ? before
                        : Array.Empty<string>()
                    )
                    .Distinct(),
            ];
        return found;
    }

    /// <summary>A quantity of each instance.</summary>
    /// <param name="quantity">The quantity.</param>
    /// <param name="x">Instances: n×c×h×w, 0-255.</param>
    /// <param name="batchSize">Instances a pass; null: as many as memory allows. The result depends on it by rounding alone.</param>
    /// <param name="progress">Told of every pass.</param>
    /// <param name="cancellation">Stops the work.</param>
    public IReadOnlyList<double> Values(
        Quantity quantity,
        Instances x,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        static Tensor Read(Target target, Batch batch) =>
            TargetModule.ofExplained(target, TargetModule.explained(target, batch));
        var values = Map(x, quantity, Pass.Forward, x.Count, Read, batchSize, progress, cancellation);
        return TensorModule.toArray<double>(values.to(ScalarType.Float64));
    }

    /// <summary>Whether there are layers between the images and the logits to cut at.</summary>
    internal bool HasCuts => script is null;

    /// <summary>Requires layers between the images and the logits.</summary>
    /// <exception cref="AttributionException">The model is a TorchScript file's.</exception>
    internal void RequireCuts()
    {
        if (script is not null)
            throw script.NoLayers;
    }

    /// <summary>The name of a layer that is asked for by its name or another.</summary>
    /// <exception cref="AttributionException">There is none of the name; the message offers the closest ones.</exception>
    public string RequireLayer(string layer) =>
        Layers.Contains(layer) ? layer
        : Aliases.FirstOrDefault(alias => alias.Name == layer).Layer is { } name ? name
        : throw script?.NoLayers
            ?? new AttributionException(
                $"The model has no layer '{layer}': did you mean {string.Join(", ", Closest.Names(layer, Layers.Concat(Aliases.Select(alias => alias.Name)), 3).Select(name => $"'{name}'"))}?"
            );

    /// <summary>This model, if its network has what a method is about.</summary>
    internal Model Require(string method, Func<Graph, bool> has) =>
        has(Core.Graph)
            ? this
            : throw new AttributionException(
                $"{method}, and the model has none that can be seen: choose another method, or load the model from ONNX if it is of one piece here."
            );

    /// <summary>What a method makes of a quantity of instances, batch by batch.</summary>
    internal Tensor Map(
        Instances x,
        Quantity quantity,
        Pass pass,
        long passes,
        BatchMap map,
        int? batchSize = null,
        IProgress<Progress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var target = x.TargetOf(quantity, Working(batchSize, passes, progress, cancellation));
        return x.Core.Map(target, pass, batch => map(target, batch));
    }

    /// <summary>The core's model, set to work: batches of a size, reports of progress, and an ear for cancellation.</summary>
    internal Core.Model Working(
        int? batchSize,
        long passes,
        IProgress<Progress>? progress,
        CancellationToken cancellation
    ) => Working(batchSize, new Passes(passes, progress, cancellation));

    /// <summary>The same, counted among others.</summary>
    internal Core.Model Working(int? batchSize, Passes passes)
    {
        if (batchSize < 1)
            throw new ArgumentOutOfRangeException(nameof(batchSize), batchSize, "A batch holds at least 1 instance.");
        return Now.Batched(batchSize).Observed(instances => passes.Begin(instances));
    }

    /// <summary>Images a pass where results are to be the same to the last bit wherever they are computed: by the shapes alone.</summary>
    internal int SteadyBatch(Instances x) => ModelModule.steadyBatch(Core, x.Core);

    /// <summary>Whether a pass of so many images has room now.</summary>
    internal bool Holds(int batchSize, Instances x) => ModelModule.holds(batchSize, Core, x.Core);

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        if (connected.IsValueCreated && connected.Value != Core)
            ModelModule.dispose(connected.Value);
        weights.Dispose();
        ModelModule.dispose(Core);
        script?.Dispose();
    }
}
