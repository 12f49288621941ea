module EfficientParameterRandomisationTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private complexities = EfficientParameterRandomisation.complexities Relaxation.Exact

/// By counting: the first bin has both of its ends, any other its upper one.
let private entropy bins (pixels: float[]) =
    let low, high = Array.min pixels, Array.max pixels
    let bin v = max 1. (ceil ((v - low) / (high - low) * float bins))

    pixels
    |> Array.countBy bin
    |> Array.sumBy (fun (_, count) ->
        let p = float count / float pixels.Length
        -p * log p)

let private explain target batch = Saliency.attribute true target batch

let private scores bins model maps (x: Tensor) =
    let target = Target.ofQuantity Quantity.predicted model
    EfficientParameterRandomisation.scores Relaxation.Exact bins 3L explain target maps (batch x)

let tests =
    testList "EfficientParameterRandomisation" [
        law "complexity is the entropy of a histogram, by counting" (fun rng ->
            let bins = rng.Next(2, 12)
            let maps = gaussian rng [ 3; 2; 3; 4 ]
            let pixels = values (maps.mean [| 1L |]) |> Array.chunkBySize 12
            same (vector (Array.map (entropy bins) pixels)) (complexities bins maps) "counted"
            same (complexities bins maps) (complexities bins (maps * 7.5 + 3.)) "of any unit, from anywhere")

        example "complexity is ln of the bins where all are as full, ln 2 of two values, and 0 of one" (fun () ->
            let steps = tensor [ 1; 2; 4 ] [ 1. .. 8. ]
            same (vector [ log 4. ]) (complexities 4 steps) "as full"
            same (vector [ log 2. ]) (complexities 100 (steps.gt(4.5.ToScalar()).``to`` torch.float64)) "two values"
            same (vector [ 0. ]) (complexities 100 (torch.ones (1, 2, 4))) "one"
            rejects<ArgumentException> (fun () -> complexities 1 steps) "one bin")

        law "a score is what complexity rises by, as a share, once all layers are random" (fun rng ->
            let _, model, _, x = case rng 0.
            let maps = explain (Target.ofQuantity Quantity.predicted model) (batch x)
            let random = ParameterRandomisation.randomised 3L [ "s"; "z" ] model
            // The class stays the trained model's.
            let classes = Tensor.toArray<int64>((Model.logits model x).argmax 1L)
            let after = explain (Target.ofQuantity (Quantity.trueClassOf classes) random) (batch x)
            let before, after = complexities 5 maps, complexities 5 after
            let rise = Array.map2 (fun after before -> if before > 0. then (after - before) / before else nan)
            same (vector (rise (values after) (values before))) (scores 5 model maps x) "rise")

        example "a map that is scattered over its range has room to lose, one of a single speck to gain" (fun () ->
            let _, model, _, x = case (Random 6) 0.
            let speck = (tensor [ 3; 4 ] [ for i in 0..11 -> if i = 5 then 1. else 0. ]).expand_as x
            let steps = (tensor [ 3; 4 ] [ 1. .. 12. ]).expand_as x
            Expect.isTrue (values (scores 12 model speck x) |> Array.forall (fun rise -> rise > 0.)) "speck"
            Expect.isTrue (values (scores 12 model steps x) |> Array.forall (fun rise -> rise <= 0.)) "steps"
            Expect.isTrue (values (scores 12 model (x * 0.) x) |> Array.forall Double.IsNaN) "zeros"
            let target = Target.ofQuantity Quantity.predicted model
            let images = batch x

            let work () =
                let scores = EfficientParameterRandomisation.scores Relaxation.Exact 12 3L explain
                (scores target steps images).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
