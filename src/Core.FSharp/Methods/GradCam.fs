namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// Where class activation maps may look.
[<RequireQualifiedAccess>]
module CamLayer =
    /// How values (n×…) of a layer are laid out as channels of several positions (n×c×h×w), as far as the network tells; None where
    /// they are not.
    let internal layout
        (layer: string)
        (model: Model)
        (values: int64[])
        (instance: int64[])
        : (Tensor -> Tensor) option =
        let seen =
            if model.IsOpaque then
                None
            else
                match (Model.survey instance model).TryGetValue layer with
                | true, seen -> seen.Grid
                | _ -> None

        let isPlain =
            values.Length = 4
            && values[2] * values[3] > 1L
            && Model.channels model.Graph 4 layer |> Option.forall ((=) 1)

        match seen with
        | Some grid -> Some(Grid.arrange grid)
        | None when isPlain -> Some id
        | None -> None

    let private isWeighted op =
        match op with
        | (Convolution _ | Linear _ | MatMul | Function((Product | Filters), _, _)) -> true
        | _ -> false

    /// The layers that have channels of several positions, made by weights, on which the output depends, and their grids where
    /// those are known.
    let private survey (model: Model) : (Node * Grid option) list =
        let graph = model.Graph
        let seen = model.InputShape |> Option.map (fun shape -> Model.survey shape model)
        let learned, grids = HashSet<string>(), HashSet<string>()

        [
            for node in graph.Nodes do
                if isWeighted node.Op || List.exists learned.Contains node.Inputs then
                    learned.Add node.Name |> ignore

                // Where no shape is known, what the ops make of a convolution's.
                let keeps =
                    match node.Op with
                    | Convolution _ -> true
                    | BatchNorm _
                    | Activation _
                    | Pool _
                    | (Identity | Add | Subtract | Multiply | Divide | Concat 1L) ->
                        List.exists grids.Contains node.Inputs
                    | _ -> false

                let grid =
                    match seen with
                    | Some seen ->
                        match seen.TryGetValue node.Name with
                        | true, seen -> seen.Grid
                        | _ -> None
                    | None -> None

                if grid.IsSome || seen.IsNone && keeps then
                    grids.Add node.Name |> ignore

                    if learned.Contains node.Name && Graph.leads node.Name graph then
                        node, grid
        ]

    /// The layers to choose from, from the image on.
    let all (model: Model) : string list = survey model |> List.map (fun (node, _) -> node.Name)

    /// The graph without the paths that tell only how many images there are, as to a class token that each is given.
    let private ofPixels (graph: Graph) : Graph =
        let isConstant name = (Graph.node name graph).Op.IsConstant

        let cut (node: Node) =
            match node.Op, node.Inputs with
            | (Pure("Expand", _) | Repeat _), [ each; images ] when images = graph.Input && isConstant each ->
                Node.create node.Name (Pure("Each", List.head)) [ each ]
            | _ -> node

        Graph.mapNodes cut graph

    let private named (layers: string list) =
        layers
        |> List.skip (max 0 (layers.Length - 4))
        |> List.map (fun name -> $"'{name}'")
        |> String.concat ", "

    /// What there is to choose, as the end of a sentence.
    let internal choice (model: Model) =
        match all model with
        | [] -> "the model has no such layer, so choose another method"
        | some -> $"choose one that has, such as {named some}"

    /// The normalisations over each position's own numbers, with their scales and shifts.
    let private normalised (graph: Graph) : HashSet<string> =
        let nodes = dict [ for node in graph.Nodes -> node.Name, node ]
        let found = HashSet<string>()

        let isMean name =
            match nodes[name].Op with
            | (Function(Sums, _, _) | GlobalPool(AveragePool _)) -> true
            | _ -> false

        let isCentred name =
            match nodes[name].Op, nodes[name].Inputs with
            | Subtract, [ x; mean ] -> isMean mean && nodes[mean].Inputs.Head = x
            | _ -> false

        for node in graph.Nodes do
            match node.Op, node.Inputs with
            | Composed(_, _, spelled), _ when spelled.Steps |> List.exists (fun step -> step.Name = "normal") ->
                found.Add node.Name |> ignore
            | (Divide | Multiply), [ x; _ ] when isCentred x -> found.Add node.Name |> ignore
            | (Multiply | Add), [ a; b ] when
                found.Contains a && nodes[b].Op.IsConstant || found.Contains b && nodes[a].Op.IsConstant
                ->
                found.Add node.Name |> ignore
            | _ -> ()

        found

    /// Whether the output depends on positions of a layer that are places of the image, and not on a class token alone.
    let private reaches (model: Model) (instance: int64[]) (layer: string) (grid: Grid) =
        Scope.quietly (fun () ->
            use _ = torch.NewDisposeScope()
            let model = { model with OnPass = ignore }
            use generator = new torch.Generator(1UL)
            let x = torch.rand (Array.append [| 1L |] instance, generator = generator) * Number.Of 255.
            let slice = Model.cut layer model
            let held = slice.H x

            let mixed (y: Tensor) =
                use generator = new torch.Generator(2UL)
                Tensor.sumEach (y * (torch.rand (y.shape, generator = generator)).``to`` y.dtype)

            let gradient = Diff.gradEach (slice.G held.Tail >> mixed) held.Head
            Tensor.isAny ((Grid.arrange grid gradient).ne(Number.Of 0.)))

    let private find (model: Model) : string =
        let choice = survey model

        let isChoice name = choice |> List.exists (fun (node, _) -> node.Name = name)

        // What only rearranges or pools stands for what it is given.
        let rec behind (node: Node) : string =
            match node.Op, node.Inputs with
            | (Pool _ | Identity | Permute _ | Reshape _ | Function(Moves, _, _)), [ input ] when isChoice input ->
                behind (Graph.node input model.Graph)
            | _ -> node.Name

        let dominators = HashSet<string>(Graph.dominators (ofPixels model.Graph) |> List.map _.Name)
        let normalised = normalised model.Graph

        // Where a class token is read in the end, the last layer whose other tokens it still hears of, normalised.
        let isFit (node: Node, grid: Grid option) =
            match grid, model.InputShape with
            | Some({ Grid.Unplaced = others } as grid), Some shape when others.Length > 0 ->
                (dominators.Contains node.Name || normalised.Contains node.Name)
                && reaches model shape node.Name grid
            | _ -> dominators.Contains node.Name

        match choice |> List.tryFindBack isFit with
        | Some(node, _) -> behind node
        | None when choice.IsEmpty ->
            fail
                "The model's layers tell of no convolution or tokens with positions: name a layer that has channels, rows and columns (n×c×h×w), or choose another method."
        | None ->
            let layers = choice |> List.map (fun (node, _) -> node.Name) |> named

            fail
                $"The model has no convolution or other value with positions through which all of its score passes: name a layer that has some, such as {layers}."

    /// <summary>The last layer with channels of several positions on which all paths from the image to the output depend: before a
    /// pooling, after a convolution's activation, normalisation and shortcut, and the concatenation of branches where there are some;
    /// of a transformer whose class token is read, the last block's normalised tokens.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is none.</exception>
    let last (model: Model) : string = model.Known.CamLayers.GetOrAdd(model.Graph.Output, fun _ -> find model)

