module SecondOrderMapsTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private target f = Target.ofQuantity (Quantity.ofClass 0) (Network.ofFunctions [ ("f", f) ])

/// ½ xᵀQx + w·x of the numbers of each image.
let private quadratic (q: Tensor) (w: Tensor) =
    target (fun x ->
        let flat = x.flatten 1L
        (Tensor.add ((flat.matmul q * flat).sum 1L / Number.Of 2.) (flat.matmul w)).unsqueeze 1L)

let private symmetric rng size =
    let q = gaussian rng [ size; size ]
    Tensor.add q (q.t ())

let private tanh (rng: Random) =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "tanh" (Activation Tanh) [ "conv" ]
        node "flat" Flatten [ "tanh" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * 0.3, Some(gaussian rng [ 3 ]))) [ "flat" ]
    ]

let private smoothed (rng: Random) =
    Model.smooth
        2.
        (graphModel "s" [
            node "conv" (convolution rng 2 3 true) [ "x" ]
            node "relu" (Activation Relu) [ "conv" ]
            node "flat" Flatten [ "relu" ]
            node "s" (Linear(gaussian rng [ 3; 60 ] * 0.3, Some(gaussian rng [ 3 ]))) [ "flat" ]
        ])

let private ofModel model = Target.ofQuantity (Quantity.ofClass 1) model

let private smallImages (rng: Random) = gaussian rng [ 2; 2; 5; 4 ] * Number.Of 0.3

let tests =
    testList "SecondOrderMaps" [
        law "of a quadratic form H v is Qv, and x ⊙ Hx is x ⊙ Qx" (fun rng ->
            let q, w = symmetric rng 12, gaussian rng [ 12 ]
            let x, v = gaussian rng [ 2; 1; 3; 4 ], gaussian rng [ 2; 1; 3; 4 ]
            let product (v: Tensor) = ((v.flatten 1L).matmul q).reshape v.shape
            same (product v) (Hessian.product v (quadratic q w) (batch x)) "Qv"
            same (x * product x) (Hessian.attribute Baseline.black (quadratic q w) (batch x)) "x ⊙ Qx")

        law "H v is the slope of the gradient, and symmetric" (fun rng ->
            let model = tanh rng
            let x, v, u = smallImages rng, smallImages rng, smallImages rng
            let gradient x = Saliency.attribute false (ofModel model) (batch x)
            let h (v: Tensor) = Hessian.product v (ofModel model) (batch x)
            close 1e-6 (Diff.numjacobianv 1e-5 gradient x v) (h v) "differences"
            same (Tensor.sumEach (h v * u)) (Tensor.sumEach (h u * v)) "uHv = vHu")

        example "of the product of two numbers each pair has what the other leaves it" (fun () ->
            // f = x₁x₂ at (2, 3): Γ₁₂ = Γ₂₁ = 6/4, Γ₁₁ = Γ₂₂ = 6/4.
            let f (x: Tensor) = let flat = x.flatten 1L in (flat.select (1L, 0L) * flat.select (1L, 3L)).unsqueeze 1L
            let x = tensor [ 1; 1; 2; 2 ] [ 2.; 9.; 9.; 3. ]
            let found = IntegratedHessians.attribute 2 60 Baseline.black (target f) (batch x)
            let expected = torch.zeros (1L, 4L, 4L, torch.float64)

            for i, j in [ 0L, 3L; 3L, 0L; 0L, 0L; 3L, 3L ] do
                expected[0L, i, j] <- torch.tensor 1.5

            close 1e-5 expected found "a quarter each"

            let linear =
                IntegratedHessians.attribute
                    2
                    60
                    Baseline.black
                    (target (fun x -> (x.flatten 1L).sum(1L, true)))
                    (batch x)

            close 1e-5 (torch.diag_embed (x.flatten 1L)) linear "of a sum each has its own")

        law
            "of a quadratic form the interactions are a quarter of x_i Q_ij x_j, and a region's the sums of its own"
            (fun rng ->
                let q = symmetric rng 16
                let x = gaussian rng [ 2; 1; 4; 4 ]

                let found =
                    IntegratedHessians.attribute
                        4
                        60
                        Baseline.black
                        (quadratic q (torch.zeros (16L, torch.float64)))
                        (batch x)

                let flat = x.flatten 1L
                let pairs = flat.unsqueeze 2L * q * flat.unsqueeze 1L / Number.Of 4.
                // Of the first-order part each has ¼ x_i (Qx)_i.
                let own = flat * flat.matmul q / Number.Of 4.
                let expected = Tensor.add pairs (torch.diag_embed own)
                close 1e-4 expected found "pixels"

                let coarse =
                    IntegratedHessians.attribute
                        2
                        60
                        Baseline.black
                        (quadratic q (torch.zeros (16L, torch.float64)))
                        (batch x)

                let cell = torch.tensor [| 0L; 0L; 1L; 1L; 0L; 0L; 1L; 1L; 2L; 2L; 3L; 3L; 2L; 2L; 3L; 3L |]
                let isIn = (Number.Range(0L, 4L, torch.CPU)).unsqueeze(1L).eq(cell).``to`` torch.float64
                close 1e-9 (torch.einsum ("ri,nij,sj->nrs", isIn, found, isIn)) coarse "regions")

        law "interactions are symmetric, sum to integrated gradients by region, and to what the score gains" (fun rng ->
            for model in [ tanh rng; smoothed rng ] do
                let x, target = smallImages rng, ofModel model
                let found = IntegratedHessians.attribute 3 80 Baseline.black target (batch x)
                close 1e-9 (found.transpose (1L, 2L)) found "symmetric"
                let change = IntegratedGradients.change Baseline.black target (batch x)
                close 1e-4 change (found.sum [| 1L; 2L |]) "complete"

                let gradients =
                    IntegratedGradients.attribute
                        (Quadrature.nodes GaussLegendre 80)
                        Baseline.black
                        true
                        target
                        (batch x)

                close 1e-4 (Tensor.sumEach gradients) (found.sum [| 1L; 2L |]) "all"
                // The rows of the grid's cells begin at ⌈i h / g⌉.
                let top = gradients.narrow(2L, 0L, 2L).narrow(3L, 0L, 2L)
                close 1e-4 (Tensor.sumEach top) (found.select(1L, 0L).sum 1L) "the first region's")

        law "interactions have derivatives, and do not depend on the passes" (fun rng ->
            let model = tanh rng
            let x = smallImages rng
            let f model (x: Tensor) = IntegratedHessians.attribute 2 6 Baseline.black (ofModel model) (batch x)
            let weights = gaussian rng [ 2; 4; 4 ]
            let loss x = (f model x * weights).sum()
            let v = smallImages rng
            let exact, numerical = (Diff.gradv loss x v).item<float>(), (Diff.numgradv 1e-5 loss x v).item<float>()
            Expect.isTrue (abs (exact - numerical) <= 1e-5 * (1e-3 + abs exact)) $"{exact}, {numerical}"
            close 1e-9 (f model x) (f (batching (Fixed 1) model) x) "one at a time")

        example "a grid that does not fit is refused" (fun () ->
            let rng = Random 1
            let x = smallImages rng

            for grid in [ 0; 5 ] do
                rejects<ArgumentException>
                    (fun () -> IntegratedHessians.attribute grid 5 Baseline.black (ofModel (tanh rng)) (batch x))
                    $"{grid}"

            Expect.isTrue (Hessian.isBent (graphModel "r" [ node "r" (Activation Relu) [ "x" ] ])) "ReLU"
            Expect.isFalse (Hessian.isBent (tanh rng)) "tanh")
    ]
