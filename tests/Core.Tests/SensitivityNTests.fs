module SensitivityNTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private subsets = 7
let private shares = [ 0.01; 0.3; 0.5 ]

let private pearson (xs: float[]) (ys: float[]) =
    let mx, my = Array.average xs, Array.average ys
    let sum f = Seq.sum (Seq.map2 f xs ys)

    sum (fun x y -> (x - mx) * (y - my))
    / sqrt (sum (fun x _ -> (x - mx) ** 2.) * sum (fun _ y -> (y - my) ** 2.))

/// The definition on arrays: of each set the pixels of the smallest random numbers, black.
let private twin net i (image: float[]) (map: float[]) =
    let k = Plain.predicted net image
    let score image = (Plain.logits net image)[k]

    let noise draw =
        values (
            Noise.uniform 5L draw {
                Rows = torch.tensor [| int64 i |]
                Ids = [| int64 i |]
                X = torch.zeros (1, 1, 3, 4, torch.float64)
            }
        )

    shares
    |> List.mapi (fun s share ->
        let n = max 1 (int (Math.Round(share * 12.)))

        let sums, drops =
            [|
                for j in 0 .. subsets - 1 do
                    let u = noise (int64 (s * subsets + j))
                    let chosen = [ 0..11 ] |> List.sortBy (fun p -> u[p]) |> List.take n

                    let without = image |> Array.mapi (fun q v -> if List.contains (q % 12) chosen then 0. else v)

                    List.sumBy (fun p -> map[p]) chosen, score image - score without
            |]
            |> Array.unzip

        pearson sums drops)
    |> List.average

let private scores model maps b =
    SensitivityN.scores shares subsets 5L Baseline.black (Target.ofQuantity Quantity.predicted model) maps b

let tests =
    testList "SensitivityN" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels
            let expected = Array.mapi2 (twin net) images rows |> vector

            for size in [ 1; 2; 7 ] do
                let found =
                    x
                    |> inBatches size (fun b ->
                        scores (batching (Fixed size) model) (maps.index_select (0L, b.Rows)) b)

                same expected found $"{size} at a time")

        law "is 1 for what each pixel adds to a linear score, -1 for its opposite, whatever is added to all" (fun rng ->
            let w = gaussian rng [ 2; 3; 4 ]
            let model = ofFunctions [ "s", (fun x -> (Tensor.sumEach (x * w)).unsqueeze 1L) ]
            let x = gaussian rng [ 3; 2; 3; 4 ]
            same (vector [ 1.; 1.; 1. ]) (scores model (x * w) (batch x)) "itself"

            same (vector [ 1.; 1.; 1. ]) (scores model ((x * w).mean [| 1L |] * 3. + 5.) (batch x)) "its pixels"

            same (vector [ -1.; -1.; -1. ]) (scores model (x * w * -2.) (batch x)) "its opposite")

        example "is NaN for a constant map, and for a constant score" (fun () ->
            let _, model, _, _ = case (Random 2) 3.
            let x = gaussian (Random 3) [ 2; 2; 3; 4 ]
            let maps = gaussian (Random 4) [ 2; 3; 4 ]
            maps[0L] <- torch.full_like (maps[0L], 0.1)
            let found = values (scores model maps (batch x))
            Expect.isTrue (Double.IsNaN found[0] && Double.IsFinite found[1]) "the first map"

            let constant = ofFunctions [ "s", (fun x -> torch.full (x.shape[0], 1L, 0.1, torch.float64)) ]

            Expect.isTrue (Array.forall Double.IsNaN (values (scores constant maps (batch x)))) "score"

            let work () =
                use _ = torch.NewDisposeScope()
                scores model maps (batch x) |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
