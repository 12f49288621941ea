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
    /// In proportion to the squares of the weights, w².
    | Square
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
/// overview", 2019; softmax, products and what divides as in Achtibat et al., AttnLRP, arXiv 2402.05602. It looks at the
/// network's canonical form: constants and normalisations with fixed statistics are part of the layers beside them.
/// Relevance passes through activations unchanged, goes to a maximum's winner, moves with what moves numbers, in proportion
/// through sums and means, and in halves through the product of two values.</remarks>
[<RequireQualifiedAccess>]
module Lrp =
    /// <exception cref="T:System.ArgumentException">α - β is not 1, or another parameter has no meaning.</exception>
    let private required rule =
        let require isRight message =
            if not isRight then
                invalidArg "composite" message

        match rule with
        | AlphaBeta(alpha, beta) ->
            require
                (abs (alpha - beta - 1.) <= 1e-9 && beta >= 0.)
                $"The α-β rule shares out all relevance where α - β = 1 and β ≥ 0, but α is {alpha} and β {beta}."
        | Epsilon epsilon -> require (epsilon >= 0.) $"ε is 0 or more, but is {epsilon}."
        | Gamma gamma -> require (gamma >= 0.) $"γ is 0 or more, but is {gamma}."
        | ZBox(low, high) ->
            require (low < high) $"The z-box reaches from a lower to a higher pixel, but {low} to {high} was given."
        | (Flat | Square) -> ()

    let composite (first: LrpRule) (convolution: LrpRule) (dense: LrpRule) = {
        First = Some first
        Convolution = convolution
        Dense = dense
        Layers = Dictionary()
    }

    [<Literal>]
    let private Tiny = 1e-9

    /// For sums and products of values, which no parameter is about: no more than what 0 needs.
    [<Literal>]
    let private Least = 1e-12

    let private zero = Number.Of 0.

    /// R / z with z as far from 0, on its own side of it, as ε of its mean magnitude. An infinite z (a masked score) gets nothing.
    let private stable (epsilon: float) (relevance: Tensor) (z: Tensor) =
        let magnitude (z: Tensor) = z.abs().sum([| 1L .. z.ndim - 1L |], true)

        let sum =
            match magnitude z with
            | whole when Tensor.isAll (whole.isfinite ()) -> whole
            | _ -> magnitude (z.nan_to_num (0., 0., 0.))

        let each = Seq.fold (*) 1L z.shape[1..]
        let least = (sum * Number.Of(epsilon / float each)).clamp_min(Number.Of 1e-30)
        // In place where it may be, as elsewhere here: memory is what these take time for.
        relevance / Tensor.plusInto (torch.where (z.lt zero, -least, least)) z

    /// x ⊙ what came back. An x that is not finite gets nothing.
    let private times (x: Tensor) (part: Tensor) =
        let isFinite = x.isfinite ()
        torch.where (isFinite, part * Tensor.unless (isFinite.logical_not ()) x, torch.zeros_like part)

    /// x ⊙ Jᵀ(R / z): what arrives in proportion to each input's part.
    let private share epsilon (z: Tensor) (pull: Tensor -> Tensor) (x: Tensor) (relevance: Tensor) =
        Tensor.timesInto (pull (stable epsilon relevance z)) x

    /// Σᵢ xᵢ ⊙ Jᵢᵀ(R / Σᵢ fᵢ(xᵢ)) for several pairs of a part of the input and of the layer.
    let private shareParts (parts: (Tensor * (Tensor -> Tensor)) list) (relevance: Tensor) =
        let runs =
            parts
            |> List.map (fun (x, f) ->
                let z, pull = Autograd.within (List.head >> f) [ x ]
                x, z, pull >> List.head)

        let z = runs |> List.map (fun (_, z, _) -> z) |> List.reduce Tensor.add
        let w = stable Tiny relevance z

        runs |> List.map (fun (x, _, pull) -> Tensor.timesInto (pull w) x) |> List.reduce Tensor.plusInto

    let private ofWeights rule bounds (layer: AffineLayer) (evaluated: Evaluated) relevance =
        let x, others = evaluated.Inputs.Head, evaluated.Inputs.Tail
        let linear = Affine.linear layer others
        let positive = Affine.weighed 1. 0. layer others
        let negative = Affine.weighed 0. 1. layer others

        match rule with
        | Epsilon epsilon -> share epsilon evaluated.Value (evaluated.Pull >> List.head) x relevance
        | Gamma gamma -> shareParts [ x, Affine.raised gamma layer others ] relevance
        | AlphaBeta(alpha, beta) ->
            // What comes from an activation is mostly positive, and half of the work is saved.
            let hasNegative = Tensor.isAny (x.lt zero)

            let part ofPositive ofNegative (share: float) =
                let parts =
                    if hasNegative then
                        [ x.clamp_min zero, ofPositive; x.clamp_max zero, ofNegative ]
                    else
                        [ x, ofPositive ]

                Tensor.scaleInto (shareParts parts relevance) share

            let up = part positive negative alpha

            if beta = 0. then up else up - part negative positive beta
        | Flat -> shareParts [ torch.ones_like x, Affine.counted layer others ] relevance
        | Square -> shareParts [ torch.ones_like x, Affine.squared layer others ] relevance
        | ZBox(low, high) ->
            let low, high = bounds evaluated.Node x (low, high)
            shareParts [ x, linear; -low, positive; -high, negative ] relevance

    /// A layer that sums nothing: each of its numbers shares with its own bias alone, whatever the rule for sums. What is
    /// near 0 is held away from it by a share ε of both parts.
    let private ofScale epsilon (layer: AffineLayer) (evaluated: Evaluated) (relevance: Tensor) =
        let x, others = evaluated.Inputs.Head, evaluated.Inputs.Tail
        let part = Affine.linear layer others x

        let least =
            (Tensor.scaleInto (Tensor.add (part.abs ()) ((evaluated.Value - part).abs())) epsilon)
                .clamp_min(Number.Of 1e-30)

        let z = Tensor.plusInto (torch.where (evaluated.Value.lt zero, -least, least)) evaluated.Value

        times x (evaluated.Pull(relevance / z)).Head

    /// AttnLRP's rule, a Taylor expansion at x: xᵢ (Rᵢ - sᵢ Σⱼ Rⱼ).
    let private ofSoftmax (axis: int64) (evaluated: Evaluated) (relevance: Tensor) =
        times evaluated.Inputs.Head (relevance - evaluated.Value * relevance.sum (axis, true))

    /// One op's rule.
    let private ofOp (epsilon: float) (ruleFor: Node -> LrpRule) bounds : Rule =
        fun evaluated relevance ->
            let live = evaluated.Live

            // In proportion to each input's part.
            let generic (factor: float) =
                let parts = evaluated.Pull(stable Least relevance evaluated.Value * Number.Of factor)

                List.zip3 evaluated.Inputs evaluated.IsLive parts
                |> List.map (fun (x, isLive, part) -> if isLive then times x part else part)

            match evaluated.Node.Op with
            | Affine layer ->
                let part =
                    match Affine.weighted layer with
                    | Some weighted -> ofWeights (ruleFor weighted) bounds layer evaluated relevance
                    | None when Affine.sums layer ->
                        share Least evaluated.Value (evaluated.Pull >> List.head) evaluated.Inputs.Head relevance
                    | None -> ofScale epsilon layer evaluated relevance

                part :: (evaluated.IsLive.Tail |> List.map (fun _ -> torch.zeros_like part))
            | (Multiply | MatMul | Function((Product | Filters), _, _)) when live > 1 -> generic (1. / float live)
            // What divides is taken for a constant, as in a normalisation.
            | Divide when live > 1 -> [ (generic 1.).Head; torch.zeros_like evaluated.Inputs[1] ]
            | Softmax axis -> [ ofSoftmax axis evaluated relevance ]
            | (Activation _ | Divide | Function(Elementwise, _, _)) when live = 1 && evaluated.KeepsShape ->
                evaluated.Inputs |> List.map (fun _ -> relevance)
            | Identity
            | Reshape _
            | Flatten
            | Permute _
            | Concat _
            | Pool { Kind = MaxPool }
            | GlobalPool MaxPool
            | Function((Moves | Places | Selects | Chooses), _, _) -> evaluated.Pull relevance
            | _ -> generic 1.

    /// What rules bring back of `seed z g`, z the values that the target is read from and g its gradient there.
    let private propagate name seed (composite: LrpComposite) (target: Target) (batch: Batch) : Tensor =
        Seq.append (Option.toList composite.First @ [ composite.Convolution; composite.Dense ]) composite.Layers.Values
        |> Seq.iter required

        let target = Target.canonical target

        let weighted (node: Node) =
            match node.Op with
            | Affine layer -> Affine.weighted layer
            | _ -> None

        let first = Model.steps target.Layer target.Model |> Array.tryPick weighted

        let ruleFor (node: Node) =
            match composite.Layers.TryGetValue node.Name, composite.First with
            | (true, rule), _ -> rule
            | _, Some rule when first |> Option.exists (fun first -> first.Name = node.Name) -> rule
            | _ when Op.convolves node.Op -> composite.Convolution
            | _ -> composite.Dense

        let epsilon =
            match composite.Dense with
            | Epsilon epsilon -> epsilon
            | _ -> Tiny

        /// What the first layer's inputs are for the lowest and the highest pixels.
        let bounds (node: Node) (x: Tensor) (low: float, high: float) =
            let named = (weighted node).Value.Name

            if named <> first.Value.Name then
                fail $"The z-box is a rule for the first layer of weights, '{first.Value.Name}', and not for '{named}'."

            let at (pixel: float) =
                let flat = torch.full_like (batch.X.narrow (0L, 0L, 1L), Number.Of pixel)
                let values = Scope.quietly (fun () -> Model.values node.Name target.Model flat)
                values[node.Inputs.Head]

            let a, b = at low, at high
            torch.minimum(a, b).expand_as x, torch.maximum(a, b).expand_as x

        Target.propagateFinite name (ofOp epsilon ruleFor bounds) seed target batch

    /// <summary>The relevance of each input of each instance (n×…). The relevances of an instance sum to the target's value as
    /// far as biases take none.</summary>
    /// <exception cref="T:System.ArgumentException">α - β is not 1, or another parameter of a rule has no meaning.</exception>
    /// <exception cref="T:Attribution.AttributionException">A node's rule makes a NaN or an infinity.</exception>
    let attribute (composite: LrpComposite) (target: Target) (batch: Batch) : Tensor =
        propagate "Layer-wise relevance propagation (LRP)" (fun z gradient -> z * gradient) composite target batch

    let private zPlus = AlphaBeta(1., 0.)

    /// <summary>Excitation backpropagation: the probability that a walk from the score down the network, at each layer to an input in
    /// proportion to what it adds by positive weights, ends at a pixel (n×…). An instance's sum to 1; of a margin to what its
    /// classes' weights do.</summary>
    /// <remarks>Zhang et al., arXiv 1608.00507: the marginal winning probability, without contrast. It is the z⁺ rule in all layers, whatever
    /// the score's size.</remarks>
    let excitation (target: Target) (batch: Batch) : Tensor =
        propagate "Excitation backpropagation" (fun _ gradient -> gradient) (composite zPlus zPlus zPlus) target batch

    /// <summary>Deep Taylor decomposition: a first rule in the first layer, z⁺ in all others.</summary>
    /// <remarks>Montavon et al., arXiv 1512.02479: pixels have a box's rule (ZBox), and inputs that may be any numbers w² (Square).</remarks>
    let deepTaylor (first: LrpRule) : LrpComposite = composite first zPlus zPlus
