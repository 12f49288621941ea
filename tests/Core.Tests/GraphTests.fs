module GraphTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private runAs observe semantics graph given wanted =
    let plan = Graph.plan (List.map fst given) wanted graph
    Graph.runObserved observe semantics plan (List.map snd given)

let private run graph given wanted = runAs (fun _ _ -> ()) Semantics.plain graph given wanted

let private apply op inputs = Semantics.plain op inputs

let private square = node "square" (Pure("square", (fun xs -> xs.Head * xs.Head)))

let private structure =
    testList "create" [
        testCase "rejects what is no graph, and names what is wrong" (fun () ->
            let relu = Activation Relu
            let input = node "x" Input []

            for text, output, nodes in
                [
                    "Two layers are named 'a'", "a", [ input; node "a" relu [ "x" ]; node "a" relu [ "x" ] ]
                    "takes 'b', which no node before it computes",
                    "a",
                    [ input; node "a" relu [ "b" ]; node "b" relu [ "x" ] ]
                    "takes 'a', which no node before it computes", "a", [ input; node "a" relu [ "a" ] ]
                    "No node is named 'out'", "out", [ input ]
                    "No node is named 'x'", "a", [ node "a" (Constant(torch.ones 1)) [] ]
                ] do
                try
                    Graph.create "x" output nodes |> ignore
                    failtest text
                with :? ArgumentException as e ->
                    Expect.stringContains e.Message text text)

        example "describe says what an op is" (fun () ->
            let convolution =
                Convolution {
                    Weight = torch.zeros (8, 3, 5, 3)
                    Bias = None
                    Stride = [| 1; 1 |]
                    Padding = [| 0; 0 |]
                    Dilation = [| 1; 1 |]
                    Groups = 1
                }

            let described = [
                convolution
                Linear(torch.zeros (10, 4), None)
                Activation Relu
                Activation(LeakyRelu 0.1)
                Flatten
                Pure("square", List.head)
            ]

            Expect.equal
                (List.map Op.describe described)
                [ "Conv 5×3, 8"; "Linear 10"; "Relu"; "LeakyRelu 0.1"; "Flatten"; "square" ]
                "descriptions")
    ]

/// x[n, c, y, x] or `outside`.
let private reader (x: Tensor) outside =
    let shape = x.shape |> Array.map int
    let all = values x

    fun n c i j ->
        if i < 0 || j < 0 || i >= shape[2] || j >= shape[3] then
            outside
        else
            all[((n * shape[1] + c) * shape[2] + i) * shape[3] + j]

let private everywhere shape f =
    match shape with
    | [ a; b; c; d ] ->
        tensor shape [
            for n in 0 .. a - 1 do
                for k in 0 .. b - 1 do
                    for i in 0 .. c - 1 do
                        for j in 0 .. d - 1 -> f n k i j
        ]
    | _ -> failwith "four dimensions"

