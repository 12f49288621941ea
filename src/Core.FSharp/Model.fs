namespace Attribution.Core

open System
open System.Collections.Concurrent
open System.Collections.Generic
open Attribution
open TorchSharp

/// How a layer's values (n×…) are read as its units (n×units).
[<RequireQualifiedAccess>]
type Units =
    /// ChannelSum where the layer has channels of several positions (n×c×h×w, tokens n×t×d) or heads, Each elsewhere.
    | Auto
    /// A unit is one number of the layer, by its row-major position.
    | Each
    /// A unit is a channel, the first dimension after the instances unless the layer is known to have its positions elsewhere: the
    /// sum over its positions.
    | ChannelSum
    /// The maximum over them.
    | ChannelMax
    /// The same of a layer whose positions are told apart by these dimensions (0: the instances): the sum over them.
    | SumOver of axes: int64 list
    /// The maximum over them.
    | MaxOver of axes: int64 list

[<RequireQualifiedAccess>]
module Units =
    /// The dimensions that tell the positions of a unit apart, of values of so many; none: each number is a unit.
    let positions (units: Units) (dimensions: int64) : int64[] =
        match units with
        | Units.ChannelSum
        | Units.ChannelMax -> [| 2L .. dimensions - 1L |]
        | Units.SumOver axes
        | Units.MaxOver axes -> Array.ofList axes
        | Units.Auto
        | Units.Each -> [||]

    /// Values (n×…) with these dimensions last, as one: n×units×positions.
    let private together (axes: int64[]) (values: Tensor) =
        let others = [| 1L .. values.ndim - 1L |] |> Array.except axes
        let count = Array.fold (fun product (axis: int64) -> product * values.shape[int axis]) 1L others
        (values.permute (Array.concat [ [| 0L |]; others; axes ])).reshape(values.shape[0], count, -1L)

    /// <summary>The units of values: n×… → n×units.</summary>
    let read (units: Units) (values: Tensor) : Tensor =
        match units, positions units values.ndim with
        | _, [||] -> values.reshape (values.shape[0], -1L)
        | (Units.ChannelMax | Units.MaxOver _), axes ->
            // One position passes the gradient on, where amax would share it between equals.
            let struct (largest, _) = (together axes values).max 2L
            largest
        | _, axes -> values.sum(axes).reshape(values.shape[0], -1L)

    /// The influence of units, of that of each number of the layer (…): a channel's is the sum of its positions'.
    let internal influence (units: Units) (each: Tensor) : Tensor =
        match positions units (each.ndim + 1L) with
        | [||] -> each
        | axes -> each.sum(axes |> Array.map (fun axis -> axis - 1L)).reshape -1L

/// A network cut at a layer: f = g ∘ h.
[<NoComparison; NoEquality>]
type Slice = {
    /// Instances → the layer's values (n×…), followed by what flows past the layer.
    H: Tensor -> Tensor list
    /// What flows past the layer → the layer's values → the logits: the other paths are held fixed.
    G: Tensor list -> Tensor -> Tensor
}

/// A network cut at several layers at once.
[<NoComparison; NoEquality>]
type Slices = {
    /// The layers that depend on none of the others, and the rest.
    First: string list
    Rest: string list
    /// Instances → the values of the first layers (n×…), and what flows past them.
    H: Tensor -> Tensor list * Tensor list
    /// What flows past → the first layers' values → the outputs, and the rest's values.
    G: Tensor list -> Tensor list -> Tensor * Tensor list
}

/// How work is divided into passes.
type Batching =
    /// As many instances a pass as this many bytes of activations allow.
    | Memory of bytes: int64
    /// This many instances a pass, or as many of them as memory has room for.
    | Fixed of size: int

/// What a pass over a batch does.
type Pass =
    /// Values alone: each is freed after its last reader.
    | Forward
    /// Values that the way back needs, and the way back.
    | Gradient
    /// The values of two runs, all of them, and a way back by rules.
    | Rules

/// Bytes that one instance takes in each kind of pass.
type Footprint = { Forward: int64; Gradient: int64; Rules: int64 }

