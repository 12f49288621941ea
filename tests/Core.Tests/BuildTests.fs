module BuildTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open Attribution.Core
open Support

let tests =
    testList "Build" [
        example "builds the same graph as F# does, null standing for none" (fun () ->
            let weight = tensor [ 2; 4 ] [ 1..8 ]
            let kernel = tensor [ 1; 1; 1; 1 ] [ 3 ]
            let one, none = [| 1L; 1L |], [| 0L; 0L |]
            let scale = vector [ 2. ]

            let model =
                Build.Model(
                    [| 1L; 2L; 2L |],
                    "x",
                    "y",
                    [
                        Build.Node("x", Input)
                        Build.Node("c", Build.Convolution(kernel, null, one, none, one, 1L), "x")
                        Build.Node("n", Build.BatchNorm(vector [ 1. ], scale, scale, scale, 0.), "c")
                        Build.Node("p", Build.Pool(MaxPool, one, one, none, one, false), "n")
                        Build.Node("sum", Build.Pure("sum", Func<IReadOnlyList<Tensor>, Tensor>(fun v -> v[0] + v[1])), "p", "x")
                        Build.Node("flat", Flatten, "sum")
                        Build.Node("y", Build.Linear(weight, null), "flat")
                    ]
                )
                |> inDouble

            let x = tensor [ 1; 1; 2; 2 ] [ 1; 2; 3; 4 ]
            let normal = (3. * x - 1.) / sqrt 2. * 2. + 2.
            same ((normal + x).reshape(1, 4).matmul (weight.t ())) (Model.logits model x) "logits"
            Expect.equal model.InputShape (Some [| 1L; 2L; 2L |]) "shape"
            let any = Build.Model(null, "x", "x", [ Build.Node("x", Input) ])
            Expect.isNone any.InputShape "any shape")
    ]
