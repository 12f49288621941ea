namespace Attribution.Core

open System
open System.Collections.Generic
open Attribution
open TorchSharp

type PoolKind =
    | MaxPool
    /// The mean; `true` counts padded zeros.
    | AveragePool of countPadding: bool

/// A pooling over windows of n×c×h×w (or n×c×l, n×c×d×h×w: as many spatial dimensions as Kernel has entries).
type Pooling = {
    Kind: PoolKind
    Kernel: int64[]
    Stride: int64[]
    Padding: int64[]
    Dilation: int64[]
    /// A window that overhangs the end counts.
    CeilMode: bool
}

[<NoComparison; NoEquality>]
type Activation =
    | Relu
    /// min(max(x, 0), ceiling): ReLU6 where that is 6.
    | ClippedRelu of ceiling: float
    | LeakyRelu of slope: float
    | Sigmoid
    | Tanh
    /// A root, a square, a reciprocal: xᵖ.
    | Power of exponent: float
    /// Any other differentiable function of each number by itself; its name is for people.
    | Pointwise of name: string * (Tensor -> Tensor)

/// Normalisation with fixed statistics: (x - Mean) / √(Variance + Epsilon) ⊙ Scale + Shift, channel by channel.
[<NoComparison; ReferenceEquality>]
type BatchNorm = { Mean: Tensor; Variance: Tensor; Scale: Tensor; Shift: Tensor; Epsilon: float }

/// What is known of a function beside its values, for ways back by rules.
type Kind =
    /// Each number is a copy of one of the first input's, or 0: linear, with weights 0 and 1. Others say where.
    | Moves
    /// Each number is a copy of one of some input's, or a fixed one, wherever that may be.
    | Places
    /// Each number is a sum of the first input's, weighed by fixed numbers: a mean, an interpolation.
    | Sums
    /// Linear in each input by itself: a product, or a layer whose weights are an input.
    | Product
    /// A product of which the second input is filters that slide over the first.
    | Filters
    /// Each number is a copy of one that is chosen by how large it is: a maximum.
    | Selects
    /// Each number follows from those at the same place of the inputs, in whatever way.
    | Elementwise
    /// Each number is the one at the same place of the second input where the first is true, and else the third's.
    | Chooses

/// What a node computes from the values of its inputs.
[<NoComparison; ReferenceEquality>]
type Op =
    /// The images that a run is given.
    | Input
    /// A value that no image changes; it broadcasts over the instances.
    | Constant of Tensor
    | Convolution of Convolution
    /// x Wᵀ + b: weight out×in, over the last dimension.
    | Linear of weight: Tensor * bias: Tensor option
    | Activation of Activation
    | Pool of Pooling
    /// The mean or the maximum over all positions of n×c×h×w (or n×c×l, n×c×d×h×w), which become one.
    | GlobalPool of PoolKind
    | BatchNorm of BatchNorm
    | Add
    | Subtract
    | Multiply
    | Divide
    /// Matrix product of two values.
    | MatMul
    | Concat of axis: int64
    /// The dimensions after the first; one of them may be -1.
    | Reshape of shape: int64[]
    /// All dimensions but the first become one.
    | Flatten
    | Permute of int64[]
    | Softmax of axis: int64
    | Identity
    /// What one instance is given, once for each instance (the second input counts them), along a dimension.
    | Repeat of axis: int64
    /// A function of which no more is known than its kind; its name is for people.
    | Function of kind: Kind * name: string * (Tensor list -> Tensor)
    /// A function that other ops spell out; its name is for people.
    | Composed of name: string * (Tensor list -> Tensor) * Spelled
    /// One layer y = Wx + b of several ops; its other inputs are theirs. Only a canonical form has it.
    | Affine of AffineLayer
    /// Any other differentiable function; its name is for people.
    | Pure of name: string * (Tensor list -> Tensor)

/// One step of a network: its value is named after it.
and [<NoComparison; ReferenceEquality>] Node = {
    Name: string
    Op: Op
    /// Names of the nodes whose values it takes.
    Inputs: string list
}

/// The steps that make up a function of inputs by some names; the last gives its value.
and [<NoComparison; ReferenceEquality>] Spelled = { Inputs: string list; Steps: Node list }

