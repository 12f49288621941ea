module InputInvarianceTests

open System
open Attribution
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private gradient target batch = Saliency.attribute false target batch
let private product target batch = Saliency.attribute true target batch

let private scores shift explain quantity model (x: Tensor) =
    let target = Target.ofQuantity quantity model
    InputInvariance.scores shift explain target (explain target (batch x)) (batch x)

let tests =
    testList "InputInvariance" [
        law "the shifted model gives for shifted images what the model gives for these" (fun rng ->
            let _, model, _, x = case rng 0.
            let moved = InputInvariance.shifted 3.5 model
            same (Model.logits model x) (Model.logits moved (x + 3.5)) "logits"
            Expect.equal (Model.layers moved |> List.skip 1) (Model.layers model) "layers"
            let value layer model x = Model.value layer model x
            same (value "h" model x) (value "h" moved (x + 3.5)) "of a layer"

            let names model = List.ofSeq (Model.parameters model).Keys
            Expect.equal (names moved) (names model) "the shift is no parameter")

        law "is 0 of the gradient; of the gradient times the image, what the shift times the gradient adds" (fun rng ->
            let net, model, images, x = case rng 0.

            let slopes =
                images |> Array.map (fun x -> Plain.gradient net (Plain.oneHot net (Plain.predicted net x)) x)

            // Where every ReLU is closed there is no map.
            let isMap g = Plain.dot g g > 0.
            let zeros = slopes |> Array.map (fun g -> if isMap g then 0. else nan)
            same (vector zeros) (scores -2. gradient Quantity.predicted model x) "gradient"

            let added image g =
                let map = Array.map2 (*) g image
                if isMap g then 2. * sqrt (Plain.dot g g) / sqrt (Plain.dot map map) else nan

            let expected = Array.map2 added images slopes
            close 1e-8 (vector expected) (scores -2. product Quantity.predicted model x) "times the image")

        law "rules go back through the shift too" (fun rng ->
            let _, model, _, x = case rng 0.
            let epsilon = Epsilon 1e-6
            let relevance target batch = Lrp.attribute (Lrp.composite epsilon epsilon epsilon) target batch
            let target model = Target.ofQuantity (Quantity.ofClass 0) model
            let moved = InputInvariance.shifted -2. model
            let whole = (relevance (target moved) (batch (x - 2.))).sum [| 1L; 2L; 3L |]
            Expect.isTrue (whole.isfinite().all().item<bool>()) "finite")

        example "is NaN of a map of zeros, and leaves nothing behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted model
            let images = batch x
            let of' maps = InputInvariance.scores 1. gradient target maps images
            let before = Model.logits model x
            Expect.isTrue (Array.forall Double.IsNaN (values (of' (torch.zeros_like x)))) "zeros"
            Expect.equal (liveAfter (fun () -> (of' x).Dispose())) 0L "live tensors"
            same before (Model.logits model x) "the model is what it was")
    ]
