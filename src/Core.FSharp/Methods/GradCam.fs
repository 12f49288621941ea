namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// Where class activation maps may look.
[<RequireQualifiedAccess>]
module CamLayer =
    /// Whether values (n×…) of a layer have channels of several positions: n×c×h×w, as far as the graph tells.
    let internal fits (layer: string) (model: Model) (shape: int64[]) =
        shape.Length = 4
        && shape[2] * shape[3] > 1L
        && Model.channels model.Graph 4 layer |> Option.forall ((=) 1)

    let private isOf (kinds: Op -> bool) name (graph: Graph) =
        graph.Nodes |> Array.exists (fun node -> kinds node.Op && List.contains name node.Inputs)

    let private isWeighted op =
        match op with
        | (Convolution _ | Linear _ | MatMul) -> true
        | _ -> false

    /// What takes n×c×h×w, channels second.
    let private isSpatial op =
        match op with
        | (Convolution _ | BatchNorm _ | Pool _ | GlobalPool _) -> true
        | _ -> false

    /// The layers that have channels of several positions, made by weights, on which the output depends; and all shapes.
    let private survey (model: Model) =
        let graph = model.Graph

        let shapes = dict [ for name, _, shape in Model.describe model -> name, Array.append [| 1L |] shape ]

        let learned, grids = HashSet<string>(), HashSet<string>()

        for node in graph.Nodes do
            if isWeighted node.Op || List.exists learned.Contains node.Inputs then
                learned.Add node.Name |> ignore

            // Where no shape is known, what the ops make of a convolution's.
            let keeps =
                match node.Op with
                | Convolution c -> c.Stride.Length = 2
                | BatchNorm _
                | Activation _
                | Pool _
                | (Identity | Add | Subtract | Multiply | Divide | Concat 1L) -> List.exists grids.Contains node.Inputs
                | _ -> false

            let hasGrid =
                match model.InputShape, shapes.TryGetValue node.Name with
                | None, _ -> keeps
                | Some _, (true, shape) ->
                    fits node.Name model shape
                    && ((Model.channels graph 4 node.Name).IsSome || isOf isSpatial node.Name graph)
                | _ -> false

            if hasGrid then
                grids.Add node.Name |> ignore

        let isChoice (node: Node) =
            learned.Contains node.Name && grids.Contains node.Name && Graph.leads node.Name graph

        graph.Nodes |> Array.filter isChoice |> List.ofArray, shapes

    /// The layers to choose from, from the image on.
    let all (model: Model) : string list = fst (survey model) |> List.map _.Name

    /// The graph without the paths that tell only how many images there are, as to a class token that each is given.
    let private ofPixels (graph: Graph) : Graph =
        let isConstant name = (Graph.node name graph).Op.IsConstant

        let cut (node: Node) =
            match node.Op, node.Inputs with
            | Pure("Expand", _), [ each; images ] when images = graph.Input && isConstant each ->
                Node.create node.Name node.Op [ each ]
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

    /// Products over tokens (n×t×d) after a layer, and all products before it.
    let private products (model: Model) (shapes: IDictionary<string, int64[]>) (layer: string) =
        let after = HashSet<string> [ layer ]
        let before = HashSet<string> [ layer ]
        let mutable tokens, own = 0, 0

        for node in model.Graph.Nodes do
            if List.exists after.Contains node.Inputs then
                after.Add node.Name |> ignore

                match node.Op, shapes.TryGetValue node.Name with
                | (Linear _ | MatMul), (true, shape) when
                    shape.Length > 2
                    && Array.fold (*) 1L shape[1 .. shape.Length - 2] > 1L
                    && Graph.leads node.Name model.Graph
                    ->
                    tokens <- tokens + 1
                | _ -> ()

        for node in Array.rev model.Graph.Nodes do
            if before.Contains node.Name then
                before.UnionWith node.Inputs
                own <- own + if isWeighted node.Op then 1 else 0

        tokens, own

    /// <summary>The last layer with channels of several positions (n×c×h×w) on which all paths from the image to the output
    /// depend: before a pooling, after a convolution's activation, normalisation and shortcut, and the concatenation of branches
    /// where there are some.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is none, or it is what a transformer makes its tokens
    /// of.</exception>
    let last (model: Model) : string =
        let choice, shapes = survey model

        let isChoice name = choice |> List.exists (fun node -> node.Name = name)

        // What only rearranges or pools stands for what it is given.
        let rec behind (node: Node) : string =
            match node.Op, node.Inputs with
            | (Pool _ | Identity | Permute _ | Reshape _), [ input ] when isChoice input ->
                behind (Graph.node input model.Graph)
            | _ -> node.Name

        match
            Graph.dominators (ofPixels model.Graph)
            |> List.filter (fun node -> isChoice node.Name)
            |> List.tryLast
        with
        | Some node ->
            let layer = behind node
            let tokens, own = products model shapes layer

            if tokens > own then
                fail
                    $"The network makes tokens (n×t×d) of the positions of layer '{layer}', and no later value has channels of several positions (n×c×h×w), which a class activation map needs: choose another method, or name that layer all the same."

            layer
        | None when choice.IsEmpty ->
            fail
                "The model's layers tell of no convolution with positions: name a layer that has channels, rows and columns (n×c×h×w), or choose another method."
        | None ->
            let layers = choice |> List.map _.Name |> named

            fail
                $"The model has no convolution or other value with positions through which all of its score passes: name a layer that has some, such as {layers}."

