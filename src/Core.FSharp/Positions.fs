namespace Attribution.Core

open System
open System.Collections.Generic
open TorchSharp

/// How the positions of a value are places of the input: rows and columns of an image, and beside them positions that are none,
/// such as class tokens.
[<RequireQualifiedAccess>]
type Grid = {
    /// How many places there are along each of the input's dimensions: rows and columns of an image.
    Sizes: int64[]
    /// The dimensions of the value (0: the instances) that tell positions apart. The others are of channels.
    Axes: int64[]
    /// For each place, row by row, its position among those of the axes.
    Places: int64[]
    /// Positions without a place.
    Unplaced: int64[]
}

[<RequireQualifiedAccess>]
module Grid =
    /// Values (n×…) as n×channels×positions.
    let private flat (grid: Grid) (values: Tensor) : Tensor =
        let channels = [| for axis in 1L .. values.ndim - 1L -> axis |] |> Array.except grid.Axes
        let order = Array.concat [ [| 0L |]; channels; grid.Axes ]

        let count = channels |> Array.fold (fun product axis -> product * values.shape[int axis]) 1L

        (values.permute order).reshape(values.shape[0], count, -1L)

    let private inRowMajorOrder (order: int64[]) =
        order |> Array.indexed |> Array.forall (fun (i, place) -> int64 i = place)

    /// Values (n×…) as n×channels×rows×columns (n×channels×positions of signals, n×channels×depth×rows×columns of volumes).
    let arrange (grid: Grid) (values: Tensor) : Tensor =
        let flat = flat grid values

        let placed =
            if grid.Unplaced.Length = 0 && inRowMajorOrder grid.Places then
                flat
            else
                flat.index_select (2L, torch.tensor(grid.Places).``to`` flat.device)

        placed.reshape (Array.append [| flat.shape[0]; flat.shape[1] |] grid.Sizes)

    /// "14×14", or "14×14 and 1 beside".
    let describe (grid: Grid) =
        let sizes = String.Join("×", grid.Sizes)
        if grid.Unplaced.Length = 0 then sizes else $"{sizes} and {grid.Unplaced.Length} beside"

/// What is found out about a layer by one instance.
[<RequireQualifiedAccess>]
type Seen = {
    /// The shape of an instance's value.
    Shape: int64[]
    /// How many rows an instance has: more than one where windows of it stand beside instances.
    Rows: int64
    /// Where its positions lie in the input; None where that is not known, or there is but one.
    Grid: Grid option
}

