module NecessityOrderingTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The definition on arrays: 1/(N+1) Σ max(f_k(R(i)) - f_k(0), 0), at i = M, 2M, …, N, weighted by the blocks.
let private twin net k step (image: float[]) (map: float[]) =
    let order = [ 0..11 ] |> List.filter (fun p -> map[p] > 0.) |> List.sortBy (fun p -> -map[p])

    let n = order.Length
    let score x = (Plain.logits net x)[k]
    let blank = score (Array.zeroCreate 24)

    let at count =
        let gone = order |> List.truncate count |> Set.ofList
        score (image |> Array.mapi (fun i v -> if gone.Contains(i % 12) then 0. else v))

    let rec total from =
        if from >= n then
            0.
        else
            let next = min n (from + step)
            float (next - from) * max (at next - blank) 0. + total next

    total 0 / float (n + 1)

let private curves step target maps x =
    PixelCurves.curves Relaxation.Exact [ NecessityOrdering.path step ] target maps (batch x)
    |> List.exactlyOne

let private scores step model maps x =
    curves step (Target.ofQuantity Quantity.predicted model) maps x |> NecessityOrdering.ofCurve

let tests =
    testList "NecessityOrdering" [
        law "equals the plain twin for every step, whatever the pass" (fun rng ->
            let net, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels

            for step in [ 1; 2; 5; 1000 ] do
                let expected =
                    Array.map2 (fun image map -> twin net (Plain.predicted net image) step image map) images rows

                for passes in [ Fixed 1; Fixed 2; Fixed 3; Fixed 7; Memory(1L <<< 30) ] do
                    let found = scores step (batching passes model) maps x
                    same (vector expected) found $"{step} pixels a step, {passes}"

            let target = Target.ofQuantity (Quantity.ofClass 1) model
            let expected = Array.map2 (twin net 1 1) images rows

            let found = curves 1 target maps x |> NecessityOrdering.ofCurve

            same (vector expected) found "a given class")

        law "is unchanged under any strictly increasing map of the positive attributions" (fun rng ->
            let _, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 3; 4 ]
            let power = (rng.NextDouble() + 0.5).ToScalar()

            let increased =
                torch.where (maps.gt (0.0.ToScalar()), 10. * maps.clamp_min(0.).pow power, maps.exp () - 5.)

            Expect.equal (values (scores 1 model increased x)) (values (scores 1 model maps x)) "scores")

        law "does not depend on the order of the instances" (fun rng ->
            let _, model, images, x = case rng 3.
            let maps = gaussian rng [ images.Length; 3; 4 ]
            let order = Array.init images.Length id |> Array.sortBy (fun _ -> rng.Next())

            let pick (t: Tensor) = t.index_select (0L, torch.tensor (Array.map int64 order))

            let found = values (scores 2 (batching (Fixed 3) model) maps x)
            let permuted = scores 2 (batching (Fixed 3) model) (pick maps) (pick x)
            same (vector [ for i in order -> found[i] ]) permuted "permuted")

        law "is 0 for an all-negative map, whatever its neighbours" (fun rng ->
            let _, model, _, _ = case rng 3.
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let maps = gaussian rng [ 3; 3; 4 ]
            let alone = values (scores 1 model maps x)
            maps[1L] <- -maps[1L].abs()
            Expect.equal (values (scores 1 model maps x)) [| alone[0]; 0.; alone[2] |] "one of three"
            Expect.equal (values (scores 1 model (-maps.abs()) x)) [| 0.; 0.; 0. |] "all"
            Expect.equal (values (scores 1 model (torch.zeros_like maps) x)) [| 0.; 0.; 0. |] "zero is not positive")

        example "the curve says after how many pixels which score" (fun () ->
            let model = ofFunctions [ "sum", (fun x -> x.sum([| 1L; 2L; 3L |]).unsqueeze 1L) ]
            let x = tensor [ 1; 1; 1; 4 ] [ 1; 2; 3; -9 ]
            let maps = tensor [ 1; 1; 4 ] [ 3; 2; 1; 4 ]
            let target = Target.ofQuantity Quantity.predicted model
            let curve = curves 1 target maps x
            // Removed in the order -9, 1, 2, 3, above the blank's 0: -3, 6, 5, 3, 0.
            Expect.equal (values curve.Pixels) [| 0.; 1.; 2.; 3.; 4. |] "removed"
            Expect.equal (values curve.Scores) [| 0.; 6.; 5.; 3.; 0. |] "scores"
            Expect.equal ((NecessityOrdering.ofCurve curve).item<float>()) (14. / 5.) "score"
            let coarse = curves 3 target maps x
            Expect.equal (values coarse.Pixels) [| 0.; 3.; 4. |] "in steps of 3"
            Expect.equal ((NecessityOrdering.ofCurve coarse).item<float>()) (9. / 5.) "3 · 3 + 1 · 0")

        example "one pixel is enough" (fun () ->
            let model = ofFunctions [ "sum", (fun x -> x.sum([| 1L; 2L; 3L |]).unsqueeze 1L) ]

            let found = scores 1 model (tensor [ 2; 1; 1 ] [ 1; -1 ]) (tensor [ 2; 1; 1; 1 ] [ 5; 5 ])

            Expect.equal (values found) [| 0.; 0. |] "scores")

        example "passes counts the images to score" (fun () ->
            let maps = tensor [ 2; 1; 5 ] [ 1; 2; 3; 4; 5; -1; -1; 1; 1; 1 ]
            Expect.equal (PixelCurves.passes (NecessityOrdering.path 2) maps) 5L "3 and 2"
            Expect.equal (PixelCurves.passes (NecessityOrdering.path 1) maps) 8L "5 and 3")

        example "wrong steps and shapes are ArgumentExceptions, and nothing is left behind" (fun () ->
            let _, model, images, x = case (Random 8) 3.
            let maps = torch.ones (int64 images.Length, 3, 4)
            Expect.throwsT<ArgumentException> (fun () -> scores 0 model maps x |> ignore) "no pixels a step"
            Expect.throwsT<ArgumentException> (fun () -> scores 1 model (maps.transpose (1L, 2L)) x |> ignore) "4×3"

            let work () =
                use _ = torch.NewDisposeScope()
                scores 1 (batching (Fixed 3) model) maps x |> ignore

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
