module SecondOrderTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private cubes =
    ofFunctions [ "cubes", (fun x -> (Tensor.sumEach (x * x * x)).unsqueeze 1L) ]
    |> Target.ofQuantity (Quantity.ofClass 0)

let private sum (map: Tensor -> Tensor) (x: Tensor) = (map x).sum()

let tests =
    testList "derivatives of maps and scores" [
        law "the saliency of Σx³ is 3x², and its sum has the derivative 6x" (fun rng ->
            let x = gaussian rng [ 2; 2; 3; 4 ]

            let saliency x = Saliency.attribute false cubes (Batch.ofTensor x)

            same (3. * x * x) (saliency x) "the map"
            same (6. * x) (Diff.grad (sum saliency) x) "its derivative"
            // The third derivative of x³ is 6.
            let twice = Diff.grad (sum saliency) >> _.sum()
            same (torch.full_like (x, 6.)) (Diff.grad twice x) "the derivative of that"

            let timesX x = Saliency.attribute true cubes (Batch.ofTensor x)

            same (9. * x * x) (Diff.grad (sum timesX) x) "times x")

        law "the integrated gradients of Σx³ from 0 are x³, and their sum has the derivative 3x²" (fun rng ->
            let x = gaussian rng [ 2; 2; 3; 4 ]
            // Exact for the gradient's square of α.
            let nodes = Quadrature.nodes GaussLegendre 2

            for pass in [ Fixed 1; Fixed 3; Memory(1L <<< 30) ] do
                let target = { cubes with Model = batching pass cubes.Model }

                let map x = IntegratedGradients.attribute nodes Baseline.black true target (Batch.ofTensor x)

                same (x * x * x) (map x) $"the map, {pass}"
                same (3. * x * x) (Diff.grad (sum map) x) $"its derivative, {pass}")

        law "the entropy of a map has the derivative -(ln P_p + H)/ΣA" (fun rng ->
            let map = (gaussian rng [ 2; 3; 4 ]).exp()
            let total = map.sum ([| 1L; 2L |], true)
            let shares = map / total
            let entropy = -(shares * shares.log ()).sum([| 1L; 2L |], true)
            same (entropy.flatten ()) (Complexity.scores map) "the score"
            same (-(shares.log () + entropy) / total) (Diff.grad (sum Complexity.scores) map) "its derivative")

        law "a score of a map has a derivative in x, through both" (fun rng ->
            // P_p = x² / Σx² for the saliency 3x² of one channel, so that the score is one of x alone.
            let x = (gaussian rng [ 1; 1; 2; 3 ]).exp()

            let score x = (Complexity.scores (Saliency.attribute false cubes (Batch.ofTensor x))).sum()

            let shares = x * x / (x * x).sum()
            let entropy = -(shares * shares.log ()).sum()
            let expected = -2. * x * (shares.log () + entropy) / (x * x).sum()
            same expected (Diff.grad score x) "derivative"
            close 1e-7 (Diff.numgrad 1e-6 score x) (Diff.grad score x) "by differences"
            let v = gaussian rng [ 1; 1; 2; 3 ]
            close 1e-5 (Diff.numhessianv 1e-4 score x v) (Diff.hessianv score x v) "of second order")
    ]
