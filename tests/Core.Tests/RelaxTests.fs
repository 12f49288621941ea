module RelaxTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private sigmoid v = 1. / (1. + exp -v)
let private soft tau = Relaxation.Soft tau
let private through tau = Relaxation.StraightThrough tau

let private first relaxation keys (r: int64 list) =
    Relax.first relaxation (Relax.order keys) (torch.tensor (Array.ofList r))

/// The definition: 1 for the r largest of a row, the first of equal ones.
let private firstOf (r: int) (row: float[]) =
    let chosen =
        [ 0 .. row.Length - 1 ]
        |> List.filter (fun p -> not (Double.IsInfinity row[p]))
        |> List.sortBy (fun p -> -row[p]) // List.sortBy is stable.
        |> List.truncate r

    Array.init row.Length (fun p -> if List.contains p chosen then 1. else 0.)

/// Rows of numbers that are at least a tenth of the largest magnitude apart, in a random order.
let private apart (rng: Random) n p =
    tensor [ n; p ] [
        for _ in 1..n do
            let places = Array.init p (fun i -> float i / float p * 2. - 0.7)
            rng.Shuffle places
            yield! places
    ]

/// A power of ten, which keys may be scaled by.
let private scale (rng: Random) = 10. ** float (rng.Next(-4, 5))

