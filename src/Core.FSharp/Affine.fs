namespace Attribution.Core

open TorchSharp

/// What a layer of linear ops, y = Wx + b, computes with its weights changed. W is of weights, scales and moves, each number
/// of y having one way to each number of x: the sign of a weight is the product of the signs on the way.
[<RequireQualifiedAccess>]
module Affine =
    let private isSum op =
        match op with
        | (Function(Sums, _, _) | Pool _ | GlobalPool _) -> true
        | op -> Op.isWeighted op

    /// The node that the layer's weights are of.
    let weighted (layer: AffineLayer) : Node option =
        layer.Links |> List.map _.Node |> List.tryFind (fun node -> Op.isWeighted node.Op)

    /// Whether the layer has sums of several numbers.
    let sums (layer: AffineLayer) = layer.Links |> List.exists (fun link -> isSum link.Node.Op)

    let private withoutBias op =
        match op with
        | Convolution c -> Convolution { c with Bias = None }
        | Linear(weight, _) -> Linear(weight, None)
        | other -> other

    /// The factor and the shift of a normalisation, channel by channel.
    let private factor (norm: BatchNorm) = norm.Scale / (Tensor.shift norm.Epsilon norm.Variance).sqrt()

    let private perChannel (x: Tensor) (numbers: Tensor) =
        numbers.reshape [| yield 1L; yield -1L; for _ in 3L .. x.ndim -> 1L |]

    /// The layer's op with its weights changed, without its bias.
    let private sum (change: Tensor -> Tensor) (others: Tensor list) (x: Tensor) (link: Link) =
        let others =
            if Op.isWeighted link.Node.Op then
                List.map (fun (t: Tensor) -> if t.is_floating_point () then change t else t) others
            else
                others

        Semantics.plain (link.Node.Op |> withoutBias |> Op.mapTensors change) (Link.inputs others x link)

    /// What x is multiplied with; None where it is only moved.
    let private scale (others: Tensor list) (x: Tensor) (link: Link) =
        match link.Node.Op, link.At with
        | Multiply, _ -> Some others[link.Others.Head]
        | Divide, _ -> Some(others[link.Others.Head].reciprocal())
        | Subtract, 1 -> Some(torch.full ([||], Number.Of -1.0, x.dtype, x.device))
        | BatchNorm norm, _ -> Some(perChannel x (factor norm))
        | _ -> None

    /// x in the shape that it has with what is added to it.
    let private move (others: Tensor list) (x: Tensor) (link: Link) =
        match link.Node.Op with
        | (Add | Subtract) ->
            let other = others[link.Others.Head]
            x.expand (torch.broadcast_tensors(x, other).[0].shape)
        | op -> Semantics.plain op (Link.inputs others x link)


    /// up w⁺ + down w⁻.
    let private weigh up down (w: Tensor) =
        if up = down then
            if up = 1. then w else w * Number.Of up
        else
            match up, down with
            | 1., 0. -> w.clamp_min (Number.Of 0.)
            | 0., 1. -> w.clamp_max (Number.Of 0.)
            | _ -> Tensor.add (w * Number.Of down) (w.clamp_min (Number.Of 0.) * Number.Of(up - down))

    /// Whether a scale of both signs comes before a layer's sums.
    let private bends others x (links: Link list) =
        links
        |> List.exists (fun link ->
            match scale others x link with
            | Some s -> Tensor.isAny (s.lt (Number.Of 0.))
            | None -> false)

    let rec private back up down (others: Tensor list) (x: Tensor) (lastFirst: Link list) : Tensor =
        let rest up down before = back up down others x before

        match lastFirst with
        | [] -> if up = 1. then x else x * Number.Of up
        | { Node = { Op = BatchNorm norm } } :: ({ Node = { Op = Convolution c } } as link) :: before ->
            let scaled = { c with Weight = c.Weight * Tensor.likeInstances c.Weight (factor norm); Bias = None }

            let folded = { link with Node = { link.Node with Op = Convolution scaled } }

            back up down others x (folded :: before)
        | link :: before when isSum link.Node.Op ->
            let through up down inner = sum (weigh up down) others inner link

            if up = down then
                through up down (rest 1. 1. before)
            elif bends others x before then
                Tensor.add (through up down (rest 1. 0. before)) (through down up (rest 0. 1. before))
            else
                through up down (rest 1. 1. before)
        | link :: before ->
            match scale others x link with
            | None -> move others (rest up down before) link
            | Some s when up = down -> rest up down before * s
            | Some s ->
                let positive, negative = s.clamp_min (Number.Of 0.), s.clamp_max (Number.Of 0.)
                let isMixed (part: Tensor) = Tensor.isAny (part.ne (Number.Of 0.))

                match isMixed positive, isMixed negative with
                | true, false -> rest up down before * s
                | false, true -> rest down up before * s
                | _ -> Tensor.add (rest up down before * positive) (rest down up before * negative)

    /// (up W⁺ + down W⁻) x, W⁺ being the positive weights and W⁻ the negative ones.
    let weighed (up: float) (down: float) (layer: AffineLayer) (others: Tensor list) (x: Tensor) : Tensor =
        back up down others x (List.rev layer.Links)

    /// Wx.
    let linear (layer: AffineLayer) others x : Tensor = weighed 1. 1. layer others x

    /// Wx with each of its factors changed.
    let private changed (change: Tensor -> Tensor) (layer: AffineLayer) (others: Tensor list) (x: Tensor) : Tensor =
        let step x (link: Link) =
            if isSum link.Node.Op then
                sum change others x link
            else
                match scale others x link with
                | Some s -> x * change s
                | None -> move others x link

        List.fold step x layer.Links

    /// Wx with 1 for every weight.
    let counted (layer: AffineLayer) others x : Tensor = changed torch.ones_like layer others x

    /// Wx with the square of every weight.
    let squared (layer: AffineLayer) others x : Tensor = changed Tensor.square layer others x

    /// Whether the layer's bias is that of the op with its weights.
    let private hasPlainBias (layer: AffineLayer) =
        layer.Links
        |> List.forall (fun link ->
            match link.Node.Op with
            | (Convolution _ | Linear _ | Reshape _ | Flatten | Permute _ | Identity | Function(Moves, _, _)) -> true
            | _ -> false)

    /// (W + γ W⁺) x + (b + γ b⁺).
    let raised (gamma: float) (layer: AffineLayer) (others: Tensor list) (x: Tensor) : Tensor =
        if hasPlainBias layer then
            layer.Links
            |> List.fold
                (fun x link ->
                    let op = Op.mapTensors (weigh (1. + gamma) 1.) link.Node.Op
                    Semantics.plain op (Link.inputs others x link))
                x
        else
            let isEachAlike =
                layer.Links
                |> List.forall (fun link ->
                    match link.Node.Op with
                    | (Convolution _ | BatchNorm _ | Add | Subtract | Multiply | Divide) -> true
                    | _ -> false)

            let one = if isEachAlike then x.narrow (0L, 0L, 1L) else x
            let bias = Semantics.plain (Op.Affine layer) (torch.zeros_like one :: others)
            Tensor.add (weighed (1. + gamma) 1. layer others x) (weigh (1. + gamma) 1. bias)
