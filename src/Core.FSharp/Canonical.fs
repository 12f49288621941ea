namespace Attribution.Core

open System.Collections.Generic

/// One form for every spelling of a network, for rules that look at its layers: what a rule brings back must not depend on
/// how an exporter wrote a bias, a normalisation or an activation.
[<RequireQualifiedAccess>]
module Canonical =
    /// Each function that other ops spell out becomes these.
    let private spelledOut (graph: Graph) : Graph =
        let names = HashSet<string>(graph.Nodes |> Seq.map _.Name)

        let rec unique name = if names.Add name then name else unique (name + "'")

        let spell (node: Node) =
            match node.Op with
            | Composed(_, _, spelling) ->
                let known = Dictionary<string, string>(List.zip spelling.Inputs node.Inputs |> Seq.map KeyValuePair)

                let last = List.last spelling.Steps

                spelling.Steps
                |> List.map (fun step ->
                    let name = if step.Name = last.Name then node.Name else unique $"{node.Name}/{step.Name}"

                    let inputs = step.Inputs |> List.map (fun input -> known[input])
                    known[step.Name] <- name
                    Node.create name step.Op inputs)
            | _ -> [ node ]

        Graph.withNodes (Seq.collect spell graph.Nodes) graph

    /// The nodes whose values an image changes.
    let private live (graph: Graph) =
        let names = HashSet<string> [ graph.Input ]

        for node in graph.Nodes do
            if not node.Op.IsRepeat && List.exists names.Contains node.Inputs then
                names.Add node.Name |> ignore

        names

    let private isScalar op =
        match op with
        | Constant value -> value.numel () = 1L && value.is_floating_point ()
        | _ -> false

    let private isElementwise op =
        match op with
        | Activation _
        | (Identity | Add | Subtract | Multiply | Divide | Function((Elementwise | Chooses), _, _)) -> true
        | _ -> false

    /// Whether an op bends numbers otherwise than by a kink.
    let private isSmooth op =
        match op with
        | Activation(Relu | LeakyRelu _) -> false
        | op -> op.IsActivation

    /// Runs rewriting over a graph, node by node from the images on: it sees the nodes before as they have become.
    let private rewritten (change: (string -> Node) -> Node -> Node) (graph: Graph) : Graph =
        let nodes = Dictionary<string, Node>()

        for node in graph.Nodes do
            nodes[node.Name] <- change (fun name -> nodes[name]) node

        Graph.mapNodes (fun node -> nodes[node.Name]) graph

    /// A product with what a normalisation divides by (σ to a negative power, or c/σ, and constants beside it) is a quotient
    /// by σ and a product with the constants.
    let private quotients (graph: Graph) =
        let isLive = (live graph).Contains
        let nodes = Dictionary<string, Node>()

        // Powers of numbers, scaled and shifted: a deviation, and not what an exponential makes, as in a sigmoid.
        let rec isPower name =
            let node = nodes[name]

            match node.Op, List.filter isLive node.Inputs with
            | Activation(Power _), [ before ]
            | (Add | Subtract | Multiply | Divide), [ before ] -> isPower before
            | op, _ -> not (isSmooth op)

        // The deviation, how it is made of the value before, and the constants that are multiplied with its inverse.
        let rec inverse name : (Op option * string * (Op * string) list) option =
            let node = nodes[name]

            match node.Op, node.Inputs with
            | Activation(Power -1.), [ before ] when isPower before -> Some(None, before, [])
            | Activation(Power exponent), [ before ] when exponent < 0. && isPower before ->
                Some(Some(Activation(Power -exponent)), before, [])
            | Divide, [ above; below ] when isLive below && not (isLive above) && isPower below ->
                Some(None, below, [ Multiply, above ])
            | Multiply, [ a; b ] when isLive a <> isLive b ->
                let before, factor = if isLive a then a, b else b, a

                inverse before |> Option.map (fun (op, value, factors) -> op, value, factors @ [ Multiply, factor ])
            | Divide, [ before; divisor ] when isLive before && not (isLive divisor) ->
                inverse before |> Option.map (fun (op, value, factors) -> op, value, factors @ [ Divide, divisor ])
            | _ -> None

        let quotient (node: Node) above (op: Op option, value, factors) = [
            let step suffix op inputs = Node.create $"{node.Name}/{suffix}" op inputs

            let divisor = op |> Option.map (fun op -> step "deviation" op [ value ])

            yield! Option.toList divisor
            let below = divisor |> Option.map _.Name |> Option.defaultValue value
            let mutable last = step "quotient" Divide [ above; below ]

            for i, (op, factor) in List.indexed factors do
                last
                last <- step $"factor {i}" op [ last.Name; factor ]

            { last with Name = node.Name }
        ]

        let change (node: Node) =
            match node.Op, node.Inputs with
            | Multiply, [ a; b ] when isLive a && isLive b ->
                match inverse a, inverse b with
                | None, Some found -> quotient node a found
                | Some found, None -> quotient node b found
                | _ -> [ node ]
            | _ -> [ node ]

        let each (node: Node) =
            nodes[node.Name] <- node
            change node

        Graph.withNodes (Seq.collect each graph.Nodes) graph

    /// What the nodes of a region, which lead from the root to the last of them, make of the root's value. All other
    /// values that they take are constants.
    let private compute (find: string -> Node) (root: string) (region: Node list) (x: Tensor) =
        let values = Dictionary<string, Tensor>(dict [ root, x ])

        let value name =
            match values.TryGetValue name, lazy (find name).Op with
            | (true, value), _ -> value
            | _, constant -> Semantics.plain (constant.Force()) []

        for node in region do
            values[node.Name] <- Semantics.plain node.Op (List.map value node.Inputs)

        values[(List.last region).Name]

    /// The nodes after the root that lead to a node, this one included, in order; None where something else does too.
    let private regionFrom (places: IReadOnlyDictionary<string, int>) find isLive root (goal: Node) : Node list =
        let found = Dictionary<string, Node>()
        let rest = Stack<Node> [ goal ]

        while rest.Count > 0 do
            let node: Node = rest.Pop()

            if node.Name <> root && found.TryAdd(node.Name, node) then
                node.Inputs |> List.filter isLive |> List.iter (find >> rest.Push)

        found.Values |> Seq.sortBy (fun node -> places[node.Name]) |> List.ofSeq

    /// Where in the graph each node stands.
    let private placesIn (graph: Graph) =
        graph.Nodes |> Seq.mapi (fun i node -> KeyValuePair(node.Name, i)) |> Dictionary

    /// A function of each number by itself that several nodes spell out becomes an activation: what they make of one value
    /// that meets again in a product, as in x σ(x), or what bends it twice, as in ln(1 + eˣ). Shifts and kinks alone stay,
    /// which are layers and ReLUs.
    let private activations (graph: Graph) =
        let isLive = (live graph).Contains
        let places = placesIn graph
        // Of which values before it a value is a function number by number, the nearest first.
        let roots = Dictionary<string, string list>()
        // What was made one op of kinks alone.
        let kinked = HashSet<string>()

        let change (find: string -> Node) (node: Node) =
            let isSmooth (node: Node) = isSmooth node.Op && not (kinked.Contains node.Name)

            let liveInputs (node: Node) = List.filter isLive node.Inputs

            let isByItself (node: Node) =
                isElementwise node.Op
                && node.Inputs |> List.exists isLive
                && node.Inputs |> List.forall (fun name -> isLive name || isScalar (find name).Op)

            let isProduct (node: Node) =
                isSmooth node || (node.Op.IsMultiply || node.Op.IsDivide) && (liveInputs node).Length > 1

            let isShift (node: Node) = (node.Op.IsAdd || node.Op.IsSubtract) && (liveInputs node).Length = 1

            let isReciprocal (node: Node) = node.Op.IsDivide && not (isLive node.Inputs.Head)

            // Back through scalars to another bend.
            let rec bend name =
                let before = find name

                match liveInputs before with
                | [ root ] when isSmooth before -> Some root
                | [ next ] when isByItself before && not (isReciprocal before) && not before.Op.IsActivation ->
                    bend next
                | _ -> None

            let fuse root =
                let region = regionFrom places find isLive root node

                let op = Activation(Pointwise(Op.describe node.Op, compute find root region))
                Node.create node.Name op [ root ], region

            let shared =
                if isByItself node then
                    liveInputs node
                    |> List.map (fun name -> Set.ofList (name :: roots.GetValueOrDefault(name, [])))
                    |> Set.intersectMany
                    |> Set.toList
                    |> List.sortByDescending (fun name -> places[name])
                else
                    []

            roots[node.Name] <- shared

            match shared, liveInputs node with
            | root :: _, _ :: _ :: _ ->
                let activation, region = fuse root

                if List.exists isProduct region then
                    activation
                elif List.exists isShift region then
                    node
                else
                    kinked.Add node.Name |> ignore
                    activation
            | _ :: _, [ before ] when isSmooth node || isReciprocal node ->
                bend before |> Option.map (fuse >> fst) |> Option.defaultValue node
            | _ -> node

        rewritten change graph

    /// eˣ over its sums is a softmax however it is spelled; what is taken off x first, the largest, changes nothing.
    let private softmaxes (graph: Graph) =
        let isLive = (live graph).Contains
        let places = placesIn graph

        let change (find: string -> Node) (node: Node) =
            match node.Op, List.map find node.Inputs with
            | Divide, [ above; { Op = Function(Sums, _, _); Inputs = summed :: _ } ] when above.Name = summed ->
                match above.Op, above.Inputs with
                | Activation(Pointwise("Exp", _)), [ inner ] ->
                    let root =
                        match find inner with
                        | { Op = Subtract; Inputs = [ x; largest ] } when
                            (match (find largest).Op, (find largest).Inputs with
                             | Function(Selects, _, _), [ same ] -> same = x
                             | _ -> false)
                            ->
                            x
                        | _ -> inner

                    let region = regionFrom places find isLive root node

                    let op = Pure("Softmax", List.head >> compute find root region)
                    Node.create node.Name op [ root ]
                | _ -> node
            | _ -> node

        rewritten change graph

    /// What an op can be of a layer.
    type private Part =
        | Mover
        | Scaler
        | Summer

    let private part isLive (node: Node) =
        let at = List.tryFindIndex isLive node.Inputs

        let isAlone = (node.Inputs |> List.filter isLive).Length = 1

        match node.Op, at with
        | _, None -> None
        | _ when not isAlone -> None
        | (Reshape _ | Flatten | Permute _ | Identity | Function(Moves, _, _)), Some 0 -> Some(Mover, 0)
        | (Divide | BatchNorm _), Some 0 -> Some(Scaler, 0)
        | (Add | Subtract | Multiply), Some at -> Some(Scaler, at)
        | (Convolution _ | Linear _ | Function(Sums, _, _)), Some 0 -> Some(Summer, 0)
        | (Pool { Kind = AveragePool _ } | GlobalPool(AveragePool _)), Some 0 -> Some(Summer, 0)
        | (MatMul | Function((Product | Filters), _, _)), Some at -> Some(Summer, at)
        | _ -> None

    [<NoComparison; ReferenceEquality>]
    type private Block = {
        Start: string
        Others: string list
        /// The last first.
        Links: Link list
        Sums: bool
        /// Whether it does more than move numbers.
        IsLayer: bool
    }

    /// Linear ops one after another become one layer for each that sums: what scales, shifts or moves numbers belongs to the
    /// one before it, or else to the one after it; or is a layer of its own.
    let private layers (kept: string -> bool) (graph: Graph) =
        let isLive = (live graph).Contains
        let readers = Dictionary<string, int>()

        for name in graph.Nodes |> Seq.collect _.Inputs do
            readers[name] <- readers.GetValueOrDefault name + 1

        let blocks = Dictionary<string, Block>()

        let extend (block: Block) (node: Node) (part, at) =
            let others = node.Inputs |> List.removeAt at

            {
                block with
                    Others = block.Others @ others
                    Links =
                        { Node = node; At = at; Others = List.init others.Length (fun i -> block.Others.Length + i) }
                        :: block.Links
                    Sums = block.Sums || part = Summer
                    IsLayer = block.IsLayer || part <> Mover
            }

        let change _ (node: Node) =
            match part isLive node with
            | None -> node
            | Some(part, at) ->
                let before = node.Inputs[at]

                let start = { Start = before; Others = []; Links = []; Sums = false; IsLayer = false }

                let block =
                    match blocks.TryGetValue before with
                    // What sums nothing is no work to do again for each reader.
                    | true, block when
                        not (block.Sums && part = Summer)
                        && (not block.Sums || readers[before] = 1 && not (kept before))
                        ->
                        extend block node (part, at)
                    | _ -> extend start node (part, at)

                blocks[node.Name] <- block

                if block.IsLayer then
                    let op = Affine { Links = List.rev block.Links }
                    Node.create node.Name op (block.Start :: block.Others)
                else
                    node

        rewritten change graph

    /// <summary>The network with functions spelled out, spelled activations in one, and linear ops gathered in layers; the same
    /// values of the nodes that are kept. It computes nothing of weights, which may change.</summary>
    let form (kept: string -> bool) (graph: Graph) : Graph =
        graph |> spelledOut |> quotients |> softmaxes |> activations |> layers kept
