module LrpTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support
open PropagationTests

let private all rule = Lrp.composite rule rule rule

/// Σ_j x_i w_ji / Σ_i' … of a dense layer, by loops: what R_j hand to each input, in the parts that `part` says.
let private shared (part: float -> float -> float) (w: float[][]) (bias: float[]) (x: float[]) (relevance: float[]) =
    Array.init x.Length (fun i ->
        Seq.sum (
            seq {
                for j in 0 .. w.Length - 1 do
                    let z = Seq.sum (Seq.init x.Length (fun i -> part (x[i]) (w[j][i]))) + bias[j]

                    if z <> 0. then
                        part (x[i]) (w[j][i]) / z * relevance[j]
            }
        ))

let private looped rule (net: Plain) k (image: float[]) =
    let hidden = Plain.hidden net image
    let logits = Plain.logits net image
    let top = Array.mapi (fun j s -> if j = k then s else 0.) logits
    let noBias (b: float[]) = Array.zeroCreate<float> b.Length

    let back rule w bias x relevance =
        match rule with
        | Epsilon _ -> shared (*) w bias x relevance
        | Gamma gamma ->
            let stronger v = v + gamma * max v 0.
            shared (fun x w -> x * stronger w) w (Array.map stronger bias) x relevance
        | AlphaBeta(alpha, beta) ->
            let up = shared (fun x w -> max (x * w) 0.) w (noBias bias) x relevance
            let down = shared (fun x w -> min (x * w) 0.) w (noBias bias) x relevance
            Array.map2 (fun u d -> alpha * u - beta * d) up down
        | Flat -> shared (fun _ _ -> 1.) w (noBias bias) x relevance
        | Square -> shared (fun _ w -> w * w) w (noBias bias) x relevance
        | ZBox(low, high) -> shared (fun x w -> x * w - low * max w 0. - high * min w 0.) w (noBias bias) x relevance

    top
    |> back
        (match rule with
         | ZBox _ -> Flat
         | rule -> rule)
        net.W2
        net.B2
        (Array.map (max 0.) hidden)
    |> back rule net.W1 net.B1 image

/// The relevances by a composite, and the target's values.
let private conservation composite quantity model x =
    let target = Target.ofQuantity quantity model
    Tensor.sumEach (Lrp.attribute composite target (batch x)), Target.here target (batch x) x

