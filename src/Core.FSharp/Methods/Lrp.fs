namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// How a layer of weights shares out what arrives at its outputs among its inputs.
type LrpRule =
    /// In proportion to each input's part of the output, bias included; what is near 0 is held away from it by a share ε of
    /// the outputs' mean magnitude.
    | Epsilon of epsilon: float
    /// The same with the positive weights (and bias) 1 + γ times as strong.
    | Gamma of gamma: float
    /// α times in proportion to the positive parts, less β times to the negative ones; α - β = 1. (1, 0) is z⁺.
    | AlphaBeta of alpha: float * beta: float
    /// To all inputs alike.
    | Flat
    /// For the first layer, whose inputs are pixels between a lowest and a highest value.
    | ZBox of low: float * high: float

/// Which rule holds for which layer.
[<NoComparison; NoEquality>]
type LrpComposite = {
    /// The first layer of weights; None: as any other of its kind.
    First: LrpRule option
    Convolution: LrpRule
    Dense: LrpRule
    /// For layers by their names.
    Layers: IReadOnlyDictionary<string, LrpRule>
}

/// <summary>Layer-wise relevance propagation: the target's value is shared out from layer to layer down to the pixels, each
/// layer handing on as much as it was given.</summary>
/// <remarks>Bach et al., PLoS ONE 10(7), 2015; the rules as in Montavon et al., "Layer-wise relevance propagation: an
/// overview", 2019. Relevance passes through activations, normalisations and constants unchanged, goes to a maximum's
/// winner, in proportion through sums and means, and in halves through the product of two values.</remarks>
[<RequireQualifiedAccess>]
module Lrp =
    let composite (first: LrpRule) (convolution: LrpRule) (dense: LrpRule) = {
        First = Some first
        Convolution = convolution
        Dense = dense
        Layers = Dictionary()
    }

    [<Literal>]
    let private Tiny = 1e-9

    // As far from 0 as ε of the mean magnitude, on its own side of it.
    let private stable (epsilon: float) (z: Tensor) =
        let sum = torch.linalg.vector_norm (z, 1., [| 1L .. z.ndim - 1L |], true)
        let each = Seq.fold (*) 1L z.shape[1..]
        let least = sum.mul_((epsilon / float each).ToScalar()).clamp_min_(1e-30.ToScalar())
        // In place, as elsewhere here: memory is what these take time for.
        torch.where(z.lt (0.0.ToScalar()), -least, least).add_ z

    /// x ⊙ Jᵀ(R / z): what arrives in proportion to each input's part.
    let private share epsilon (z: Tensor) (pull: Tensor -> Tensor) (x: Tensor) (relevance: Tensor) =
        (pull (relevance / stable epsilon z)).mul_ x

    let private withoutBias op =
        match op with
        | Convolution c -> Convolution { c with Bias = None }
        | Linear(weight, _) -> Linear(weight, None)
        | other -> other

    /// The op with its weights changed: (its value at x, its pullback there).
    let private altered (weights: Tensor -> Tensor) (op: Op) (x: Tensor) =
        let value, pull = Autograd.alone (Semantics.plain (Op.mapTensors weights op)) [ x ]
        value, pull >> List.head

    let private positive (t: Tensor) = t.clamp_min (0.0.ToScalar())
    let private negative (t: Tensor) = t.clamp_max (0.0.ToScalar())

    /// Σᵢ xᵢ ⊙ Jᵢᵀ(R / Σᵢ zᵢ) for several pairs of a part of the input and of the weights.
    let private shareParts (parts: (Tensor * (Tensor -> Tensor)) list) (op: Op) (relevance: Tensor) =
        let runs =
            parts |> List.map (fun (x, weights) -> x, altered weights (withoutBias op) x)

        let z = runs |> List.map (snd >> fst) |> List.reduce Tensor.add
        let w = relevance / stable Tiny z

        runs
        |> List.map (fun (x, (_, pull)) -> (pull w).mul_ x)
        |> List.reduce (fun sum part -> sum.add_ part)

    let private ofWeights
        (rule: LrpRule)
        (bounds: Node -> Tensor -> float * float -> Tensor * Tensor)
        (ran: Ran)
        (relevance: Tensor)
        =
        let op, x = ran.Node.Op, ran.Inputs.Head

        match rule with
        | Epsilon epsilon -> share epsilon ran.Value (ran.Pull >> List.head) x relevance
        | Gamma gamma ->
            let z, pull = altered (fun w -> w + positive w * gamma.ToScalar()) op x
            share Tiny z pull x relevance
        | AlphaBeta(alpha, beta) ->
            // What comes from an activation is mostly positive, and half of the work is saved.
            let hasNegative = x.lt(0.0.ToScalar()).any().ToBoolean()

            let part ofPositive ofNegative (share: float) =
                let parts =
                    if hasNegative then
                        [ positive x, ofPositive; negative x, ofNegative ]
                    else
                        [ x, ofPositive ]

                (shareParts parts op relevance).mul_(share.ToScalar())

            let up = part positive negative alpha

            if beta = 0. then up else up - part negative positive beta
        | Flat -> shareParts [ torch.ones_like x, torch.ones_like ] op relevance
        | ZBox(low, high) ->
            let low, high = bounds ran.Node x (low, high)
            shareParts [ x, id; -low, positive; -high, negative ] op relevance

    /// One op's rule.
    let private ofOp (ruleFor: Node -> LrpRule) bounds : Rule =
        fun ran relevance ->
            let generic factor =
                let parts = ran.Pull(relevance / stable Tiny ran.Value)
                List.map2 (fun (x: Tensor) part -> x * part * (factor: float).ToScalar()) ran.Inputs parts

            let isProduct = List.forall id ran.IsLive && ran.Inputs.Length = 2

            let keepsShape =
                List.forall2 (fun isLive (x: Tensor) -> not isLive || x.shape = ran.Value.shape) ran.IsLive ran.Inputs

            match ran.Node.Op with
            | Convolution _
            | Linear _ -> [ ofWeights (ruleFor ran.Node) bounds ran relevance ]
            | Multiply
            | MatMul when isProduct -> generic 0.5
            // What divides is taken for a constant, as in a normalisation.
            | Divide when isProduct -> [ (generic 1.).Head; torch.zeros_like ran.Inputs[1] ]
            | Activation _
            | BatchNorm _
            | Identity -> [ relevance ]
            | Add
            | Subtract
            | Multiply
            | Divide when not isProduct && keepsShape -> ran.Inputs |> List.map (fun _ -> relevance)
            | Reshape _
            | Flatten
            | Permute _
            | Concat _
            | Pool { Kind = MaxPool }
            | GlobalPool MaxPool -> ran.Pull relevance
            | _ -> generic 1.

    /// <summary>The relevance of each input of each instance (n×…). The relevances of an instance sum to the target's value as
    /// far as biases take none.</summary>
    let attribute (composite: LrpComposite) (target: Target) (batch: Batch) : Tensor =
        let steps = Model.steps target.Layer target.Model

        let hasWeights (node: Node) =
            node.Op.IsConvolution || node.Op.IsLinear

        let first = steps |> Array.tryFind hasWeights

        let ruleFor (node: Node) =
            match composite.Layers.TryGetValue node.Name, composite.First with
            | (true, rule), _ -> rule
            | _, Some rule when first.Value.Name = node.Name -> rule
            | _ when node.Op.IsConvolution -> composite.Convolution
            | _ -> composite.Dense

        /// What the first layer's inputs are for the lowest and the highest pixels.
        let bounds (node: Node) (x: Tensor) (low: float, high: float) =
            if node.Name <> first.Value.Name then
                raise (
                    AttributionException
                        $"The z-box is a rule for the first layer of weights, '{first.Value.Name}', and not for '{node.Name}'."
                )

            let at (pixel: float) =
                let flat = torch.full_like (batch.X.narrow (0L, 0L, 1L), pixel.ToScalar())
                let values = Scope.forwardOnly (fun () -> Model.values node.Name target.Model flat)
                values[node.Inputs.Head]

            let a, b = at low, at high
            torch.minimum(a, b).expand_as x, torch.maximum(a, b).expand_as x

        Target.propagate (ofOp ruleFor bounds) (fun z gradient -> z * gradient) target batch