/// Linear ops one after another: at most one of them sums, the others scale, shift or move numbers.
and [<NoComparison; ReferenceEquality>] AffineLayer = { Links: Link list }

/// An op of a layer, of which one input is what the op before gives.
and [<NoComparison; ReferenceEquality>] Link = {
    Node: Node
    /// Which of its inputs that is.
    At: int
    /// Which of the layer's inputs, the first excluded, its own others are.
    Others: int list
}

/// A network as data: nodes in an order in which each comes after its inputs.
[<NoComparison; ReferenceEquality>]
type Graph = {
    Nodes: Node[]
    Input: string
    /// The node of the logits.
    Output: string
}

/// A node to be computed, and the values that nothing needs after it.
[<NoComparison; ReferenceEquality>]
type Step = { Node: Node; Done: string list }

/// How the values of the wanted nodes follow from those of the given ones.
[<NoComparison; ReferenceEquality>]
type Plan = { Given: string list; Wanted: string list; Steps: Step[] }

/// A way of running a network: what each op makes of its inputs' values.
type Semantics = Op -> Tensor list -> Tensor

/// A node whose value was computed.
[<NoComparison; NoEquality>]
type Evaluated = {
    Node: Node
    /// The values of its inputs.
    Inputs: Tensor list
    /// Which of them depend on what the run was given.
    IsLive: bool list
    Value: Tensor
    /// The op's own derivative: w ↦ wᵀ ∂value/∂input for each input that is live, and 0 for any other. For one use.
    Pull: Tensor -> Tensor list
} with

    /// How many of the inputs are live.
    member this.Live = this.IsLive |> List.filter id |> List.length

    /// Whether each live input has the value's shape.
    member this.KeepsShape =
        List.forall2 (fun isLive (x: Tensor) -> not isLive || x.shape = this.Value.shape) this.IsLive this.Inputs

/// The backward rule: from the signal at a node's output, the signal for each input. `Pull` is backpropagation; guided
/// backpropagation, DeepLIFT and LRP are other rules on the same graph.
type Rule = Evaluated -> Tensor -> Tensor list

[<RequireQualifiedAccess>]
module Node =
    let create name op inputs : Node = { Name = name; Op = op; Inputs = inputs }

[<RequireQualifiedAccess>]
module Op =
    /// For people: "Conv 3×3, 64", "Linear 100", …
    let rec describe op =
        let times (numbers: int64 seq) = String.Join("×", numbers)

        match op with
        | Input -> "Input"
        | Constant _ -> "Constant"
        | Convolution c -> $"Conv {times c.Weight.shape[2..]}, {c.Weight.shape[0]}"
        | Linear(weight, _) -> $"Linear {weight.shape[0]}"
        | Activation(ClippedRelu ceiling) -> $"Relu{ceiling}"
        | Activation(LeakyRelu slope) -> $"LeakyRelu {slope}"
        | Activation(Pointwise(name, _)) -> name
        | Activation kind -> string kind
        | Pool { Kind = MaxPool; Kernel = kernel } -> $"MaxPool {times kernel}"
        | Pool { Kernel = kernel } -> $"AveragePool {times kernel}"
        | GlobalPool MaxPool -> "GlobalMaxPool"
        | GlobalPool _ -> "GlobalAveragePool"
        | BatchNorm _ -> "BatchNorm"
        | Concat _ -> "Concat"
        | Reshape _ -> "Reshape"
        | Permute _ -> "Permute"
        | Softmax _ -> "Softmax"
        | Repeat _ -> "Expand"
        | (Function(_, name, _) | Composed(name, _, _) | Pure(name, _)) -> name
        | Affine { Links = links } -> String.Join(" + ", links |> List.map (fun link -> describe link.Node.Op))
        | other -> string other

    /// Whether a convolution is in it.
    let rec convolves op =
        match op with
        | (Convolution _ | Function(Filters, _, _)) -> true
        | Affine layer -> layer.Links |> List.exists (fun link -> convolves link.Node.Op)
        | _ -> false

    /// Whether weights, or products of values, are in it.
    let rec isWeighted op =
        match op with
        | (Convolution _ | Linear _ | MatMul | Function((Product | Filters), _, _)) -> true
        | Composed(_, _, spelled) -> spelled.Steps |> List.exists (fun step -> isWeighted step.Op)
        | _ -> false

    /// The op with f applied to each tensor that it holds, and to the name that PyTorch has for it there.
    let mapNamed (f: string -> Tensor -> Tensor) op =
        match op with
        | Constant value -> Constant(f "value" value)
        | Convolution c -> Convolution { c with Weight = f "weight" c.Weight; Bias = Option.map (f "bias") c.Bias }
        | Linear(weight, bias) -> Linear(f "weight" weight, Option.map (f "bias") bias)
        | BatchNorm b ->
            BatchNorm {
                b with
                    Mean = f "running_mean" b.Mean
                    Variance = f "running_var" b.Variance
                    Scale = f "weight" b.Scale
                    Shift = f "bias" b.Shift
            }
        | other -> other

    /// The op with f applied to each tensor that it holds.
    let mapTensors (f: Tensor -> Tensor) op = mapNamed (fun _ -> f) op

    /// The tensors that it holds, and their names.
    let tensors op : (string * Tensor) list =
        let found = ResizeArray()

        let look name t =
            found.Add((name, t))
            t

        mapNamed look op |> ignore
        List.ofSeq found