let private thresholds =
    testList "thresholds and orders" [
        example "two numbers lie above and below a threshold halfway between them" (fun () ->
            // θ = 1, and τ is a share of 4.
            let chosen r = first (soft 0.5) (tensor [ 1; 2 ] [ 4; -2 ]) [ r ]

            same (tensor [ 1; 2 ] [ sigmoid 1.5; sigmoid -1.5 ]) (chosen 1L) "the first"
            same (tensor [ 1; 2 ] [ 0; 0 ]) (chosen 0L) "none"
            same (tensor [ 1; 2 ] [ 1; 1 ]) (chosen 2L) "both"
            same (tensor [ 1; 2 ] [ 1; 1 ]) (chosen 9L) "more than there are"
            let positive = Relax.isPositive (soft 0.5) (number 4.) (vector [ 4; 0; -2 ])
            same (vector [ sigmoid 2.; 0.5; sigmoid -1. ]) positive "above 0")

        law "the first r are the r largest, ties by position" (fun rng ->
            let n, p = rng.Next(1, 5), rng.Next(1, 9)

            let rows =
                Array.init n (fun _ ->
                    Array.init p (fun _ ->
                        match rng.Next(-3, 4) with
                        | -3 -> Double.NegativeInfinity
                        | v -> float v))

            let keys = tensor [ n; p ] (Array.concat rows)

            for r in 0 .. p + 1 do
                // Each row asks for a number of its own.
                let counts = List.init n (fun i -> (r + i) % (p + 2))
                let expected = List.map2 firstOf counts (List.ofArray rows) |> Array.concat
                let counts = List.map int64 counts
                Expect.equal (values (first Relaxation.Exact keys counts)) expected $"exactly {r}"
                Expect.equal (values (first (through 0.3) keys counts)) expected $"straight through, {r}"

                Array.iter2
                    (fun key share ->
                        if Double.IsInfinity key then
                            Expect.equal share 0. "what is in no order is never chosen")
                    (Array.concat rows)
                    (values (first (soft 0.3) keys counts)))

        law "the nearer τ is to 0, the nearer a soft choice is to the exact one, away from ties" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(2, 9)
            let keys = apart rng n p

            for r in 0..p do
                let counts = List.replicate n (int64 r)
                let exact = (first Relaxation.Exact keys counts).``to`` torch.float64
                close 1e-6 exact (first (soft 1e-4) keys counts) $"the first {r} of {p}"

                let distance tau = (first (soft tau) keys counts - exact).abs().max().item<float>()

                Expect.isLessThanOrEqual (distance 0.02) (distance 0.2) "nearer")

        law "straight through, values are the exact ones and derivatives the soft ones" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(2, 9)
            let keys = apart rng n p
            let counts = List.init n (fun _ -> int64 (rng.Next(0, p + 1)))
            let weights = gaussian rng [ n; p ]
            let one = torch.ones (1, torch.float64)

            for name, f in
                [
                    "first", (fun relaxation keys -> (first relaxation keys counts).``to`` torch.float64)
                    "above 0", (fun relaxation keys -> Relax.isPositive relaxation one keys)
                    "ranks", Relax.ranks
                ] do
                let tau = 0.05 + rng.NextDouble()

                Expect.equal (values (f (through tau) keys)) (values (f Relaxation.Exact keys)) $"{name}: values"

                let derivative relaxation = Diff.grad (fun keys -> (f relaxation keys * weights).sum()) keys

                same (derivative (soft tau)) (derivative (through tau)) $"{name}: derivatives"
                let exactly = Diff.grad (fun keys -> (f Relaxation.Exact keys * weights).sum()) keys
                same (torch.zeros_like keys) exactly $"{name}: exactly, no derivative")

        law "no soft value depends on the scale of the keys" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(1, 9)
            let keys = gaussian rng [ n; p ]
            let counts = List.init n (fun _ -> int64 (rng.Next(0, p + 1)))
            let tau, scale = 0.05 + rng.NextDouble(), scale rng

            for name, f in
                [
                    "first", (fun keys -> first (soft tau) keys counts)
                    "above 0", (fun keys -> Relax.isPositive (soft tau) (Relax.scale keys) keys)
                    "ranks", Relax.ranks (soft tau)
                ] do
                close 1e-12 (f keys) (f (keys * scale)) name)

        law "a soft choice has the derivative that differences find" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(2, 7)
            let keys = apart rng n p
            let counts = List.init n (fun _ -> int64 (rng.Next(0, p + 1)))
            let weights = gaussian rng [ n; p ]

            for name, f in
                [
                    "first", (fun keys -> first (soft 0.3) keys counts)
                    "above 0", (fun keys -> Relax.isPositive (soft 0.3) (Relax.scale keys) keys)
                ] do
                let sum keys = (f keys * weights).sum()
                close 1e-7 (Diff.numgrad 1e-6 sum keys) (Diff.grad sum keys) name)

        law "a soft choice among the positive alone has the derivative that differences find, and no NaN" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(2, 7)
            let pixels = (apart rng n p).unsqueeze 1L
            let counts = Array.init n (fun _ -> int64 (rng.Next(0, p + 2))) |> torch.tensor
            let weights = gaussian rng [ n; p ]

            let sum pixels = (Relax.first (soft 0.3) (Ranking.ofPositive pixels) counts * weights).sum()

            close 1e-7 (Diff.numgrad 1e-6 sum pixels) (Diff.grad sum pixels) "positive")

        law "some rows of an order choose as they do in it" (fun rng ->
            let n, p = rng.Next(1, 5), rng.Next(1, 9)
            let keys = gaussian rng [ n; p ]
            let rows = Array.init (rng.Next(1, 7)) (fun _ -> int64 (rng.Next n)) |> torch.tensor
            let counts = Array.init n (fun _ -> int64 (rng.Next(0, p + 1))) |> torch.tensor
            let order = Relax.order keys

            for relaxation in [ Relaxation.Exact; soft 0.3; through 0.3 ] do
                same
                    (Sweep.pick rows (Relax.first relaxation order counts))
                    (Relax.first relaxation (Relax.pick rows order) (Sweep.pick rows counts))
                    $"{relaxation}")

        example "a mask takes whole pixels, or a share of them" (fun () ->
            let a, b = vector [ 1; 2; 3 ], vector [ 10; 20; 30 ]
            same (vector [ 1; 20; 3 ]) (Relax.blend (torch.tensor [| true; false; true |]) a b) "whole"
            same (vector [ 1; 20; 16.5 ]) (Relax.blend (vector [ 1; 0; 0.5 ]) a b) "shares"
            // What is not chosen may be no number.
            same
                (vector [ 1; 20; 3 ])
                (Relax.blend (torch.tensor [| true; false; true |]) (vector [ 1; nan; 3 ]) b)
                "whole")

        example "a map of zeros is soft everywhere, and a NaN stays in its row" (fun () ->
            let keys = tensor [ 3; 3 ] [ 0; 0; 0; 3; nan; 1; 3; 2; 1 ]
            let chosen = values (first (soft 0.5) keys [ 1L; 1L; 1L ])
            Expect.equal chosen[0..2] [| 0.5; 0.5; 0.5 |] "zeros"
            Expect.all chosen[3..5] Double.IsNaN "the row of the NaN"
            let alone = values (first (soft 0.5) (tensor [ 1; 3 ] [ 3; 2; 1 ]) [ 1L ])
            Expect.equal chosen[6..8] alone "the next row"

            let exact = values (first Relaxation.Exact keys [ 1L; 1L; 1L ])
            Expect.equal exact[0..2] [| 1.; 0.; 0. |] "the first of equals"

            same (tensor [ 1; 3 ] [ 2; 2; 2 ]) (Relax.ranks (soft 0.5) (torch.zeros (1, 3, torch.float64))) "ranks")

        example "τ is a positive number" (fun () ->
            for tau in [ 0.; -1.; nan; infinity ] do
                for relaxation in [ soft tau; through tau ] do
                    rejects<ArgumentException> (fun () -> first relaxation (torch.ones (1, 2)) [ 1L ]) $"first, {tau}"
                    rejects<ArgumentException> (fun () -> Relax.ranks relaxation (torch.ones (1, 2))) $"ranks, {tau}")

        example "choosing leaves nothing behind" (fun () ->
            let keys = gaussian (Random 1) [ 2; 7 ]
            let r = torch.tensor [| 2L; 3L |]

            for relaxation in [ Relaxation.Exact; soft 0.3; through 0.3 ] do
                let sum (keys: Tensor) = (Relax.first relaxation (Relax.order keys) r).``to``(torch.float64).sum()

                let work () =
                    (Scope.run (fun () -> sum keys)).Dispose()
                    (Scope.run (fun () -> Diff.grad sum keys)).Dispose()

                Expect.equal (liveAfter work) 0L $"live tensors, {relaxation}")
    ]

