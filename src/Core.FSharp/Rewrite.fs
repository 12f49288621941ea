namespace Attribution.Core

open System.Collections.Generic
open TorchSharp

/// Rewrites a network for one kind of run: fewer and cheaper steps, the same values of what is wanted. For the plain
/// semantics only.
[<RequireQualifiedAccess>]
module Rewrite =
    /// conv W b, then γ (· - μ) / √(v + ε) + β, is conv (W γ / √(v + ε)) ((b - μ) γ / √(v + ε) + β).
    let private fold (norm: BatchNorm) (c: Convolution) =
        let wide (t: Tensor) = t.``to`` torch.float64

        let folded =
            Scope.runMany (fun () ->
                let factor = wide norm.Scale / (Tensor.shift norm.Epsilon (wide norm.Variance)).sqrt()

                let bias = c.Bias |> Option.map wide |> Option.defaultWith (fun () -> torch.zeros_like factor)

                [
                    wide c.Weight * Tensor.likeInstances c.Weight factor
                    Tensor.add ((bias - wide norm.Mean) * factor) (wide norm.Shift)
                ]
                |> List.map _.``to``(c.Weight.dtype))
            |> List.map _.DetachFromDisposeScope()

        { c with Weight = folded[0]; Bias = Some folded[1] }

    /// Whether the op's value is a tensor of its own that no way back needs, so that it may be overwritten.
    let private isFree op =
        match op with
        | (Convolution _ | Linear _ | BatchNorm _ | Add | Subtract) -> true
        | _ -> false

    let private reluInPlace = Pure("Relu", List.head >> _.relu_())

    /// Whether the op's value takes the place of its input's.
    let overwrites (op: Op) = obj.ReferenceEquals(op, reluInPlace)

    let private rewrite folds overwrites (given: string list) (wanted: string list) (graph: Graph) : Graph =
        let kept = HashSet<string>(Seq.append given wanted)
        let readers = Dictionary<string, int>()
        let plan = Graph.plan given wanted graph

        for step in plan.Steps do
            for name in step.Node.Inputs do
                readers[name] <- readers.GetValueOrDefault name + 1

        let nodes = Dictionary<string, Node>()

        // The computed node of that name, if this is the only place its value goes.
        let passing name =
            match nodes.TryGetValue name with
            | true, node when readers[name] = 1 && not (kept.Contains name) -> Some node
            | _ -> None

        for step in plan.Steps do
            let node = step.Node

            nodes[node.Name] <-
                match node.Op, List.map passing node.Inputs with
                | BatchNorm norm, [ Some { Op = Convolution c; Inputs = inputs } ] when folds ->
                    Node.create node.Name (Convolution(fold norm c)) inputs
                | Activation Relu, [ Some before ] when overwrites && isFree before.Op -> { node with Op = reluInPlace }
                | _ -> node

        Graph.mapNodes (fun node -> nodes.GetValueOrDefault(node.Name, node)) graph

    /// <summary>The graph for a run from the given nodes to the wanted ones: a normalisation is folded into the convolution
    /// before it, and a ReLU overwrites its input, wherever nothing else reads the value in between.</summary>
    let forRun = rewrite true true

    /// The same without what is computed from weights: they may change, or be differentiated.
    let forChangingWeights = rewrite false true

    /// The graph for a way back by rules, which look at every op's inputs and value: only normalisations are folded.
    let forRules = rewrite true false

    /// <summary>The graph with softplus(βx)/β in place of every ReLU, and the like in place of clipped and leaky ones: smooth,
    /// and the nearer to the graph itself the larger β is.</summary>
    /// <remarks>Dombrowski et al., arXiv 1906.07983: what second derivatives of networks of ReLUs need.</remarks>
    let smooth (beta: float) (graph: Graph) : Graph =
        // softplus(x) = -ln σ(-x)
        let softplus (x: Tensor) = (x * Number.Of -beta).log_sigmoid() / Number.Of -beta

        let named f = Activation(Pointwise("Softplus", f))

        graph
        |> Graph.mapOps (function
            | Activation Relu -> named softplus
            | Activation(ClippedRelu ceiling) -> named (fun x -> softplus x - softplus (x - Number.Of ceiling))
            | Activation(LeakyRelu slope) ->
                named (fun x -> Tensor.add (x * Number.Of slope) (softplus x * Number.Of(1. - slope)))
            | op -> op)
