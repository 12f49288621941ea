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
    /// Spearman's rank correlation of each instance's attributions, pixel by pixel: n.
    Signed: Tensor
    /// That of their magnitudes: n.
    Magnitudes: Tensor
}

/// <summary>The model parameter randomisation test: how alike a map is to that of the same network with random weights. Lower
/// means that the map depends on what the network has learnt.</summary>
/// <remarks>Adebayo et al., Sanity checks for saliency maps, arXiv 1810.03292. No file tells how training began, so where they
/// initialise weights anew, these are drawn from a normal distribution of the weights' own mean and standard deviation. A
/// normalisation keeps its statistics. What is drawn anew are the parameters of Model.parameters.</remarks>
[<RequireQualifiedAccess>]
module ParameterRandomisation =
    /// <summary>The layers that have parameters, from the logits down.</summary>
    /// <exception cref="T:Attribution.AttributionException">There is none: functions keep their weights to themselves.</exception>
    let layers (model: Model) : string[] =
        let constants = Learnt.byLayer model.Graph

        let isLayer node =
            (Learnt.hasWeights node.Op || constants.ContainsKey node.Name) && Graph.leads node.Name model.Graph

        match model.Graph.Nodes |> Array.filter isLayer with
        | [||] ->
            fail
                "The model has no weights to randomise: it is made of functions, so load it from a file, or from a module of known layers."
        | found -> found |> Array.rev |> Array.map _.Name

    /// How many parameters some layers have, and how many numbers these hold.
    let count (layers: string seq) (model: Model) : struct (int * int64) =
        let chosen = HashSet<string> layers
        let constants = Learnt.byLayer model.Graph

        let tensors = [
            for node in model.Graph.Nodes do
                if chosen.Contains node.Name then
                    for name, value in Op.tensors node.Op do
                        if not (Learnt.isStatistic name || node.Op.IsConstant) then
                            value

                    for name in constants.GetValueOrDefault(node.Name, []) do
                        yield! Op.tensors (Graph.node name model.Graph).Op |> List.map snd
        ]

        struct (tensors.Length, tensors |> List.sumBy _.numel())

    let private copy (t: Tensor) = (Scope.runQuietly t.clone).DetachFromDisposeScope()

    /// N(mean, standard deviation) of the weights themselves.
    let private redraw (generator: torch.Generator) (weights: Tensor) =
        use _ = torch.NewDisposeScope()

        Scope.quietly (fun () ->
            let wide = weights.``to`` (torch.float64, torch.CPU)

            let noise = (torch.randn (weights.shape, torch.float32, generator = generator)).``to``(torch.float64)

            copy ((Tensor.add (wide.mean ()) (wide.std false * noise)).``to``(weights.dtype, weights.device)))

    /// <summary>The model with random weights in these layers, the same whichever the other layers are, and copies of the
    /// rest.</summary>
    let randomised (seed: int64) (layers: string seq) (model: Model) : Model =
        let constants = Learnt.byLayer model.Graph

        let chosen =
            layers |> Seq.collect (fun layer -> layer :: constants.GetValueOrDefault(layer, [])) |> Set.ofSeq

        let change i (node: Node) =
            use generator = new torch.Generator(uint64 (seed * 0x9E3779B97F4A7C15L + int64 i), torch.CPU)

            let draw name =
                if chosen.Contains node.Name && not (Learnt.isStatistic name) then redraw generator else copy

            { node with Op = Op.mapNamed draw node.Op }

        let graph = Graph.withNodes (Array.mapi change model.Graph.Nodes) model.Graph
        Model.withGraph graph { model with SharesWeights = false }

    /// <summary>The correlations of attributions with those that `explain` makes of randomised models, at `steps` of the layers
    /// (at each, where there are no more): from the logits down to it, or where it `isAlone` of no other.</summary>
    let curve
        relaxation
        (explain: Model -> Tensor)
        isAlone
        steps
        seed
        (attributions: Tensor)
        (model: Model)
        : RandomisedLayer[] =
        let layers = layers model
        let steps = min steps layers.Length

        [|
            for step in 1..steps do
                let depth = step * layers.Length / steps
                let from = if isAlone then depth - 1 else 0
                let chosen = layers[from .. depth - 1]
                let random = randomised seed chosen model
                let struct (parameters, numbers) = count chosen model

                let correlations =
                    Scope.runMany (fun () ->
                        try
                            let found = explain random

                            [
                                Ranking.correlations relaxation id attributions found
                                Ranking.correlations relaxation _.abs() attributions found
                            ]
                        finally
                            Model.dispose random)

                {
                    Layer = layers[depth - 1]
                    Parameters = parameters
                    Numbers = numbers
                    Signed = correlations[0]
                    Magnitudes = correlations[1]
                }
        |]

    /// <summary>The mean over the steps of the correlation of each instance's magnitudes (n). Where a random network gives a
    /// constant map, nothing is left of the map: 0. NaN where every correlation is undefined, as for a constant map.</summary>
    let scores (curve: RandomisedLayer[]) : Tensor =
        let each = torch.stack [| for layer in curve -> layer.Magnitudes |]
        let isUndefined = each.isnan ()
        let mean = each.masked_fill(isUndefined, Number.Of 0.).mean [| 0L |]
        mean.masked_fill (isUndefined.all 0L, Number.Of nan)