/// <summary>Where in the input each number of each value lies. Every pixel is labelled by its row and column; what moves numbers
/// moves the labels, what sums them takes the labels' mean, and what adds values of two kinds keeps the finer labels. So the grid of
/// a transformer's tokens is known however windows were cut, rolled and joined.</summary>
[<RequireQualifiedAccess>]
module Positions =
    /// Of each number of a value, where it lies along each of the input's dimensions, counted from 1; 0: nowhere.
    type private Labels = Tensor list

    let private isZero (t: Tensor) = t.eq (Number.Of 0.)

    /// The labels' mean by what sums numbers with weights that are not negative.
    let private mean (sum: Tensor -> Tensor) (labels: Labels) : Labels =
        let weight = sum ((isZero labels.Head).logical_not().``to`` torch.float64)
        labels |> List.map (fun label -> (sum label / weight).nan_to_num(0., 0., 0.))

    let private spread (labels: Labels) =
        labels
        |> List.sumBy (fun label ->
            let lowest = (label.masked_fill (isZero label, Number.Of infinity)).min().item<float>()
            max 0. (label.max().item<float>() - lowest))

    /// Of labels that meet, those that tell more places apart.
    let private finer (many: Labels list) : Labels option =
        match many with
        | [] -> None
        | [ labels ] -> Some labels
        | _ -> Some(many |> List.maxBy spread)

    let private expanded (value: Tensor) (labels: Labels) : Labels = labels |> List.map _.expand_as(value)

    /// A sliding layer's labels: those of windows, whatever the channels.
    let private windows (op: Op) (value: Tensor) (labels: Labels) : Labels =
        let ofChannels = mean (fun (t: Tensor) -> t.mean ([| 1L |], true)) labels

        if value.shape[2..] = labels.Head.shape[2..] then
            ofChannels
        else
            mean (fun t -> Semantics.plain op [ t ]) ofChannels

    /// The labels of a node's value, given its inputs' values and labels; None where they are not known.
    let private step (op: Op) (inputs: (Tensor * Labels option) list) (value: Tensor) : Labels option =
        let live = inputs |> List.choose snd

        let mapped (f: Tensor list -> Tensor) =
            // Each coordinate moves as the numbers do; what is fixed has no place, and counts stay themselves.
            let coordinate i =
                inputs
                |> List.map (fun (input, labels) ->
                    match labels with
                    | Some labels -> List.item i labels
                    | None when input.is_floating_point () -> torch.zeros_like (input, torch.float64)
                    | None -> input)
                |> f

            List.init live.Head.Length coordinate |> Some

        let summed f = Some(mean f live.Head)

        match op with
        | _ when live.IsEmpty -> None
        | Reshape _
        | Flatten
        | Permute _
        | Identity
        | Concat _ -> mapped (Semantics.plain op)
        | Function((Moves | Places | Selects), _, f) -> mapped f
        | Function(Sums, _, f) -> summed (fun t -> f (t :: (inputs.Tail |> List.map fst)))
        | Linear _ -> summed _.mean([| -1L |], true)
        | GlobalPool _ -> summed _.mean([| for axis in 2L .. value.ndim - 1L -> axis |], true)
        | Pool p when p.Dilation |> Array.forall ((=) 1L) ->
            Some(windows (Pool { p with Kind = AveragePool true }) value live.Head)
        | Convolution c ->
            let weight = torch.ones (Array.append [| 1L; 1L |] c.Weight.shape[2..], torch.float64, c.Weight.device)
            Some(windows (Convolution { c with Weight = weight; Bias = None; Groups = 1L }) value live.Head)
        | MatMul when value.ndim > 1L ->
            match inputs with
            // A row of a product is of the row of its first factor.
            | (_, Some rows) :: _ -> Some(mean _.mean([| -1L |], true) rows)
            | _ -> Some(mean _.mean([| -2L |], true) live.Head)
        | Function((Product | Filters), _, f) ->
            let first = inputs |> List.findIndex (snd >> Option.isSome)

            let among (t: Tensor) =
                inputs
                |> List.mapi (fun i (input, _) -> if i = first then t else torch.ones_like (input, torch.float64))
                |> f

            summed among
        | _ -> finer live

    /// The grid of a value with these labels; None where its positions are no grid.
    let private gridOf (labels: Labels) : Grid option =
        let shape = labels.Head.shape

        // Along a dimension that only repeats them, one of the labels is enough.
        let narrowed (label: Tensor) =
            Seq.fold
                (fun (t: Tensor) (axis: int64) -> if t.stride (int axis) = 0L then t.narrow (axis, 0L, 1L) else t)
                label
                [ 0L .. label.ndim - 1L ]

        let rounded = labels |> List.map (fun label -> (narrowed label * Number.Of 1e6).round().cpu())

        let varies (axis: int64) =
            rounded
            |> List.exists (fun t -> t.shape[int axis] > 1L && not (Tensor.isAll (t.eq (t.narrow (axis, 0L, 1L)))))

        if shape[0] <> 1L then
            None
        else
            let axes = [| for axis in 1 .. shape.Length - 1 -> int64 axis |] |> Array.filter varies

            let places =
                rounded
                |> List.map (fun t ->
                    let isTold axis = Array.contains axis axes

                    let sizes = [| for i in 0 .. shape.Length - 1 -> if isTold (int64 i) then shape[i] else 1L |]

                    let first =
                        Seq.fold (fun (t: Tensor) axis -> if isTold axis then t else t.narrow (axis, 0L, 1L)) t [
                            0L .. t.ndim - 1L
                        ]

                    Tensor.toArray<float>((first.expand sizes).reshape -1L))

            let isPlaced = places.Head |> Array.map ((<>) 0.)

            let steps =
                places
                |> List.map (fun along ->
                    let levels =
                        Seq.zip along isPlaced
                        |> Seq.filter snd
                        |> Seq.map fst
                        |> Seq.distinct
                        |> Seq.sort
                        |> Array.ofSeq

                    levels.LongLength, Dictionary(levels |> Seq.mapi (fun i level -> KeyValuePair(level, int64 i))))

            let sizes = steps |> List.map fst |> Array.ofList
            let count = Array.fold (*) 1L sizes
            let order = Array.create (int (min count 4194304L)) -1L

            if
                axes.Length = 0
                || count < 2L
                || count <> (isPlaced |> Seq.filter id |> Seq.length |> int64)
                || count > order.LongLength
            then
                None
            else
                for i in 0 .. isPlaced.Length - 1 do
                    if isPlaced[i] then
                        let place =
                            List.fold2
                                (fun place (along: float[]) (size, steps: Dictionary<float, int64>) ->
                                    place * size + steps[along[i]])
                                0L
                                places
                                steps

                        order[int place] <- int64 i

                if Array.contains -1L order then
                    None
                else
                    Some {
                        Grid.Sizes = sizes
                        Axes = axes
                        Places = order
                        Unplaced = [|
                            for i in 0 .. isPlaced.Length - 1 do
                                if not isPlaced[i] then
                                    int64 i
                        |]
                    }

    /// What is seen of each layer that leads to the output, by one instance (1×c×…).
    let survey (graph: Graph) (instance: Tensor) : IReadOnlyDictionary<string, Seen> =
        use _ = torch.NewDisposeScope()
        let seen = Dictionary<string, Seen>()
        let labels = Dictionary<string, Labels>()
        let values = Dictionary<string, Tensor>()

        let along axis =
            let steps = Number.Range(1L, instance.shape[axis], instance.device).``to`` torch.float64
            let shape = [| for i in 0 .. int instance.ndim - 1 -> if i = axis then -1L else 1L |]
            (steps.reshape shape).expand instance.shape

        let note name (value: Tensor) =
            let grid =
                match labels.TryGetValue name with
                | true, labels ->
                    use _ = torch.NewDisposeScope()
                    gridOf labels
                | _ -> None

            seen[name] <- {
                Seen.Shape = (if value.ndim > 0L then value.shape[1..] else [||])
                Rows = (if value.ndim > 0L then value.shape[0] else 1L)
                Grid = grid
            }

        values[graph.Input] <- instance
        labels[graph.Input] <- [ for axis in 2 .. int instance.ndim - 1 -> along axis ]

        if labels[graph.Input].IsEmpty then
            labels.Remove graph.Input |> ignore

        note graph.Input instance

        for { Node = node; Done = finished } in (Graph.plan [ graph.Input ] [ graph.Output ] graph).Steps do
            let inputs = node.Inputs |> List.map (fun name -> values[name])
            let value = Scope.run (fun () -> (Semantics.plain node.Op inputs).alias())
            values[node.Name] <- value

            let known =
                node.Inputs
                |> List.map (fun name ->
                    match labels.TryGetValue name with
                    | true, labels -> Some labels
                    | _ -> None)

            if not node.Op.IsRepeat then
                try
                    let found =
                        Scope.runMany (fun () ->
                            step node.Op (List.zip inputs known) value
                            |> Option.map (expanded value)
                            |> Option.defaultValue [])

                    if not found.IsEmpty then
                        labels[node.Name] <- found
                // Of a function that refuses labels, or gives them another shape, no more is known.
                with _ ->
                    ()

            note node.Name value

            for name in finished do
                values[name].Dispose()
                values.Remove name |> ignore

                match labels.TryGetValue name with
                | true, known ->
                    known |> List.iter _.Dispose()
                    labels.Remove name |> ignore
                | _ -> ()

        seen
