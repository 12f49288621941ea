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
            let zero = torch.zeros (x.shape[0], torch.float64)
            same zero (scores -2. gradient Quantity.predicted model x) "gradient"

            let expected = [
                for image in images do
                    let g = Plain.gradient net (Plain.oneHot net (Plain.predicted net image)) image
                    let map = Array.map2 (*) g image
                    2. * sqrt (Plain.dot g g) / sqrt (Plain.dot map map)
            ]

            close 1e-8 (vector expected) (scores -2. product Quantity.predicted model x) "times the image")

        law "rules go back through the shift too" (fun rng ->
            let _, model, _, x = case rng 0.
            let epsilon = Epsilon 1e-6
            let relevance target batch = Lrp.attribute (Lrp.composite epsilon epsilon epsilon) target batch
            let found = values (scores -2. relevance (Quantity.ofClass 0) model x)
            Expect.isTrue (Array.forall Double.IsFinite found) "finite")

        example "is NaN of a map of zeros, and leaves nothing behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted model
            let of' maps = InputInvariance.scores 1. gradient target maps (batch x)
            Expect.isTrue (Array.forall Double.IsNaN (values (of' (torch.zeros_like x)))) "zeros"
            Expect.equal (liveAfter (fun () -> (of' x).Dispose())) 0L "live tensors"
            same (Model.logits model x) (Model.logits model x) "the model's weights are still there")
    ]
