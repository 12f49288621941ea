module RewriteTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private both given wanted graph =
    let run graph = Graph.run Semantics.plain (Graph.plan given wanted graph)

    run graph, run (Rewrite.forRun given wanted graph)

let tests =
    testList "Rewrite" [
        law "a rewritten run gives the values of the plain one, from any place to any others" (fun rng ->
            let graph = network rng
            let names = graph.Nodes |> Array.map _.Name
            let start = names[rng.Next(names.Length - 1)]

            let wanted = names |> Array.filter (fun n -> n = "out" || rng.Next 3 = 0) |> List.ofArray

            let given = start :: Graph.around [ start ] graph |> List.distinct
            // What the wanted values need besides, the images are given for.
            let given = List.distinct ("x" :: given)
            let x = gaussian rng [ 3; 2; 5; 4 ]

            let values = given |> List.map (fun name -> if name = "x" then x else gaussian rng [ 3; 2; 5; 4 ])

            let plain, rewritten = both given wanted graph

            for name, expected, actual in List.zip3 wanted (plain values) (rewritten values) do
                close 1e-9 expected actual name)

        law "and its derivatives, the second ones too" (fun rng ->
            let graph = network rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let plain, rewritten = both [ "x" ] [ "out" ] graph

            let score (run: Tensor list -> Tensor list) (x: Tensor) = (run [ x ]).Head.sin().sum()

            close 1e-8 (Diff.grad (score plain) x) (Diff.grad (score rewritten) x) "gradient"
            let v = gaussian rng [ 2; 2; 5; 4 ]
            close 1e-7 (Diff.hessianv (score plain) x v) (Diff.hessianv (score rewritten) x v) "second derivative")

        example
            "folds a normalisation and overwrites what a ReLU reads, but never what else is read or wanted"
            (fun () ->
                let rng = Random 1

                let graph =
                    Graph.create "x" "r" [
                        node "x" Input []
                        node "c" (convolution rng 2 3 false) [ "x" ]
                        node "n" (normalisation rng 3) [ "c" ]
                        node "r" (Activation Relu) [ "n" ]
                    ]

                let computed wanted =
                    let graph = Rewrite.forRun [ "x" ] wanted graph
                    let plan = Graph.plan [ "x" ] wanted graph

                    [
                        for step in plan.Steps ->
                            step.Node.Name, step.Node.Op.IsConvolution, Rewrite.overwrites step.Node.Op
                    ]

                Expect.equal (computed [ "r" ]) [ "n", true, false; "r", false, true ] "two steps"

                Expect.equal
                    (computed [ "c"; "r" ])
                    [ "c", true, false; "n", false, false; "r", false, true ]
                    "the convolution is wanted"

                Expect.equal
                    (computed [ "n"; "r" ])
                    [ "n", true, false; "r", false, false ]
                    "what the ReLU reads is wanted")

        example "overwrites nothing that was given" (fun () ->
            let graph =
                Graph.create "x" "r" [
                    node "x" Input []
                    node "a" Add [ "x"; "x" ]
                    node "r" (Activation Relu) [ "a" ]
                ]

            let value = vector [ -1.; 1. ]
            let graph = Rewrite.forRun [ "a" ] [ "r" ] graph
            let result = Graph.run Semantics.plain (Graph.plan [ "a" ] [ "r" ] graph) [ value ]
            same (vector [ 0.; 1. ]) result.Head "ReLU"
            same (vector [ -1.; 1. ]) value "what was given")
    ]