let tests =
    testList "LRP" [
        example "its closed form on the network of known values" (fun () ->
            same
                (tensor [ 1; 1; 4; 4 ] [ 0; 1; 2; 3; 0; 5; 6; 7; 0; 9; 10; 11; 0; 0; 0; 0 ])
                (Lrp.attribute (all (Epsilon 1e-12)) knownTarget (batch knownImage))
                "rows")

        law "every rule is what loops give" (fun rng ->
            let net, model, images, x = case rng 0.
            let k = rng.Next 4

            for rule in [ Epsilon 1e-12; Gamma 0.25; AlphaBeta(1., 0.); AlphaBeta(2., 1.); Flat; ZBox(-5., 5.) ] do
                let target = Target.ofQuantity (Quantity.ofClass k) model
                let expected = images |> Array.collect (looped rule net k)

                close
                    1e-5
                    (tensor [ images.Length; 2; 3; 4 ] expected)
                    (Lrp.attribute
                        (Lrp.composite
                            rule
                            rule
                            (match rule with
                             | ZBox _ -> Flat
                             | rule -> rule))
                        target
                        (batch x))
                    $"{rule}")

        law "with ε → 0 it is gradient × input, where ReLUs are the only activations" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 4)) model

            close
                1e-6
                (Saliency.attribute true target (batch x))
                (Lrp.attribute (all (Epsilon 1e-12)) target (batch x))
                "gradient × input")

        law "what a layer is given it hands on: relevance is conserved by the rules that leave biases out" (fun rng ->
            let pool =
                Pool {
                    Kind = MaxPool
                    Kernel = [| 2L; 2L |]
                    Stride = [| 2L; 2L |]
                    Padding = [| 0L; 0L |]
                    Dilation = [| 1L; 1L |]
                    CeilMode = true
                }

            let stack =
                graphModel "s" [
                    node "a" (convolution rng 2 3 true) [ "x" ]
                    node "b" (normalisation rng 3) [ "a" ]
                    node "c" (Activation Relu) [ "b" ]
                    node "d" pool [ "c" ]
                    node "e" (convolution rng 3 2 true) [ "d" ]
                    node "s" Flatten [ "e" ]
                ]

            let sums, values =
                conservation
                    (Lrp.composite (ZBox(-4., 4.)) Flat Flat)
                    (Quantity.ofClass (rng.Next 12))
                    stack
                    (gaussian rng [ 3; 2; 5; 4 ])

            close 1e-5 values sums "flat"

            let net, model, images, x = case rng 0.
            let k = rng.Next 4

            // A score that only one sign of parts makes up has nothing to share by the other.
            let isMixed image =
                let parts = Plain.hidden net image |> Array.map (max 0.) |> Array.map2 (*) net.W2[k]

                Array.exists (fun p -> p > 0.01) parts && Array.exists (fun p -> p < -0.01) parts

            if Array.forall isMixed images then
                for rule in [ AlphaBeta(1., 0.); AlphaBeta(2., 1.) ] do
                    let sums, values = conservation (all rule) (Quantity.ofClass k) model x
                    close 1e-5 values sums $"{rule}")

        law "a layer's own rule goes before its kind's" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 4)) model

            let named = {
                all Flat with
                    Layers =
                        dict [ "z", Gamma 0.5; "s", AlphaBeta(1., 0.) ] |> Collections.ObjectModel.ReadOnlyDictionary
            }

            same
                (Lrp.attribute (Lrp.composite (Gamma 0.5) Flat (AlphaBeta(1., 0.))) target (batch x))
                (Lrp.attribute named target (batch x))
                "by name")

        example "a rule that makes no number names the method and the node" (fun () ->
            // The derivative of √ at 0 is infinite, of which 0 parts are no number.
            let root (inputs: Tensor list) = (inputs.Head - inputs.Head).sqrt() * inputs.Head

            let model =
                graphModel "s" [
                    node "bad root" (Pure("Root", root)) [ "x" ]
                    node "s" (Linear(tensor [ 1; 2 ] [ 1; -1 ], Some(vector [ 1. ]))) [ "bad root" ]
                ]

            let target = Target.ofQuantity (Quantity.ofClass 0) model
            let x = tensor [ 1; 2 ] [ 1; 2 ]

            let says method (work: unit -> Tensor) =
                try
                    work () |> ignore
                    failtest $"{method} gave a map."
                with :? Attribution.AttributionException as e ->
                    Expect.stringContains e.Message method "the method"
                    Expect.stringContains e.Message "'bad root' (Root)" "the node"

            says "LRP" (fun () -> Lrp.attribute (all (Epsilon 1e-6)) target (batch x))
            says "DeepLIFT" (fun () -> DeepLift.attribute Baseline.black true target (batch x)))

        example "the box of pixels is looked at through the preprocessing" (fun () ->
            // x' = (x - 100) / 50: black is -2 and white is 3.1.
            let weights = tensor [ 1; 2 ] [ 1; -1 ]

            let prepared =
                graphModel "s" [
                    node "mean" (Constant(number 100.)) []
                    node "std" (Constant(number 50.)) []
                    node "centred" Subtract [ "x"; "mean" ]
                    node "scaled" Divide [ "centred"; "std" ]
                    node "s" (Linear(weights, None)) [ "scaled" ]
                ]

            let x' = [ 1.; 0.5 ]
            let parts = [ x'[0] + 2.; -x'[1] + 3.1 ]
            let relevance = x'[0] - x'[1]

            close
                1e-6
                (tensor [ 1; 2 ] (parts |> List.map (fun part -> part / List.sum parts * relevance)))
                (Lrp.attribute
                    (all (ZBox(0., 255.)))
                    (Target.ofQuantity (Quantity.ofClass 0) prepared)
                    (batch (tensor [ 1; 2 ] (x' |> List.map (fun v -> 100. + 50. * v)))))
                "relevance")
    ]
