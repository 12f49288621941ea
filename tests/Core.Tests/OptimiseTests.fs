module OptimiseTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// Σ wᵢ (xᵢ - cᵢ)² of each row.
let private bowl (w: Tensor) (c: Tensor) (x: Tensor) = Tensor.sumEach (w * Tensor.square (x - c))

let private slope w c x = Diff.gradEach (bowl w c) x

let tests =
    testList "Optimise" [
        law "descends a bowl to its bottom, each row its own" (fun rng ->
            let c, w = gaussian rng [ 3; 4 ], Tensor.shift 0.5 ((gaussian rng [ 3; 4 ]).abs())
            let found = Optimise.descend 400 0.5 id (slope w c) (torch.zeros_like c)
            close 0.05 c found "the bottom"
            let alone = Optimise.descend 400 0.5 id (slope w[0L] c[0L]) (torch.zeros (1L, 4L, torch.float64))
            same (found.narrow (0L, 0L, 1L)) alone "the first row alone")

        law "whatever the function is times" (fun rng ->
            let c, w = gaussian rng [ 2; 4 ], (gaussian rng [ 2; 4 ]).abs()

            let steps (factor: float) =
                Optimise.descend 20 0.3 id (slope (w * Number.Of factor) c) (torch.zeros_like c)

            same (steps 1.) (steps 1024.) "times 1024")

        example "goes no further than it may, and stays where there is no slope" (fun () ->
            let inside (x: Tensor) = x.clamp (Number.Of 0., Number.Of 1.)
            let one = tensor [ 1; 2 ] [ 5.; -5. ]

            same
                (tensor [ 1; 2 ] [ 1.; 0. ])
                (Optimise.descend 50 0.5 inside (slope (torch.ones_like one) one) (one * Number.Of 0.))
                "corner"

            same one (Optimise.descend 5 0.5 id torch.zeros_like one) "flat"
            let unknown (x: Tensor) = torch.full_like (x, Number.Of nan)
            same one (Optimise.descend 5 0.5 id unknown one) "no number")

        example "of all that it comes by it keeps the lowest" (fun () ->
            // So long a step that all but the first lead away from the bottom.
            let start = tensor [ 2; 1 ] [ 0.01; 3. ]
            let valued (x: Tensor) = Tensor.sumEach (Tensor.square x), x * Number.Of 2.
            let found = Optimise.lowest 3 8. id valued start
            let value = values (fst (valued found))
            let first = values (fst (valued start))
            Array.iter2 (fun v f -> Expect.isTrue (v <= f) $"{v} is no higher than {f}") value first
            same (start.narrow (0L, 0L, 1L)) (found.narrow (0L, 0L, 1L)) "the start of the first")

        law "what it finds is connected to what the function depends on" (fun rng ->
            let w = Tensor.shift 0.5 ((gaussian rng [ 1; 3 ]).abs())
            let found (c: Tensor) = (Optimise.descend 4 0.3 id (slope w c) (torch.zeros_like c)).sum()
            let c = gaussian rng [ 1; 3 ]
            close 1e-5 (centralDifferences found c) (Diff.grad found c) "the derivative")

        law "Adam climbs a hill to its top, each row its own, and says the values on the way" (fun rng ->
            let c, w = gaussian rng [ 3; 4 ], Tensor.shift 0.5 ((gaussian rng [ 3; 4 ]).abs())
            let hill (w: Tensor) (c: Tensor) _ x = (bowl w c x).neg(), (slope w c x).neg()
            let found, values' = Optimise.ascend 300 0.2 (hill w c) (torch.zeros_like c)
            close 0.05 c found "the top"
            Expect.equal values'.shape [| 3L; 300L |] "a value a step"
            same ((bowl w c (torch.zeros_like c)).neg()) (values'.select (1L, 0L)) "the first"
            let alone, _ = Optimise.ascend 300 0.2 (hill w[0L] c[0L]) (torch.zeros (1L, 4L, torch.float64))
            same (found.narrow (0L, 0L, 1L)) alone "the first row alone")

        law "Adam's first step is as long in each number as it is asked to be, and follows the slope" (fun rng ->
            let g = gaussian rng [ 2; 5 ] |> fun g -> g + g.sign ()
            let climb _ (x: Tensor) = Tensor.sumEach (x * g), g
            let found, _ = Optimise.ascend 1 0.3 climb (torch.zeros_like g)
            close 1e-6 (g.sign () * Number.Of 0.3) found "0.3 along its sign")
    ]
