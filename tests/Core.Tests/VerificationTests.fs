module VerificationTests

open Expecto
open Attribution
open TorchSharp
open Attribution.Core
open Support

/// A convolution of a kind that no probe tries, and after it what a faulty kernel would do in float32, and in float64 not.
let private network (faulty: Tensor -> Tensor) : Graph =
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

    let node name op inputs = { Name = name; Op = op; Inputs = inputs }

    let step (inputs: Tensor list) = if inputs.Head.dtype = torch.float64 then inputs.Head * 1. else faulty inputs.Head

    [
        node "x" Input []
        node "conv" convolution [ "x" ]
        node "relu" (Activation Relu) [ "conv" ]
        node "step" (Pure("Step", step)) [ "relu" ]
        node "mean" (GlobalPool(AveragePool false)) [ "step" ]
        node "logits" Flatten [ "mean" ]
    ]
    |> Graph.create "x" "logits"
    |> Graph.mapOps (Op.mapTensors _.``to``(torch.float32))

let private images = torch.randn ([| 4L; 3L; 9L; 9L |], generator = new torch.Generator(2UL, torch.CPU))

let private check isGradient faulty =
    let plan = network faulty |> Rewrite.forRun [ "x" ] [ "logits" ] |> Graph.plan [ "x" ] [ "logits" ]

    Verification.check torch.float32 isGradient plan [ images ]

let private refused part isGradient faulty =
    try
        check isGradient faulty
        failtest "nothing was noticed"
    with :? AttributionException as e ->
        Expect.stringContains e.Message "Layer 'step' (Step)" "the layer"
        Expect.stringContains e.Message part "what is wrong"
        Expect.stringContains e.Message "--precision float64" "what to do"

let tests =
    testList "Verification" [
        example "a step whose values in float32 are not float64's is refused, by its name" (fun () ->
            for isGradient in [ false; true ] do
                refused "its values" isGradient (fun x -> x * 1.14))

        example "a step whose gradient alone is wrong is refused where gradients are asked for" (fun () ->
            let faulty (x: Tensor) = x * 1.14 - (x * 0.14).detach()
            check false faulty
            refused "the gradient" true faulty)

        example "what rounding explains is not: a difference of two large numbers, kinks and ties" (fun () ->
            // All digits that float32 has go with the large number.
            check true (fun x -> (x + 1e5) - 1e5))
    ]
