namespace Attribution.Core

open System.Collections.Generic
open TorchSharp

/// What of a graph was learnt: the weights, biases, scales and shifts of layers, and of constants beside them those that hold more
/// than one finite real number below 10⁴ and act as weights (in a product of matrices, a normalisation) or meet values that
/// weights have made (biases, embeddings, class tokens): not what prepares the image, nor what masks scores.
[<RequireQualifiedAccess>]
module Learnt =
    /// Whether that is a normalisation's statistic, by the name that PyTorch has for it.
    let isStatistic name = name = "running_mean" || name = "running_var"

    let hasWeights op =
        match op with
        | (Convolution _ | Linear _ | BatchNorm _) -> true
        | _ -> false

    /// No number that all share, and no mask.
    let private mayBeLearnt (value: Tensor) =
        value.is_floating_point () && value.numel () > 1L && Tensor.isAll (value.abs().lt(Number.Of 1e4))

    /// Those constants, by the last node that takes them.
    let byLayer (graph: Graph) : IReadOnlyDictionary<string, string list> =
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
                |> List.map (fun input -> if input.Op.IsRepeat then nodes[input.Inputs.Head] else input)
                |> List.filter (fun input ->
                    match input.Op with
                    | Constant value -> mayBeLearnt value
                    | _ -> false)
                |> List.map _.Name

            let isWeights =
                match node.Op with
                | (MatMul | Composed _ | Function((Product | Filters), _, _)) -> true
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

            if hasWeights node.Op || isWeights && not learnt.IsEmpty || List.exists made.Contains node.Inputs then
                made.Add node.Name |> ignore

        owner
        |> Seq.groupBy _.Value
        |> Seq.map (fun (node, names) -> node, names |> Seq.map _.Key |> List.ofSeq)
        |> dict
        |> Dictionary
        :> IReadOnlyDictionary<string, string list>

    /// The names of the constants that are learnt.
    let constants (graph: Graph) : HashSet<string> = (byLayer graph).Values |> Seq.concat |> HashSet<string>
