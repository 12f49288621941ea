module SparsenessTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support
open Generators

/// Gini's mean difference: Σᵢⱼ |vᵢ - vⱼ| / (2 d Σ v).
let private twin (map: float[]) =
    let v = Array.map abs map

    let differences =
        Seq.sum (
            seq {
                for a in v do
                    for b in v -> abs (a - b)
            }
        )

    differences / (2. * float v.Length * Array.sum v)

let private gini (values: float list) =
    Support.values (Sparseness.scores (tensor [ 1; 1; values.Length ] values)) |> Array.exactlyOne

let private near = Expect.floatClose Accuracy.veryHigh

/// The maps again and again: more of them than one part of the work holds.
let private equalsTwin (maps: Tensor) =
    let pixels = if maps.ndim = 4L then maps.mean [| 1L |] else maps

    let each = values pixels |> Array.chunkBySize (int (pixels[0L].numel())) |> Array.map twin

    let times = 70
    let many = torch.cat (Array.replicate times maps)
    same (vector (Seq.concat (Seq.replicate times each))) (Sparseness.scores many) "twin"
    same (Sparseness.scores maps) (Sparseness.scores pixels) "pixels"
    same (Sparseness.scores maps) (Sparseness.scores (maps * -7.)) "whatever the scale"

let tests =
    testList "Sparseness" [
        example "is 0 for equal pixels, and 1 - 1/d where one of d has all" (fun () ->
            near (gini [ 3.; -3.; 3.; 3. ]) 0. "equal magnitudes"
            near (gini [ 0.; 0.; 0.; -5.; 0.; 0.; 0.; 0. ]) 0.875 "one of 8"
            near (gini [ 4.; 1.; -3.; 2. ]) 0.25 "1 2 3 4"
            Expect.isTrue (Double.IsNaN(gini [ 0.; 0. ])) "all zero")

        mapProperty "equals the mean difference of all pairs, for each map alone" equalsTwin
        tiedMapProperty "equals the mean difference of all pairs, for each map alone, with ties and zeros" equalsTwin

        example "a NaN is an error that names the instance, and nothing is left behind" (fun () ->
            let maps = torch.ones (70, 2, 2)
            maps[68L, 1L, 1L] <- torch.tensor nan

            try
                Sparseness.scores maps |> ignore
                failtest "no error"
            with :? AttributionException as e ->
                Expect.stringContains e.Message "instance 68" "message"

            let maps = torch.ones (70, 2, 2)
            let work () = (Sparseness.scores maps).Dispose()
            Expect.equal (liveAfter work) 0L "live tensors"
            rejects<ArgumentException> (fun () -> Sparseness.scores (torch.ones 3)) "no map")
    ]