/// A layer that a class activation map looks at, for a batch.
[<NoComparison; NoEquality>]
type internal CamCut = {
    /// Its values A, as channels of positions: n×c×h×w.
    Values: Tensor
    /// Its values as the network has them, and what flows past it.
    Held: Tensor list
    /// Values as the network has them as channels of positions.
    Layout: Tensor -> Tensor
    /// Values as the network has them, and what flows past, to the target's outputs.
    Outputs: Tensor list -> Tensor -> Tensor
}

/// <summary>What all class activation maps share: the layer's values, and the way from its positions to the image's.</summary>
[<RequireQualifiedAccess>]
module Cam =
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let internal cut (layer: string) (target: Target) (batch: Batch) : CamCut =
        let model = Model.upTo target.Layer target.Model

        if not (Graph.leads layer model.Graph) then
            fail
                $"What is explained ends at layer '{target.Layer}', which does not depend on layer '{layer}': {CamLayer.choice model}."

        let slice = Model.cut layer model
        let held = Scope.quietly (fun () -> slice.H batch.X)

        match CamLayer.layout layer model held.Head.shape batch.X.shape[1..] with
        | None ->
            fail
                $"Layer '{layer}' has no channels of several positions (n×c×h×w, or tokens of a grid), which a class activation map needs: {CamLayer.choice model}."
        | Some layout -> {
            Values = layout (Tensor.readable held.Head)
            Held = held
            Layout = layout
            Outputs = fun past -> slice.G past >> target.Read
          }

    /// <summary>Maps of a layer's positions (n×h'×w') as of the images': n×h×w, bilinearly; of signals and volumes linearly and
    /// trilinearly.</summary>
    let enlarge (x: Tensor) (maps: Tensor) : Tensor =
        let maps = maps.unsqueeze 1L

        let mode =
            match maps.ndim with
            | 3L -> torch.InterpolationMode.Linear
            | 4L -> torch.InterpolationMode.Bilinear
            | _ -> torch.InterpolationMode.Trilinear

        torch.nn.functional.interpolate(maps, x.shape[2..], mode = mode, align_corners = false).squeeze 1L

    /// How many channels a layer has for such instances.
    let channels (layer: string) (model: Model) (instances: Instances) : int64 =
        use _ = torch.NewDisposeScope()
        let one = (Model.instances model instances).Read 0 1

        let shape =
            match (if model.IsOpaque then None else Some((Model.survey one.shape[1..] model).TryGetValue layer)) with
            | Some(true, { Seen.Shape = shape; Grid = Some grid }) ->
                [| 1L .. shape.LongLength |]
                |> Array.except grid.Axes
                |> Array.map (fun axis -> shape[int axis - 1])
            | Some(true, { Seen.Shape = shape }) -> Array.truncate 1 shape
            | _ -> [| (Scope.quietly (fun () -> Model.value layer model one)).shape[1] |]

        Array.fold (*) 1L shape

    let internal positions (values: Tensor) = [| 2L .. values.ndim - 1L |]

    /// <summary>The maps that `atLayer` gives of layers (n×h'×w'), enlarged (n×h×w); of several layers the mean of their maps, each as
    /// a share of its largest magnitude.</summary>
    let attribute
        (atLayer: string -> Target -> Batch -> Tensor)
        (layers: string list)
        (target: Target)
        (batch: Batch)
        : Tensor =
        Scope.run (fun () ->
            let map layer = enlarge batch.X (atLayer layer target batch)

            let share (map: Tensor) =
                let largest = map.abs().flatten(1L).amax [| 1L |]
                let isEmpty = Tensor.isZero largest
                map / Tensor.likeInstances map (largest.masked_fill (isEmpty, Number.Of 1.))

            match layers with
            | [] -> invalidArg "layers" "A class activation map looks at one layer at least."
            | [ layer ] -> map layer
            | several -> torch.stack([| for layer in several -> share (map layer) |]).mean [| 0L |])

