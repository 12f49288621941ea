module AverageDropTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

/// The definition on arrays, for class k of an image whose score is positive.
let private twin net k (image: float[]) (map: float[]) =
    let before = (Plain.logits net image)[k]
    let kept = image |> Array.mapi (fun i v -> if map[i % 12] > 0. then v else 0.)
    100. * max (before - (Plain.logits net kept)[k]) 0. / before

let private drops model maps x =
    AverageDrop.scores Relaxation.Exact Mask.Hard (Target.ofQuantity Quantity.predicted model) maps (batch x)

let tests =
    testList "AverageDrop" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 20.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 24 |> Array.map casePixels

            let expected = Array.map2 (fun image map -> twin net (Plain.predicted net image) image map) images rows

            for size in [ 1; 2; 3; 7 ] do
                let target = Target.ofQuantity Quantity.predicted model

                let actual =
                    x
                    |> inBatches size (fun b ->
                        AverageDrop.scores Relaxation.Exact Mask.Hard target (maps.index_select (0L, b.Rows)) b)

                same (vector expected) actual $"{size} at a time")

        law "is the same for attributions and for their means over the channels" (fun rng ->
            let _, model, images, x = case rng 20.
            let maps = gaussian rng [ images.Length; 2; 3; 4 ]
            same (drops model maps x) (drops model (maps.mean [| 1L |]) x) "pixels"
            same (drops model maps x) (drops model (maps * 1000.) x) "only the sign matters")

        law "lies in [0, 100] for scores that stay positive, and is 0 for a map that keeps everything" (fun rng ->
            let _, model, images, x = case rng 1000.
            let maps = gaussian rng [ images.Length; 3; 4 ]

            for drop in values (drops model maps x) do
                Expect.isTrue (drop >= 0. && drop <= 100.) $"a drop of {drop}"

            same (torch.zeros (int64 images.Length, torch.float64)) (drops model (maps.abs () + 1e-9) x) "all positive")

        example "an all-negative map keeps the blank image" (fun () ->
            let net, model, images, x = case (Random 7) 20.

            let expected = images |> Array.map (fun i -> twin net (Plain.predicted net i) i (Array.create 12 -1.))

            same (vector expected) (drops model (-(torch.ones (int64 images.Length, 3, 4))) x) "blank")

        example "is NaN where the score is not positive, and only there" (fun () ->
            let model = ofFunctions [ "sum", (fun x -> x.sum([| 1L; 2L; 3L |]).unsqueeze 1L) ]
            let x = tensor [ 3; 1; 1; 2 ] [ 1; 3; -1; 1; -1; -3 ]
            let maps = tensor [ 3; 1; 2 ] [ 1; 0; 1; 1; 1; 1 ]
            let found = values (drops model maps x)
            Expect.floatClose Accuracy.veryHigh found[0] 75. "(4 - 1) / 4"
            Expect.isTrue (Double.IsNaN found[1] && Double.IsNaN found[2]) "0 and -4")

        example "takes the quantity that is asked for" (fun () ->
            let net, model, images, x = case (Random 8) 20.
            let maps = gaussian (Random 9) [ images.Length; 3; 4 ]
            let rows = values maps |> Array.chunkBySize 12
            let target = Target.ofQuantity (Quantity.ofClass 1) model

            same
                (vector (Array.map2 (twin net 1) images rows))
                (AverageDrop.scores Relaxation.Exact Mask.Hard target maps (batch x))
                "class 1")

        law "the soft mask weighs each pixel by its share of the image's own largest attribution" (fun rng ->
            let net, model, images, x = case rng 20.
            let n = images.Length
            // Maps of very different scales, and one without a positive pixel.
            let scales = tensor [ n; 1; 1 ] [ for i in 0 .. n - 1 -> 10. ** float i ]
            let maps = gaussian rng [ n; 3; 4 ] * scales
            maps[0L] <- -maps[0L].abs()

            let soft image (map: float[]) =
                let largest = Array.max map
                let k = Plain.predicted net image

                let weight p = if largest > 0. then max map[p] 0. / largest else 0.

                let before = (Plain.logits net image)[k]

                let after = (Plain.logits net (image |> Array.mapi (fun i v -> v * weight (i % 12))))[k]

                100. * max (before - after) 0. / before

            let expected = Array.map2 soft images (values maps |> Array.chunkBySize 12)

            for size in [ 1; 2; 7 ] do
                let target = Target.ofQuantity Quantity.predicted model

                let actual =
                    x
                    |> inBatches size (fun b ->
                        AverageDrop.scores Relaxation.Exact Mask.Soft target (maps.index_select (0L, b.Rows)) b)

                same (vector expected) actual $"{size} at a time")

        law "over probabilities it lies in [0, 100]" (fun rng ->
            let _, model, images, x = case rng 0.
            let maps = gaussian rng [ images.Length; 3; 4 ]

            let target = Target.ofQuantity (Quantity.ofProbabilities Quantity.predicted) model

            for mask in [ Mask.Hard; Mask.Soft ] do
                for drop in values (AverageDrop.scores Relaxation.Exact mask target maps (batch x)) do
                    Expect.isTrue (drop >= 0. && drop <= 100.) $"a drop of {drop}")

        example "maps of another shape are an ArgumentException, and nothing is left behind" (fun () ->
            let _, model, images, x = case (Random 8) 20.
            rejects<ArgumentException> (fun () -> drops model (torch.ones (int64 images.Length, 4, 3)) x) "4×3"
            let maps = torch.ones (int64 images.Length, 3, 4)
            let target = Target.ofQuantity Quantity.predicted model

            let work () =
                (inBatches
                    2
                    (fun b -> AverageDrop.scores Relaxation.Exact Mask.Hard target (maps.index_select (0L, b.Rows)) b)
                    x)
                    .Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
