namespace Attribution.Core

open System
open System.Collections.Concurrent
open System.Collections.Generic
open Attribution
open TorchSharp

/// How alike maps are once a layer's weights are random, and with them those of the layers above it in a cascade.
[<NoComparison; ReferenceEquality>]
type RandomisedLayer = {
    Layer: string
    /// How many parameters are random, and how many numbers they hold.
    Parameters: int
    Numbers: int64
    /// Spearman's rank correlation of each instance's attributions, pixel by pixel.
    Signed: float[]
    /// That of their magnitudes.
    Magnitudes: float[]
}

/// <summary>The model parameter randomisation test: how alike a map is to that of the same network with random weights. Lower
/// means that the map depends on what the network has learnt.</summary>
/// <remarks>Adebayo et al., Sanity checks for saliency maps, arXiv 1810.03292. No file tells how training began, so where they
/// initialise weights anew, these are drawn from a normal distribution of the weights' own mean and standard deviation. A
/// normalisation keeps its statistics. Parameters are the weights, biases, scales and shifts of layers, and of constants
/// beside them those that hold more than one finite real number below 10⁴ and act as weights (in a product of matrices, a
/// normalisation) or meet values that weights have made (biases, embeddings, class tokens): not what prepares the image,
/// nor what masks scores.</remarks>
[<RequireQualifiedAccess>]
module ParameterRandomisation =
    let private hasWeights op =
        match op with
        | Convolution _
        | Linear _
        | BatchNorm _ -> true
        | _ -> false

    /// No number that all share, and no mask.
    let private mayBeLearnt (value: Tensor) =
        value.is_floating_point ()
        && value.numel () > 1L
        && value.abs().lt(1e4.ToScalar()).all().ToBoolean()

    /// The constants that are parameters, by the last layer that takes them.
    let private constants (graph: Graph) : IReadOnlyDictionary<string, string list> =
        use _ = torch.NewDisposeScope()
        let nodes = Dictionary<string, Node>()
        // What depends on weights.
        let made = HashSet<string>()
        let owner = Dictionary<string, string>()

        for node in graph.Nodes do
            nodes[node.Name] <- node

            let learnt =
                node.Inputs
                |> List.map (fun name -> nodes[name])
                |> List.map (fun input ->
                    if input.Op.IsRepeat then
                        nodes[input.Inputs.Head]
                    else
                        input)
                |> List.filter (fun input ->
                    match input.Op with
                    | Constant value -> mayBeLearnt value
                    | _ -> false)
                |> List.map _.Name

            let isWeights =
                match node.Op with
                | MatMul
                | Composed _
                | Function((Product | Filters), _, _) -> true
                | _ -> false

            let meets =
                match node.Op with
                | Add
                | Subtract
                | Multiply
                | Divide
                | Concat _
                | Function((Elementwise | Chooses), _, _) -> List.exists made.Contains node.Inputs
                | _ -> false

            if isWeights || meets then
                for name in learnt do
                    owner[name] <- node.Name

            if
                hasWeights node.Op
                || isWeights && not learnt.IsEmpty
                || List.exists made.Contains node.Inputs
            then
                made.Add node.Name |> ignore

        owner
        |> Seq.groupBy _.Value
        |> Seq.map (fun (node, names) -> node, names |> Seq.map _.Key |> List.ofSeq)
        |> dict
        |> Dictionary
        :> IReadOnlyDictionary<string, string list>

    /// <summary>The layers that have parameters, from the logits down.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is none: functions keep their weights to themselves.</exception>
    let layers (model: Model) : string[] =
        let constants = constants model.Graph

        let isLayer node =
            (hasWeights node.Op || constants.ContainsKey node.Name)
            && Graph.leads node.Name model.Graph

        match model.Graph.Nodes |> Array.filter isLayer with
        | [||] ->
            raise (
                AttributionException
                    "The model has no weights to randomise: it is made of functions, so load it from a file, or from a module of known layers."
            )
        | found -> found |> Array.rev |> Array.map _.Name

    /// How many parameters some layers have, and how many numbers these hold.
    let count (layers: string seq) (model: Model) : struct (int * int64) =
        let chosen = HashSet<string> layers
        let constants = constants model.Graph

        let tensors =
            model.Graph.Nodes
            |> Array.filter (fun node -> chosen.Contains node.Name)
            |> Seq.collect (fun node -> [
                match node.Op with
                | Convolution c ->
                    c.Weight
                    yield! Option.toList c.Bias
                | Linear(weight, bias) ->
                    weight
                    yield! Option.toList bias
                | BatchNorm norm ->
                    norm.Scale
                    norm.Shift
                | _ -> ()

                for name in constants.GetValueOrDefault(node.Name, []) do
                    match (model.Graph.Nodes |> Array.find (fun node -> node.Name = name)).Op with
                    | Constant value -> value
                    | _ -> ()
            ])
            |> List.ofSeq

        struct (tensors.Length, tensors |> List.sumBy _.numel())

    let private copy (t: Tensor) =
        t.detach().clone().DetachFromDisposeScope()

    /// N(mean, standard deviation) of the weights themselves.
    let private redraw (generator: torch.Generator) (weights: Tensor) =
        use _ = torch.NewDisposeScope()
        let wide = weights.detach().``to``(torch.float64, torch.CPU)
        let noise = torch.randn (weights.shape, torch.float32, generator = generator)
        copy(weights).copy_(wide.mean () + wide.std false * noise)

    let private randomise generator (op: Op) =
        match op with
        | BatchNorm norm ->
            BatchNorm {
                norm with
                    Mean = copy norm.Mean
                    Variance = copy norm.Variance
                    Scale = redraw generator norm.Scale
                    Shift = redraw generator norm.Shift
            }
        | op -> Op.mapTensors (redraw generator) op

    /// <summary>The model with random weights in these layers, the same whichever the other layers are, and copies of the
    /// rest.</summary>
    let randomised (seed: int64) (layers: string seq) (model: Model) : Model =
        let constants = constants model.Graph

        let chosen =
            layers
            |> Seq.collect (fun layer -> layer :: constants.GetValueOrDefault(layer, []))
            |> Set.ofSeq

        let change i (node: Node) =
            if chosen.Contains node.Name then
                use generator =
                    new torch.Generator(uint64 (seed * 0x9E3779B97F4A7C15L + int64 i), torch.CPU)

                {
                    node with
                        Op = randomise generator node.Op
                }
            else
                {
                    node with
                        Op = Op.mapTensors copy node.Op
                }

        {
            model with
                Graph = {
                    model.Graph with
                        Nodes = Array.mapi change model.Graph.Nodes
                }
                SharesWeights = false
                Plans = ConcurrentDictionary()
                Footprints = ConcurrentDictionary()
        }

    /// <summary>The correlations of attributions with those that `explain` makes of randomised models, at `steps` of the layers
    /// (at each, where there are no more): from the logits down to it, or where it `isAlone` of no other.</summary>
    let curve (explain: Model -> Tensor) isAlone steps seed (attributions: Tensor) (model: Model) : RandomisedLayer[] =
        let layers = layers model
        let steps = min steps layers.Length

        [|
            for step in 1..steps do
                use _ = torch.NewDisposeScope()
                let depth = step * layers.Length / steps
                let from = if isAlone then depth - 1 else 0
                let chosen = layers[from .. depth - 1]
                let random = randomised seed chosen model
                let struct (parameters, numbers) = count chosen model

                try
                    let found = explain random

                    {
                        Layer = layers[depth - 1]
                        Parameters = parameters
                        Numbers = numbers
                        Signed = Ranking.correlations id attributions found
                        Magnitudes = Ranking.correlations abs attributions found
                    }
                finally
                    Model.dispose random
        |]

    /// <summary>The mean over the steps of the correlation of each instance's magnitudes (n). Where a random network gives a
    /// constant map, nothing is left of the map: 0. NaN where every correlation is undefined, as for a constant map.</summary>
    let scores (curve: RandomisedLayer[]) : float[] =
        let mean (correlations: float[]) =
            if Array.forall Double.IsNaN correlations then
                nan
            else
                correlations |> Array.averageBy (fun r -> if Double.IsNaN r then 0. else r)

        curve |> Array.map _.Magnitudes |> Array.transpose |> Array.map mean
