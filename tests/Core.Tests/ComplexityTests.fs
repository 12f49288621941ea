module ComplexityTests

open System
open Attribution.Core
open Expecto
open Support

let private twin (map: float[]) =
    let total = Array.sumBy abs map

    -Array.sumBy
        (fun v ->
            let p = abs v / total
            if p = 0. then 0. else p * log p)
        map

let private entropy (values: float list) =
    Support.values (Complexity.scores (tensor [ 1; 1; values.Length ] values))
    |> Array.exactlyOne

let tests =
    testList "Complexity" [
        example "is the entropy of the shares: 0 for one pixel, ln d for d equal ones" (fun () ->
            let near = Expect.floatClose { absolute = 5e-7; relative = 0. }
            near (entropy [ 1.; -2.; 3.; 4. ]) 1.279854 "1 2 3 4"
            near (entropy [ 0.; 7.; 0. ]) 0. "one"
            near (entropy [ 2.; -2.; 2. ]) (log 3.) "equal"
            Expect.isTrue (Double.IsNaN(entropy [ 0.; 0. ])) "all zero")

        law "equals the plain twin, for each map alone" (fun rng ->
            let n = rng.Next(1, 150)
            let maps = gaussian rng [ n; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels
            same (vector (Array.map twin rows)) (Complexity.scores maps) "twin"
            same (Complexity.scores maps) (Complexity.scores (maps * -7.)) "whatever the scale")
    ]
