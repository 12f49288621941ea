module ParametersTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// A prepared image, a convolution, a normalisation that a plain run folds into it, a learnt shift, an activation and a dense
/// layer, over images 2×5×4.
let private network (activation: Activation) (rng: Random) =
    graphModel "s" [
        node "mean" (Constant(gaussian rng [ 1; 2; 1; 1 ])) []
        node "prepared" Subtract [ "x"; "mean" ]
        node "conv" (convolution rng 2 3 true) [ "prepared" ]
        node "norm" (normalisation rng 3) [ "conv" ]
        node "shift" (Constant(gaussian rng [ 1; 3; 1; 1 ])) []
        node "shifted" Add [ "norm"; "shift" ]
        node "half" (Constant(number 0.5)) []
        node "halved" Multiply [ "shifted"; "half" ]
        node "act" (Activation activation) [ "halved" ]
        node "flat" Flatten [ "act" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] / 5., None)) [ "flat" ]
    ]

let private names = [ "conv.bias"; "conv.weight"; "norm.bias"; "norm.weight"; "s.weight"; "shift" ]

/// Random numbers of a tensor's shape.
let private like rng (t: Tensor) = gaussian rng (t.shape |> Array.map int |> List.ofArray)

let private refusal (work: unit -> Model) =
    try
        work () |> ignore
        failtest "accepted"
    with :? ArgumentException as e ->
        e.Message

/// The message is a sentence: its only line ends with a point, but for what .NET adds.
let private isSentence (message: string) =
    let sentence = message.Split(" (Parameter ").[0]

    Char.IsUpper sentence[0] && sentence.EndsWith '.' && not (sentence.Contains '\n')

let private parameters =
    testList "parameters" [
        example "are what was learnt, by the names that PyTorch has for them" (fun () ->
            let model = network Sigmoid (Random 1)
            let found = Model.parameters model
            Expect.equal (List.ofSeq found.Keys) names "no statistics, and nothing that prepares or halves"
            Expect.equal found["conv.weight"].shape [| 3L; 2L; 3L; 3L |] "a convolution"
            Expect.equal found["norm.weight"].shape [| 3L |] "a normalisation's scale"
            Expect.equal found["shift"].shape [| 1L; 3L; 1L; 1L |] "a constant"
            Expect.isEmpty (Model.parameters PixelCurvesTests.sum) "functions keep theirs to themselves")

        law "put back in their places make the same model" (fun rng ->
            let model = network Relu rng
            let x = gaussian rng [ 3; 2; 5; 4 ]
            let expected = Model.logits model x
            let again = Model.withParameters (Model.parameters model) model
            same expected (Model.logits again x) "the same tensors"
            Expect.equal (List.ofSeq (Model.parameters again).Keys) names "names"
            same expected (Model.logits (Model.withParameters Map.empty model) x) "none")

        law "others in their places make another model, and leave the first as it was" (fun rng ->
            let model = network Relu rng
            let x = gaussian rng [ 3; 2; 5; 4 ]
            let before = values (Model.logits model x)
            let weight = (Model.parameters model)["s.weight"]
            let doubled = Model.withParameters (Map [ "s.weight", weight * 2. ]) model
            same (Model.logits model x * 2.) (Model.logits doubled x) "the last layer's weights, doubled"
            Expect.equal (values (Model.logits model x)) before "the first")

        example "an unknown name, and another shape, are one sentence each" (fun () ->
            let model = network Relu (Random 1)
            let weight = (Model.parameters model)["s.weight"]

            let unknown = refusal (fun () -> Model.withParameters (Map [ "s.wieght", weight ]) model)

            Expect.isTrue (isSentence unknown) unknown
            Expect.stringContains unknown "'s.wieght'" "what is unknown"

            for name in names do
                Expect.stringContains unknown name "what is known"

            let wrong = refusal (fun () -> Model.withParameters (Map [ "s.weight", weight.t () ]) model)

            Expect.isTrue (isSentence wrong) wrong
            Expect.stringContains wrong "'s.weight'" "which"
            Expect.stringContains wrong "[3; 60]" "what is asked for"
            Expect.stringContains wrong "[60; 3]" "what was given"

            rejects<ArgumentException>
                (fun () -> Model.logits (Model.withParameters (Map [ "norm.running_mean", weight ]) model) weight)
                "a statistic is no parameter")

        law "are seen to change by a model that shares them" (fun rng ->
            let model = network Relu rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let given = Model.parameters model |> Map.map (fun _ w -> w.clone ())
            let sharing = Model.withParameters given model
            same (Model.logits model x) (Model.logits sharing x) "before"

            for name in names do
                let moved = like rng given[name]
                given[name].copy_ moved |> ignore
                let expected = Model.logits (Model.withParameters given model) x
                same expected (Model.logits sharing x) name

            Expect.isFalse (values (Model.logits model x) = values (Model.logits sharing x)) "another model by now")
    ]

