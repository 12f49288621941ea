module ModelTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private relu = Activation Relu

let private convolution (weight: Tensor) =
    Convolution {
        Weight = weight
        Bias = None
        Stride = [| 1L; 1L |]
        Padding = [| 1L; 1L |]
        Dilation = [| 1L; 1L |]
        Groups = 1L
    }

/// A residual network with two shortcuts, a weight used twice, and a value read three times.
let residual (rng: Random) =
    let shared, last = gaussian rng [ 2; 2; 3; 3 ], gaussian rng [ 3; 24 ]

    let model =
        graphModel "s" [
            node "a" (convolution shared) [ "x" ]
            node "r" relu [ "a" ]
            node "b" (convolution shared) [ "r" ]
            node "sum" Add [ "b"; "x" ]
            node "t" (Activation Tanh) [ "sum" ]
            node "join" Multiply [ "t"; "r" ]
            node "flat" Flatten [ "join" ]
            node "s" (Linear(last, None)) [ "flat" ]
        ]

    let step (x: Tensor) = torch.nn.functional.conv2d (x, shared, padding = [| 1L; 1L |])

    model, step, last

let private cuts =
    testList "cut" [
        law "g(h(x)) = f(x) at every layer" (fun rng ->
            let model, _, _ = residual rng
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let logits = Model.logits model x

            for layer in Model.layers model do
                let slice = Model.cut layer model
                let values = slice.H x
                same logits (slice.G values.Tail values.Head) layer)

        law "influence holds the paths around the layer fixed" (fun rng ->
            let model, step, last = residual rng
            let x = gaussian rng [ 1; 2; 3; 4 ]
            let finish (t: Tensor) (r: Tensor) = (t * r).flatten(1L).matmul(last.t ())
            let r = (step x).relu()

            let byHand = [
                // At r both of its readers are part of g; at b and t the product's other factor is not.
                "r", r, (fun (z: Tensor) -> finish ((step z + x).tanh()) z)
                "b", step r, (fun z -> finish ((z + x).tanh()) r)
                "t", (step r + x).tanh(), (fun z -> finish z r)
                "x", x, (fun z -> let r = (step z).relu() in finish ((step r + z).tanh()) r)
            ]

            for layer, value, g in byHand do
                let slice = Model.cut layer model
                let held = slice.H x
                same value held.Head $"h at {layer}"
                let expected = Diff.jacobian g value
                same expected (Diff.jacobian (slice.G held.Tail) held.Head) $"∂g/∂h at {layer}"
                close 1e-6 (centralDifferences g value) expected $"{layer} by differences")

        law "the derivatives of g and h compose where nothing flows past" (fun rng ->
            let model, _, _ = residual rng
            let x = gaussian rng [ 1; 2; 3; 4 ]
            let slice = Model.cut "join" model
            let jh = Diff.jacobian (fun x -> (slice.H x).Head.flatten()) x
            let jg = Diff.jacobian (slice.G []) (slice.H x).Head
            let composed = jg.reshape(3, 24).matmul(jh.reshape (24, 24))
            same composed ((Diff.jacobian (Model.logits model) x).reshape(3, 24)) "chain rule")

        example "an unknown layer is an ArgumentException wherever it is named" (fun () ->
            let model = Plain.model (Plain.random (Random 1) 24 6 4 0.)
            let x = torch.zeros (1, 2, 3, 4)
            Expect.throwsT<ArgumentException> (fun () -> Model.cut "nope" model |> ignore) "cut"
            rejects<ArgumentException> (fun () -> Model.units Units.Auto "nope" model x) "units"
            rejects<ArgumentException> (fun () -> (Target.ofUnit Units.Auto "nope" 0 model).Output x) "a unit's target"
            let one = Instances.ofTensor x

            rejects<ArgumentException>
                (fun () -> Influence.activations [| 0 |] Units.Auto "nope" model one)
                "activations")

        example "a layer that does not lead to the logits cannot be cut at" (fun () ->
            let model = graphModel "s" [ node "aside" relu [ "x" ]; node "s" Flatten [ "x" ] ]
            Expect.throwsT<ArgumentException> (fun () -> Model.cut "aside" model |> ignore) "cut"
            same (tensor [ 1; 1 ] [ 2 ]) (Model.units Units.Auto "aside" model (tensor [ 1; 1 ] [ 2 ])) "its values")
    ]