let private ops =
    testList "each op equals its definition in plain loops" [
        law "convolution, with stride, padding, dilation and groups" (fun rng ->
            let x, weight, bias = gaussian rng [ 2; 4; 7; 6 ], gaussian rng [ 6; 2; 3; 2 ], gaussian rng [ 6 ]

            let stride, padding, dilation = rng.Next(1, 3), rng.Next(0, 3), rng.Next(1, 3)
            let both n = [| int64 n; int64 n |]

            let op =
                Convolution {
                    Weight = weight
                    Bias = Some bias
                    Stride = both stride
                    Padding = both padding
                    Dilation = both dilation
                    Groups = 2
                }

            let out size kernel = (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1

            let read, w, b = reader x 0., reader weight 0., values bias

            let expected =
                everywhere [ 2; 6; out 7 3; out 6 2 ] (fun n o i j ->
                    b[o]
                    + Seq.sum (
                        seq {
                            for c in 0..1 do
                                for p in 0..2 do
                                    for q in 0..1 ->
                                        w o c p q
                                        * read
                                            n
                                            (2 * (o / 3) + c)
                                            (i * stride + p * dilation - padding)
                                            (j * stride + q * dilation - padding)
                        }
                    ))

            same expected (apply op [ x ]) "convolution")

        law "pooling, with padding that counts or does not" (fun rng ->
            let x = gaussian rng [ 2; 2; 5; 6 ]
            let stride, padding = rng.Next(1, 4), rng.Next(0, 2)

            let pool kind =
                Pool {
                    Kind = kind
                    Kernel = [| 2; 3 |]
                    Stride = [| stride; stride |]
                    Padding = [| padding; padding |]
                    Dilation = [| 1; 1 |]
                    CeilMode = false
                }

            let read = reader x nan

            let window n c i j = [
                for p in 0..1 do
                    for q in 0..2 do
                        let v = read n c (i * stride + p - padding) (j * stride + q - padding)

                        if not (Double.IsNaN v) then
                            v
            ]

            let pooled f =
                let out size kernel = (size + 2 * padding - kernel) / stride + 1

                everywhere [ 2; 2; out 5 2; out 6 3 ] (fun n c i j -> f (window n c i j))

            same (pooled List.max) (apply (pool MaxPool) [ x ]) "maximum"
            same (pooled List.average) (apply (pool (AveragePool false)) [ x ]) "mean"
            same (pooled (fun w -> List.sum w / 6.)) (apply (pool (AveragePool true)) [ x ]) "mean with zeros")

        example "a pool that overhangs the end in CeilMode" (fun () ->
            let pool ceil =
                Pool {
                    Kind = MaxPool
                    Kernel = [| 2; 2 |]
                    Stride = [| 2; 2 |]
                    Padding = [| 0; 0 |]
                    Dilation = [| 1; 1 |]
                    CeilMode = ceil
                }

            let x = tensor [ 1; 1; 3; 3 ] [ 1..9 ]
            same (tensor [ 1; 1; 1; 1 ] [ 5 ]) (apply (pool false) [ x ]) "floor"
            same (tensor [ 1; 1; 2; 2 ] [ 5; 6; 8; 9 ]) (apply (pool true) [ x ]) "ceil")

        law "batch normalisation, activations, softmax and arithmetic" (fun rng ->
            let x, y = gaussian rng [ 2; 3; 2; 2 ], gaussian rng [ 2; 3; 2; 2 ]
            let vectors = Array.init 4 (fun _ -> gaussian rng [ 3 ])

            let norm =
                BatchNorm {
                    Mean = vectors[0]
                    Variance = vectors[1].square()
                    Scale = vectors[2]
                    Shift = vectors[3]
                    Epsilon = 0.01
                }

            let read = reader x 0.
            let v = Array.map values vectors
            let each f = everywhere [ 2; 3; 2; 2 ] f

            let normal =
                each (fun n c i j -> (read n c i j - v[0][c]) / sqrt (v[1][c] * v[1][c] + 0.01) * v[2][c] + v[3][c])

            same normal (apply norm [ x ]) "batch normalisation"
            let pointwise f = each (fun n c i j -> f (read n c i j))
            same (pointwise (max 0.)) (apply (Activation Relu) [ x ]) "ReLU"
            same (pointwise (fun a -> max a (0.1 * a))) (apply (Activation(LeakyRelu 0.1)) [ x ]) "leaky ReLU"
            same (pointwise (fun a -> 1. / (1. + exp -a))) (apply (Activation Sigmoid) [ x ]) "sigmoid"
            same (pointwise tanh) (apply (Activation Tanh) [ x ]) "tanh"

            let soft =
                each (fun n c i j -> exp (read n c i j) / Seq.sum (seq { for k in 0..2 -> exp (read n k i j) }))

            same soft (apply (Softmax 1L) [ x ]) "softmax"
            let other = reader y 0.

            let pairwise f = each (fun n c i j -> f (read n c i j) (other n c i j))

            same (pairwise (+)) (apply Add [ x; y ]) "add"
            same (pairwise (-)) (apply Subtract [ x; y ]) "subtract"
            same (pairwise (*)) (apply Multiply [ x; y ]) "multiply"
            same (pairwise (/)) (apply Divide [ x; y ]) "divide"

            let around n c = [
                for i in 0..1 do
                    for j in 0..1 -> read n c i j
            ]

            let pooled f = everywhere [ 2; 3; 1; 1 ] (fun n c _ _ -> f (around n c))

            same (pooled List.max) (apply (GlobalPool MaxPool) [ x ]) "global maximum"
            same (pooled List.average) (apply (GlobalPool(AveragePool true)) [ x ]) "global mean")

        example "shapes: reshape, flatten, permute, concat, identity, constant" (fun () ->
            let x = tensor [ 2; 2; 3 ] [ 1..12 ]
            same (tensor [ 2; 3; 2 ] [ 1..12 ]) (apply (Reshape [| -1L; 2L |]) [ x ]) "reshape"
            same (tensor [ 2; 6 ] [ 1..12 ]) (apply Flatten [ x ]) "flatten"
            let turned = tensor [ 2; 3; 2 ] [ 1; 4; 2; 5; 3; 6; 7; 10; 8; 11; 9; 12 ]
            same turned (apply (Permute [| 0; 2; 1 |]) [ x ]) "permute"
            let joined = tensor [ 1; 3; 2 ] [ 1; 2; 3; 4; 5; 6 ]
            let parts = [ tensor [ 1; 1; 2 ] [ 1; 2 ]; tensor [ 1; 2; 2 ] [ 3; 4; 5; 6 ] ]
            same joined (apply (Concat 1L) parts) "concat"
            same x (apply Identity [ x ]) "identity"
            same x (apply (Constant x) []) "constant")

        law "linear and matrix product" (fun rng ->
            let x, w, b = gaussian rng [ 2; 3 ], gaussian rng [ 4; 3 ], gaussian rng [ 4 ]

            let rows (t: Tensor) = values t |> Array.chunkBySize (int t.shape[1])

            let expected = rows x |> Array.collect (Plain.affine (rows w) (values b))
            same (tensor [ 2; 4 ] expected) (apply (Linear(w, Some b)) [ x ]) "linear"
            same (tensor [ 2; 4 ] expected - b) (apply (Linear(w, None)) [ x ]) "linear without bias"
            same (tensor [ 2; 4 ] expected - b) (apply MatMul [ x; w.t () ]) "matrix product")

        testCase "an op with the wrong number of inputs says so" (fun () ->
            rejects<InvalidOperationException> (fun () -> apply Add []) "add of nothing"
            rejects<InvalidOperationException> (fun () -> apply Input []) "an image that was not given")
    ]

let private interpreter =
    testList "run" [
        example "computes only what the wanted values need, and each of it once" (fun () ->
            let seen = ResizeArray<string>()

            let graph =
                Graph.create "x" "c" [
                    node "x" Input []
                    square [ "x" ]
                    node "unused" (Activation Relu) [ "square" ]
                    node "b" Add [ "square"; "square" ]
                    node "c" Add [ "b"; "square" ]
                ]

            let observe (n: Node) (value: Tensor) =
                Expect.equal value.shape [| 1L |] "an observed value is alive"
                seen.Add n.Name

            let x = vector [ 3. ]

            let results = runAs observe Semantics.plain graph [ "x", x ] [ "c"; "b"; "x" ]

            Expect.equal (results |> List.map (values >> Array.head)) [ 27.; 18.; 3. ] "values"
            Expect.equal (List.ofSeq seen) [ "square"; "b"; "c" ] "computed"
            let inner = run graph [ "square", vector [ 5. ] ] [ "c" ]
            same (vector [ 15. ]) inner.Head "from a value inside"
            let same' = run graph [ "x", x ] [ "b"; "b" ]
            Expect.equal (same' |> List.map (values >> Array.head)) [ 18.; 18. ] "a value wanted twice")

        example "leaves no tensor behind but what was wanted, and frees nothing that was given" (fun () ->
            let captured = vector [ 4. ]

            let graph =
                Graph.create "x" "out" [
                    node "x" Input []
                    node "constant" (Constant captured) []
                    node "same" (Pure("itself", List.head)) [ "x" ]
                    node "captured" (Pure("captured", (fun _ -> captured))) [ "same" ]
                    node "identity" Identity [ "captured" ]
                    node "sum" Add [ "identity"; "constant" ]
                    node "out" Add [ "sum"; "same" ]
                ]

            let x = vector [ 3. ]

            for wanted in [ [ "out" ]; [ "same" ]; [ "captured"; "constant" ]; [ "x"; "x" ] ] do
                let work () =
                    for value in run graph [ "x", x ] wanted do
                        value.Dispose()

                Expect.equal (liveAfter work) 0L $"live tensors after {wanted}"

            same (vector [ 3. ]) x "x"
            same (vector [ 4. ]) captured "a tensor that a function hands out"
            same (vector [ 11. ]) (run graph [ "x", x ] [ "out" ]).Head "out")

        example "frees everything when an op fails" (fun () ->
            let graph =
                Graph.create "x" "bad" [
                    node "x" Input []
                    square [ "x" ]
                    node "bad" (Reshape [| 7L |]) [ "square" ]
                ]

            let x = torch.ones (2, 3)

            let work () = Expect.throws (fun () -> run graph [ "x", x ] [ "bad" ] |> ignore) "7 is not 3"

            Expect.equal (liveAfter work) 0L "live tensors"
            same (torch.ones (2, 3)) x "x")

        example "another semantics is another reading of the same graph" (fun () ->
            let graph =
                Graph.create "x" "r" [ node "x" Input []; square [ "x" ]; node "r" (Activation Relu) [ "square" ] ]

            let doubling: Semantics =
                fun op inputs ->
                    match op with
                    | Activation _ -> inputs.Head * 2.
                    | op -> Semantics.plain op inputs

            same (vector [ 18. ]) (runAs (fun _ _ -> ()) doubling graph [ "x", vector [ 3. ] ] [ "r" ]).Head "doubled")

        example "mapOps changes every tensor that an op holds" (fun () ->
            let graph =
                Graph.create "x" "y" [
                    node "x" Input []
                    node "y" (Linear(tensor [ 1; 1 ] [ 2 ], Some(vector [ 1. ]))) [ "x" ]
                ]

            let doubled = Graph.mapOps (Op.mapTensors (fun t -> t * 2.)) graph
            same (tensor [ 1; 1 ] [ 14 ]) (run doubled [ "x", tensor [ 1; 1 ] [ 3 ] ] [ "y" ]).Head "4x + 2")

        example "around names what flows past a layer, and nothing else" (fun () ->
            let relu = Activation Relu

            let graph =
                Graph.create "x" "out" [
                    node "x" Input []
                    node "a" relu [ "x" ]
                    node "b" relu [ "a" ]
                    node "c" Add [ "a"; "b" ]
                    node "aside" Add [ "b"; "x" ]
                    node "d" relu [ "c" ]
                    node "out" Add [ "d"; "x" ]
                ]

            Expect.equal (Graph.around [ "a" ] graph) [ "x" ] "a"
            Expect.equal (Graph.around [ "b" ] graph) [ "a"; "x" ] "b"
            Expect.equal (Graph.around [ "c" ] graph) [ "x" ] "c"
            Expect.equal (Graph.around [ "out" ] graph) [] "out"
            Expect.equal (Graph.around [ "x" ] graph) [] "x"
            Expect.equal (Graph.around [ "b"; "a" ] graph) [ "x" ] "a and b"
            Expect.equal (Graph.first [ "d"; "b"; "aside" ] graph) [ "b" ] "the first of those in a row"
            Expect.equal (Graph.first [ "d"; "aside" ] graph) [ "d"; "aside" ] "branches"

            let dead = graph.Nodes |> Seq.filter (fun n -> not (Graph.leads n.Name graph)) |> Seq.map _.Name

            Expect.equal (List.ofSeq dead) [ "aside" ] "what leads nowhere")
    ]

let private dominance =
    testList "dominators" [
        law "are the nodes without which no path leads from the input to the output" (fun rng ->
            let nodes = ResizeArray [ node "x" Input []; node "c" (Constant(torch.ones 1)) [] ]

            for i in 1 .. rng.Next(1, 12) do
                // Mostly the last ones, so that some of them all paths pass.
                let any () = nodes[max 0 (nodes.Count - 1 - rng.Next(1 + rng.Next 4))].Name

                let inputs = List.init (1 + rng.Next 2) (fun _ -> any ())
                nodes.Add(node $"{i}" (if inputs.Length = 1 then Identity else Add) inputs)

            let output = nodes[nodes.Count - 1].Name
            let graph = Graph.create "x" output nodes

            // Whether the output is reached from the input by nodes other than this one.
            let reaches without =
                let reached = System.Collections.Generic.HashSet<string>()

                if without <> "x" then
                    reached.Add "x" |> ignore

                for n in nodes do
                    if n.Name <> without && List.exists reached.Contains n.Inputs then
                        reached.Add n.Name |> ignore

                reached.Contains output

            let expected =
                if reaches "" then
                    [
                        for n in nodes do
                            if not (reaches n.Name) then
                                n.Name
                    ]
                else
                    []

            let found = Graph.dominators graph |> List.map _.Name
            Expect.equal (if reaches "" then found else []) expected "names")
    ]

let tests = testList "Graph" [ structure; dominance; ops; interpreter ]
