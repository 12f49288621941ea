module SaliencyTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let tests =
    testList "Saliency" [
        law "equals the plain twin, with and without the input, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model

            let expected multiply =
                images
                |> Array.collect (fun image ->
                    let gradient =
                        Plain.gradient net (Plain.oneHot net (Plain.predicted net image)) image

                    if multiply then Array.map2 (*) image gradient else gradient)
                |> tensor [ images.Length; 2; 3; 4 ]

            for multiply in [ true; false ] do
                for size in [ 1; 2; 3; 7 ] do
                    same
                        (expected multiply)
                        (inBatches size (Saliency.attribute multiply target) x)
                        $"{size} at a time")

        law "on a linear model it is x ⊙ W_c" (fun rng ->
            let w, b = gaussian rng [ 3; 4 ], gaussian rng [ 3 ]
            let model = ofFunctions [ "linear", (fun x -> x.matmul (w.t ()) + b) ]
            let x, c = gaussian rng [ 5; 4 ], rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass c) model
            same (x * w[int64 c]) (Saliency.attribute true target (batch x)) "x ⊙ W_c"
            same (w[int64 c].expand_as x) (Saliency.attribute false target (batch x)) "W_c")

        law "of a unit is the gradient of its value, and zero where its ReLU holds it at 0" (fun rng ->
            let net, model, images, x = case rng 0.
            let unit = rng.Next 6

            let rows layer =
                Saliency.attribute false (Target.ofUnit Units.Auto layer unit model) (batch x)
                |> values
                |> Array.chunkBySize 24

            Array.iteri2
                (fun i before after ->
                    let active = (Plain.hidden net images[i])[unit] > 0.
                    same (vector net.W1[unit]) (vector before) "before the ReLU"
                    same (vector (if active then net.W1[unit] else Array.zeroCreate 24)) (vector after) "after it")
                (rows "z")
                (rows "h"))

        law "of a margin is the difference of the classes' maps" (fun rng ->
            let _, model, _, x = case rng 0.

            let map quantity =
                Saliency.attribute true (Target.ofQuantity quantity model) (batch x)

            same (map (Quantity.ofClass 2) - map (Quantity.ofClass 0)) (map (Quantity.margin 2 0)) "margin")

        example "changes neither the instances nor their number of live tensors" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let before = values x
            let target = Target.ofQuantity Quantity.predicted model

            let work () =
                (inBatches 2 (Saliency.attribute true target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors"
            Expect.equal (values x) before "instances"
            Expect.isFalse x.requires_grad "no variable")
    ]
