namespace Attribution.Core

open System
open System.Collections.Concurrent
open System.Collections.Generic
open Attribution
open TorchSharp

/// A network cut at a layer: f = g ∘ h.
[<NoComparison; NoEquality>]
type Slice = {
    /// Instances → the layer's values (n×…), followed by what flows past the layer.
    H: Tensor -> Tensor list
    /// What flows past the layer → the layer's values → the logits: the other paths are held fixed.
    G: Tensor list -> Tensor -> Tensor
}

/// How work is divided into passes.
type Batching =
    /// As many instances a pass as this many bytes of activations allow.
    | Memory of bytes: int64
    /// This many instances a pass, or as many of them as memory has room for.
    | Fixed of size: int

/// A classifier: images (n×c×h×w, 0-255) → logits (n×k), with its layers and cuts.
[<NoComparison; ReferenceEquality>]
type Model = {
    Graph: Graph
    /// c, h, w of the images that it takes, where that is fixed.
    InputShape: int64[] option
    Device: torch.Device
    /// What the weights are; None where functions compute in whatever they are given.
    Precision: torch.ScalarType option
    Batching: Batching
    /// Called before each pass with the number of instances that it holds; it may raise an exception to stop the work.
    OnPass: int -> unit
    /// Bytes of activations of one instance, by the instance's shape.
    Footprints: ConcurrentDictionary<string, int64>
}

