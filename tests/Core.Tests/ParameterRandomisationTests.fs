module ParameterRandomisationTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// Spearman's correlation by counting: a value's rank is how many are less, and half of the others that are equal.
let private spearman (xs: float[]) (ys: float[]) =
    let ranks (vs: float[]) =
        vs
        |> Array.map (fun v ->
            let count test = vs |> Array.filter test |> Array.length |> float

            count (fun u -> u < v) + (count ((=) v) - 1.) / 2.)

    let centre (vs: float[]) = let mean = Array.average vs in vs |> Array.map (fun v -> v - mean)

    let a, b = centre (ranks xs), centre (ranks ys)
    Plain.dot a b / sqrt (Plain.dot a a * Plain.dot b b)

let private weights (model: Model) layer : float[] list =
    let found = ResizeArray()

    let add (t: Tensor) =
        found.Add(values t)
        t

    (model.Graph.Nodes |> Array.find (fun node -> node.Name = layer)).Op |> Op.mapTensors add |> ignore

    List.ofSeq found

/// Convolution, normalisation, ReLU and a dense layer, over images 2×4×4.
let private network (rng: Random) =
    graphModel "s" [
        node
            "conv"
            (Convolution {
                Weight = gaussian rng [ 8; 2; 3; 3 ] + 2.
                Bias = Some(gaussian rng [ 8 ])
                Stride = [| 1L; 1L |]
                Padding = [| 1L; 1L |]
                Dilation = [| 1L; 1L |]
                Groups = 1L
            })
            [ "x" ]
        node
            "norm"
            (BatchNorm {
                Mean = gaussian rng [ 8 ]
                Variance = (gaussian rng [ 8 ]).square() + 0.5
                Scale = gaussian rng [ 8 ]
                Shift = gaussian rng [ 8 ]
                Epsilon = 1e-5
            })
            [ "conv" ]
        node "relu" (Activation Relu) [ "norm" ]
        node "flat" Flatten [ "relu" ]
        node "s" (Linear(gaussian rng [ 3; 128 ], None)) [ "flat" ]
    ]

let private saliency size (x: Tensor) (model: Model) =
    let target = Target.ofQuantity (Quantity.ofClass 1) model
    x |> inBatches size (Saliency.attribute true target)

