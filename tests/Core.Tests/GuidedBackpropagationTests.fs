module GuidedBackpropagationTests

open Expecto
open Attribution.Core
open Support
open PropagationTests

let tests =
    testList "Guided backpropagation" [
        example "its closed form on the network of known values" (fun () ->
            same
                (tensor [ 1; 1; 4; 4 ] [ 0; 1; 1; 1; 1; 3; 3; 2; 1; 3; 3; 2; 1; 2; 2; 1 ])
                (GuidedBackpropagation.attribute false knownTarget (batch knownImage))
                "rows")

        example
            "ReLU6 hands on what is positive where it was between 0 and 6, and deconvolution wherever it was"
            (fun () ->
                for ceiling in [ 6.; 2.5 ] do
                    let model =
                        graphModel "s" [
                            node "clipped" (Activation(ClippedRelu ceiling)) [ "x" ]
                            node "s" (Linear(tensor [ 1; 4 ] [ 1; 2; 3; -4 ], None)) [ "clipped" ]
                        ]

                    let x = tensor [ 2; 4 ] [ -1; 2; 7; 3; 2.4; 6.1; 0; 1 ]
                    let target = Target.ofQuantity (Quantity.ofClass 0) model

                    same
                        (tensor [ 2; 1 ] [ 4. + 3. * ceiling - 4. * min 3. ceiling; 2.4 + 2. * ceiling - 4. ])
                        (Model.logits model x)
                        "min(max(x, 0), ceiling) times the weights"

                    same
                        (tensor [ 2; 4 ] [ 0; 2; 0; 0; 1; 0; 0; 0 ])
                        (GuidedBackpropagation.attribute false target (batch x))
                        "guided"

                    same
                        (tensor [ 2; 4 ] [ 1; 2; 3; 0; 1; 2; 3; 0 ])
                        (Deconvolution.attribute false target (batch x))
                        "deconvolution")

        law "it is what loops give: a ReLU hands on what is positive, where it was" (fun rng ->
            let net, model, images, x = case rng 0.
            let k = rng.Next 4

            let guided (image: float[]) =
                let through =
                    Array.map2
                        (fun w z -> if z > 0. && w > 0. then w else 0.)
                        (Plain.hiddenGradient net (Plain.oneHot net k))
                        (Plain.hidden net image)

                Array.init 24 (fun i -> image[i] * Seq.sum (Seq.mapi (fun j w -> w * net.W1[j][i]) through))

            same
                (tensor [ images.Length; 2; 3; 4 ] (Array.collect guided images))
                (GuidedBackpropagation.attribute true (Target.ofQuantity (Quantity.ofClass k) model) (batch x))
                "loops")
    ]