/// What a layer's values A (c×h×w) are weighed with, given the gradient g of the target with respect to them.
[<RequireQualifiedAccess>]
type CamWeights =
    /// A channel's mean of g: Grad-CAM.
    | Mean
    /// A channel's Σ α ⊙ ReLU(g), α = g² / (2 g² + g³ Σ A): Grad-CAM++.
    | PlusPlus
    /// ReLU(g), position by position: LayerCAM.
    | Positions
    /// g, position by position: HiResCAM.
    | HighResolution
    /// A channel's Σ g ⊙ A / Σ A: XGrad-CAM.
    | Axiom

/// <summary>Class activation maps by gradients: where a layer with positions holds what raises the target.</summary>
/// <remarks>Grad-CAM: Selvaraju et al., arXiv 1610.02391. Grad-CAM++: Chattopadhay et al., arXiv 1710.11063. LayerCAM: Jiang et
/// al., IEEE Transactions on Image Processing 30, 2021. HiResCAM: Draelos and Carin, arXiv 2011.08891. XGrad-CAM: Fu et al., arXiv
/// 2008.02312.</remarks>
[<RequireQualifiedAccess>]
module GradCam =
    let private weigh weights (values: Tensor) (gradient: Tensor) =
        let positions = Cam.positions values

        match weights with
        | CamWeights.Mean -> gradient.mean (positions, true)
        | CamWeights.Positions -> gradient.relu ()
        | CamWeights.HighResolution -> gradient
        | CamWeights.Axiom ->
            // A channel whose values sum to 0 has no share of them.
            let sum = values.sum (positions, true)
            let isZero = Tensor.isZero sum
            let share = (gradient * values).sum(positions, true) / sum.masked_fill (isZero, Number.Of 1.)
            share.masked_fill (isZero, Number.Of 0.)
        | CamWeights.PlusPlus ->
            // α ReLU(g) with g² cancelled, which leaves no 0/0 where g is 0.
            let denominator = gradient * values.sum (positions, true) |> Tensor.shift 2.
            let isZero = Tensor.isZero denominator
            (gradient.relu () / denominator.masked_fill (isZero, Number.Of 1.)).sum(positions, true)

    /// <summary>ReLU(Σ_c W ⊙ A) at the layer's own resolution (n×h'×w'; of tokens that of their grid, without class tokens). Paths
    /// around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let atLayer weights (layer: string) (target: Target) (batch: Batch) : Tensor =
        let cut = Cam.cut layer target batch
        let rest = cut.Outputs cut.Held.Tail >> Target.ofOwn target batch.Rows
        let gradient = cut.Layout(Tensor.readable (Diff.gradEach rest cut.Held.Head))
        (weigh weights cut.Values gradient * cut.Values).sum(1L).relu()

    /// <summary>The same enlarged to the image: n×h×w.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions.</exception>
    let attribute weights (layer: string) : Target -> Batch -> Tensor = Cam.attribute (atLayer weights) [ layer ]