let tests =
    testList "ParameterRandomisation" [
        law
            "equals the rank correlations by counting, from the logits down or one layer alone, whatever the batch"
            (fun rng ->
                let model = network rng
                let n = rng.Next(1, 5)
                let x = gaussian rng [ n; 2; 4; 4 ]
                let maps = saliency 2 x model

                let pixels (t: Tensor) = values (t.mean [| 1L |]) |> Array.chunkBySize 16

                for isAlone in [ false; true ] do
                    let sets =
                        if isAlone then
                            [| [ "s" ]; [ "norm" ]; [ "conv" ] |]
                        else
                            [| [ "s" ]; [ "s"; "norm" ]; [ "s"; "norm"; "conv" ] |]

                    for size in [ 1; 3; 7 ] do
                        let found =
                            ParameterRandomisation.curve Relaxation.Exact (saliency size x) isAlone 10 4L maps model

                        Expect.equal (found |> Array.map _.Layer) [| "s"; "norm"; "conv" |] "layers"

                        for step, set in Array.zip found sets do
                            let random = ParameterRandomisation.randomised 4L set model |> saliency 1 x

                            let expected f =
                                Array.map2
                                    (fun a b -> spearman (Array.map f a) (Array.map f b))
                                    (pixels maps)
                                    (pixels random)
                                |> vector

                            same (expected id) step.Signed $"{step.Layer}, signed"
                            same (expected abs) step.Magnitudes $"{step.Layer}, magnitudes"

                        let mean i =
                            found
                            |> Array.averageBy (fun (step: RandomisedLayer) -> step.Magnitudes[int64 i].item<float>())

                        same (vector [ for i in 0 .. n - 1 -> mean i ]) (ParameterRandomisation.scores found) "score")

        law "a map that no weight changes correlates fully" (fun rng ->
            let x = gaussian rng [ 2; 2; 4; 4 ]

            let found =
                ParameterRandomisation.curve Relaxation.Exact (fun _ -> x.clone ()) false 10 1L x (network rng)

            same (vector [ 1.; 1. ]) (ParameterRandomisation.scores found) "score")

        example "a random network's constant map counts as 0, and a constant map has no score" (fun () ->
            let x = gaussian (Random 2) [ 2; 2; 4; 4 ]
            let maps = x.clone ()
            maps[1L] <- torch.ones_like maps[1L]
            let mutable calls = 0

            let explain _ =
                calls <- calls + 1
                if calls = 2 then torch.zeros_like x else x.clone ()

            let found =
                ParameterRandomisation.curve Relaxation.Exact explain false 10 1L maps (network (Random 1))
                |> ParameterRandomisation.scores
                |> values

            Expect.floatClose Accuracy.veryHigh found[0] (2. / 3.) "1, 0 and 1"
            Expect.isTrue (Double.IsNaN found[1]) "constant")

        example "steps are even, and the last one has every layer" (fun () ->
            let model = network (Random 1)
            let x = gaussian (Random 2) [ 1; 2; 4; 4 ]
            let maps = saliency 1 x model

            let layers steps =
                ParameterRandomisation.curve Relaxation.Exact (saliency 1 x) false steps 1L maps model
                |> Array.map _.Layer

            Expect.equal (layers 2) [| "s"; "conv" |] "two"
            Expect.equal (layers 1) [| "conv" |] "one")

        example "weights are drawn from their own mean and deviation, the same whichever the others are" (fun () ->
            let model = network (Random 1)
            let before = [ "conv"; "norm"; "s" ] |> List.map (weights model)
            let one = ParameterRandomisation.randomised 7L [ "conv" ] model
            let all = ParameterRandomisation.randomised 7L [ "conv"; "norm"; "s" ] model
            Expect.equal (weights one "conv") (weights all "conv") "the same draw"
            Expect.equal (weights one "s") (weights model "s") "another layer"
            Expect.equal (weights one "norm") (weights model "norm") "and another"
            Expect.notEqual (weights all "s") (weights model "s") "random"

            Expect.notEqual
                (weights (ParameterRandomisation.randomised 8L [ "conv" ] model) "conv")
                (weights one "conv")
                "another seed"

            Expect.equal
                (weights all "norm" |> List.take 2)
                (weights model "norm" |> List.take 2)
                "the statistics stay"

            for part in [ 2; 3 ] do
                Expect.notEqual (weights all "norm").[part] (weights model "norm").[part] "scale and shift do not"


            let deviation (v: float[]) =
                let m = Array.average v in sqrt (v |> Array.averageBy (fun w -> (w - m) ** 2.))

            let was, is = (weights model "conv").Head, (weights one "conv").Head
            Expect.isTrue (abs (Array.average is - Array.average was) < 0.3) "mean"
            Expect.isTrue (abs (deviation is - deviation was) < 0.2) "deviation"
            let x = gaussian (Random 2) [ 2; 2; 4; 4 ]
            let logits = values (Model.logits model x)
            Model.dispose one
            Model.dispose all
            Expect.equal (values (Model.logits model x)) logits "the model is as it was"
            Expect.equal ([ "conv"; "norm"; "s" ] |> List.map (weights model)) before "and so are its weights")

        example "functions have no weights to randomise, and nothing is left behind" (fun () ->
            let functions = ofFunctions [ "s", (fun x -> (Tensor.sumEach x).unsqueeze 1L) ]

            Expect.throwsT<AttributionException>
                (fun () -> ParameterRandomisation.layers functions |> ignore)
                "no weights"

            let model = network (Random 1)
            let x = gaussian (Random 2) [ 2; 2; 4; 4 ]
            let maps = saliency 1 x model

            let work () =
                for step in ParameterRandomisation.curve Relaxation.Exact (saliency 1 x) false 10 1L maps model do
                    step.Signed.Dispose()
                    step.Magnitudes.Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
