module SaliencyTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support
open Generators

/// The dense twin of a case, the same as a model, and its images.
let private twins (case: Case) =
    let net, x = case.Plain, case.Images.Tensor
    net, Plain.model net, Array.chunkBySize net.W1[0].Length case.Images.Values, x

let tests =
    testList "Saliency" [
        property "equals the plain twin, with and without the input, whatever the batch" (fun case ->
            let net, model, images, x = twins case
            let target = Target.ofQuantity Quantity.predicted model

            let expected multiply =
                images
                |> Array.collect (fun image ->
                    let gradient = Plain.gradient net (Plain.oneHot net (Plain.predicted net image)) image

                    if multiply then Array.map2 (*) image gradient else gradient)
                |> tensor case.Images.Shape

            for multiply in [ true; false ] do
                for size in [ 1; 2; 3; 7 ] do
                    same
                        (expected multiply)
                        (inBatches size (Saliency.attribute multiply target) x)
                        $"{size} at a time")

        property "equals central differences, whatever the network and the quantity" (fun case ->
            if case.AwayFromKinks then
                let target, x = case.Target, case.Images.Tensor
                let expected = case.CentralDifferences
                close 1e-7 expected (Saliency.attribute false target (batch x)) "differences"
                close 1e-7 (x * expected) (Saliency.attribute true target (batch x)) "times the input")

        property "on a linear model it is x ⊙ W_c" (fun case ->
            let x, classes = case.Images.Tensor, case.Network.Classes
            let shape = classes :: case.Images.Shape.Tail
            let w = tensor shape (Network.weights case.Network "W" shape)
            let b = vector (Network.biases case.Network "b" classes)

            let model = ofFunctions [ "linear", (fun x -> (x.flatten 1L).matmul((w.flatten 1L).t()) + b) ]

            for c in 0 .. classes - 1 do
                let target = Target.ofQuantity (Quantity.ofClass c) model
                same (x * w[int64 c]) (Saliency.attribute true target (batch x)) "x ⊙ W_c"
                same (w[int64 c].expand_as x) (Saliency.attribute false target (batch x)) "W_c")

        property "of a unit is the gradient of its value, and zero where its ReLU holds it at 0" (fun case ->
            let net, model, images, x = twins case

            for unit in 0 .. case.Network.Hidden - 1 do
                let rows layer =
                    Saliency.attribute false (Target.ofUnit Units.Auto layer unit model) (batch x)
                    |> values
                    |> Array.chunkBySize images[0].Length

                Array.iteri2
                    (fun i before after ->
                        let gradient = net.W1[unit]
                        let active = (Plain.hidden net images[i])[unit] > 0.
                        same (vector gradient) (vector before) "before the ReLU"

                        same
                            (vector (if active then gradient else Array.map (fun _ -> 0.) gradient))
                            (vector after)
                            "after it")
                    (rows "z")
                    (rows "h"))

        property "of a margin is the difference of the classes' maps" (fun case ->
            let model, x = case.Model, case.Images.Tensor

            let map quantity = Saliency.attribute true (Target.ofQuantity quantity model) (batch x)

            let classes = [ 0 .. case.Network.Classes - 1 ]

            for a, b in List.allPairs classes classes do
                if a <> b then
                    same
                        (map (Quantity.ofClass a) - map (Quantity.ofClass b))
                        (map (Quantity.margin a b))
                        $"margin {a} {b}")

        example "changes neither the instances nor their number of live tensors" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let before = values x
            let target = Target.ofQuantity Quantity.predicted model

            let work () = (inBatches 2 (Saliency.attribute true target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors"
            Expect.equal (values x) before "instances"
            Expect.isFalse x.requires_grad "no variable")
    ]
