module AverageGainTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private probability k (logits: float[]) = exp logits[k] / Array.sumBy exp logits

let private target model = Target.ofQuantity (Quantity.ofProbabilities Quantity.predicted) model

let tests =
    testList "AverageGain" [
        law "equals the plain twin, whatever the batch, and lies in [0, 100]" (fun rng ->
            let net, _, images, x = case rng 0.
            // Scores near to each other: no probability is so near to 1 that rounding decides what is left.
            let net = { net with W2 = net.W2 |> Array.map (Array.map (fun w -> w / 20.)) }

            let model = Plain.model net
            let maps = gaussian rng [ images.Length; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 12

            let expected =
                Array.map2
                    (fun image (map: float[]) ->
                        let p x = probability (Plain.predicted net image) (Plain.logits net x)

                        let kept = image |> Array.mapi (fun i v -> v * max map[i % 12] 0. / max (Array.max map) 1e-99)

                        100. * max (p kept - p image) 0. / (1. - p image))
                    images
                    rows

            for size in [ 1; 3; 7 ] do
                let actual =
                    x
                    |> inBatches size (fun b ->
                        AverageGain.scores
                            Relaxation.Exact
                            Mask.Soft
                            (target model)
                            (maps.index_select (0L, b.Rows))
                            b)

                close 1e-8 (vector expected) actual $"{size} at a time"
                Expect.all (values actual) (fun gain -> gain >= 0. && gain <= 100.) "range")

        example "the share of what is missing to 1" (fun () ->
            // p = 1/2 becomes 3/4; p = 3/4 becomes 1/2.
            let log3 = log 3.

            let model = ofFunctions [ "two", (fun x -> x.flatten(1L).matmul(tensor [ 2; 2 ] [ log3; 0; 0; log3 ])) ]

            let x = tensor [ 2; 1; 1; 2 ] [ 1; 1; 1; 0 ]
            let maps = tensor [ 2; 1; 2 ] [ 1; 0; 0; 1 ]

            same
                (vector [ 50.; 0. ])
                (AverageGain.scores Relaxation.Exact Mask.Hard (target model) maps (batch x))
                "gains")

        example "where the probability is 1, nothing is left to gain" (fun () ->
            let model = ofFunctions [ "sure", (fun x -> x.flatten(1L).matmul(tensor [ 2; 2 ] [ 900; 0; 0; 900 ])) ]

            let gains =
                AverageGain.scores
                    Relaxation.Exact
                    Mask.Hard
                    (target model)
                    (tensor [ 1; 1; 2 ] [ 0; 1 ])
                    (batch (tensor [ 1; 1; 1; 2 ] [ 1; 0 ]))

            same (vector [ 0. ]) gains "gain")
    ]
