module DeconvolutionTests

open Expecto
open Attribution.Core
open Support
open PropagationTests

let tests =
    testList "Deconvolution" [
        example "its closed form on the network of known values" (fun () ->
            // The ReLU hands on the five +1, whatever it held: every window once, and the first once more.
            same
                (tensor [ 1; 1; 4; 4 ] [ 2; 3; 3; 1; 3; 5; 5; 2; 3; 5; 5; 2; 1; 2; 2; 1 ])
                (Deconvolution.attribute false knownTarget (batch knownImage))
                "rows")

        law "it is what loops give: a ReLU hands on what is positive, wherever it was" (fun rng ->
            let net, model, images, x = case rng 0.
            let k = rng.Next 4

            let back (image: float[]) =
                let through = Plain.hiddenGradient net (Plain.oneHot net k) |> Array.map (max 0.)

                Array.init 24 (fun i -> image[i] * Seq.sum (Seq.mapi (fun j w -> w * net.W1[j][i]) through))

            same
                (tensor [ images.Length; 2; 3; 4 ] (Array.collect back images))
                (Deconvolution.attribute true (Target.ofQuantity (Quantity.ofClass k) model) (batch x))
                "loops")
    ]
