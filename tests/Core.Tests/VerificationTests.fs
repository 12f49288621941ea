module VerificationTests

open Expecto
open Attribution
open TorchSharp
open Attribution.Core
open Support

/// A convolution of a kind that no probe tries, and after it what a faulty kernel would do in float32, and in float64 not.
let private network (faulty: Tensor -> Tensor) =
    let weight =
        torch.randn ([| 5L; 3L; 2L; 4L |], torch.float64, generator = new torch.Generator(1UL, torch.CPU))

    let convolution =
        Convolution {
            Weight = weight
            Bias = None
            Stride = [| 1L; 1L |]
            Padding = [| 1L; 0L |]
            Dilation = [| 1L; 2L |]
            Groups = 1L
        }

    let node name op inputs = {
        Name = name
        Op = op
        Inputs = inputs
    }

    let step (inputs: Tensor list) =
        if inputs.Head.dtype = torch.float64 then
            inputs.Head * 1.
        else
            faulty inputs.Head

    [
        node "x" Input []
        node "conv" convolution [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "step" (Pure("Step", step)) [ "relu" ]
        node "mean" (GlobalPool(AveragePool false)) [ "step" ]
        node "logits" Flatten [ "mean" ]
    ]
    |> Graph.create "x" "logits"
    |> Model.ofGraph (Some [| 3L; 9L; 9L |])
    |> Model.toDevice torch.CPU torch.float32

let private images =
    torch.randn ([| 4L; 3L; 9L; 9L |], generator = new torch.Generator(2UL, torch.CPU))

let private gradient model =
    let target = Target.ofQuantity (Quantity.ofClass 0) model
    Saliency.attribute false target (Instances.read (Instances.ofTensor images) 0 4)

/// Not where the machine is unsound: there each convolution has been tried by itself.
let private isChecked (model: Model) =
    model.Graph.Nodes
    |> Array.exists (fun node ->
        match node.Op with
        | Convolution c -> not (Kernels.covers torch.float32 c)
        | _ -> false)

let private refused part (work: unit -> Tensor) =
    try
        work () |> ignore
        failtest "nothing was noticed"
    with :? AttributionException as e ->
        Expect.stringContains e.Message "Layer 'step' (Step)" "the layer"
        Expect.stringContains e.Message part "what is wrong"
        Expect.stringContains e.Message "--precision float64" "what to do"

let tests =
    testList "Verification" [
        example "a step whose values in float32 are not float64's stops the run, by its name" (fun () ->
            let model = network (fun x -> x * 1.14)

            if isChecked model then
                refused "its values" (fun () -> Model.logits model images))

        example "a step whose gradient alone is wrong stops the run that asks for gradients, and no other" (fun () ->
            let model = network (fun x -> x * 1.14 - (x * 0.14).detach())

            if isChecked model then
                Model.logits model images |> ignore
                refused "the gradient" (fun () -> gradient model))

        example
            "what rounding explains stops nothing: a difference of two large numbers, a step's kinks and ties"
            (fun () ->
                // All digits that float32 has go with the large number.
                let model = network (fun x -> (x + 1e5) - 1e5)
                Expect.equal (Model.logits model images).shape [| 4L; 5L |] "it runs"
                gradient model |> ignore)

        example "is done once for each kind of pass" (fun () ->
            let mutable calls = 0

            let model =
                network (fun x ->
                    calls <- calls + 1
                    x * 1.)

            Model.logits model images |> ignore
            let first = calls
            Model.logits model images |> ignore
            Expect.equal (calls - first) 1 "the second pass is the pass alone")
    ]
