namespace Attribution.Core

open System.Collections.Generic

/// Attention as a graph computes it: softmax(QKᵀ) V.
[<RequireQualifiedAccess>]
type Attention = {
    /// The softmax.
    Weights: string
    /// The product of the weights and the values V.
    Product: string
    /// Which of its inputs leads from the weights.
    Side: int
    /// Where its result is added to what it was computed of, and which of the two inputs it is; None where it is not.
    Residual: (string * int) option
}

[<RequireQualifiedAccess>]
module Attention =
    /// Nodes that hand on one value's numbers, moved, scaled or shifted by fixed ones.
    let private isCarrier (isLive: string -> bool) (node: Node) =
        (node.Inputs |> List.filter isLive).Length = 1
        && match node.Op with
           | Identity
           | Reshape _
           | Flatten
           | Permute _
           | Function((Moves | Places | Elementwise | Chooses), _, _)
           | Activation(Pointwise _)
           | (Add | Subtract | Multiply | Divide) -> true
           | _ -> false

    let private isProduct (node: Node) =
        match node.Op with
        | MatMul
        | Function(Product, _, _) -> true
        | _ -> false

    let private isLayer (node: Node) =
        match node.Op with
        | Linear _
        | MatMul
        | BatchNorm _
        | Convolution _
        | Function((Product | Sums), _, _) -> true
        | _ -> false

    /// <summary>The attentions of a graph, in its order: a softmax, whichever way it is spelled, of a product of two values that an
    /// image gives, scaled, masked and moved in whatever way; and the product of that with a third.</summary>
    let find (graph: Graph) : Attention list =
        let nodes = Dictionary<string, Node>()
        let readers = Dictionary<string, ResizeArray<Node>>()
        let live = HashSet<string> [ graph.Input ]

        for node in graph.Nodes do
            nodes[node.Name] <- node

            if not node.Op.IsRepeat && List.exists live.Contains node.Inputs then
                live.Add node.Name |> ignore

            for name in List.distinct node.Inputs do
                if not (readers.ContainsKey name) then
                    readers[name] <- ResizeArray()

                readers[name].Add node

        let isLive = live.Contains
        let readersOf name = if readers.ContainsKey name then List.ofSeq readers[name] else []
        let liveInputs (node: Node) = List.filter isLive node.Inputs
        let isCarrier = isCarrier isLive
        let isOfTwo (node: Node) = isProduct node && (liveInputs node).Length = 2

        let softened (node: Node) =
            match node.Op, node.Inputs with
            | (Softmax _ | Pure("Softmax", _)), [ scores ] -> Some scores
            | Divide, [ above; below ] ->
                match nodes[above].Op, nodes[above].Inputs, nodes[below].Op, nodes[below].Inputs with
                | Activation(Pointwise("Exp", _)), [ scores ], Function(Sums, _, _), summed :: _ when summed = above ->
                    Some scores
                | _ -> None
            | _ -> None

        // Back through scales, masks, biases and moves; where two values are added, either may come of a product.
        let rec isOfProduct name =
            let node = nodes[name]

            isOfTwo node
            || match node.Op with
               | Add
               | Subtract -> liveInputs node |> List.exists isOfProduct
               | _ -> isCarrier node && isOfProduct (liveInputs node).Head

        let rec product (name: string) : (Node * int) option =
            readersOf name
            |> List.tryPick (fun node ->
                if isOfTwo node then Some(node, List.findIndex ((=) name) node.Inputs)
                elif isCarrier node then product node.Name
                else None)

        // On through layers of weights and moves, to where two values are added.
        let rec residual (name: string) : (string * int) option =
            match readersOf name with
            | [ { Op = Add } as node ] when (liveInputs node).Length = 2 ->
                Some(node.Name, List.findIndex ((=) name) node.Inputs)
            | [ node ] when isCarrier node || isLayer node && (liveInputs node).Length = 1 -> residual node.Name
            | _ -> None

        [
            for node in graph.Nodes do
                match softened node with
                | Some scores when isLive scores && isOfProduct scores ->
                    match product node.Name with
                    | Some(values, at) -> {
                        Attention.Weights = node.Name
                        Attention.Product = values.Name
                        Attention.Side = at
                        Attention.Residual = residual values.Name
                      }
                    | None -> ()
                | _ -> ()
        ]
