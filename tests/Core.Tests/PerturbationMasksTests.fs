module PerturbationMasksTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// t(x) = Σ w x, of images 1×h×w.
let private linear (w: Tensor) =
    let f (x: Tensor) = (x * w).flatten(1L).sum(1L, true)
    Target.ofQuantity (Quantity.ofClass 0) (Network.ofFunctions [ ("f", f) ])

let private positive (map: Tensor) = values (map.gt (Number.Of 0.)) |> Array.map ((=) 1.)

let private tops count (gains: float[]) =
    let least = (Array.sortDescending gains)[count - 1]
    gains |> Array.map (fun gain -> gain >= least)

let private some (rng: Random) n = (gaussian rng [ n; 1; 4; 5 ]).abs() |> Tensor.shift 0.1, gaussian rng [ 1; 4; 5 ]

let tests =
    testList "PerturbationMasks" [
        law "of a linear score the mask of area a preserves, or deletes, the pixels that bring most" (fun rng ->
            let x, w = some rng 2
            let gains = values (x * w) |> Array.chunkBySize 20

            for isKept in [ true; false ] do
                let map = PerturbationMasks.extremal isKept 0.25 40 Baseline.black (linear w) (batch x)
                Expect.equal map.shape [| 2L; 4L; 5L |] "a number a pixel"

                for i in 0..1 do
                    let chosen = positive map[int64 i]
                    Expect.equal (chosen |> Seq.filter id |> Seq.length) 5 "as many"

                    let sum (isIn: bool[]) =
                        Array.fold2 (fun sum isIn gain -> if isIn then sum + gain else sum) 0. isIn gains[i]

                    let best = sum (tops 5 gains[i])
                    // Two pixels next to each other in worth may change places.
                    Expect.isGreaterThan
                        (sum chosen)
                        (best - 0.1 * Seq.sumBy abs gains[i])
                        $"image {i}, kept: {isKept}")

        law "a mask covers the area that it is asked for, whatever is under it" (fun rng ->
            let x, w = gaussian rng [ 2; 1; 24; 30 ], gaussian rng [ 1; 24; 30 ]

            for area in [ 0.05; 0.3; 0.7 ] do
                let map = PerturbationMasks.extremal true area 8 Baseline.black (linear w) (batch x)
                let share = map.gt(Number.Of 0.).``to``(torch.float64).mean([| 1L; 2L |])
                close 0.005 (torch.full_like (share, Number.Of area)) share $"area {area}")

        example "a meaningful perturbation removes what the score lives on, and nothing else" (fun () ->
            // Two pixels bring all of the score.
            let x = torch.ones (1L, 1L, 6L, 8L, torch.float64)
            let w = torch.zeros (1L, 6L, 8L, torch.float64)
            w.narrow(1L, 2L, 2L).narrow(2L, 1L, 1L).fill_(Number.Of 1.) |> ignore
            let map = PerturbationMasks.meaningful 80 Baseline.black (linear w) (batch x)
            let column i = map.narrow(1L, 2L, 2L).select(2L, i).mean().item<float>()
            Expect.isGreaterThan (column 1L) 0.5 "removed"
            Expect.isLessThan (column 7L) 0.05 "left"
            Expect.isGreaterThan (column 1L) (5. * column 6L) "apart"
            Expect.isTrue (Seq.forall (fun v -> v >= 0. && v <= 1.) (values map)) "from 0 to 1")

        example "where nothing is lost by a pixel that does not count, it stays" (fun () ->
            let x = torch.ones (1L, 1L, 4L, 4L, torch.float64)
            let w = torch.zeros (1L, 4L, 4L, torch.float64)
            let map = PerturbationMasks.meaningful 60 Baseline.black (linear w) (batch x)
            close 0.02 (torch.zeros (1L, 4L, 4L, torch.float64)) map "all of it")

        law "a score times a number has the same mask, and passes of any size have" (fun rng ->
            let x, w = some rng 3

            let masks (w: Tensor) size =
                let target = linear w
                let target = { target with Model = batching size target.Model }

                [
                    PerturbationMasks.meaningful 10 Baseline.black target (batch x)
                    PerturbationMasks.extremal true 0.3 10 Baseline.black target (batch x)
                    PerturbationMasks.extremal false 0.3 10 Baseline.black target (batch x)
                ]

            for other in [ masks (w * Number.Of 64.) (Memory(1L <<< 30)); masks w (Fixed 1); masks w (Fixed 2) ] do
                List.iter2 (fun a b -> close 1e-9 a b "the same") (masks w (Memory(1L <<< 30))) other)

        example "no area or number of steps that makes no sense is taken" (fun () ->
            let x, w = some (Random 1) 1

            for area in [ 0.; 1.; nan; -0.1 ] do
                rejects<ArgumentException>
                    (fun () -> PerturbationMasks.extremal true area 5 Baseline.black (linear w) (batch x))
                    $"area {area}"

            rejects<ArgumentException>
                (fun () -> PerturbationMasks.meaningful 0 Baseline.black (linear w) (batch x))
                "no step")

        law "a blurred baseline keeps a constant image, and the mean of any other" (fun rng ->
            let constant = torch.full ([| 1L; 2L; 5L; 6L |], Number.Of 3., torch.float64)
            same constant ((Baseline.blurred 2.).Of(batch constant)) "constant"
            let x = gaussian rng [ 2; 1; 5; 6 ]
            let blurred = (Baseline.blurred 1.5).Of(batch x)
            close 1e-9 (x.mean [| 2L; 3L |]) (blurred.mean [| 2L; 3L |]) "mean"
            Expect.isLessThan (blurred.std().item<float>()) (x.std().item<float>()) "smoother")
    ]