let private ranks =
    testList "ranks" [
        example "of two numbers" (fun () ->
            // τ is a share of 4.
            let found = Relax.ranks (soft 0.5) (tensor [ 1; 2 ] [ 4; -2 ])
            same (tensor [ 1; 2 ] [ 1. + sigmoid 3.; 1. + sigmoid -3. ]) found "soft"
            same (tensor [ 1; 2 ] [ 2; 1 ]) (Relax.ranks Relaxation.Exact (tensor [ 1; 2 ] [ 4; -2 ])) "exact")

        law "equal numbers share the mean of their ranks, exactly and as τ nears 0" (fun rng ->
            let n, p = rng.Next(1, 4), rng.Next(1, 20)
            let rows = Array.init n (fun _ -> Array.init p (fun _ -> float (rng.Next(-3, 4))))
            let maps = tensor [ n; p ] (Array.concat rows)
            let expected = tensor [ n; p ] (Array.collect Statistics.ranks rows)
            Expect.equal (values (Relax.ranks Relaxation.Exact maps)) (values expected) "exact"
            close 1e-6 expected (Relax.ranks (soft 1e-4) maps) "soft")

        law "soft ranks sum to p(p+1)/2, and keep the order" (fun rng ->
            let p = rng.Next(1, 9)
            let row = apart rng 1 p
            let found = Relax.ranks (soft (0.05 + rng.NextDouble())) row
            same (number (float (p * (p + 1)) / 2.)) (found.sum ()) "sum"
            Expect.equal (values (found.argsort 1L)) (values (row.argsort 1L)) "order")

        law "the soft rank has the derivatives that differences find, and second ones" (fun rng ->
            let n, p = rng.Next(1, 3), rng.Next(2, 6)
            let values = apart rng n p
            let weights = gaussian rng [ n; p ]

            let sum values = (Relax.ranks (soft 0.4) values * weights).sum()

            close 1e-7 (Diff.numgrad 1e-6 sum values) (Diff.grad sum values) "first"
            close 1e-5 (Diff.numhessian 1e-4 sum values) (Diff.hessian sum values) "second")

        example "a row longer than a block of ranks is as one that is not" (fun () ->
            let p = 3000
            let row = gaussian (Random 1) [ 1; p ]
            let weights = gaussian (Random 2) [ 1; p ]
            let tau = 0.1
            let largest = values row |> Array.map abs |> Array.max
            let v = values row |> Array.map (fun v -> v / (largest * tau))
            let w = values weights
            let found, gradient = Diff.fjacobianTv (Relax.ranks (soft tau)) row weights
            let found = values found

            for i in [ 0; 1332; 1333; 1334; 2666; p - 1 ] do
                let rank = 0.5 + Array.sumBy (fun u -> sigmoid (v[i] - u)) v
                Expect.floatClose Accuracy.high found[i] rank $"rank {i}"

            // But for the largest magnitude, which all are divided by.
            for i in [ 1; 1333; 2667 ] do
                let slope =
                    Seq.sum [
                        for j in 0 .. p - 1 do
                            let s = sigmoid (v[i] - v[j])
                            (w[i] - w[j]) * s * (1. - s)
                    ]

                let expected = slope / (largest * tau)
                Expect.floatClose Accuracy.high (gradient[0L, int64 i].item<float>()) expected $"derivative {i}")

        example "ranking leaves nothing behind" (fun () ->
            let maps = gaussian (Random 1) [ 2; 7 ]

            for relaxation in [ Relaxation.Exact; soft 0.3; through 0.3 ] do
                let sum (maps: Tensor) = (Relax.ranks relaxation maps).square().sum()

                let work () =
                    (Scope.run (fun () -> Relax.ranks relaxation maps)).Dispose()
                    (Scope.run (fun () -> Diff.grad sum maps)).Dispose()
                    (Scope.run (fun () -> Diff.hessian sum maps)).Dispose()

                work ()
                Expect.equal (liveAfter work) 0L $"live tensors, {relaxation}")

        law "correlations are those of plain numbers, and NaN where a row is constant" (fun rng ->
            let n, p = rng.Next(1, 5), rng.Next(2, 9)
            let rows () = Array.init n (fun _ -> gaussians rng p)
            let a, b = rows (), rows ()

            if rng.Next 2 = 0 then
                a[0] <- Array.create p 0.1

            let found = Relax.correlations (tensor [ n; p ] (Array.concat a)) (tensor [ n; p ] (Array.concat b))

            same (vector (Array.map2 Statistics.correlation a b)) found "correlations")

        example "a NaN leaves the correlations of other rows as they are" (fun () ->
            let a, b =
                tensor [ 3; 3 ] [ 1; nan; 2; 1; 2; 4; 0; 0; 0 ], tensor [ 3; 3 ] [ 1; 2; 3; 3; 5; 9; 1; 2; 3 ]

            same (vector [ nan; 1.; nan ]) (Relax.correlations a b) "correlations")
    ]

let tests = testList "Relax" [ thresholds; ranks ]
