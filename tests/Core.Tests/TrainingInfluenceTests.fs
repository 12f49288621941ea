module TrainingInfluenceTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private model (rng: Random) =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "flat" Flatten [ "relu" ]
        node "d" (Linear(gaussian rng [ 6; 60 ] * 0.2, Some(gaussian rng [ 6 ]))) [ "flat" ]
        node "t" (Activation Tanh) [ "d" ]
        node "s" (Linear(gaussian rng [ 3; 6 ], None)) [ "t" ]
    ]

let private loss model (label: int64) (x: Tensor) = -(Model.logits model x).log_softmax(1L).select(1L, label).sum()

/// The gradient of an image's loss in some parameters, all of them in one vector.
let private gradient model names label (x: Tensor) =
    let parameters = Model.parameters model

    torch.cat [|
        for name in names ->
            (Diff.grad (fun w -> loss (Model.withParameters (Map [ name, w ]) model) label x) parameters[name])
                .flatten()
    |]

let private labelsOf (rng: Random) count = Array.init count (fun _ -> int64 (rng.Next 3))

let tests =
    testList "TrainingInfluence" [
        law "is the product of the gradients in the weights of the layers, by autograd" (fun rng ->
            let model = model rng
            let x, others = gaussian rng [ 3; 2; 5; 4 ], gaussian rng [ 4; 2; 5; 4 ]
            let labels, otherLabels = labelsOf rng 3, labelsOf rng 4

            for layers, names in [ [ "s" ], [ "s.weight" ]; [ "s"; "d" ], [ "s.weight"; "d.weight"; "d.bias" ] ] do
                let found =
                    TrainingInfluence.products
                        (TrainingInfluence.gradients layers (torch.tensor labels) model x)
                        (TrainingInfluence.gradients layers (torch.tensor otherLabels) model others)

                let of' (labels: int64[]) (x: Tensor) =
                    torch.stack [|
                        for i in 0 .. labels.Length - 1 -> gradient model names labels[i] (x.narrow (0L, int64 i, 1L))
                    |]

                close 1e-9 ((of' labels x).matmul((of' otherLabels others).t())) found (String.Join(" ", layers)))

        law "an image's influence on itself is not negative, and two images' on each other is the same" (fun rng ->
            let x, labels = gaussian rng [ 4; 2; 5; 4 ], torch.tensor (labelsOf rng 4)
            let gradients = TrainingInfluence.gradients [ "s"; "d" ] labels (model rng) x
            let found = TrainingInfluence.products gradients gradients
            same (found.t ()) found "symmetric"
            Expect.isTrue (values (found.diag ()) |> Array.forall (fun v -> v >= 0.)) "itself")

        law "a step on an image lowers another's loss as it says" (fun rng ->
            let model = model rng
            let x, labels = gaussian rng [ 2; 2; 5; 4 ], labelsOf rng 2
            let gradients = TrainingInfluence.gradients [ "s" ] (torch.tensor labels) model x
            let all = TrainingInfluence.products gradients gradients
            let influence = all[0L, 1L].item<float>()
            let weight = (Model.parameters model)["s.weight"]
            let step = (gradient model [ "s.weight" ] labels[1] (x.narrow (0L, 1L, 1L))).reshape weight.shape

            let after (rate: float) =
                let moved = Model.withParameters (Map [ "s.weight", weight - step * Number.Of rate ]) model
                (loss moved labels[0] (x.narrow (0L, 0L, 1L))).item<float>()

            let slope = (after -1e-6 - after 1e-6) / 2e-6
            Expect.isTrue (abs (slope - influence) <= 1e-5 * (1e-2 + abs influence)) $"{slope}, {influence}")

        example
            "knows the dense layers that lead to the logits, the last one first, and refuses a class that is not there"
            (fun () ->
                let rng = Random 1
                let model = model rng
                Expect.equal (TrainingInfluence.layers model) [ "s"; "d" ] "layers"

                Expect.throwsT<AttributionException>
                    (fun () ->
                        TrainingInfluence.gradients
                            [ "s" ]
                            (torch.tensor [| 3L |])
                            model
                            (gaussian rng [ 1; 2; 5; 4 ])
                        |> ignore)
                    "class 3")
    ]