[<RequireQualifiedAccess>]
module Link =
    /// The op's inputs, of the layer's and of what the op before gives.
    let inputs (others: 'a list) (x: 'a) (link: Link) : 'a list =
        link.Others |> List.map (fun i -> others[i]) |> List.insertAt link.At x

[<RequireQualifiedAccess>]
module Semantics =
    let private pool (p: Pooling) (x: Tensor) =
        match p.Kind, p.Kernel.Length with
        | MaxPool, 1 ->
            torch.nn.functional.max_pool1d (x, p.Kernel[0], p.Stride[0], p.Padding[0], p.Dilation[0], p.CeilMode)
        | MaxPool, 2 -> torch.nn.functional.max_pool2d (x, p.Kernel, p.Stride, p.Padding, p.Dilation, p.CeilMode)
        | MaxPool, _ -> torch.nn.functional.max_pool3d (x, p.Kernel, p.Stride, p.Padding, p.Dilation, p.CeilMode)
        | AveragePool counted, 1 ->
            torch.nn.functional.avg_pool1d (x, p.Kernel[0], p.Stride[0], p.Padding[0], p.CeilMode, counted)
        | AveragePool counted, 2 ->
            torch.nn.functional.avg_pool2d (x, p.Kernel, p.Stride, p.Padding, p.CeilMode, counted)
        | AveragePool counted, _ ->
            torch.nn.functional.avg_pool3d (x, p.Kernel, p.Stride, p.Padding, p.CeilMode, counted)

    /// The maximum of each window, and where in its input's flattened positions it is.
    let maximumAndPlace (p: Pooling) (x: Tensor) : struct (Tensor * Tensor) =
        match p.Kernel.Length with
        | 1 ->
            torch.nn.functional.max_pool1d_with_indices (
                x,
                p.Kernel[0],
                p.Stride[0],
                p.Padding[0],
                p.Dilation[0],
                p.CeilMode
            )
        | 2 -> torch.nn.functional.max_pool2d_with_indices (x, p.Kernel, p.Stride, p.Padding, p.Dilation, p.CeilMode)
        | _ -> torch.nn.functional.max_pool3d_with_indices (x, p.Kernel, p.Stride, p.Padding, p.Dilation, p.CeilMode)

    let private activate kind (x: Tensor) =
        match kind with
        | Relu -> x.relu ()
        // Both have the derivative 0 at 0, as ReLU has.
        | ClippedRelu 6. -> torch.nn.functional.relu6 x
        | ClippedRelu ceiling -> x.relu().clamp_max(Number.Of ceiling)
        | LeakyRelu slope -> x.leaky_relu (Number.Of slope)
        | Sigmoid -> x.sigmoid ()
        | Tanh -> x.tanh ()
        | Power 0.5 -> x.sqrt ()
        | Power 2. -> x * x
        | Power -1. -> x.reciprocal ()
        | Power exponent -> x.pow (Number.Of exponent)
        | Pointwise(_, f) -> f x

    // TorchSharp's own matmul lets libtorch's errors end the process.
    let private matrixProduct (a: Tensor) (b: Tensor) =
        let shared (t: Tensor) fromEnd = t.shape[max 0 (int t.ndim - fromEnd)]

        if a.ndim = 0L || b.ndim = 0L || shared a 1 <> shared b 2 then
            let text = Tensor.shapeText
            invalidArg "b" $"Tensors of the shapes {text a.shape} and {text b.shape} cannot be multiplied."

        match a.ndim, b.ndim with
        | 1L, 1L -> torch.einsum ("j,j->", a, b)
        | 1L, _ -> torch.einsum ("j,...jk->...k", a, b)
        | _, 1L -> torch.einsum ("...j,j->...", a, b)
        | _ -> torch.einsum ("...ij,...jk->...ik", a, b)

    /// What the ops mean: the network's own function.
    let rec plain: Semantics =
        fun op inputs ->
            match op, inputs with
            | Constant value, [] -> value.alias ()
            | Convolution c, [ x ] -> Kernels.convolve c x
            | Linear(weight, bias), [ x ] -> torch.nn.functional.linear (x, weight, Option.toObj bias)
            | Activation kind, [ x ] -> activate kind x
            | Pool p, [ x ] -> pool p x
            | GlobalPool MaxPool, [ x ] -> x.amax ([| 2L .. x.ndim - 1L |], true)
            | GlobalPool _, [ x ] -> x.mean ([| 2L .. x.ndim - 1L |], true)
            | BatchNorm b, [ x ] ->
                torch.nn.functional.batch_norm (x, b.Mean, b.Variance, b.Scale, b.Shift, eps = b.Epsilon)
            | Add, [ a; b ] -> Tensor.add a b
            | Subtract, [ a; b ] -> a - b
            | Multiply, [ a; b ] -> a * b
            | Divide, [ a; b ] -> a / b
            | MatMul, [ a; b ] -> matrixProduct a b
            | Concat axis, parts -> torch.cat (List.toArray parts, axis)
            | Reshape shape, [ x ] -> x.reshape (Array.append [| x.shape[0] |] shape)
            | Flatten, [ x ] -> x.reshape (x.shape[0], -1L)
            | Permute order, [ x ] -> x.permute order
            | Softmax axis, [ x ] -> torch.nn.functional.softmax (x, axis)
            | Identity, [ x ] -> x.alias ()
            | Repeat axis, [ each; instances ] ->
                each.repeat [| for i in 0L .. each.ndim - 1L -> if i = axis then instances.shape[0] else 1L |]
            | Affine layer, x :: others -> List.fold (link others) x layer.Links
            | Function(_, _, f), inputs
            | Composed(_, f, _), inputs
            | Pure(_, f), inputs -> f inputs
            | op, inputs -> invalidOp $"{Op.describe op} does not take {List.length inputs} inputs."

    /// The value of an op of a layer, of what the op before gives.
    and private link (others: Tensor list) (x: Tensor) (link: Link) = plain link.Node.Op (Link.inputs others x link)