/// A number made of all logits of a model.
let private ofLogits x (model: Model) = (Model.logits model x).sin().sum()

let private derivatives =
    testList "derivatives in parameters" [
        example "are those that differences find" (fun () ->
            let model = network Sigmoid (Random 5)
            let x = gaussian (Random 6) [ 2; 2; 5; 4 ]

            for name in names do
                let w = (Model.parameters model)[name]

                let f w = Model.withParameters (Map [ name, w ]) model |> ofLogits x

                close 1e-6 (Diff.numgrad 1e-5 f w) (Diff.grad f w) name)

        law "along any direction are those that differences find" (fun rng ->
            let model = network Sigmoid rng
            let x = gaussian rng [ 2; 2; 5; 4 ]

            for name in names do
                let w = (Model.parameters model)[name]
                let v = like rng w

                let f w = Model.withParameters (Map [ name, w ]) model |> ofLogits x

                close 1e-6 (Diff.numgradv 1e-5 f w v) (Diff.gradv f w v) name)

        law "of second order are those that differences find" (fun rng ->
            let model = network Sigmoid rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let w = (Model.parameters model)["norm.weight"]

            let f w = Model.withParameters (Map [ "norm.weight", w ]) model |> ofLogits x

            let v = like rng w
            close 1e-4 (Diff.numhessianv 1e-4 f w v) (Diff.hessianv f w v) "norm.weight")

        law "are right before and after plain runs of the same model, which fold its normalisation" (fun rng ->
            let model = network Sigmoid rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let w = (Model.parameters model)["conv.weight"]

            // A model of its own weights, one of which is being differentiated.
            let own w = { Model.withParameters (Map [ "conv.weight", w ]) model with SharesWeights = false }

            let v = like rng w
            let expected = Diff.numgradv 1e-5 (own >> ofLogits x) w v

            let plainly model =
                use _ = torch.no_grad ()
                values (ofLogits x model)

            let value = values (ofLogits x model)

            let runFirst w =
                let model = own w
                same (vector value) (vector (plainly model)) "the plain run"
                ofLogits x model

            let runLast w =
                let model = own w
                let recorded = ofLogits x model
                same (vector value) (vector (plainly model)) "the plain run"
                recorded

            let runBetween w =
                let model = own w
                let before = ofLogits x model
                plainly model |> ignore
                (before + ofLogits x model) / 2.

            for name, f in [ "first", runFirst; "last", runLast; "between", runBetween ] do
                close 1e-6 expected (Diff.gradv f w v) $"a plain run {name}")

        law "in x are right whether the normalisation is folded or not" (fun rng ->
            let model = network Sigmoid rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let f x = ofLogits x model
            let before = Diff.grad f x
            f x |> ignore
            let v = like rng x
            close 1e-6 (Diff.numgradv 1e-5 f x v) ((before * v).sum()) "before a plain run"
            same before (Diff.grad f x) "after one")

        example "leave nothing behind" (fun () ->
            let rng = Random 1
            let model = network Sigmoid rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            let w = (Model.parameters model)["norm.weight"]

            let f w = Model.withParameters (Map [ "norm.weight", w ]) model |> ofLogits x

            let work () = (Scope.run (fun () -> Diff.grad f w)).Dispose()

            work ()
            Expect.equal (liveAfter work) 0L "live tensors")
    ]

