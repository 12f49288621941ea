module BaselineTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let tests =
    testList "Baseline" [
        example "black and white fill the shape of the instances" (fun () ->
            let x = gaussian (Random 1) [ 2; 3; 2; 2 ]
            same (torch.zeros_like x) (Baseline.black.Of(batch x)) "black"
            same (torch.full_like (x, 255.0.ToScalar())) ((Baseline.white 255.).Of(batch x)) "white")

        law "a random baseline depends on the seed and the instance alone, whatever the batch" (fun rng ->
            let x = gaussian rng [ 7; 2; 2; 2 ]
            let seed = int64 (rng.Next())
            let random = Baseline.random 0.1 seed
            let whole = random.Of(batch x)
            same whole (random.Of(batch (x * 5.))) "the instances do not matter"

            for size in [ 1; 2; 3; 7 ] do
                same whole (inBatches size random.Of x) $"{size} at a time"

            let order = [| 6L; 0L; 3L |]

            let some = { Rows = torch.tensor order; Ids = order; X = x.narrow (0L, 0L, 3L) }

            same (whole.index_select (0L, torch.tensor order)) (random.Of some) "in another order"
            let rows = values whole |> Array.chunkBySize 8
            Expect.equal (Array.distinct rows).Length 7 "one draw an instance"
            let other = (Baseline.random 0.1 (seed + 1L)).Of(batch x)
            Expect.notEqual (values other) (values whole) "another seed")

        example "a random baseline has mean 0 and the standard deviation asked for" (fun () ->
            let draws = values ((Baseline.random 0.1 1111L).Of(batch (torch.zeros (50, 3, 20, 20))))

            let mean = Array.average draws
            let deviation = sqrt (draws |> Array.averageBy (fun d -> (d - mean) ** 2.))
            Expect.floatClose { absolute = 0.002; relative = 0. } mean 0. "mean"
            Expect.floatClose { absolute = 0.002; relative = 0. } deviation 0.1 "standard deviation")

        example "a function of the instances must keep their shape" (fun () ->
            let x = tensor [ 2; 1; 1; 2 ] [ 1; 2; 3; 4 ]
            same (x / 2.) ((Baseline.ofFunction "half" (fun x -> x / 2.)).Of(batch x)) "half"

            rejects<ArgumentException>
                (fun () -> (Baseline.ofFunction "first" (fun x -> x[0L])).Of(batch x))
                "another shape")
    ]