[<RequireQualifiedAccess>]
module Graph =
    /// <summary>A graph whose names are unique and whose nodes come after their inputs.</summary>
    /// <exception cref="T:System.ArgumentException">A name is used twice, or not defined before it is used.</exception>
    let create (input: string) (output: string) (nodes: Node seq) : Graph =
        let defined = HashSet<string>()

        for node in nodes do
            for name in node.Inputs do
                if not (defined.Contains name) then
                    invalidArg "nodes" $"Node '{node.Name}' takes '{name}', which no node before it computes."

            if not (defined.Add node.Name) then
                invalidArg "nodes" $"Two layers are named '{node.Name}': give each a name of its own."

        for name in [ input; output ] do
            if not (defined.Contains name) then
                invalidArg "nodes" $"No node is named '{name}'."

        { Nodes = Array.ofSeq nodes; Input = input; Output = output }

    /// The graph of other nodes.
    let withNodes (nodes: Node seq) graph = { graph with Nodes = Array.ofSeq nodes }

    /// The graph with f applied to every node.
    let mapNodes (f: Node -> Node) graph = withNodes (Array.map f graph.Nodes) graph

    /// The graph with f applied to every op.
    let mapOps (f: Op -> Op) graph = mapNodes (fun node -> { node with Op = f node.Op }) graph

    /// The node of that name.
    let node name graph = graph.Nodes |> Array.find (fun node -> node.Name = name)

    /// The tensors that the ops hold.
    let tensors graph = graph.Nodes |> Seq.collect (fun node -> Op.tensors node.Op |> Seq.map snd)

    /// The nodes whose values the wanted ones depend on, where the given ones are known.
    let private needed (given: string -> bool) (wanted: string seq) graph =
        let names = HashSet<string>(wanted)

        for i in graph.Nodes.Length - 1 .. -1 .. 0 do
            let node = graph.Nodes[i]

            if names.Contains node.Name && not (given node.Name) then
                names.UnionWith node.Inputs

        names

    /// The nodes that depend on any of the layers, these excluded.
    let private downstream (layers: string list) graph =
        let names = HashSet<string> layers

        for node in graph.Nodes do
            if List.exists names.Contains node.Inputs then
                names.Add node.Name |> ignore

        names.ExceptWith layers
        names

    /// Whether the output depends on the layer.
    let leads (layer: string) graph = layer = graph.Output || (downstream [ layer ] graph).Contains graph.Output

    /// The nodes that every path from the input to the output passes (the output's dominators), in their order.
    let dominators (graph: Graph) : Node list =
        let live = downstream [ graph.Input ] graph
        live.Add graph.Input |> ignore
        live.IntersectWith(needed (fun _ -> false) [ graph.Output ] graph)
        let path = graph.Nodes |> Array.filter (fun node -> live.Contains node.Name)
        let lastReader = Dictionary<string, int>()

        path
        |> Array.iteri (fun i node ->
            for name in node.Inputs do
                lastReader[name] <- i)

        // A path leads past a node where a value from before it is read after it.
        let mutable furthest = 0

        [
            for i, node in Array.indexed path do
                if furthest <= i then
                    node

                furthest <- max furthest (lastReader.GetValueOrDefault node.Name)
        ]

    /// Those of the layers that depend on none of the others.
    let first (layers: string list) graph =
        let isAfter layer other = other <> layer && (downstream [ other ] graph).Contains layer

        layers |> List.filter (fun layer -> not (List.exists (isAfter layer) layers))

    /// The layers other than the given ones whose values flow past these to the output: what a cut there holds fixed. Each value has a
    /// row an instance: what does not depend on them is no part of it.
    let around (layers: string list) graph =
        let later = downstream layers graph
        let ofInstances = downstream [ graph.Input ] graph
        let isCut name = List.contains name layers
        let needed = needed isCut [ graph.Output ] graph

        graph.Nodes
        |> Seq.filter (fun node -> later.Contains node.Name && needed.Contains node.Name)
        |> Seq.collect _.Inputs
        |> Seq.filter (fun name -> not (isCut name || later.Contains name))
        |> Seq.filter (fun name -> name = graph.Input || ofInstances.Contains name)
        |> Seq.distinct
        |> List.ofSeq

    /// The steps that lead from the values of the given nodes to those of the wanted ones.
    let plan (given: string list) (wanted: string list) graph : Plan =
        let isGiven = HashSet<string> given
        let needed = needed isGiven.Contains wanted graph

        let computed =
            graph.Nodes |> Array.filter (fun n -> needed.Contains n.Name && not (isGiven.Contains n.Name))

        let lastReader = Dictionary<string, string>()

        for node in computed do
            for name in node.Inputs do
                lastReader[name] <- node.Name

        let isKept name = isGiven.Contains name || List.contains name wanted

        {
            Given = given
            Wanted = wanted
            Steps =
                computed
                |> Array.map (fun node -> {
                    Node = node
                    Done =
                        node.Inputs
                        |> List.distinct
                        |> List.filter (fun name -> lastReader[name] = node.Name && not (isKept name))
                })
        }

    /// <summary>The one interpreter: the values of a plan's wanted nodes, from the values of its given ones. Lets go of
    /// each value when its last reader is done; where a gradient is being recorded, autograd keeps what the way back
    /// needs. `observe` sees each value computed.</summary>
    let runObserved (observe: Node -> Tensor -> unit) (semantics: Semantics) (plan: Plan) (given: Tensor list) =
        use scope = torch.NewDisposeScope()
        let values = Dictionary<string, Tensor>()
        List.iter2 (fun name value -> values[name] <- value) plan.Given given

        for step in plan.Steps do
            let inputs = step.Node.Inputs |> List.map (fun name -> values[name])

            let value =
                Scope.run (fun () ->
                    let result = semantics step.Node.Op inputs
                    // A function may hand back what is not its own to free: its argument, or a tensor that it holds.
                    if torch.CurrentDisposeScope.Contains result then result else result.alias ())

            values[step.Node.Name] <- value
            observe step.Node value

            for name in step.Done do
                values[name].Dispose()
                values.Remove name |> ignore

        plan.Wanted
        |> List.map (fun name -> if List.contains name plan.Given then values[name].alias() else values[name])
        |> List.map (fun value -> scope.MoveToOuter value)

    /// The values of a plan's wanted nodes, from the values of its given ones.
    let run semantics plan given : Tensor list = runObserved (fun _ _ -> ()) semantics plan given

    /// A node's value, and w ↦ wᵀ ∂value/∂input for each input; where an input is not live, nothing but a 0.
    let pullback (node: Node) (inputs: Tensor list) (isLive: bool list) =
        let live = List.zip inputs isLive |> List.filter snd |> List.map fst

        let whole part isLive =
            match part, isLive with
            | next :: rest, true -> next, rest
            | rest, _ -> Unchecked.defaultof<Tensor>, rest

        let merge (live: Tensor list) =
            List.mapFold whole live isLive
            |> fst
            |> List.map2 (fun (input: Tensor) given -> if isNull given then input else given) inputs

        let value, pull = Autograd.within (merge >> Semantics.plain node.Op) live

        let parts w =
            List.mapFold whole (pull w) isLive
            |> fst
            |> List.map (fun part -> if isNull part then torch.zeros ([||], w.dtype, w.device) else part)

        value, parts

    /// <summary>Forth and back: the value of a plan's one wanted node from that of its one given node, and then what a rule
    /// brings back to the given node, of what `seed` makes of that value. Where a value goes to several nodes, what they hand
    /// back is summed.</summary>
    let propagate (rule: Rule) (plan: Plan) (given: Tensor) (seed: Tensor -> Tensor) : Tensor =
        Scope.runQuietly (fun () ->
            let start, goal = plan.Given.Head, plan.Wanted.Head
            let values = Dictionary<string, Tensor>(dict [ start, given ])
            let live = HashSet<string> [ start ]
            let way = Stack<Evaluated>()

            for step in plan.Steps do
                let node = step.Node
                let inputs = node.Inputs |> List.map (fun name -> values[name])

                if List.exists live.Contains node.Inputs && not node.Op.IsRepeat then
                    let value, pull = pullback node inputs (node.Inputs |> List.map live.Contains)
                    live.Add node.Name |> ignore
                    values[node.Name] <- value

                    way.Push {
                        Node = node
                        Inputs = inputs
                        IsLive = node.Inputs |> List.map live.Contains
                        Value = value
                        Pull = pull
                    }
                else
                    values[node.Name] <- Semantics.plain node.Op inputs

            let arriving = Dictionary<string, Tensor>(dict [ goal, seed values[goal] ])

            let take name =
                match arriving.TryGetValue name with
                | true, w ->
                    arriving.Remove name |> ignore
                    Some w
                | _ -> None

            let hand name (part: Tensor) =
                match take name with
                | Some sum ->
                    arriving[name] <- Tensor.add sum part
                    sum.Dispose()
                    part.Dispose()
                | None -> arriving[name] <- part

            for evaluated in way do
                match take evaluated.Node.Name with
                | Some w ->
                    // A rule may hand on what it was handed, so each part becomes a tensor of its own.
                    let parts = Scope.runMany (fun () -> rule evaluated w |> List.map (fun part -> part.alias ()))

                    w.Dispose()

                    for name, isLive, part in List.zip3 evaluated.Node.Inputs evaluated.IsLive parts do
                        if isLive then hand name part else part.Dispose()
                | None -> ()

            take start |> Option.defaultWith (fun () -> torch.zeros_like given))
