module DeepLiftTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support
open PropagationTests

/// Σ of each instance's attribution, and t(x) - t(b).
let private completeness (target: Target) (baseline: Baseline) (x: Tensor) =
    let attributions = DeepLift.attribute baseline true target (batch x)

    let change = Target.here target (batch x) x - Target.here target (batch x) (baseline.Of(batch x))

    Tensor.sumEach attributions, change

let private pooled (rng: Random) kind =
    let pool =
        Pool {
            Kind = kind
            Kernel = [| 3L; 2L |]
            Stride = [| 1L; 2L |]
            Padding = [| 1L; 1L |]
            Dilation = [| 1L; 1L |]
            CeilMode = true
        }

    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "pool" pool [ "conv" ]
        node "again" (convolution rng 3 2 true) [ "pool" ]
        node "top" (GlobalPool kind) [ "again" ]
        node "s" Flatten [ "top" ]
    ]

let tests =
    testList "DeepLIFT" [
        example "2·ReLU(x1) + 2·ReLU(x2 - 1.5) at (1, 2) from 0: (2, 1)" (fun () ->
            let model =
                graphModel "s" [
                    node "shift" (Constant(tensor [ 1; 2 ] [ 0; 1.5 ])) []
                    node "z" Subtract [ "x"; "shift" ]
                    node "h" (Activation Relu) [ "z" ]
                    node "s" (Linear(tensor [ 1; 2 ] [ 2; 2 ], None)) [ "h" ]
                ]

            same
                (tensor [ 1; 2 ] [ 2; 1 ])
                (DeepLift.attribute
                    Baseline.black
                    true
                    (Target.ofQuantity (Quantity.ofClass 0) model)
                    (batch (tensor [ 1; 2 ] [ 1; 2 ])))
                "attribution")

        example
            "a max pool's rules: both windows to the one maximum, the last of them alone, or the gradient"
            (fun () ->
                let pool =
                    Pool {
                        Kind = MaxPool
                        Kernel = [| 1L; 2L |]
                        Stride = [| 1L; 1L |]
                        Padding = [| 0L; 0L |]
                        Dilation = [| 1L; 1L |]
                        CeilMode = false
                    }

                let model =
                    graphModel "s" [
                        node "pool" pool [ "x" ]
                        node "flat" Flatten [ "pool" ]
                        node "s" (Linear(tensor [ 1; 2 ] [ 1; 1 ], None)) [ "flat" ]
                    ]

                // Both windows of (1, 3, 2) have the maximum 3; both of the baseline (0, 1, 4) end at 1 and 4.
                let x, b = tensor [ 1; 1; 1; 3 ] [ 1; 3; 2 ], tensor [ 1; 1; 1; 3 ] [ 0; 1; 4 ]
                let target = Target.ofQuantity (Quantity.ofClass 0) model

                let found rule =
                    DeepLift.observed rule ignore (Baseline.ofFunction "b" (fun _ -> b)) true target (batch x)

                // The first window grew from 1 to 3, due to the second number; the other fell from 4 to 3, due to the third.
                same (tensor [ 1; 1; 1; 3 ] [ 0; 2; -1 ]) (found MaximumRule.Rescale) "rescale"
                // The second window's maximum is at the second number too, and did not grow: it takes the first's place.
                same (tensor [ 1; 1; 1; 3 ] [ 0; 0; -1 ]) (found MaximumRule.LastWindow) "last window"
                // Twice the difference from the baseline.
                same (tensor [ 1; 1; 1; 3 ] [ 0; 4; 0 ]) (found MaximumRule.Gradient) "gradient")

        law "it is what loops give: each ReLU hands on its slope between the two" (fun rng ->
            let net, model, images, x = case rng 0.
            let k = rng.Next 4
            let start = gaussians rng 24

            let attribution (image: float[]) =
                let slopes =
                    Array.map2
                        (fun z z' -> (max z 0. - max z' 0.) / (z - z'))
                        (Plain.hidden net image)
                        (Plain.hidden net start)

                let through = Array.map2 (*) slopes (Plain.hiddenGradient net (Plain.oneHot net k))

                Array.init 24 (fun i ->
                    (image[i] - start[i]) * Seq.sum (Seq.mapi (fun j w -> w * net.W1[j][i]) through))

            let baseline = Baseline.ofFunction "one" (fun x -> (tensor [ 1; 2; 3; 4 ] start).expand_as x)

            same
                (tensor [ images.Length; 2; 3; 4 ] (Array.collect attribution images))
                (DeepLift.attribute baseline true (Target.ofQuantity (Quantity.ofClass k) model) (batch x))
                "loops")

        law "complete for any network, with products and smooth activations" (fun rng ->
            let model, x = networkCase rng
            let target = Target.ofQuantity (Quantity.margin (rng.Next 40) (rng.Next 40)) model
            let sums, change = completeness target (Baseline.random 1. 3L) x
            close 1e-7 change sums "sums")

        law "complete through maxima and means of overlapping windows" (fun rng ->
            for kind in [ MaxPool; AveragePool true; AveragePool false ] do
                let model = pooled rng kind
                let x = gaussian rng [ 3; 2; 5; 4 ]
                let target = Target.ofQuantity (Quantity.ofClass (rng.Next 2)) model
                let sums, change = completeness target (Baseline.random 1. 3L) x
                close 1e-9 change sums $"{kind}")

        law "ops without a rule of their own are rescaled as integrated gradients of themselves" (fun rng ->
            let norm (inputs: Tensor list) =
                let x = inputs.Head
                x / ((x * x).sum([| 1L |], true) + 1.0.ToScalar()).sqrt()

            let model =
                graphModel "s" [
                    node "flat" Flatten [ "x" ]
                    node "soft" (Softmax 1L) [ "flat" ]
                    node "norm" (Pure("Norm", norm)) [ "flat" ]
                    node "s" Add [ "soft"; "norm" ]
                ]

            let x = gaussian rng [ 2; 1; 2; 2 ]
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 4)) model
            let nodes = Quadrature.nodes GaussLegendre 64

            close
                1e-4
                (IntegratedGradients.attribute nodes Baseline.black true target (batch x))
                (DeepLift.attribute Baseline.black true target (batch x))
                "integrated gradients")

        law "an instance that is its own baseline gets the gradient, and no attribution" (fun rng ->
            let model, x = networkCase rng
            let target = Target.ofQuantity (Quantity.ofClass (rng.Next 40)) model
            let itself = Baseline.ofFunction "itself" id

            close
                1e-9
                (Saliency.attribute false target (batch x))
                (DeepLift.attribute itself false target (batch x))
                "gradient"

            same (torch.zeros_like x) (DeepLift.attribute itself true target (batch x)) "zeros")
    ]
