module LocalLipschitzTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// s = ½‖x‖², whose gradient is x, and w·x, whose gradient is w.
let private model (w: Tensor) =
    ofFunctions [
        "s",
        fun x ->
            let rows = x.flatten 1L
            torch.stack ([| (rows * rows).sum(1L) / 2.; (rows * w.flatten ()).sum 1L |], 1L)
    ]

let private scores isScaled white k explain (x: Tensor) =
    let target = Target.ofQuantity (Quantity.ofClass k) (model (torch.ones (2L, 3L, 4L, torch.float64)))
    LocalLipschitz.scores isScaled white 0.1 4 3L explain target (explain target (batch x)) (batch x)

let private gradient target batch = Saliency.attribute false target batch
let private times (factor: float) target batch = gradient target batch * Number.Of factor

let tests =
    testList "LocalLipschitz" [
        law "is the slope of the gradient: 1 of a quadratic score, 0 of a linear one" (fun rng ->
            let x = gaussian rng [ 3; 2; 3; 4 ]
            same (torch.ones (3, torch.float64)) (scores false 1. 0 gradient x) "quadratic"
            same (torch.full ([| 3L |], 7.5.ToScalar(), torch.float64)) (scores false 1. 0 (times 7.5) x) "7.5 times"
            same (torch.zeros (3, torch.float64)) (scores false 1. 1 gradient x) "linear")

        law "relative to the map and to white, no unit matters" (fun rng ->
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let expected = vector [ for row in Array.chunkBySize 24 (values x) -> 1. / sqrt (Plain.dot row row) ]
            same expected (scores true 1. 0 gradient x) "1 / ‖x‖"
            same expected (scores true 1. 0 (times 7.5) x) "of a map"
            close 1e-6 expected (scores true 255. 0 gradient (x * 255.)) "of an image")

        law "is the largest quotient of the draws, each by its own ‖ε‖" (fun rng ->
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let cube _ (b: Batch) = b.X * b.X * b.X
            let norm (v: float[]) = sqrt (Plain.dot v v)

            let expected =
                values x
                |> Array.chunkBySize 24
                |> Array.mapi (fun i image ->
                    let alone = { batch x with X = x.narrow (0L, int64 i, 1L); Ids = [| int64 i |] }

                    List.max [
                        for draw in 0L .. 3L do
                            let noise =
                                values (Noise.uniform 3L draw alone) |> Array.map (fun u -> 0.1 * (2. * u - 1.))

                            norm (Array.map2 (fun v e -> (v + e) ** 3. - v ** 3.) image noise) / norm noise
                    ])

            same (vector expected) (scores false 1. 0 cube x) "twin")

        example "a map of zeros has no share that changes, but a slope" (fun () ->
            let x = gaussian (Random 1) [ 1; 2; 3; 4 ]
            let target = Target.ofQuantity (Quantity.ofClass 0) (model (torch.ones (24L, torch.float64)))
            let zeros, images = torch.zeros_like x, batch x
            let of' isScaled = LocalLipschitz.scores isScaled 1. 0.1 2 1L gradient target zeros images
            Expect.isTrue (Double.IsNaN((of' true).item<float>())) "relative"
            Expect.isTrue (Double.IsFinite((of' false).item<float>())) "as it is defined"
            Expect.equal (liveAfter (fun () -> (of' true).Dispose())) 0L "live tensors")
    ]
