namespace Attribution.Core

open System.Collections.Generic
open Attribution
open TorchSharp

/// How much of each position of a network's values the output is made of, whatever its channels hold.
[<RequireQualifiedAccess>]
module TokenRelevance =
    let private ones (t: Tensor) = if t.is_floating_point () then torch.ones_like t else t

    /// wᵀ∂f at ones: what each output is handed, it hands on to all that it sums, alike.
    let private alike (f: Tensor list -> Tensor) (inputs: Tensor list) (w: Tensor) : Tensor list =
        let z, pull = Autograd.within f inputs
        pull (w / z)

    /// What a sliding layer's positions are handed, by the positions that it slides over: enlarged linearly, as class activation maps
    /// are, and shared by the channels. By an even step it keeps the sum.
    let private enlarged (x: Tensor) (w: Tensor) : Tensor =
        let sizes = x.shape[2..]
        let ofPositions = w.sum ([| 1L |], true)
        let count (shape: int64[]) = Array.fold (*) 1L shape |> float

        let placed =
            if sizes = w.shape[2..] then
                ofPositions
            elif w.ndim = 4L && Array.forall2 (fun (from: int64) above -> from <= above) sizes w.shape[2..] then
                // A layer that enlarges: each position is handed what those that it became have together.
                torch.nn.functional.adaptive_avg_pool2d (ofPositions, sizes)
                * Number.Of(count w.shape[2..] / count sizes)
            else
                let mode =
                    match w.ndim with
                    | 3L -> torch.InterpolationMode.Linear
                    | 4L -> torch.InterpolationMode.Bilinear
                    | _ -> torch.InterpolationMode.Trilinear

                torch.nn.functional.interpolate (ofPositions, sizes, mode = mode, align_corners = false)
                * Number.Of(count w.shape[2..] / count sizes)

        (placed / Number.Of x.shape[1]).expand_as x

    /// Whether a value is computed of another.
    let private isOf (graph: Graph) : string -> string -> bool =
        let known = Dictionary<string, HashSet<string>>()

        let before name =
            match known.TryGetValue name with
            | true, names -> names
            | _ ->
                let names = HashSet<string> [ name ]

                for node in Array.rev graph.Nodes do
                    if names.Contains node.Name then
                        names.UnionWith node.Inputs

                known[name] <- names
                names

        fun value other -> value <> other && (before value).Contains other

    /// <summary>The rule. Layers of weights, means and sums hand on what they are given to all that they sum alike, whatever the
    /// weights, and sliding ones to the positions that they slide over; activations and normalisations hand it on as it is; of two
    /// values that meet otherwise than in a sum, the one that the other is computed of gets all. Attention and sums are the
    /// method's.</summary>
    let rule
        (graph: Graph)
        (attends: Evaluated -> Tensor -> Tensor list option)
        (sums: Evaluated -> Tensor -> Tensor list option)
        : Rule =
        let isOf = isOf graph

        fun evaluated w ->
            let op, inputs, isLive = evaluated.Node.Op, evaluated.Inputs, evaluated.IsLive

            let only (part: Tensor) =
                isLive |> List.map (fun isLive -> if isLive then part else torch.zeros ([||], w.dtype, w.device))

            // To the first live input by f of that alone, the others being fixed.
            let byCount (f: Tensor list -> Tensor) =
                let at = List.findIndex id isLive
                let f' (xs: Tensor list) = inputs |> List.map ones |> List.updateAt at xs.Head |> f
                only (alike f' [ ones inputs[at] ] w).Head

            let perInstance (x: Tensor) =
                let share = w.reshape(w.shape[0], -1L).sum(1L) / Number.Of(x.numel () / x.shape[0])
                (Tensor.likeInstances x share).expand_as x

            let shared () =
                let total = float evaluated.Live

                List.zip inputs isLive
                |> List.map (fun (x, isLive) ->
                    if not isLive then
                        torch.zeros ([||], w.dtype, w.device)
                    elif x.shape = w.shape then
                        w / Number.Of total
                    else
                        let shape = Array.append (Array.create (int w.ndim - int x.ndim) 1L) x.shape

                        if Seq.forall2 (fun a b -> a = b || a = 1L) shape w.shape then
                            (w.sum (
                                [|
                                    for i in 0 .. shape.Length - 1 do
                                        if shape[i] <> w.shape[i] then
                                            int64 i
                                |],
                                true
                            ))
                                .reshape
                                x.shape
                            / Number.Of total
                        else
                            perInstance x / Number.Of total)

            match op with
            | MatMul
            | Function(Product, _, _) when evaluated.Live > 1 ->
                match attends evaluated w with
                | Some parts -> parts
                | None ->
                    alike (Semantics.plain op) (List.map ones inputs) w |> List.map (fun part -> part / Number.Of 2.)
            | Convolution _
            | Pool { Kind = AveragePool _ }
            | Function(Filters, _, _) when evaluated.Live = 1 && isLive.Head && inputs.Head.ndim = w.ndim ->
                only (enlarged inputs.Head w)
            | Linear(weight, _) ->
                only (alike (fun x -> Semantics.plain (Linear(ones weight, None)) x) [ ones inputs.Head ] w).Head
            | GlobalPool(AveragePool _)
            | MatMul
            | Function((Product | Filters | Sums), _, _) when evaluated.Live = 1 -> byCount (Semantics.plain op)
            | Reshape _
            | Flatten
            | Permute _
            | Identity
            | Concat _
            | Pool _
            | GlobalPool _
            | Function((Moves | Places | Selects | Chooses), _, _) -> evaluated.Pull w
            | Add when evaluated.Live = 2 && (sums evaluated w).IsSome -> (sums evaluated w).Value
            | _ when evaluated.Live = 1 && evaluated.KeepsShape -> only w
            | _ when evaluated.Live = 2 ->
                match List.zip evaluated.Node.Inputs isLive |> List.filter snd |> List.map fst with
                | [ a; b ] when isOf b a || isOf a b ->
                    let first = if isOf b a then a else b

                    let keeps =
                        List.forall2
                            (fun name (x: Tensor) -> name <> first || x.shape = w.shape)
                            evaluated.Node.Inputs
                            inputs

                    if keeps then
                        List.map2
                            (fun name x -> if name = first then w else torch.zeros_like (ones x))
                            evaluated.Node.Inputs
                            inputs
                    else
                        shared ()
                | _ -> shared ()
            | _ -> shared ()

    /// Of the rule's way back from one, shared alike by the numbers of the layer that the target is read from: n×….
    let propagate (method: string) (rule: Rule) (target: Target) (batch: Batch) : Tensor =
        let seed (z: Tensor) (_: Tensor) = torch.full_like (z, Number.Of(1. / float (z.numel () / z.shape[0])))
        Target.propagateFinite method rule seed target batch