/// What was found out about a graph with its weights.
[<Sealed>]
type Known() =
    /// The steps of each kind of run, by what is given and what is wanted.
    member val Plans = ConcurrentDictionary<string, Plan>()
    /// What one instance takes of memory, by the output and its shape.
    member val Footprints = ConcurrentDictionary<string, Footprint>()
    /// What is seen of the layers, by the output and the shape of an instance.
    member val Surveys = ConcurrentDictionary<string, IReadOnlyDictionary<string, Seen>>()
    /// Its attentions, once they are looked for.
    member val Attentions: Attention list option = None with get, set
    /// Where class activation maps look, by the output.
    member val CamLayers = ConcurrentDictionary<string, string>()
    /// The plans whose steps have been checked, or need no check, by whether that was with the way back.
    member val Verified = ConcurrentDictionary<struct (Plan * bool), unit>()

/// A classifier: images (n×c×h×w, 0-255) → logits (n×k), with its layers and cuts.
[<NoComparison; ReferenceEquality>]
type Model = {
    Graph: Graph
    /// c, h, w of the images that it takes, where that is fixed.
    InputShape: int64[] option
    Device: torch.Device
    /// What the weights are; None where functions compute in whatever they are given.
    Precision: torch.ScalarType option
    /// Its one logit z stands for two classes: 1, whose score is z, and 0, whose score is -z.
    IsTwoSided: bool
    /// Someone else may change the weights: nothing that is computed from them may be kept.
    SharesWeights: bool
    /// It holds functions that are not seen into.
    IsOpaque: bool
    Batching: Batching
    /// Called before each pass with the number of instances that it holds; it may raise an exception to stop the work.
    OnPass: int -> unit
    Known: Known
}

