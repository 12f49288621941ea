module PositionsTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private moves name f = Function(Moves, name, List.head >> f)

let private patches (rng: Random) (size: int64) =
    Convolution {
        Weight = gaussian rng [ 3; 2; int size; int size ]
        Bias = None
        Stride = [| size; size |]
        Padding = [| 0L; 0L |]
        Dilation = [| 1L; 1L |]
        Groups = 1L
    }

let private modelOf nodes =
    Model.ofGraph (Some [| 2L; 8L; 12L |]) (Graph.create "x" (List.last nodes).Name (node "x" Input [] :: nodes))
    |> inDouble

/// Requires a layer to hold the patches' numbers by a grid, wherever they stand.
let private holds (model: Model) layer =
    let x = gaussian (Random 9) [ 2; 2; 8; 12 ]
    let grid = Expect.wantSome (Model.grid layer model) $"{layer} has a grid"
    Expect.equal grid.Sizes [| 4L; 6L |] "rows and columns"
    same (Model.value "patches" model x) (Grid.arrange grid (Model.value layer model x)) layer

let tests =
    testList "Positions" [
        law "are known wherever tokens are moved to" (fun rng ->
            let order = Array.init 24 int64
            rng.Shuffle order

            let model =
                modelOf [
                    node "patches" (patches rng 2L) [ "x" ]
                    node "rows" (Reshape [| 3L; 24L |]) [ "patches" ]
                    node "shuffled" (moves "Gather" (fun t -> t.index_select (2L, torch.tensor order))) [ "rows" ]
                    node "tokens" (Permute [| 0L; 2L; 1L |]) [ "shuffled" ]
                    node "many" (moves "Unsqueeze" (fun t -> t.unsqueeze 1L)) [ "tokens" ]
                ]

            for layer in [ "patches"; "rows"; "shuffled"; "tokens"; "many" ] do
                holds model layer)

        example "are known in windows that were rolled, and after they are joined" (fun () ->
            let rng = Random 3
            let windows (t: Tensor) = t.reshape(t.shape[0], 2L, 2L, 3L, 2L, 3L).permute(0L, 1L, 3L, 2L, 4L, 5L)

            let model =
                modelOf [
                    node "patches" (patches rng 2L) [ "x" ]
                    node "last" (Permute [| 0L; 2L; 3L; 1L |]) [ "patches" ]
                    node "rolled" (moves "Slice" (fun t -> t.roll ([| -1L; -1L |], [| 1L; 2L |]))) [ "last" ]
                    node "windows" (moves "Reshape" (windows >> fun t -> t.reshape (t.shape[0], 4L, 6L, 3L))) [
                        "rolled"
                    ]
                    // Windows beside instances, as most programs have them.
                    node "apart" (moves "Reshape" (fun t -> t.reshape (-1L, 6L, 3L))) [ "windows" ]
                    node "bent" (Activation Relu) [ "apart" ]
                    node "joined" (moves "Reshape" (fun t -> t.reshape (-1L, 2L, 2L, 2L, 3L, 3L))) [ "bent" ]
                    node "back" (Permute [| 0L; 1L; 3L; 2L; 4L; 5L |]) [ "joined" ]
                    node "whole" (Reshape [| 4L; 6L; 3L |]) [ "back" ]
                    node "unrolled" (moves "Slice" (fun t -> t.roll ([| 1L; 1L |], [| 1L; 2L |]))) [ "whole" ]
                ]

            for layer in [ "last"; "rolled"; "windows" ] do
                holds model layer

            Expect.isNone (Model.grid "apart" model) "an instance's windows are many rows"
            let x = gaussian rng [ 2; 2; 8; 12 ]

            for units in [ Units.Auto; Units.Each; Units.ChannelSum ] do
                rejects<Attribution.AttributionException>
                    (fun () -> Model.units units "apart" model x)
                    "which are no units of an image"

            for layer in [ "whole"; "unrolled" ] do
                let grid = (Model.grid layer model).Value
                same ((Model.value "patches" model x).relu()) (Grid.arrange grid (Model.value layer model x)) layer)

        example "of merged patches are those of the larger ones, and of mixed tokens their own" (fun () ->
            let rng = Random 4

            let corner i j (t: Tensor) = t.slice(1L, i, 4L, 2L).slice(2L, j, 6L, 2L)

            let dense out ``in`` = Linear(gaussian rng [ out; ``in`` ], None)

            let model =
                modelOf [
                    node "patches" (patches rng 2L) [ "x" ]
                    node "last" (Permute [| 0L; 2L; 3L; 1L |]) [ "patches" ]
                    for i in 0L .. 1L do
                        for j in 0L .. 1L do
                            node $"corner {i} {j}" (moves "Slice" (corner i j)) [ "last" ]
                    node "corners" (Concat 3L) [ "corner 0 0"; "corner 1 0"; "corner 0 1"; "corner 1 1" ]
                    node "merged" (dense 5 12) [ "corners" ]
                    // A layer over the tokens, and its shortcut.
                    node "tokens" (Reshape [| 6L; 5L |]) [ "merged" ]
                    node "columns" (Permute [| 0L; 2L; 1L |]) [ "tokens" ]
                    node "mixed" (dense 6 6) [ "columns" ]
                    node "again" (Permute [| 0L; 2L; 1L |]) [ "mixed" ]
                    node "sum" Add [ "again"; "tokens" ]
                ]

            let sizes layer = Model.grid layer model |> Option.map _.Sizes
            Expect.equal (sizes "merged") (Some [| 2L; 3L |]) "merged"
            Expect.equal (sizes "sum") (Some [| 2L; 3L |]) "with its shortcut"
            Expect.isNone (sizes "mixed") "all of all"
            Expect.isNone (sizes "corners") "a number of several patches each")

        example "are none of dense layers and means, and class tokens have no place" (fun () ->
            let rng = Random 5

            let model =
                modelOf [
                    node "token" (Constant(gaussian rng [ 1; 1; 3 ])) []
                    node "patches" (patches rng 2L) [ "x" ]
                    node "rows" (Reshape [| 3L; 24L |]) [ "patches" ]
                    node "tokens" (Permute [| 0L; 2L; 1L |]) [ "rows" ]
                    node "each" (Repeat 0L) [ "token"; "x" ]
                    node "with" (Concat 1L) [ "tokens"; "each" ]
                    node "mean" (Function(Sums, "Mean", (fun inputs -> inputs.Head.mean [| 1L |]))) [ "with" ]
                    node "s" (Linear(gaussian rng [ 2; 3 ], None)) [ "mean" ]
                ]

            let grid = (Model.grid "with" model).Value
            Expect.equal grid.Sizes [| 4L; 6L |] "the image's"
            Expect.equal grid.Unplaced [| 24L |] "and the token's"
            Expect.equal (Grid.describe grid) "4×6 and 1 beside" "in words"
            Expect.isNone (Model.grid "mean" model) "a mean"
            Expect.isNone (Model.grid "s" model) "scores")
    ]
