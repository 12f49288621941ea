module CanonicalTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private all rule = Lrp.composite rule rule rule

let private pool kind kernel padding =
    Pool {
        Kind = kind
        Kernel = [| kernel; kernel |]
        Stride = [| 1L; 1L |]
        Padding = [| padding; padding |]
        Dilation = [| 1L; 1L |]
        CeilMode = false
    }

let private pad (value: float) =
    Function(
        (if value = 0. then Moves else Places),
        "Pad",
        (fun inputs -> torch.nn.functional.pad (inputs.Head, [| 0L; 1L; 1L; 0L |], PaddingModes.Constant, value))
    )

let private flip = Function(Moves, "Flip", (fun inputs -> inputs.Head.flip 3L))

/// A random network of ReLUs, max pools and linear ops over 2×5×4 images, each value of that shape, in the spellings that
/// exporters have.
let private piecewise (rng: Random) =
    let nodes = ResizeArray [ node "x" Input [] ]
    let computed = ResizeArray [ "x" ]
    let any () = computed[rng.Next computed.Count]

    let add op inputs =
        let name = $"{nodes.Count}"
        nodes.Add(node name op inputs)
        name

    let constant shape = add (Constant(gaussian rng shape)) []

    let numbers () =
        constant (
            match rng.Next 4 with
            | 0 -> []
            | 1 -> [ 2; 1; 1 ]
            | 2 -> [ 1; 2; 1; 1 ]
            | _ -> [ 2; 5; 4 ]
        )

    for _ in 1 .. rng.Next(4, 14) do
        let x = if rng.Next 3 > 0 then computed[computed.Count - 1] else any ()

        let next =
            match rng.Next 19 with
            | 0
            | 1 -> add (convolution rng 2 2 (rng.Next 2 = 0)) [ x ]
            | 2 -> add (normalisation rng 2) [ x ]
            | 3
            | 4
            | 5 -> add (Activation Relu) [ x ]
            | 6 -> add Add (if rng.Next 2 = 0 then [ x; numbers () ] else [ numbers (); x ])
            | 7 -> add Subtract (if rng.Next 2 = 0 then [ x; numbers () ] else [ numbers (); x ])
            | 8 -> add Multiply (if rng.Next 2 = 0 then [ x; numbers () ] else [ numbers (); x ])
            | 9 -> add Divide [ x; numbers () ]
            | 10 -> add Add [ x; any () ]
            | 11 -> add Subtract [ x; any () ]
            | 12 ->
                let both = add (Concat 1L) [ x; any () ]
                let normal = add (normalisation rng 4) [ both ]
                add (convolution rng 4 2 false) [ (if rng.Next 2 = 0 then normal else both) ]
            | 13 -> add (pool MaxPool 2L 0L) [ add (pad -infinity) [ x ] ]
            | 14 -> add (pool MaxPool 3L 1L) [ x ]
            | 15 -> add (pool (AveragePool(rng.Next 2 = 0)) 3L 1L) [ x ]
            | 16 ->
                let turned = add (Permute [| 0L; 2L; 3L; 1L |]) [ x ]
                let tokens = add (Linear(gaussian rng [ 2; 2 ], None)) [ turned ]
                let shifted = add Add [ tokens; constant [ 2 ] ]
                add (Permute [| 0L; 3L; 1L; 2L |]) [ shifted ]
            | 17 -> add MatMul [ constant [ 5; 5 ]; add flip [ x ] ]
            | _ ->
                let isLargest = rng.Next 2 = 0

                let extreme (inputs: Tensor list) =
                    if isLargest then inputs[0].maximum inputs[1] else inputs[0].minimum inputs[1]

                add (Spelling.extreme "Max" isLargest extreme) [ x; numbers () ]

        computed.Add next

    let flat = add Flatten [ computed[computed.Count - 1] ]
    nodes.Add(node "out" (Linear(gaussian rng [ 3; 40 ], Some(gaussian rng [ 3 ]))) [ flat ])
    Graph.create "x" "out" nodes

let private values (graph: Graph) x wanted =
    Graph.run Semantics.plain (Graph.plan [ "x" ] [ wanted ] graph) [ x ] |> List.head

let private model graph = Model.ofGraph None graph |> inDouble