let private functions =
    testList "ofFunctions" [
        example "is the chain of the functions, with their names" (fun () ->
            let model = ofFunctions [ "double", (fun x -> x * 2.); "less", (fun x -> x - 1.) ]
            Expect.equal (Model.layers model) [ "input"; "double"; "less" ] "layers"
            same (tensor [ 1; 2 ] [ 1; 3 ]) (Model.logits model (tensor [ 1; 2 ] [ 1; 2 ])) "logits"
            same (tensor [ 1; 2 ] [ 2; 4 ]) (Model.units Units.Auto "double" model (tensor [ 1; 2 ] [ 1; 2 ])) "units")

        example "a function may hand back its argument, or a tensor of its own" (fun () ->
            let own = tensor [ 1; 2 ] [ 7; 8 ]

            let model = ofFunctions [ "same", id; "same too", id; "own", (fun _ -> own); "last", id ]

            let x = tensor [ 1; 2 ] [ 1; 2 ]

            for _ in 1..3 do
                same own (Model.logits model x) "logits"
                same x (Model.units Units.Auto "same too" model x) "units"
                let slice = Model.cut "same" model
                let held = slice.H x
                same own (slice.G held.Tail held.Head) "g"
                same (torch.zeros_like x) (Diff.gradEach (fun x -> (Model.logits model x).sum 1L) x) "gradient"

            same (tensor [ 1; 2 ] [ 7; 8 ]) own "own"
            same (tensor [ 1; 2 ] [ 1; 2 ]) x "x")

        example "two layers of one name are an ArgumentException" (fun () ->
            Expect.throwsT<ArgumentException> (fun () -> ofFunctions [ "a", id; "a", id ] |> ignore) "twice"
            Expect.throwsT<ArgumentException> (fun () -> ofFunctions [ "input", id ] |> ignore) "the input's name")

        example "logits of another shape than n×k are an ArgumentException" (fun () ->
            let model = ofFunctions [ "flat", (fun x -> x.flatten ()) ]
            rejects<ArgumentException> (fun () -> Model.logits model (tensor [ 2; 2 ] [ 1; 2; 3; 4 ])) "logits")
    ]

