module ComplexityTests

open System
open Attribution.Core
open Expecto
open TorchSharp
open Support
open Generators

let private twin (map: float[]) =
    let total = Array.sumBy abs map

    -Array.sumBy
        (fun v ->
            let p = abs v / total
            if p = 0. then 0. else p * log p)
        map

let private entropy (values: float list) =
    Support.values (Complexity.scores (tensor [ 1; 1; values.Length ] values)) |> Array.exactlyOne

/// The maps again and again: more of them than one part of the work holds.
let private equalsTwin (maps: Tensor) =
    let pixels = if maps.ndim = 4L then maps.mean [| 1L |] else maps

    let each = values pixels |> Array.chunkBySize (int (pixels[0L].numel())) |> Array.map twin

    let times = 70
    let many = torch.cat (Array.replicate times maps)
    same (vector (Seq.concat (Seq.replicate times each))) (Complexity.scores many) "twin"
    same (Complexity.scores maps) (Complexity.scores pixels) "pixels"
    same (Complexity.scores maps) (Complexity.scores (maps * -7.)) "whatever the scale"

let tests =
    testList "Complexity" [
        example "is the entropy of the shares: 0 for one pixel, ln d for d equal ones" (fun () ->
            let near = Expect.floatClose { absolute = 5e-7; relative = 0. }
            near (entropy [ 1.; -2.; 3.; 4. ]) 1.279854 "1 2 3 4"
            near (entropy [ 0.; 7.; 0. ]) 0. "one"
            near (entropy [ 2.; -2.; 2. ]) (log 3.) "equal"
            Expect.isTrue (Double.IsNaN(entropy [ 0.; 0. ])) "all zero")

        mapProperty "equals the plain twin, for each map alone" equalsTwin
        tiedMapProperty "equals the plain twin, for each map alone, with ties and zeros" equalsTwin
    ]