/// ln(1 + exp(βv))/β
let private softplus beta v = max v 0. + log (1. + exp (-beta * abs v)) / beta

let private numbers = [ -900.; -7.; -1.; -0.01; 0.; 0.3; 1.; 5.9; 6.; 6.1; 40.; 900. ]

/// Numbers through one activation, smoothed.
let private activated beta activation =
    let model = graphModel "flat" [ node "a" (Activation activation) [ "x" ]; node "flat" Flatten [ "a" ] ]

    Model.logits (Model.smooth beta model) (tensor [ numbers.Length; 1 ] numbers)

let private smoothing =
    testList "smooth" [
        example "puts softplus in the place of every kind of ReLU" (fun () ->
            for beta in [ 0.1; 1.; 3.; 100. ] do
                let expected f = tensor [ numbers.Length; 1 ] (List.map f numbers)

                let soft = softplus beta
                close 1e-13 (expected soft) (activated beta Relu) $"ReLU, β = {beta}"

                close
                    1e-13
                    (expected (fun v -> soft v - soft (v - 6.)))
                    (activated beta (ClippedRelu 6.))
                    $"ReLU6, β = {beta}"

                close
                    1e-13
                    (expected (fun v -> 0.1 * v + 0.9 * soft v))
                    (activated beta (LeakyRelu 0.1))
                    $"leaky ReLU, β = {beta}"

                same (expected (fun v -> 1. / (1. + exp -v))) (activated beta Sigmoid) "what is smooth stays as it is")

        law "moves a layer of ReLUs by ln 2/β at the most" (fun rng ->
            let net, model, _, x = case rng 0.
            let expected = Model.logits model x

            for beta in [ 0.1; 1.; 10.; 1e3; 1e6 ] do
                let bounds = net.W2 |> Array.map (fun row -> Array.sumBy abs row * log 2. / beta)

                let moved = (Model.logits (Model.smooth beta model) x - expected).abs()

                for row in Array.chunkBySize 4 (values moved) do
                    Array.iter2 (fun by bound -> Expect.isLessThanOrEqual by (bound + 1e-12) $"β = {beta}") row bounds)

        law "keeps every parameter, in a network whose normalisation is folded too" (fun rng ->
            let model = network Relu rng
            let x = gaussian rng [ 2; 2; 5; 4 ]
            Model.logits model x |> ignore
            let smooth = Model.smooth 5. model
            let before, after = Model.parameters model, Model.parameters smooth
            Expect.equal (List.ofSeq after.Keys) names "names"

            for name in names do
                Expect.equal (values after[name]) (values before[name]) name

            let near = Model.smooth 1e8 model
            close 1e-5 (Model.logits model x) (Model.logits near x) "with a large β")

        law "gives a network of ReLUs second derivatives, those that differences find" (fun rng ->
            let net = Plain.random rng 3 4 2 0.
            let model = Plain.model net
            let x = gaussian rng [ 1; 3 ]
            let f model x = (Model.logits model x)[0L, 1L]
            same (torch.zeros (1, 3, 1, 3, torch.float64)) (Diff.hessian (f model) x) "none before"
            let smooth = Model.smooth 2. model
            let hessian = Diff.hessian (f smooth) x
            close 1e-5 (Diff.numhessian 1e-4 (f smooth) x) hessian "after"
            Expect.isGreaterThan (hessian.abs().max().item<float>()) 0. "some")

        testCase "β is a positive number" (fun () ->
            for beta in [ 0.; -1.; nan; infinity ] do
                Expect.throwsT<ArgumentException>
                    (fun () -> Model.smooth beta PixelCurvesTests.sum |> ignore)
                    $"β = {beta}")
    ]

let tests = testList "Parameters" [ parameters; derivatives; smoothing ]
