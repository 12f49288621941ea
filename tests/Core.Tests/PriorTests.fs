module PriorTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support
open Generators

/// Some maps n×c×h×w, and masks n×h×w.
let private drawn (rng: Random) =
    let shape = [ rng.Next(1, 4); rng.Next(1, 4); rng.Next(2, 5); rng.Next(2, 5) ]
    let masks = (gaussian rng [ shape[0]; shape[2]; shape[3] ]).gt(Number.Of 0.)
    gaussian rng shape, masks

let private slopeAgrees (f: Tensor -> Tensor) (maps: Tensor) message =
    close 1e-6 (centralDifferences f maps) (Diff.grad f maps) message

let tests =
    testList "Prior" [
        example "outside a mask, the squares of a map count; inside, nothing does" (fun () ->
            let map = tensor [ 1; 1; 2; 2 ] [ 1.; -2.; 3.; 4. ]
            let mask = (tensor [ 1; 2; 2 ] [ 1.; 0.; 0.; 1. ]).gt(Number.Of 0.)
            same (vector [ 13. ]) (Prior.outside mask map) "4 + 9"
            same (vector [ 13. ]) (Prior.outside mask (map.squeeze 1L)) "of pixels"
            same (vector [ 26. ]) (Prior.outside mask (map.expand (1L, 2L, 2L, 2L))) "a channel each")

        example "the total variation of a step is its height times its length, and of a constant 0" (fun () ->
            let step = tensor [ 1; 3; 4 ] [ 0.; 0.; 5.; 5.; 0.; 0.; 5.; 5.; 0.; 0.; 5.; 5. ]
            same (vector [ 15. ]) (Prior.totalVariation step) "5 × 3"
            same (vector [ 0. ]) (Prior.totalVariation (torch.ones_like step)) "constant"
            same (vector [ 0. ]) (Prior.totalVariation (tensor [ 1; 1; 1; 1 ] [ 7. ])) "one pixel")

        example "the density is 1 of equal pixels, and 1/d where one of d has all" (fun () ->
            same (vector [ 1.; 0.25 ]) (Prior.density (tensor [ 2; 2; 2 ] [ 2.; 2.; -2.; 2.; 0.; 0.; 9.; 0. ])) "both")

        law "each map has its own loss, and its derivative is that of differences" (fun rng ->
            let maps, masks = drawn rng
            let weights = gaussian rng [ int maps.shape[0] ]

            let losses: (Tensor -> Tensor -> Tensor) list = [
                Prior.outside
                (fun _ -> Prior.totalVariation)
                (fun _ -> Prior.density)
            ]

            for loss in losses do
                let whole = loss masks maps

                for i in 0L .. maps.shape[0] - 1L do
                    same
                        (whole.narrow (0L, i, 1L))
                        (loss (masks.narrow (0L, i, 1L)) (maps.narrow (0L, i, 1L)))
                        $"map {i}"

                slopeAgrees (fun maps -> (loss masks maps * weights).sum()) maps "the derivative")

        law "a network's parameters get the derivative of the loss of its maps" (fun rng ->
            let x, masks = gaussian rng [ 3; 1; 3; 3 ], (gaussian rng [ 3; 3; 3 ]).gt(Number.Of 0.)
            let background = Instances.ofTensor (gaussian rng [ 2; 1; 3; 3 ])

            let loss (weights: Tensor) =
                let network =
                    Network.ofFunctions [ "f", fun x -> (x.flatten 1L).tanh().matmul(weights.reshape (9L, 2L)) ]

                let target = Target.ofQuantity (Quantity.ofClass 1) network
                let maps = ExpectedGradients.attribute 1 background 3L target (Batch.ofTensor x)
                (Prior.outside masks maps).mean()

            let weights = gaussian rng [ 18 ]
            close 1e-6 (centralDifferences loss weights) (Diff.grad loss weights) "weights")
    ]