[<RequireQualifiedAccess>]
module Model =
    [<Literal>]
    let private MostInstances = 128L

    // Half of what is free; more than 4 GiB makes no pass faster, only its memory slower to get.
    let private defaultMemory () = min (4L <<< 30) (Runtime.freeMemory () / 2L)

    /// The model of a graph, on the processor in the precision of its weights.
    let ofGraph (inputShape: int64[] option) (graph: Graph) : Model = {
        Graph = graph |> Graph.mapOps (Op.mapTensors (fun t -> t.DetachFromDisposeScope()))
        InputShape = inputShape
        Device = torch.CPU
        Precision = None
        IsTwoSided = false
        SharesWeights = false
        IsOpaque = false
        Batching = Memory(defaultMemory ())
        OnPass = ignore
        Known = Known()
    }

    [<Literal>]
    let private FewWeights = 2_000_000L

    [<Literal>]
    let private SmallInstance = 12_288L

    /// The model of another graph with the same weights, or of other weights.
    let withGraph (graph: Graph) (model: Model) = { model with Graph = graph; Known = Known() }

    /// f of each of the model's parameters: weights, biases, scales and shifts of layers, and the constants that are learnt.
    let private mapParameters (f: string -> Tensor -> Tensor) (model: Model) : Graph =
        let learnt = Learnt.constants model.Graph

        let change (node: Node) =
            let each name value =
                match node.Op, name with
                | Constant _, _ when learnt.Contains node.Name -> f node.Name value
                | Constant _, _ -> value
                | _ when Learnt.isStatistic name -> value
                | _ -> f $"{node.Name}.{name}" value

            { node with Op = Op.mapNamed each node.Op }

        Graph.mapNodes change model.Graph

    /// <summary>The model's parameters by their names: `layer.weight` and `layer.bias` of a convolution, a dense layer or a
    /// normalisation (its scale and shift), and constants that are learnt by their own.</summary>
    /// <remarks>The tensors are the model's own. Statistics of normalisations are none, and functions keep theirs to
    /// themselves.</remarks>
    let parameters (model: Model) : Map<string, Tensor> =
        let found = Dictionary<string, Tensor>()

        mapParameters
            (fun name value ->
                found[name] <- value
                value)
            model
        |> ignore

        Map [ for pair in found -> pair.Key, pair.Value ]

    /// <summary>The model with these tensors in place of its parameters of their names: a function from tensors to a model.
    /// Inside a derivative all that the model gives is connected to them.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no parameter of a name, or it has another shape.</exception>
    let withParameters (given: Map<string, Tensor>) (model: Model) : Model =
        let used = HashSet<string>()

        let change name (value: Tensor) =
            match given.TryFind name with
            | None -> value
            | Some tensor ->
                used.Add name |> ignore
                Tensor.requireShape $"The parameter '{name}'" value.shape tensor
                tensor.``to`` (value.dtype, value.device)

        let graph = mapParameters change model

        match given.Keys |> Seq.tryFind (used.Contains >> not) with
        | Some unknown ->
            let names = String.Join(", ", (parameters model).Keys)
            invalidArg "given" $"The model has no parameter '{unknown}', but {names}."
        | None -> withGraph graph { model with SharesWeights = true }

    /// The tensors that the model holds.
    let internal tensors (model: Model) : Tensor list =
        HashSet<Tensor>(Graph.tensors model.Graph, HashIdentity.Reference) |> List.ofSeq

    /// The model with others in place of these.
    let internal substitute (these: Tensor list) (others: Tensor list) (model: Model) : Model =
        let places = Dictionary<Tensor, Tensor>(HashIdentity.Reference)
        List.iter2 (fun this other -> places[this] <- other) these others
        let graph = model.Graph |> Graph.mapOps (Op.mapTensors (fun t -> places[t]))
        withGraph graph { model with SharesWeights = true }

    /// <summary>The model with softplus(βx)/β in place of its ReLUs, on the same weights: what second derivatives of a network
    /// of ReLUs need.</summary>
    /// <remarks>Dombrowski et al., arXiv 1906.07983. β is in units of one over an activation's. Max pools stay as they are, and so
    /// do ReLUs inside functions, which are not seen into.</remarks>
    /// <exception cref="T:System.ArgumentException">β is not positive.</exception>
    let smooth (beta: float) (model: Model) : Model =
        if not (beta > 0. && Double.IsFinite beta) then
            invalidArg "beta" $"β is a positive number, but is {beta}."

        withGraph (Rewrite.smooth beta model.Graph) model

    /// The bytes of the weights.
    let bytes (model: Model) : int64 = Graph.tensors model.Graph |> Seq.sumBy (fun t -> t.numel () * t.ElementSize)

    /// The precision to compute in unless told: float64 for a small network of small images (64×64), where float32's
    /// rounding flips the few activations nearest to zero, and each weighs; float32 for any other.
    let defaultPrecision (model: Model) : torch.ScalarType =
        let instance = model.InputShape |> Option.map (Array.fold (*) 1L)

        match instance with
        | Some size when size <= SmallInstance && (Graph.tensors model.Graph |> Seq.sumBy _.numel()) <= FewWeights ->
            torch.float64
        | _ -> torch.float32

    /// <summary>The same model with its weights on a device in a precision; convolutions keep theirs in the layout that
    /// they run fastest on. A `Pure` op keeps what it captured; weights that are someone else's are copied.</summary>
    let toDevice (device: torch.Device) (precision: torch.ScalarType) (model: Model) : Model =
        let place (t: Tensor) = if t.is_floating_point () then t.``to`` (precision, device) else t.``to`` device

        let layout (op: Op) =
            let own (t: Tensor) = if model.SharesWeights then t.clone () else t

            let arrange = if op.IsConvolution && precision <> torch.float64 then Tensor.channelsLast else id

            op
            |> Op.mapTensors (fun t -> (Scope.run (fun () -> own (arrange (place t)))).DetachFromDisposeScope())

        {
            model with
                Graph = Graph.mapOps layout model.Graph
                Device = device
                Precision = Some precision
                SharesWeights = false
                Known = Known()
        }

    /// The chain of named functions; each gives the layer of its name.
    let ofFunctions (layers: (string * (Tensor -> Tensor)) seq) : Model =
        let chain =
            layers
            |> Seq.scan
                (fun (previous: Node) (name, f) -> Node.create name (Pure(name, List.head >> f)) [ previous.Name ])
                (Node.create "input" Input [])
            |> Array.ofSeq

        { ofGraph None (Graph.create "input" (Array.last chain).Name chain) with IsOpaque = true }

    /// The names of the places where the model can be cut, from the images to the logits.
    let layers (model: Model) = [
        for node in model.Graph.Nodes do
            if not node.Op.IsConstant then
                node.Name
    ]

    let private requireImages (model: Model) (x: Tensor) =
        match model.InputShape with
        | Some shape when x.ndim < 2L || x.shape[1..] <> shape ->
            let text = Tensor.shapeText
            invalidArg "x" $"The model takes instances of the shape {text shape}, but these have {text x.shape[1..]}."
        | _ -> ()

    /// Whether weights may change, or are watched: then what is computed from them is computed anew each time.
    let private mayChange (model: Model) =
        model.SharesWeights
        || torch.is_grad_enabled () && List.exists (fun (t: Tensor) -> t.requires_grad) (tensors model)

    /// The steps of a kind of run from the given nodes to the wanted ones, found once.
    let private planned kind (whereFixed, whereChanging) (model: Model) (given: string list) (wanted: string list) =
        let mayChange = mayChange model
        let rewrite = if mayChange then whereChanging else whereFixed

        // A derivative may ask for the plan first, and for another use of it later.
        let make _ =
            use _ = torch.no_grad ()
            model.Graph |> rewrite given wanted |> Graph.plan given wanted

        model.Known.Plans.GetOrAdd(String.Join('\n', kind :: string mayChange :: given @ [ "" ] @ wanted), make)

    /// The plain run, made fast.
    let private plan = planned "plain" (Rewrite.forRun, Rewrite.forChangingWeights)

    /// The run that rules look at.
    let private planForRules (model: Model) (layer: string) =
        planned "rules" (Rewrite.forRules, (fun _ _ -> id)) model [ model.Graph.Input ] [ layer ]

    /// Sees that what is about to run can be trusted, once for each plan and kind of pass.
    let private verify (model: Model) (isGradient: bool) (plan: Plan) (values: Tensor list) =
        match model.Precision with
        | Some precision when precision <> torch.float64 && not model.IsOpaque ->
            if not (model.Known.Verified.ContainsKey(struct (plan, isGradient))) then
                // The kernels of other ops were never seen to fail on a processor.
                let isTried =
                    model.Device.``type`` = DeviceType.CPU
                    && (Kernels.areTried ()
                        || not (Array.exists (fun (step: Step) -> step.Node.Op.IsConvolution) plan.Steps))

                if not isTried then
                    Verification.check precision isGradient plan values

                model.Known.Verified[struct (plan, isGradient)] <- ()
        | _ ->
            if model.IsOpaque && List.exists Kernels.areInQuestion values then
                Kernels.shield ()

    let private run model given wanted (values: Tensor list) =
        let plan = plan model given wanted
        let isGradient = torch.is_grad_enabled () && values |> List.exists _.requires_grad
        verify model isGradient plan values
        Graph.run Semantics.plain plan values

    let private place (model: Model) (x: Tensor) =
        match model.Precision with
        | Some precision -> x.``to`` (precision, model.Device)
        | None -> x.``to`` model.Device

    /// Instances in the numbers that paths and gradients are to be computed in: float64 for a model in float64.
    let instances (model: Model) (instances: Instances) : Instances =
        if model.Precision = Some torch.float64 then
            {
                instances with
                    Type = torch.float64
                    Read = fun start length -> (instances.Read start length).``to`` torch.float64
            }
        else
            instances

    /// Images where the model computes, in its numbers and in the layout that it runs fastest on.
    let private enter (model: Model) (x: Tensor) =
        requireImages model x
        model.OnPass(int x.shape[0])
        let placed = place model x

        let hasConvolutions =
            model.Precision <> Some torch.float64
            && model.Graph.Nodes |> Array.exists (fun node -> Op.convolves node.Op)

        if hasConvolutions then Tensor.channelsLast placed else placed

    /// The wanted layers' values of images.
    let private valuesOf (model: Model) (wanted: string list) (x: Tensor) =
        Scope.runMany (fun () -> run model [ model.Graph.Input ] wanted [ enter model x ])

    /// The model with one form for every spelling of its network, for rules that look at its layers from one of them down.
    let canonical (layer: string) (model: Model) : Model =
        let needed = Graph.plan [ model.Graph.Input ] [ layer ] model.Graph

        let input = Graph.node model.Graph.Input model.Graph

        let graph =
            Graph.withNodes
                [
                    input
                    for step in needed.Steps do
                        step.Node
                ]
                model.Graph

        withGraph (Canonical.form ((=) layer) { graph with Output = layer }) model

    /// The nodes that a way back by rules from a layer goes through, from the images on.
    let steps (layer: string) (model: Model) : Node[] = (planForRules model layer).Steps |> Array.map _.Node

    /// <summary>What a rule brings from a layer back to the images (n×…), of what `seed` makes of the layer's values.</summary>
    let propagate (rule: Rule) (layer: string) (seed: Tensor -> Tensor) (model: Model) (x: Tensor) : Tensor =
        Scope.run (fun () ->
            let plan, x' = planForRules model layer, enter model x
            verify model true plan [ x' ]

            let back = Graph.propagate rule plan x' (fun z -> (seed z).``to``(z.dtype, z.device))


            back.``to`` (x.dtype, x.device))

    /// The values (n×…) of every node that a way back by rules from a layer looks at.
    let values (layer: string) (model: Model) (x: Tensor) : IReadOnlyDictionary<string, Tensor> =
        let keep = Scope.keepHere ()
        let x = enter model x
        let values = Dictionary<string, Tensor>(dict [ model.Graph.Input, x ])

        let observe (node: Node) (value: Tensor) = values[node.Name] <- keep (value.alias ())

        Graph.runObserved observe Semantics.plain (planForRules model layer) [ x ] |> ignore

        values

    let private requireLayer layer model =
        if not (List.contains layer (layers model)) then
            invalidArg "layer" $"The model has no layer named '{layer}'."

    /// <summary>The value of a layer: instances (n×…) → n×….</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer, or the instances have a shape that it does
    /// not take.</exception>
    let value (layer: string) (model: Model) (x: Tensor) : Tensor =
        requireLayer layer model
        Scope.run (fun () -> (valuesOf model [ layer ] x).Head |> Tensor.readable)

    /// <summary>The model that ends at a layer: its outputs are the layer's values.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer.</exception>
    let upTo (layer: string) (model: Model) : Model =
        requireLayer layer model

        { model with Graph = { model.Graph with Output = layer } }

    /// <summary>f: instances (n×…) → logits (n×k).</summary>
    /// <exception cref="T:System.ArgumentException">The instances have a shape that the model does not take.</exception>
    let logits (model: Model) (x: Tensor) : Tensor =
        let logits = value model.Graph.Output model x
        Tensor.requireDims "logits" [ 2 ] logits
        logits

    /// <summary>f cut at several layers at once. H gives the values of those that come first, followed by what flows past
    /// them; G goes from there to the logits, followed by the values of the rest of the layers.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer, or it does not lead to the logits.</exception>
    let slices (layers: string list) (model: Model) : Slices =
        for layer in layers do
            requireLayer layer model

            if not (Graph.leads layer model.Graph) then
                invalidArg "layer" $"Layer '{layer}' does not lead to the logits."

        let first = Graph.first layers model.Graph
        let rest = List.except first layers
        let around = Graph.around first model.Graph
        let wanted = List.distinct (model.Graph.Output :: rest)

        {
            First = first
            Rest = rest
            H = valuesOf model (first @ around) >> List.splitAt first.Length
            G =
                fun past values ->
                    let found = run model (first @ around) wanted (values @ past) |> List.zip wanted |> Map.ofList

                    Tensor.readable found[model.Graph.Output], rest |> List.map (fun layer -> found[layer])
        }

    /// <summary>f = g ∘ h, cut at a layer.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer, or it does not lead to the logits.</exception>
    let cut (layer: string) (model: Model) : Slice =
        let slices = slices [ layer ] model

        {
            H = fun x -> let values, past = slices.H x in values @ past
            G = fun past z -> Scope.run (fun () -> slices.G past [ z ] |> fst)
        }

    /// Which dimension of a value of so many dimensions holds channels, as far as the graph tells.
    let rec internal channels (graph: Graph) (dimensions: int) (layer: string) : int option =
        let node = Graph.node layer graph

        match node.Op with
        | (Input | Convolution _ | BatchNorm _ | Pool _ | GlobalPool _) -> Some 1
        | (Linear _ | MatMul) -> Some(dimensions - 1)
        | Permute order ->
            channels graph dimensions node.Inputs.Head
            |> Option.map (fun axis -> Array.IndexOf(order, int64 axis))
        | (Constant _ | Flatten | Reshape _) -> None
        | _ ->
            let isComputed name = graph.Nodes |> Array.exists (fun n -> n.Name = name && not n.Op.IsConstant)

            node.Inputs |> List.tryFind isComputed |> Option.bind (channels graph dimensions)

    /// What is seen of each layer that leads to the output, by an instance of a shape (c×h×w).
    let survey (instance: int64[]) (model: Model) : IReadOnlyDictionary<string, Seen> =
        let look _ =
            Scope.quietly (fun () ->
                use black = place model (torch.zeros (Array.append [| 1L |] instance))
                Positions.survey model.Graph black)

        model.Known.Surveys.GetOrAdd($"{model.Graph.Output} {Tensor.shapeText instance}", look)

    let private seen (layer: string) (model: Model) : Seen option =
        match model.InputShape with
        | Some shape when not model.IsOpaque ->
            match (survey shape model).TryGetValue layer with
            | true, seen -> Some seen
            | _ -> None
        | _ -> None

    /// The grid of a layer's positions, where images of a fixed size tell it.
    let grid (layer: string) (model: Model) : Grid option = seen layer model |> Option.bind _.Grid

    /// How many rows of a layer's values an image has, as far as that is known: 1 but where its windows stand beside images.
    let rows (layer: string) (model: Model) : int64 = seen layer model |> Option.map _.Rows |> Option.defaultValue 1L

    /// The attentions of its graph.
    let attentions (model: Model) : Attention list =
        match model.Known.Attentions with
        | Some known -> known
        | None ->
            let found = Attention.find model.Graph
            model.Known.Attentions <- Some found
            found

    /// Which dimension is of heads, where a layer's values (n×…×heads×tokens×numbers) are what those of an attention give.
    let heads (layer: string) (model: Model) (shape: int64[]) : int option =
        let axis = shape.Length - 3

        if
            axis > 0
            && shape[axis] > 1L
            && attentions model |> List.exists (fun attention -> attention.Product = layer)
        then
            Some axis
        else
            None

    /// <summary>What Auto stands for at a layer whose values have that shape (n×…), and where a channel's positions are; any other reading
    /// is itself.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has several rows an image.</exception>
    let reading (units: Units) (layer: string) (model: Model) (shape: int64[]) : Units =
        let hasPositions = shape.Length > 3 && Array.fold (*) 1L shape[2..] > 1L

        let isOfChannels =
            match units with
            | Units.Auto
            | Units.ChannelSum
            | Units.ChannelMax -> shape.Length > 2
            | _ -> false

        let along axes = if units = Units.ChannelMax then Units.MaxOver axes else Units.SumOver axes

        match rows layer model with
        | 1L -> ()
        | rows ->
            fail
                $"Layer '{layer}' has {rows} rows an image, as of windows that are cut from it, and no units of an image: choose one before they are cut or after they are joined."

        match (if isOfChannels then heads layer model shape else None) with
        | Some ofHeads ->
            along [
                for axis in 1 .. shape.Length - 1 do
                    if axis <> ofHeads then
                        int64 axis
            ]
        | None ->
            match units, (if isOfChannels then grid layer model else None) with
            | _, Some { Grid.Axes = axes } when axes.Length < shape.Length - 1 ->
                if axes = [| 2L .. int64 shape.Length - 1L |] then
                    if units = Units.ChannelMax then Units.ChannelMax else Units.ChannelSum
                else
                    along (List.ofArray axes)
            | Units.Auto, _ when hasPositions && channels model.Graph shape.Length layer = Some 1 -> Units.ChannelSum
            | Units.Auto, _ -> Units.Each
            | chosen, _ -> chosen

    /// <summary>The units of a layer: instances (n×…) → n×units.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer.</exception>
    let units (units: Units) (layer: string) (model: Model) (x: Tensor) : Tensor =
        Scope.run (fun () ->
            let z = value layer model x
            Units.read (reading units layer model z.shape) z)

    let private blank (model: Model) =
        model.InputShape
        |> Option.map (fun shape -> place model (torch.zeros (Array.append [| 1L |] shape)))

    /// (Name, operation, shape of one instance's values) of each layer; the shape is empty where the input's is unknown.
    let describe (model: Model) : (string * string * int64[])[] =
        use _ = torch.NewDisposeScope()
        let shapes = Dictionary<string, int64[]>()
        let observe (node: Node) (value: Tensor) = shapes[node.Name] <- value.shape[1..]

        blank model
        |> Option.iter (fun x ->
            shapes[model.Graph.Input] <- x.shape[1..]

            let every = Graph.plan [ model.Graph.Input ] [ model.Graph.Output ] model.Graph

            Scope.quietly (fun () -> Graph.runObserved observe Semantics.plain every [ x ]) |> ignore)

        let names = HashSet<string>(layers model)

        model.Graph.Nodes
        |> Array.filter (fun node -> names.Contains node.Name)
        |> Array.map (fun node -> node.Name, Op.describe node.Op, shapes.GetValueOrDefault(node.Name, [||]))

    /// Frees the weights, and what plans have made of them.
    let dispose (model: Model) =
        let planned = model.Known.Plans.Values |> Seq.collect _.Steps |> Seq.map _.Node

        for t in Graph.tensors (Graph.withNodes (Seq.append planned model.Graph.Nodes) model.Graph) do
            t.Dispose()

    /// The most bytes that the values of a plan take at one time, and what they take if all are kept.
    let private held (sizes: IReadOnlyDictionary<string, int64>) (plan: Plan) : Footprint =
        let live = Dictionary<string, int64>()
        let mutable now, most, kept, largest = 0L, 0L, 0L, 0L

        for step in plan.Steps do
            let bytes = sizes[step.Node.Name]

            if Rewrite.overwrites step.Node.Op then
                // What the input held is the value's from now on.
                live[step.Node.Name] <- live[step.Node.Inputs.Head]
                live[step.Node.Inputs.Head] <- 0L
            else
                live[step.Node.Name] <- bytes
                now <- now + bytes
                kept <- kept + bytes
                largest <- max largest bytes

            most <- max most now

            for name in step.Done do
                now <- now - live.GetValueOrDefault name

        // On the way back two gradients are there at a time, and a convolution's scratch.
        { Forward = most; Gradient = kept + 3L * largest; Rules = 2L * Seq.sum sizes.Values + 3L * largest }

    let private footprint (model: Model) (instances: Instances) =
        use _ = torch.NewDisposeScope()
        let one = instances.Read 0 1

        let measure _ =
            requireImages model one
            let placed = place model one
            let sizes = Dictionary<string, int64>()

            let observe (node: Node) (value: Tensor) =
                // A maximum is kept with its position, an int64.
                let positions =
                    match node.Op with
                    | Pool { Kind = MaxPool } -> 8L
                    | _ -> 0L

                sizes[node.Name] <- value.numel () * (value.ElementSize + positions)

            let plan = plan model [ model.Graph.Input ] [ model.Graph.Output ]

            Scope.quietly (fun () -> Graph.runObserved observe Semantics.plain plan [ placed ]) |> ignore

            held sizes plan

        model.Known.Footprints.GetOrAdd($"{model.Graph.Output} {Tensor.shapeText one.shape}", measure)

    // Freed memory of one layer's size is not of the next one's, and convolutions take scratch. Measured on VGG16, the whole
    // process taking less than the budget beyond its weights. Values alone are given half: more makes them no faster.
    let private demand (footprint: Footprint) pass =
        let overhead, bytes =
            match pass with
            | Forward -> 5., footprint.Forward
            | Gradient -> 2.4, footprint.Gradient
            | Rules -> 2.4, footprint.Rules

        overhead * float (max 1L bytes)

    let private fitting model instances pass (budget: int64) =
        int (min (float MostInstances) (max 1. (float budget / demand (footprint model instances) pass)))

    [<Literal>]
    let private SteadyMemory = 4294967296L

    /// How many of these instances a pass takes where results are to be the same to the last bit on every machine: as many as
    /// 4 GiB hold, or less where less is given, whatever else is free.
    let steadyBatch (model: Model) (instances: Instances) : int =
        match model.Batching with
        | Fixed size -> size
        | Memory budget -> fitting model instances Gradient (min budget SteadyMemory)

    /// Whether a pass of so many of these instances has room now.
    let holds (size: int) (model: Model) (instances: Instances) : bool =
        size <= fitting model instances Gradient (defaultMemory ())

    /// How many of these instances one pass takes: results depend on it by rounding alone.
    let batchSize (pass: Pass) (model: Model) (instances: Instances) : int =
        let fitting = fitting model instances pass

        match model.Batching with
        | Fixed size when size < 1 ->
            invalidArg "batchSize" $"A batch holds at least 1 instance, but batchSize is {size}."
        | _ when instances.Count = 0 -> 1
        | Fixed 1 -> 1
        | Fixed size -> min size (fitting (defaultMemory ()))
        | Memory budget -> fitting budget

/// Networks as functions.
[<RequireQualifiedAccess>]
module Network =
    /// <summary>The chain of named functions, from images (n×…) to logits (n×k); each gives the layer of its name. What the
    /// functions hold is part of every derivative that watches it: a network of weights w is `fun w -> Network.ofFunctions …`.
    /// </summary>
    /// <exception cref="T:System.ArgumentException">Two layers have the same name.</exception>
    let ofFunctions (layers: (string * (Tensor -> Tensor)) seq) : Model = Model.ofFunctions layers
