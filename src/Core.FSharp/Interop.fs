namespace Attribution.Core

open System
open System.Collections.Generic
open System.Runtime.CompilerServices
open TorchSharp

/// The core's functions of functions, for languages without F#'s functions.
[<AbstractClass; Sealed; Extension>]
type Interop private () =
    /// Instances that `read start length` gives a batch at a time, in float32.
    static member Instances(count: int, read: Func<int, int, Tensor>) : Instances = {
        Count = count
        Type = TorchSharp.torch.float32
        Read = fun start length -> read.Invoke(start, length)
        Id = id
    }

    /// Hands `listener` every sentence that a person should know about the machine's kernels.
    static member WhenSaid(listener: Action<string>) = Kernels.said.Add listener.Invoke

    /// The path of a file of those bytes in the user's cache, written where it is not there yet.
    static member Keep(name: string, bytes: byte[]) = Runtime.keep name bytes bytes

    /// Turns oneDNN off for the process where this machine's kernels are not to be trusted: for modules that are run, or
    /// trained, past this library's own convolutions.
    static member Shield() = Kernels.shield ()

    /// The model, telling `onPass` of each pass and of how many instances it holds.
    [<Extension>]
    static member Observed(model: Model, onPass: Action<int>) = { model with OnPass = onPass.Invoke }

    /// The model with passes of the given size, or where that is null of as many instances as its memory allows.
    [<Extension>]
    static member Batched(model: Model, batchSize: Nullable<int>) =
        if batchSize.HasValue then { model with Batching = Fixed batchSize.Value } else model

    /// The model with passes that take at most that many bytes.
    [<Extension>]
    static member Within(model: Model, bytes: int64) = { model with Batching = Batching.Memory bytes }

    /// The model of weights that stay someone else's, who may change them: it computes where and in what they are.
    [<Extension>]
    static member Sharing(model: Model, device: TorchSharp.torch.Device, precision: TorchSharp.torch.ScalarType) = {
        model with
            SharesWeights = true
            IsOpaque = model.Graph.Nodes |> Array.exists _.Op.IsPure
            Device = device
            Precision = Some precision
    }

    /// The model of functions that hold whatever they like.
    [<Extension>]
    static member Opaque(model: Model) = { model with IsOpaque = model.Graph.Nodes |> Array.exists _.Op.IsPure }

    /// The model whose one logit z stands for two classes: 1, whose score is z, and 0, whose score is -z.
    [<Extension>]
    static member TwoSided(model: Model) = { model with IsTwoSided = true }

    /// The logit log(p / (1 - p)) of a probability, which is held from 0 and 1 as far as float32 tells it.
    static member LogOdds(p: Tensor) : Tensor =
        let nearest = 1e-7
        let p = p.clamp (Number.Of nearest, Number.Of(1. - nearest))
        (p / (Tensor.complement p)).log()

    /// The model of one probability, ending in its logit.
    [<Extension>]
    static member OfLogOdds(model: Model) =
        let op = Op.Pure("LogOdds", (fun inputs -> Interop.LogOdds inputs.Head))
        let node = Node.create "log-odds" op [ model.Graph.Output ]
        let graph = Graph.withNodes (Seq.append model.Graph.Nodes [ node ]) model.Graph
        Model.withGraph { graph with Output = node.Name } model

    /// The values of as many numbers an instance as the graph's output has, or of one, in float32: (node, n×k), each after
    /// those that it follows from.
    static member LikeOutput(graph: Graph, x: Tensor) : IReadOnlyList<struct (string * Tensor)> =
        let keep = Scope.keepHere ()
        let found = ResizeArray<struct (string * Tensor)>()

        let single (t: Tensor) = if t.is_floating_point () then t.``to`` TorchSharp.torch.float32 else t

        let observe (node: Node) (value: Tensor) =
            if value.is_floating_point () && value.ndim > 1L && value.shape[0] = x.shape[0] then
                found.Add(struct (node.Name, keep ((value.reshape (x.shape[0], -1L)).clone())))

        let plan = graph |> Graph.mapOps (Op.mapTensors single) |> Graph.plan [ graph.Input ] [ graph.Output ]

        Scope.quietly (fun () -> Graph.runObserved observe Semantics.plain plan [ x ]) |> ignore

        let struct (_, output) = found[found.Count - 1]

        found
        |> Seq.filter (fun struct (_, value) -> value.shape[1] = output.shape[1] || value.shape[1] = 1L)
        |> ResizeArray
        :> IReadOnlyList<_>

    /// The chain of named functions.
    static member OfFunctions(layers: seq<struct (string * Func<Tensor, Tensor>)>) =
        layers |> Seq.map (fun struct (name, f) -> name, f.Invoke) |> Model.ofFunctions

    /// A quantity of interest that any function of the logits gives: n×k → n.
    static member Quantity(name: string, f: Func<Tensor, Tensor>) = Quantity.ofFunction name f.Invoke

    /// A baseline that any function of the instances gives.
    static member Baseline(name: string, f: Func<Tensor, Tensor>) = Baseline.ofFunction name f.Invoke

    /// A quantity over the instances, by position, that belong to a distribution.
    static member Interest(quantity: Quantity, distribution: Func<int64, bool>) : Interest = {
        Quantity = quantity
        Distribution = distribution.Invoke
    }

    /// Several as a list.
    static member List(values: 'a seq) = List.ofSeq values

    /// What may be null as what may be missing.
    static member Option(value: 'a) = Option.ofObj value

    /// A number that may be missing.
    static member Option(value: Nullable<float>) = Option.ofNullable value

    /// A count that may be missing.
    static member Option(value: Nullable<int>) = Option.ofNullable value

    /// How maps are made, of a target and of a batch.
    static member Curried(explain: Func<Target, Batch, Tensor>) =
        fun (target: Target) (batch: Batch) -> explain.Invoke(target, batch)

    /// How a metric makes maps of its own.
    static member Explaining(explain: Func<Target, Batch, Tensor>) = Some(Interop.Curried explain)

    /// A game of features, by what is asked about so many.
    static member Coalitions(plan: Func<int, CoalitionPlan>, features, baseline, target, batch) =
        Coalitions.attribute plan.Invoke features baseline target batch

    /// Guided Grad-CAM at some layers.
    static member GuidedGradCam(layers: string seq, target, batch) =
        GuidedGradCam.attribute (List.ofSeq layers) target batch

    /// Where the part is that maps are to point at: masks of all instances (N×h×w, or one for all), by the instances' ids.
    static member Masks(all: Tensor) =
        Some(fun (batch: Batch) ->
            if all.shape[0] = 1L then
                all.expand (batch.Ids.LongLength, all.shape[1], all.shape[2])
            else
                use ids = torch.tensor (batch.Ids, device = all.device)
                Sweep.pick ids all)

    /// The maps of some instances as a batch, which is never asked for what the instances are.
    static member MapsOf(instances: Instances, maps: Tensor) : Batch = {
        Batch.ofTensor maps with
            Ids = Array.init instances.Count (int64 >> instances.Id)
    }

    /// The curves of some paths.
    static member Curves(relaxation, paths: PixelPath seq, target, attributions, batch) : IReadOnlyList<PixelCurve> =
        PixelCurves.curves relaxation (List.ofSeq paths) target attributions batch :> IReadOnlyList<_>

    /// The necessity ordering of one instance's scores while pixels are removed, from 0 on.
    static member Ordering(pixels: int64[], scores: float[]) : float =
        use _ = torch.NewDisposeScope()
        let row (numbers: float[]) = (torch.tensor numbers).unsqueeze 0L
        let pixels = row (Array.map float pixels)

        let curve: PixelCurve = {
            Lengths = [| scores.LongLength |]
            Pixels = pixels
            Attribution = pixels
            Scores = row scores
            Whole = torch.zeros (1L, torch.float64)
        }

        (NecessityOrdering.ofCurve curve).item<float>()

    /// A quantity of instances that are counted from 0, and stand at these positions among all.
    [<Extension>]
    static member Among(quantity: Quantity, rows: Tensor) =
        // The tensor may be freed by the time that a way back asks again.
        let rows = Tensor.toArray<int64> rows

        let among (explained: Explained) = {
            explained with
                Rows = Sweep.pick explained.Rows (torch.tensor (rows, device = explained.Rows.device))
        }

        { quantity with Of = among >> quantity.Of }

    /// The model of weights that may change: nothing that is computed from them is kept.
    [<Extension>]
    static member Changeable(model: Model) = Model.withGraph model.Graph { model with SharesWeights = true }

    /// The model on parameters that stay someone else's: in place of those of their names.
    [<Extension>]
    static member On(model: Model, parameters: IReadOnlyDictionary<string, Tensor>) =
        Model.withParameters (Map [ for pair in parameters -> pair.Key, pair.Value ]) model |> Interop.Kept

    /// The same with the ops of another graph in place of those of their names.
    [<Extension>]
    static member On(model: Model, graph: Graph) =
        let ops = dict [ for node in graph.Nodes -> node.Name, node.Op ]

        let change (node: Node) =
            match ops.TryGetValue node.Name with
            | true, op -> { node with Op = op }
            | _ -> node

        Model.withGraph (Graph.mapNodes change model.Graph) { model with SharesWeights = true }
        |> Interop.Kept

    /// Of a model whose tensors outlive the scope that is open.
    static member private Kept(model: Model) =
        Model.withGraph (Graph.mapOps (Op.mapTensors _.DetachFromDisposeScope()) model.Graph) model

    /// The model's own parameters under handles of their own, by their names.
    static member Parameters(model: Model) : IReadOnlyDictionary<string, Tensor> =
        Dictionary(
            seq {
                for pair in Model.parameters model ->
                    KeyValuePair(pair.Key, pair.Value.detach().DetachFromDisposeScope())
            }
        )

    /// f of every batch, batches as large as memory allows in that kind of pass: one result an instance.
    [<Extension>]
    static member Map(instances: Instances, target: Target, pass: Pass, f: Func<Batch, Tensor>) =
        target.Prepare instances
        |> Instances.map (target.BatchSize pass instances) (fun batch -> (f.Invoke batch).``to`` instances.Type)

    /// One score an instance, of every batch: n, float64.
    [<Extension>]
    static member Score(instances: Instances, target: Target, f: Func<Batch, Tensor>) =
        target.Prepare instances
        |> Instances.map (target.BatchSize Forward instances) (fun batch ->
            (f.Invoke batch).``to``(torch.float64, torch.CPU))

    /// The same for results that are not tensors.
    [<Extension>]
    static member Collect(instances: Instances, target: Target, pass: Pass, f: Func<Batch, 'a seq>) : 'a[] =
        let results = ResizeArray<'a>()

        target.Prepare instances
        |> Instances.iter (target.BatchSize pass instances) (fun batch -> results.AddRange(f.Invoke batch))

        results.ToArray()

    /// The percentile bootstrap's interval of any statistic.
    static member BootstrapInterval
        (statistic: Func<float[], float>, random: Random, resamples: int, level: float, values: float[])
        =
        Statistics.bootstrapIntervalOf statistic.Invoke random resamples level values

    /// The gradient with respect to each instance (n×…) of a function that gives one number an instance (n).
    static member Gradient(f: Func<Tensor, Tensor>, x: Tensor) = Diff.gradEach f.Invoke x

    /// The steps from the images to a layer, as the graph has them.
    static member Plan(graph: Graph, layer: string) = Graph.plan [ graph.Input ] [ layer ] graph

    /// The summed influences on some interests at some layers, and what `observe` is told of their values (layer, batch, n×…).
    static member Survey
        (
            around: Neighbourhood,
            multiply: bool,
            interests: Interest seq,
            units: Units,
            layers: string seq,
            model: Model,
            instances: Instances,
            observe: Action<string, Batch, Tensor>
        ) : IReadOnlyDictionary<string, Tensor[]> =
        let observe layer batch values =
            if not (isNull observe) then
                observe.Invoke(layer, batch, values)

        Influence.totals around multiply observe (Array.ofSeq interests) units (List.ofSeq layers) model instances

    /// DeepLIFT, telling `observe` of each instance what its attributions sum to, and what they should.
    static member DeepLift
        (
            maximum: MaximumRule,
            observe: Action<float, float>,
            baseline: Baseline,
            multiply: bool,
            target: Target,
            batch: Batch
        ) =
        DeepLift.observed maximum (Array.iter observe.Invoke) baseline multiply target batch

    /// The target with outputs of its instances that are known, or will be.
    [<Extension>]
    static member Remembering(target: Target, cache: OutputCache) = { target with Cache = Option.ofObj cache }

    /// Max-sensitivity of a method.
    static member MaxSensitivity
        (explain: Func<Instances, Tensor>, radius: float, samples: int, seed: int64, attributions, instances)
        =
        MaxSensitivity.scores explain.Invoke radius samples seed attributions instances

    /// Average sensitivity of a method.
    static member AverageSensitivity
        (explain: Func<Instances, Tensor>, radius: float, samples: int, seed: int64, attributions, instances)
        =
        AverageSensitivity.scores explain.Invoke radius samples seed attributions instances

    /// An attack on the maps of instances.
    [<Extension>]
    static member Attacked
        (
            instances: Instances,
            target: Target,
            settings: AttackSettings,
            peak: float,
            maps: Tensor,
            explain: Func<Target, Batch, Tensor>
        ) : Attacked =
        Scope.quietly (fun () ->
            let batch = Instances.read (target.Prepare instances) 0 instances.Count
            let explain target batch = explain.Invoke(target, batch)
            Attack.run explain settings peak (Target.anchored target batch) target.Model maps batch)

    /// The maps that a metric likes best, from some or from noise.
    [<Extension>]
    static member Liked
        (instances: Instances, target: Target, row: Metric, settings: MetricSettings, steps: int, start: Tensor)
        : Tensor =
        target.Prepare instances
        |> Instances.map (target.BatchSize Gradient instances) (fun batch ->
            let start =
                if isNull start then MetricOptimal.noise settings.Seed batch else Sweep.pick batch.Rows start

            MetricOptimal.find row settings steps (start.``to`` (torch.float64)) target batch)

    /// The gradients of the losses of labels in the weights of some dense layers, of all instances.
    [<Extension>]
    static member LossGradients
        (instances: Instances, model: Model, layers: string seq, labels: int64[])
        : TrainingInfluence.Gradients =
        let layers, parts = List.ofSeq layers, ResizeArray<TrainingInfluence.Gradients>()
        let keep = Scope.keepHere ()

        Model.instances model instances
        |> Instances.iter (Model.batchSize Gradient model instances) (fun batch ->
            let labels = (torch.tensor labels).index_select(0L, batch.Rows.cpu ())

            parts.Add [
                for input, slope in TrainingInfluence.gradients layers labels model batch.X -> keep input, keep slope
            ])

        [
            for i in 0 .. layers.Length - 1 ->
                torch.cat [| for part in parts -> fst part[i] |], torch.cat [| for part in parts -> snd part[i] |]
        ]

    /// The model parameter randomisation test of a method.
    static member Randomisation
        (relaxation, explain: Func<Model, Tensor>, isAlone: bool, steps: int, seed: int64, attributions, model)
        =
        ParameterRandomisation.curve relaxation explain.Invoke isAlone steps seed attributions model

    /// Whether a model's instances are images, and no others that are laid out as such.
    static member HasImages(model: Model) = (Images.original model).IsNone

    /// What a target wants to see, and its values on the way: n×(c·h·w + steps + 1), in the numbers of the instances.
    static member Ideal(ascent: Ascent, target: Target, batch: Batch) : Tensor =
        Scope.run (fun () ->
            let images, values = ActivationMaximisation.images ascent target batch
            torch.cat ([| images.flatten 1L; values.``to`` (images.dtype, images.device) |], 1L))
