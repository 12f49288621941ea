namespace Attribution.Core

open System.Collections.Concurrent
open Attribution
open TorchSharp

/// <summary>Instances that are no images, laid out as images, for what counts pixels one by one: of a table each feature is a pixel, of a
/// signal each time, of a volume each place.</summary>
[<RequireQualifiedAccess>]
module Images =
    /// c×h×w of an instance: f as 1×1×f, c×t as c×1×t, c×d×h×w as c×(d·h)×w; None where it is an image, or nothing of the kind.
    let shape (instance: int64[]) : int64[] option =
        match instance with
        | [| features |] -> Some [| 1L; 1L; features |]
        | [| channels; times |] -> Some [| channels; 1L; times |]
        | [| channels; depth; height; width |] -> Some [| channels; depth * height; width |]
        | _ -> None

    /// <summary>Requires images.</summary>
    /// <exception cref="T:Attribution.AttributionException">x holds none.</exception>
    let require (name: string) (x: Tensor) =
        if x.ndim <> 4L then
            fail
                $"{name} for images (n×c×h×w), but the instances have the shape {Tensor.shapeText x.shape}: choose another method."

    /// Instances as images.
    let lay (x: Tensor) : Tensor =
        match shape x.shape[1..] with
        | Some image -> x.reshape (Array.append [| x.shape[0] |] image)
        | None -> x

    /// Maps of instances of a shape as maps of images: of their own shape, or of one number a position.
    let layMaps (instance: int64[]) (maps: Tensor) : Tensor =
        match shape instance, maps.shape[1..] with
        | None, _ -> maps
        | Some image, own when own = instance -> maps.reshape (Array.append [| maps.shape[0] |] image)
        | Some image, own when instance.Length > 1 && own = instance[1..] ->
            maps.reshape (Array.append [| maps.shape[0] |] image[1..])
        | _ ->
            let text = Tensor.shapeText

            invalidArg
                "attributions"
                $"Maps of the shape {text maps.shape[1..]} are none of instances of {text instance}."

    [<Literal>]
    let private Laid = "/image"

    /// The shape of the instances that a model's images stand for; None where they are images.
    let original (model: Model) : int64[] option =
        model.Graph.Nodes
        |> Array.tryPick (fun node ->
            match node.Op with
            | Reshape instance when node.Inputs = [ model.Graph.Input ] && node.Name + Laid = model.Graph.Input ->
                Some instance
            | _ -> None)

    /// Kept with the graph that they are made of.
    let private laid =
        System.Runtime.CompilerServices.ConditionalWeakTable<Known, ConcurrentDictionary<string, Model>>()

    /// The model of the images that instances of a shape are laid out as.
    let model (instance: int64[]) (model: Model) : Model =
        match shape instance with
        | None -> model
        | Some image ->
            let make _ =
                let input = model.Graph.Input + Laid

                let nodes = [|
                    Node.create input Input []

                    for node in model.Graph.Nodes do
                        if node.Name = model.Graph.Input then
                            Node.create node.Name (Reshape instance) [ input ]
                        else
                            node
                |]

                let graph = { Graph.withNodes nodes model.Graph with Input = input }
                { Model.withGraph graph model with InputShape = Some image }

            let key = $"{model.Graph.Output} {Tensor.shapeText instance}"
            let known = laid.GetOrCreateValue(model.Known).GetOrAdd(key, make)
            { model with Graph = known.Graph; Known = known.Known; InputShape = known.InputShape }

    /// A target of instances of a shape as one of images.
    let target (instance: int64[]) (target: Target) : Target =
        match shape instance with
        | None -> target
        | Some _ -> {
            target with
                Model = model instance target.Model
                OfBlack = fun x -> target.OfBlack(x.reshape (Array.append [| x.shape[0] |] instance))
          }

    /// A batch as one of images.
    let batch (batch: Batch) : Batch = { batch with X = lay batch.X }

    /// Instances as images, read as these are.
    let instances (instances: Instances) : Instances = {
        instances with
            Read = fun start length -> lay (instances.Read start length)
    }