/// What a layer's values A (c×h×w) are weighed with, given the gradient g of the target with respect to them.
[<RequireQualifiedAccess>]
type CamWeights =
    /// A channel's mean of g: Grad-CAM.
    | Mean
    /// A channel's Σ α ⊙ ReLU(g), α = g² / (2 g² + g³ Σ A): Grad-CAM++.
    | PlusPlus
    /// ReLU(g), position by position: LayerCAM.
    | Positions

/// <summary>Class activation maps: where a layer with positions holds what raises the target.</summary>
/// <remarks>Grad-CAM: Selvaraju et al., arXiv 1610.02391. Grad-CAM++: Chattopadhay et al., arXiv 1710.11063. LayerCAM: Jiang et
/// al., IEEE Transactions on Image Processing 30, 2021.</remarks>
[<RequireQualifiedAccess>]
module GradCam =
    let private weigh weights (values: Tensor) (gradient: Tensor) =
        let positions = [| 2L; 3L |]

        match weights with
        | CamWeights.Mean -> gradient.mean (positions, true)
        | CamWeights.Positions -> gradient.relu ()
        | CamWeights.PlusPlus ->
            // α ReLU(g) with g² cancelled, which leaves no 0/0 where g is 0.
            let denominator = gradient * values.sum (positions, true) |> Tensor.shift 2.
            let isZero = Tensor.isZero denominator
            (gradient.relu () / denominator.masked_fill (isZero, Number.Of 1.)).sum(positions, true)

    /// <summary>ReLU(Σ_c W ⊙ A) at the layer's own resolution (n×h'×w'). Paths around the layer are held fixed.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions, or the target does not depend on it.</exception>
    let atLayer weights (layer: string) (target: Target) (batch: Batch) : Tensor =
        let model = Model.upTo target.Layer target.Model

        if not (Graph.leads layer model.Graph) then
            fail
                $"What is explained ends at layer '{target.Layer}', which does not depend on layer '{layer}': {CamLayer.choice model}."

        let slice = Model.cut layer model
        let held = Scope.quietly (fun () -> slice.H batch.X)
        let values = held.Head

        if not (CamLayer.fits layer model values.shape) then
            fail
                $"Layer '{layer}' has no channels of several positions (n×c×h×w), which a class activation map needs: {CamLayer.choice model}."

        let rest = slice.G held.Tail >> target.Read >> Target.ofOwn target batch.Rows
        let gradient = Tensor.readable (Diff.gradEach rest values)
        let values = Tensor.readable values
        (weigh weights values gradient * values).sum(1L).relu()

    /// <summary>The same upsampled bilinearly to the image: n×h×w.</summary>
    /// <exception cref="T:Attribution.AttributionException">The layer has no positions.</exception>
    let attribute weights (layer: string) (target: Target) (batch: Batch) : Tensor =
        Scope.run (fun () ->
            let map = (atLayer weights layer target batch).unsqueeze 1L

            torch.nn.functional
                .interpolate(map, batch.X.shape[2..], mode = torch.InterpolationMode.Bilinear, align_corners = false)
                .squeeze
                1L)