/// Ways to write γ(x - μ)/σ + β after a convolution, before one, or alone; biases inside layers or outside.
let private spellings (rng: Random) =
    let weight, bias = gaussian rng [ 3; 2; 3; 3 ], gaussian rng [ 3 ]
    let scale, shift = gaussian rng [ 3 ], gaussian rng [ 3 ]
    let mean, variance = gaussian rng [ 3 ], (gaussian rng [ 3 ]).exp()
    let dense, last = gaussian rng [ 3; 60 ], gaussian rng [ 3 ]
    let before, less = gaussian rng [ 2 ], gaussian rng [ 2 ]
    let perChannel (t: Tensor) = t.reshape(-1L, 1L, 1L).clone()
    let deviation = (variance + 1e-3.ToScalar()).sqrt()
    let factor = scale / deviation

    let convolve (w: Tensor) b padding =
        Convolution {
            Weight = w
            Bias = b
            Stride = [| 1L; 1L |]
            Padding = [| padding; padding |]
            Dilation = [| 1L; 1L |]
            Groups = 1L
        }

    let constants (pairs: (string * Tensor) list) = pairs |> List.map (fun (name, t) -> node name (Constant t) [])

    let head from = [
        node "relu" (Activation Relu) [ from ]
        node "flat" Flatten [ "relu" ]
        node "s" (Linear(dense, Some last)) [ "flat" ]
    ]

    // What is done to the image first: x ⊙ a - b.
    let start =
        constants [ "a", perChannel before; "b", perChannel less ]
        @ [ node "scaled" Multiply [ "x"; "a" ]; node "image" Subtract [ "scaled"; "b" ] ]

    let padded =
        Function(
            Moves,
            "Pad",
            (fun inputs -> torch.nn.functional.pad (inputs.Head, [| 1L; 1L; 1L; 1L |], PaddingModes.Constant, 0.))
        )

    let normal =
        BatchNorm { Mean = mean; Variance = variance; Scale = scale; Shift = shift; Epsilon = 1e-3 }

    [
        "folded",
        start
        @ [
            node "conv" (convolve (weight * factor.reshape (3L, 1L, 1L, 1L)) (Some((bias - mean) * factor + shift)) 1L) [
                "image"
            ]
        ]
        @ head "conv"
        "normalised",
        start
        @ [ node "conv" (convolve weight (Some bias) 1L) [ "image" ]; node "norm" normal [ "conv" ] ]
        @ head "norm"
        "spelled out",
        start
        @ constants [
            "bias", perChannel bias
            "mean", perChannel mean
            "deviation", perChannel deviation
            "scale", perChannel scale
            "shift", perChannel shift
        ]
        @ [
            node "pad" padded [ "image" ]
            node "conv" (convolve weight None 0L) [ "pad" ]
            node "biased" Add [ "bias"; "conv" ]
            node "centred" Subtract [ "biased"; "mean" ]
            node "divided" Divide [ "centred"; "deviation" ]
            node "times" Multiply [ "scale"; "divided" ]
            node "shifted" Add [ "times"; "shift" ]
        ]
        @ head "shifted"
        "turned",
        [
            node
                "first"
                (BatchNorm {
                    Mean = torch.zeros_like before
                    Variance = torch.ones_like before - 1e-3
                    Scale = before
                    Shift = -less
                    Epsilon = 1e-3
                })
                [ "x" ]
            node "conv" (convolve weight None 1L) [ "first" ]
            node "tokens" (Permute [| 0L; 2L; 3L; 1L |]) [ "conv" ]
            node "rows" (Reshape [| 20L; 3L |]) [ "tokens" ]
        ]
        @ constants [ "bias", bias - mean; "factor", factor; "shift", shift ]
        @ [
            node "biased" Add [ "rows"; "bias" ]
            node "times" Multiply [ "biased"; "factor" ]
            node "shifted" Add [ "times"; "shift" ]
            node "back" (Permute [| 0L; 2L; 1L |]) [ "shifted" ]
            node "relu" (Activation Relu) [ "back" ]
            node "flat" Flatten [ "relu" ]
        ]
        @ constants [ "matrix", dense.t().clone(); "last", last ]
        @ [ node "product" MatMul [ "flat"; "matrix" ]; node "s" Add [ "product"; "last" ] ]
    ]
    |> List.map (fun (name, nodes) -> name, graphModel "s" nodes)

let tests =
    testList "Canonical form" [
        law "the values of a network and of any layer that is kept stay as they are" (fun rng ->
            for graph in [ network rng; piecewise rng ] do
                let x = gaussian rng [ 3; 2; 5; 4 ]

                let kept =
                    graph.Nodes
                    |> Array.filter (fun n -> not (n.Op.IsConstant || n.Op.IsFunction))
                    |> Array.map _.Name
                    |> fun names -> names[rng.Next names.Length]

                for wanted in [ graph.Output; kept ] do
                    let form = Canonical.form (fun name -> name = wanted) graph
                    close 1e-9 (values graph x wanted) (values form x wanted) wanted)

        law "LRP-ε with ε → 0 is gradient × input for ReLUs, max pools and linear ops in any spelling" (fun rng ->
            let model = model (piecewise rng)
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 3)) model

            close
                1e-6
                (Saliency.attribute true target (batch x))
                (Lrp.attribute (all (Epsilon 1e-13)) target (batch x))
                "gradient × input")

        law "and DeepLIFT is complete" (fun rng ->
            let model = model (piecewise rng)
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 3)) model
            let baseline = Baseline.random 1. 3L
            let sums = Tensor.sumEach (DeepLift.attribute baseline true target (batch x))
            let at = Target.here target (batch x)
            close 1e-7 (at x - at (baseline.Of(batch x))) sums "sums")

        law "each spelling of a function has the same map, by every rule" (fun rng ->
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let spelled = spellings rng
            let _, first = spelled.Head
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 3))

            let rules = [
                "ε", all (Epsilon 1e-9)
                "z⁺ and ε", { Lrp.composite (AlphaBeta(1., 0.)) (AlphaBeta(1., 0.)) (Epsilon 1e-9) with First = None }
                "α2-β1", all (AlphaBeta(2., 1.))
                "γ and box", Lrp.composite (ZBox(-4., 4.)) (Gamma 0.25) (Gamma 0.25)
                "flat", all Flat
            ]

            for name, other in spelled do
                close 1e-9 (Model.logits first x) (Model.logits other x) $"{name}: logits"

                close
                    1e-9
                    (DeepLift.attribute Baseline.black true (target first) (batch x))
                    (DeepLift.attribute Baseline.black true (target other) (batch x))
                    $"{name}: DeepLIFT"

                for rule, composite in rules do
                    close
                        1e-6
                        (Lrp.attribute composite (target first) (batch x))
                        (Lrp.attribute composite (target other) (batch x))
                        $"{name}: {rule}")
    ]
