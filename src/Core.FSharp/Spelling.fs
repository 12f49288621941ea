namespace Attribution.Core

open TorchSharp

/// Ops that are one step of a run, and that rules see as the steps which they stand for.
[<RequireQualifiedAccess>]
module Spelling =
    let private node = Node.create

    let private pointwise name f = Activation(Pointwise(name, f))

    let private composed name (compute: Tensor list -> Tensor) takes steps =
        Composed(name, compute, { Inputs = takes; Steps = steps })

    /// (x - mean) / (what `deviation` makes of the mean square of that).
    let private standardised (mean: Tensor -> Tensor) (deviation: Node list) =
        let means = Function(Sums, "Mean", (fun inputs -> mean inputs.Head))

        [
            node "mean" means [ "x" ]
            node "centred" Subtract [ "x"; "mean" ]
            node "square" Multiply [ "centred"; "centred" ]
            node "variance" means [ "square" ]
        ]
        @ deviation
        @ [ node "normal" Divide [ "centred"; "deviation" ] ]

    let private root (epsilon: float) = [
        node "raised" (pointwise "Add" (Tensor.shift epsilon)) [ "variance" ]
        node "deviation" (Activation(Power 0.5)) [ "raised" ]
    ]

    /// The normal numbers, scaled and, where a shift is an input too, shifted; `prepared` makes what is taken of an input.
    let private scaled (prepared: (string -> Node) option) hasShift = [
        let steps input = prepared |> Option.map (fun make -> make input) |> Option.toList

        let name input = steps input |> List.tryLast |> Option.map _.Name |> Option.defaultValue input

        yield! steps "scale"
        node "scaled" Multiply [ "normal"; name "scale" ]

        if hasShift then
            yield! steps "shift"
            node "shifted" Add [ "scaled"; name "shift" ]
    ]

    let private takes hasShift = [
        "x"
        "scale"
        if hasShift then
            "shift"
    ]

    /// (x - mean) / √(variance + ε) ⊙ scale + shift, mean and variance over the last dimensions, of these sizes.
    let layerNorm (name: string) (sizes: int64[]) (epsilon: float) (hasShift: bool) : Op =
        let axes = [| for i in 1 .. sizes.Length -> -int64 i |]

        let compute (inputs: Tensor list) =
            let normal = torch.nn.functional.layer_norm (inputs.Head, sizes, null, null, epsilon) * inputs[1]

            if hasShift then Tensor.add normal inputs[2] else normal

        standardised (fun x -> x.mean (axes, true)) (root epsilon) @ scaled None hasShift
        |> composed name compute (takes hasShift)

    /// The same over groups of channels of n×c×…, with a scale and a shift for each channel.
    let groupNorm (name: string) (groups: int64) (dimensions: int) (epsilon: float) : Op =
        let mean (x: Tensor) =
            let each = x.reshape(x.shape[0], groups, -1L).mean [| 2L |]

            each.repeat_interleave(x.shape[1] / groups, 1L).reshape [|
                yield x.shape[0]
                yield x.shape[1]
                for _ in 3..dimensions -> 1L
            |]

        let perChannel input =
            let reshape (inputs: Tensor list) =
                inputs.Head.reshape [| yield 1L; yield -1L; for _ in 3..dimensions -> 1L |]

            node $"{input} of channels" (Function(Moves, "Reshape", reshape)) [ input ]

        let compute (inputs: Tensor list) =
            torch.nn.functional.group_norm (inputs[0], groups, inputs[1], inputs[2], epsilon)

        standardised mean (root epsilon) @ scaled (Some perChannel) true
        |> composed name compute (takes true)

    /// (x - mean) / (√variance + ε) over some dimensions, `root` being the root.
    let meanVariance (name: string) (axes: int64[]) (root: Tensor -> Tensor) (epsilon: float) compute : Op =
        standardised (fun x -> x.mean (axes, true)) [
            node "root" (pointwise "Sqrt" root) [ "variance" ]
            node "deviation" (pointwise "Add" (Tensor.shift epsilon)) [ "root" ]
        ]
        |> composed name compute [ "x" ]

    /// finish (Σ x²), or finish (Σ |x|); or x divided by that.
    let norm (name: string) isSquare divides (sum: Tensor -> Tensor) (finish: Tensor -> Tensor) compute : Op =
        [
            if isSquare then
                node "part" Multiply [ "x"; "x" ]
            else
                node "part" (pointwise "Abs" _.abs()) [ "x" ]

            node "sum" (Function(Sums, "Sum", (fun inputs -> sum inputs.Head))) [ "part" ]
            node "norm" (pointwise name finish) [ "sum" ]

            if divides then
                node "normal" Divide [ "x"; "norm" ]
        ]
        |> composed name compute [ "x" ]

    let private minusOne = lazy (torch.tensor(-1.0, torch.float64).DetachFromDisposeScope())

    /// -x, a layer with the weight -1.
    let negative (name: string) : Op =
        [ node "by" (Constant(minusOne.Force())) []; node "negative" Multiply [ "x"; "by" ] ]
        |> composed name (List.head >> _.neg()) [ "x" ]

    /// The larger, or the smaller, of two: b + max(a - b, 0), or b - max(b - a, 0).
    let extreme (name: string) isLargest compute : Op =
        let difference = if isLargest then [ "a"; "b" ] else [ "b"; "a" ]

        [
            node "difference" Subtract difference
            node "more" (Activation Relu) [ "difference" ]
            node "extreme" (if isLargest then Add else Subtract) [ "b"; "more" ]
        ]
        |> composed name compute [ "a"; "b" ]

    /// A sliding layer with filters and a bias for each channel as inputs.
    let filters (name: string) (dimensions: int) (filter: Tensor -> Tensor -> Tensor) compute : Op =
        [
            node "filtered" (Function(Filters, name, (fun inputs -> filter inputs[0] inputs[1]))) [ "x"; "filters" ]
            node
                "bias of channels"
                (Function(
                    Moves,
                    "Reshape",
                    (fun inputs -> inputs.Head.reshape [| yield -1L; for _ in 3..dimensions -> 1L |])
                ))
                [ "bias" ]
            node "shifted" Add [ "filtered"; "bias of channels" ]
        ]
        |> composed name compute [ "x"; "filters"; "bias" ]
