module NmfTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private positive (rng: Random) shape = (gaussian rng shape).abs()

let tests =
    testList "Nmf" [
        law "the error never rises, nothing is negative, and rows of W have length 1" (fun rng ->
            let a = positive rng [ rng.Next(3, 9); rng.Next(3, 9) ]
            let u, w, errors = Nmf.factor 1L 3 60 a

            for before, after in List.pairwise errors do
                Expect.isTrue (after <= before + 1e-12) $"{before}, then {after}"

            same (number (Nmf.error a u w)) (number (List.last errors)) "the last error is that of the factors"
            Expect.isTrue (Array.forall (fun v -> v >= 0.) (Array.append (values u) (values w))) "not negative"
            same (torch.ones (3L, dtype = torch.float64)) ((w * w).sum 1L) "length 1")

        example "finds the parts of matrices that are made of few of them, whatever the seed" (fun () ->
            let rng = Random 3
            // Parts that overlap nowhere can be told in one way alone.
            let w = torch.block_diag [| for _ in 1..3 -> positive rng [ 1; 4 ] |]
            let w = w / (w * w).sum([| 1L |], true).sqrt()
            let a = (positive rng [ 20; 3 ]).matmul w

            for seed in 1L .. 5L do
                let u, found, errors = Nmf.factor seed 3 500 a
                Expect.isLessThan (List.last errors) 1e-3 $"error of seed {seed}"
                let alike = found.matmul (w.t ())
                close 0.02 (torch.ones (3L, dtype = torch.float64)) (alike.amax [| 1L |]) "each is one of the parts"
                close 0.01 a (u.matmul found) "the product")

        law "coefficients of what is made of given parts are those that it was made with" (fun rng ->
            let w = Tensor.add (positive rng [ 3; 6 ] * Number.Of 0.2) (torch.eye (3L, 6L, torch.float64))
            let u = positive rng [ 5; 3 ]
            close 1e-3 u (Nmf.coefficients 2000 w (u.matmul w)) "U")

        law "coefficients satisfy the conditions of a least square under a bound" (fun rng ->
            let a, w = gaussian rng [ 4; 6 ], positive rng [ 3; 6 ]
            let u = Nmf.coefficients 5000 w a
            let slope = (u.matmul w - a).matmul(w.t ())

            for u, slope in Array.zip (values u) (values slope) do
                Expect.isTrue (u >= 0.) "not negative"
                Expect.isTrue (if u > 1e-6 then abs slope < 0.02 else slope > -0.02) $"{u}, of slope {slope}")

        example "the same seed gives the same factors, and another others" (fun () ->
            let a = positive (Random 1) [ 6; 5 ]
            let first seed = let u, _, _ = Nmf.factor seed 2 3 a in values u
            Expect.equal (first 1L) (first 1L) "the same"
            Expect.notEqual (first 1L) (first 2L) "another")
    ]
