module PropagationTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The small convolutional network of known values: a convolution of ones, 1→2, with biases -50 and -75; ReLU; four dense
/// rows of five +1 and three -1; ReLU. Its image holds 0…15.
let known =
    let row = [ 1.; 1.; 1.; 1.; 1.; -1.; -1.; -1. ]

    graphModel "s" [
        node
            "conv"
            (Convolution {
                Weight = torch.ones (2L, 1L, 3L, 3L, dtype = torch.float64)
                Bias = Some(vector [ -50; -75 ])
                Stride = [| 1L; 1L |]
                Padding = [| 0L; 0L |]
                Dilation = [| 1L; 1L |]
                Groups = 1L
            })
            [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "flat" Flatten [ "relu" ]
        node "dense" (Linear(tensor [ 4; 8 ] (List.replicate 4 row |> List.concat), None)) [ "flat" ]
        node "s" (Activation Relu) [ "dense" ]
    ]

let knownImage = tensor [ 1; 1; 4; 4 ] [ 0..15 ]
let knownTarget = Target.ofQuantity (Quantity.ofClass 0) known

/// A random network whose outputs are the logits, and some of its images: 2×5×4.
let networkCase (rng: Random) =
    let graph = network rng
    let model = Model.ofGraph None graph |> inDouble
    model, gaussian rng [ rng.Next(1, 5); 2; 5; 4 ]

let private backpropagation: Rule = fun evaluated w -> evaluated.Pull w

let tests =
    testList "Propagation" [
        law "with each op's own derivative it is backpropagation, for any network and quantity" (fun rng ->
            let model, x = networkCase rng
            let quantity = Quantity.margin (rng.Next 40) (rng.Next 40)
            let target = Target.ofQuantity quantity model

            same
                (Saliency.attribute false target (batch x))
                (Target.propagate backpropagation (fun _ gradient -> gradient) target (batch x))
                "gradient")

        law
            "from a unit of a layer, and for any rule, an instance's result does not depend on its neighbours"
            (fun rng ->
                let model, x = networkCase rng
                let layers = Model.layers model |> List.filter ((<>) "x")
                let layer = layers[rng.Next layers.Length]
                let target = Target.ofUnit Units.Auto layer (rng.Next 2) model

                let methods: (Batch -> Tensor) list = [
                    Target.propagate backpropagation (fun _ gradient -> gradient) target
                    GuidedBackpropagation.attribute true target
                    Deconvolution.attribute false target
                    DeepLift.attribute Baseline.black true target
                    Lrp.attribute (Lrp.composite (ZBox(-3., 3.)) (AlphaBeta(2., 1.)) (Epsilon 0.01)) target
                ]

                for attribute in methods do
                    close 1e-7 (attribute (batch x)) (inBatches 1 attribute x) layer)

        example "it leaves no tensor behind but its result" (fun () ->
            let work () =
                use _ = torch.NewDisposeScope()

                for i in 1..3 do
                    Lrp.attribute
                        (Lrp.composite (ZBox(0., 15.)) (Gamma 0.25) (Epsilon 0.))
                        knownTarget
                        (batch knownImage)
                    |> ignore

                    DeepLift.attribute Baseline.black true knownTarget (batch knownImage) |> ignore

            work ()
            Expect.equal (liveAfter work) 0L "tensors")

        example "an instance that the target does not depend on gets zeros" (fun () ->
            let constant =
                graphModel "s" [
                    node "c" (Constant(tensor [ 1; 2 ] [ 1; 2 ])) []
                    node "flat" Flatten [ "x" ]
                    node "none" (Linear(torch.zeros (2L, 4L, dtype = torch.float64), None)) [ "flat" ]
                    node "s" Add [ "none"; "c" ]
                ]

            let x = tensor [ 1; 1; 2; 2 ] [ 1; 2; 3; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 1) constant
            let lrp = Lrp.composite (Epsilon 0.01) (Epsilon 0.01) (Epsilon 0.01)

            for attribute in
                [ GuidedBackpropagation.attribute true; DeepLift.attribute Baseline.black true; Lrp.attribute lrp ] do
                same (torch.zeros_like x) (attribute target (batch x)) "zeros")
    ]
