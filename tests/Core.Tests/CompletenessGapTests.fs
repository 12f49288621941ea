module CompletenessGapTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private white = Baseline.white 0.3

let private gaps isRelative model maps b =
    CompletenessGap.gaps isRelative white (Target.ofQuantity Quantity.predicted model) maps b

let tests =
    testList "CompletenessGap" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]

            let twin (image: float[]) (map: float[]) =
                let score x = (Plain.logits net x)[Plain.predicted net image]

                let change = score image - score (Array.create 24 0.3)
                abs (Array.sum map - change), abs (Array.sum map - change) / abs change

            let raw, relative = Array.map2 twin images (values maps |> Array.chunkBySize 24) |> Array.unzip

            for size in [ 1; 2; 7 ] do
                let of' isRelative =
                    x |> inBatches size (fun b -> gaps isRelative model (maps.index_select (0L, b.Rows)) b)

                same (vector raw) (of' false) $"raw, {size} at a time"
                same (vector relative) (of' true) $"relative, {size} at a time"

            let sums = gaps false model (maps.sum [| 1L |]) (batch x)
            same (vector raw) sums "the sums over the channels have the same gap")

        law "is nothing for what each number adds to a linear score, and all for nothing" (fun rng ->
            let w = gaussian rng [ 2; 3; 4 ]
            let model = ofFunctions [ "s", (fun x -> (Tensor.sumEach (x * w)).unsqueeze 1L) ]
            let x = gaussian rng [ 2; 2; 3; 4 ]
            let maps = w * (x - 0.3)
            same (torch.zeros (2, torch.float64)) (gaps false model maps (batch x)) "complete"
            same (torch.ones (2, torch.float64)) (gaps true model (maps * 0.) (batch x)) "nothing")

        example "is NaN relative to no change" (fun () ->
            let model = ofFunctions [ "s", (fun x -> torch.ones (x.shape[0], 2L, torch.float64)) ]

            let x = gaussian (Random 1) [ 2; 2; 3; 4 ]
            Expect.isTrue (values (gaps true model x (batch x)) |> Array.forall Double.IsNaN) "relative"
            same (Tensor.sumEach(x).abs()) (gaps false model x (batch x)) "raw")
    ]