[<RequireQualifiedAccess>]
module Model =
    [<Literal>]
    let private MostInstances = 256L

    // Half of what is free; more than 4 GiB makes no pass faster, only its memory slower to get.
    let private defaultMemory () =
        min (4L <<< 30) (Runtime.freeMemory () / 2L)

    /// The model of a graph, on the processor in the precision of its weights.
    let ofGraph (inputShape: int64[] option) (graph: Graph) : Model = {
        Graph = graph |> Graph.mapOps (Op.mapTensors (fun t -> t.DetachFromDisposeScope()))
        InputShape = inputShape
        Device = torch.CPU
        Precision = None
        Batching = Memory(defaultMemory ())
        OnPass = ignore
        Footprints = ConcurrentDictionary()
    }

    [<Literal>]
    let private FewWeights = 2_000_000L

    [<Literal>]
    let private SmallInstance = 12_288L

    /// The precision to compute in unless told: float64 for a small network of small images (64×64), where float32's
    /// rounding flips the few activations nearest to zero, and each weighs; float32 for any other.
    let defaultPrecision (model: Model) : torch.ScalarType =
        let mutable weights = 0L

        let count (t: Tensor) =
            weights <- weights + t.numel ()
            t

        model.Graph |> Graph.mapOps (Op.mapTensors count) |> ignore
        let instance = model.InputShape |> Option.map (Array.fold (*) 1L)

        match instance with
        | Some size when size <= SmallInstance && weights <= FewWeights -> torch.float64
        | _ -> torch.float32

    /// <summary>The same model with its weights on a device in a precision; convolutions keep theirs in the layout that
    /// they run fastest on. A `Pure` op keeps what it captured.</summary>
    let toDevice (device: torch.Device) (precision: torch.ScalarType) (model: Model) : Model =
        let place (t: Tensor) =
            if t.is_floating_point () then
                t.``to`` (precision, device)
            else
                t.``to`` device

        let layout (op: Op) =
            let arrange =
                if op.IsConvolution && precision <> torch.float64 then
                    Tensor.channelsLast
                else
                    id

            op
            |> Op.mapTensors (fun t -> (Scope.run (fun () -> arrange (place t))).DetachFromDisposeScope())

        {
            model with
                Graph = Graph.mapOps layout model.Graph
                Device = device
                Precision = Some precision
                Footprints = ConcurrentDictionary()
        }

    /// The chain of named functions; each gives the layer of its name.
    let ofFunctions (layers: (string * (Tensor -> Tensor)) seq) : Model =
        let chain =
            layers
            |> Seq.scan
                (fun (previous: Node) (name, f) -> {
                    Name = name
                    Op = Pure(name, (fun inputs -> f inputs.Head))
                    Inputs = [ previous.Name ]
                })
                {
                    Name = "input"
                    Op = Input
                    Inputs = []
                }
            |> Array.ofSeq

        ofGraph None (Graph.create "input" (Array.last chain).Name chain)

    /// The names of the places where the model can be cut, from the images to the logits.
    let layers (model: Model) =
        model.Graph.Nodes
        |> Seq.filter (fun node ->
            match node.Op with
            | Constant _ -> false
            | _ -> true)
        |> Seq.map _.Name
        |> List.ofSeq

    let private requireImages (model: Model) (x: Tensor) =
        match model.InputShape with
        | Some shape when x.ndim < 2L || x.shape[1..] <> shape ->
            let text = Tensor.shapeText
            invalidArg "x" $"The model takes instances of the shape {text shape}, but these have {text x.shape[1..]}."
        | _ -> ()

    let private run semantics (model: Model) given wanted =
        Graph.run semantics model.Graph given wanted

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

    /// The wanted layers' values of images.
    let private valuesOf (model: Model) (wanted: string list) (x: Tensor) =
        requireImages model x
        model.OnPass(int x.shape[0])

        Scope.runMany (fun () ->
            let placed = place model x

            let hasConvolutions =
                model.Precision <> Some torch.float64
                && model.Graph.Nodes |> Array.exists _.Op.IsConvolution

            let placed =
                if hasConvolutions then
                    Tensor.channelsLast placed
                else
                    placed

            run Semantics.plain model [ model.Graph.Input, placed ] wanted)

    /// <summary>f: instances (n×…) → logits (n×k).</summary>
    /// <exception cref="T:System.ArgumentException">The instances have a shape that the model does not take.</exception>
    let logits (model: Model) (x: Tensor) : Tensor =
        Scope.run (fun () ->
            let logits = (valuesOf model [ model.Graph.Output ] x).Head |> Tensor.readable
            Tensor.requireDims "logits" [ 2 ] logits
            logits)

    let private requireLayer layer model =
        if not (List.contains layer (layers model)) then
            invalidArg "layer" $"The model has no layer named '{layer}'."

    /// <summary>f = g ∘ h, cut at a layer.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer, or it does not lead to the logits.</exception>
    let cut (layer: string) (model: Model) : Slice =
        requireLayer layer model

        if not (Graph.leads layer model.Graph) then
            invalidArg "layer" $"Layer '{layer}' does not lead to the logits."

        let around = Graph.around layer model.Graph

        {
            H = valuesOf model (layer :: around)
            G =
                fun past z ->
                    Scope.run (fun () ->
                        let given = (layer, z) :: List.zip around past
                        (run Semantics.plain model given [ model.Graph.Output ]).Head |> Tensor.readable)
        }

    /// <summary>The values of a layer: instances (n×…) → n×units, flattened in row-major order.</summary>
    /// <exception cref="T:System.ArgumentException">The model has no such layer.</exception>
    let units (layer: string) (model: Model) (x: Tensor) : Tensor =
        requireLayer layer model

        Scope.run (fun () ->
            let z = (valuesOf model [ layer ] x).Head |> Tensor.readable
            z.reshape (x.shape[0], -1L))

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

            Scope.forwardOnly (fun () ->
                Graph.runObserved observe Semantics.plain model.Graph [ model.Graph.Input, x ] [ model.Graph.Output ])
            |> ignore)

        let names = HashSet<string>(layers model)

        model.Graph.Nodes
        |> Array.filter (fun node -> names.Contains node.Name)
        |> Array.map (fun node -> node.Name, Op.describe node.Op, shapes.GetValueOrDefault(node.Name, [||]))

    /// Frees the weights.
    let dispose (model: Model) =
        let free (t: Tensor) =
            t.Dispose()
            t

        model.Graph |> Graph.mapOps (Op.mapTensors free) |> ignore

    /// Bytes of activations that one of these instances leaves behind in a forward pass.
    let private footprint (model: Model) (instances: Instances) =
        use _ = torch.NewDisposeScope()
        let one = instances.Read 0 1

        let measure _ =
            let mutable bytes = one.numel () * 4L

            let observe (_: Node) (value: Tensor) =
                bytes <- bytes + value.numel () * value.ElementSize

            let quiet = { model with OnPass = ignore }
            requireImages quiet one
            let placed = place model one

            Scope.forwardOnly (fun () ->
                Graph.runObserved observe Semantics.plain model.Graph [ model.Graph.Input, placed ] [
                    model.Graph.Output
                ])
            |> List.iter _.Dispose()

            bytes

        model.Footprints.GetOrAdd(Tensor.shapeText one.shape, measure)

    // A gradient keeps the activations, and about as much again in gradients and the convolutions' scratch.
    let private gradientOverhead = 2L

    /// How many of these instances one pass takes. A result never depends on it.
    let batchSize (model: Model) (instances: Instances) : int =
        let fitting budget =
            let each = footprint model instances * gradientOverhead
            int (min MostInstances (max 1L (budget / max 1L each)))

        match model.Batching with
        | Fixed size when size < 1 ->
            invalidArg "batchSize" $"A batch holds at least 1 instance, but batchSize is {size}."
        | _ when instances.Count = 0 -> 1
        | Fixed 1 -> 1
        | Fixed size -> min size (fitting (defaultMemory ()))
        | Memory budget -> fitting budget