let private passes =
    testList "passes" [
        law "the logits of a batch are the logits of its instances" (fun rng ->
            let model, _, _ = residual rng
            let x = gaussian rng [ 7; 2; 3; 4 ]
            let whole = Model.logits model x

            for size in [ 1; 2; 3; 7 ] do
                same whole (inBatches size (fun b -> Model.logits model b.X) x) $"{size} at a time")

        example "precision and layout change no more than rounding does" (fun () ->
            let model, _, _ = residual (Random 5)
            let x = gaussian (Random 6) [ 2; 2; 3; 4 ]
            let logits = Model.logits model x

            for precision, tolerance in [ torch.float64, 1e-12; torch.float32, 1e-5; torch.bfloat16, 0.05 ] do
                let other = Model.toDevice torch.CPU precision model
                close tolerance logits (Model.logits other x) (string precision)
                Model.dispose other

            let bfloat = Model.toDevice torch.CPU torch.bfloat16 model
            Expect.equal (Model.logits bfloat x).dtype torch.float32 "logits of bfloat16 are readable"
            same logits (Model.logits model x) "the model itself")

        example "images of another shape are an ArgumentException that names both" (fun () ->
            let model = { Plain.model (Plain.random (Random 1) 24 6 4 0.) with InputShape = Some [| 2L; 3L; 4L |] }

            try
                Model.logits model (torch.zeros (1, 2, 4, 3)) |> ignore
                failtest "accepted"
            with :? ArgumentException as e ->
                Expect.stringContains e.Message "[2; 3; 4]" "expected"
                Expect.stringContains e.Message "[2; 4; 3]" "actual"

            rejects<ArgumentException> (fun () -> Model.logits model (torch.zeros 24)) "no batch at all")

        example "OnPass is told of each pass, and may stop the work" (fun () ->
            let seen = ResizeArray<int>()
            let model = Plain.model (Plain.random (Random 1) 24 6 4 0.)

            let watched = { model with OnPass = seen.Add; Batching = Fixed 3 }

            let x = gaussian (Random 2) [ 7; 2; 3; 4 ]

            Influence.ofQuantity Quantity.predicted Units.Auto "h" watched (Instances.ofTensor x) |> ignore

            Expect.equal (List.ofSeq seen) [ 2; 2; 3 ] "passes"

            let stopping = { model with OnPass = fun _ -> raise (OperationCanceledException()) }

            rejects<OperationCanceledException> (fun () -> Model.logits stopping x) "stopped")

        example "the batch grows with the memory, between one instance and 128, and counting runs no pass" (fun () ->
            let model = { Plain.model (Plain.random (Random 1) 24 6 4 0.) with OnPass = fun _ -> failtest "a pass" }

            let x = Instances.ofTensor (gaussian (Random 2) [ 7; 2; 3; 4 ])

            let size bytes = Model.batchSize Gradient (batching (Memory bytes) model) x

            Expect.equal (size 0L) 1 "no memory"
            Expect.equal (size Int64.MaxValue) 128 "all memory"
            Expect.isGreaterThan (size 20_000L) (size 5_000L) "more memory"
            Expect.equal (Model.batchSize Gradient (batching (Fixed 5) model) x) 5 "fixed"

            Expect.throwsT<ArgumentException>
                (fun () -> Model.batchSize Gradient (batching (Fixed 0) model) x |> ignore)
                "none"

            Expect.equal (liveAfter (fun () -> size 1L |> ignore)) 0L "live tensors"

            let forward = Model.batchSize Forward (batching (Memory 20_000L) model) x

            Expect.isGreaterThan forward (size 20_000L) "values that are freed at once leave room for more instances")

        example "disposing of a model frees what its plans folded, too" (fun () ->
            let weight, numbers = torch.randn (2L, 2L, 3L, 3L), torch.ones 2L
            let x = torch.randn (1L, 2L, 3L, 3L)

            let norm =
                BatchNorm { Mean = numbers; Variance = numbers; Scale = numbers; Shift = numbers; Epsilon = 1e-5 }

            let work () =
                let model =
                    graphModel "f" [
                        node "c" (convolution weight) [ "x" ]
                        node "n" norm [ "c" ]
                        node "f" Flatten [ "n" ]
                    ]

                (Model.logits model x).Dispose()
                Model.dispose model

            Expect.equal (liveAfter work) 0L "live tensors")

        example "a thousand passes leave no tensor behind" (fun () ->
            let model, _, _ = residual (Random 5)
            let x = gaussian (Random 6) [ 2; 2; 3; 4 ]
            let slice = Model.cut "b" model

            let work () =
                for _ in 1..1000 do
                    use _ = torch.NewDisposeScope()
                    let held = Scope.quietly (fun () -> slice.H x)
                    let logits, pull = Diff.evalReverseDiff (slice.G held.Tail) held.Head
                    pull (torch.ones_like logits) |> ignore

                for _ in 1..10 do
                    (Model.logits model x).Dispose()
                    (Model.units Units.Auto "r" model x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")

        example "a model outlives the scope in which it was made" (fun () ->
            let model =
                use _ = torch.NewDisposeScope()
                Plain.model (Plain.random (Random 1) 24 6 4 0.)

            Expect.equal (Model.logits model (torch.zeros (1, 2, 3, 4))).shape [| 1L; 4L |] "logits")
    ]

let private published =
    testList "published values" [
        example "gradients of Net M's layers" (fun () ->
            let linear1 = Linear(torch.ones (4, 3), Some(vector [ -10.; 1.; 1.; 1. ]))
            let linear2 = Linear(torch.ones (2, 4), Some(vector [ -1.; 1. ]))

            let model =
                graphModel "linear2" [
                    node "linear0" (Linear(torch.eye 3, None)) [ "x" ]
                    node "linear1" linear1 [ "linear0" ]
                    node "relu" relu [ "linear1" ]
                    node "linear2" linear2 [ "relu" ]
                ]

            let x = tensor [ 1; 3 ] [ 0; 100; 0 ]
            let slice = Model.cut "linear1" model
            let held = slice.H x

            let gradient = Diff.gradEach (fun z -> (slice.G held.Tail z).select(1L, 0L)) held.Head

            same (tensor [ 1; 4 ] [ 90; 101; 101; 101 ]) (held.Head * gradient) "gradient x activation of linear1"

            let neuron = Saliency.attribute false (Target.ofUnit Units.Auto "linear2" 0 model) (batch x)

            same (tensor [ 1; 3 ] [ 4; 4; 4 ]) neuron "neuron gradient of linear2[0]")

        example "gradients of a network of two hidden layers" (fun () ->
            let h1 = Linear(tensor [ 2; 2 ] [ 1; -1; 0; 1 ], None)
            let h2 = Linear(tensor [ 2; 2 ] [ 1; 0; 1; 1 ], None)

            let model =
                graphModel "y" [
                    node "l1" h1 [ "x" ]
                    node "h1" relu [ "l1" ]
                    node "l2" h2 [ "h1" ]
                    node "h2" relu [ "l2" ]
                    node "y" (Linear(tensor [ 1; 2 ] [ 1; 2 ], None)) [ "h2" ]
                ]

            let x = tensor [ 2; 2 ] [ 2; 1; 1; 2 ]
            let target = Target.ofQuantity (Quantity.ofClass 0) model
            same (tensor [ 2; 2 ] [ 3; -1; 0; 2 ]) (Saliency.attribute false target (batch x)) "∂y/∂x"

            for row, expected in [ 0L, [ 3.; 2. ]; 1L, [ 2.; 2. ] ] do
                let one = Instances.ofTensor (x.narrow (0L, row, 1L))
                same (vector expected) (Influence.ofQuantity (Quantity.ofClass 0) Units.Auto "h1" model one) "∂y/∂h1")
    ]

let tests = testList "Model" [ cuts; functions; passes; published ]
