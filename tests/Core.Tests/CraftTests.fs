module CraftTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private positive (rng: Random) shape = (gaussian rng shape).abs()

/// Images of two channels, which are the layer too, and whose score weighs the channels' means.
let private model (weights: float list) (power: float) =
    ofFunctions [
        "h", (fun x -> x.relu ())
        "s", (fun h -> (h.mean([| 2L; 3L |]).pow(Number.Of power).matmul(tensor [ weights.Length; 1 ] weights)))
    ]

let private cuts rows columns crop = Craft.crops rows columns crop 0 |> List.map (fun c -> c.Top, c.Left)

let tests =
    testList "Craft" [
        example
            "Sobol's total indices of a sum are the shares of its terms' variances, and of a product known"
            (fun () ->
                let weights = [| 1.; 2.; 0.; 3. |]
                let points = Sobol.points 1L 6000 4
                let sum = (points.matmul (vector weights)).unsqueeze 0L
                let shares = weights |> Array.map (fun w -> w * w / 14.)
                close 0.03 (vector shares) ((Sobol.totals 4 sum).squeeze 0L) "a sum"
                // Of x₀x₁: the variance is 1/9 - 1/16 = 7/144, of which 1/36 is due to the two alone each less what they share: T = (1/9·1/12)/(7/144).
                let product = (points.select (1L, 0L) * points.select (1L, 1L)).unsqueeze 0L
                close 0.03 (vector [ 4. / 7.; 4. / 7.; 0.; 0. ]) ((Sobol.totals 4 product).squeeze 0L) "a product"
                same (torch.zeros (1L, 4L, dtype = torch.float64)) (Sobol.totals 4 (torch.ones_like sum)) "a constant")

        law "points are a, b, and a with one number of b" (fun rng ->
            let count, d = rng.Next(1, 5), rng.Next(1, 5)
            let points = (Sobol.points (int64 (rng.Next())) count d).reshape(int64 (d + 2), int64 count, int64 d)
            let a, b = points[0L], points[1L]

            for i in 0 .. d - 1 do
                for k in 0 .. d - 1 do
                    let expected = if k = i then b else a
                    same (expected.select (1L, int64 k)) (points[int64 (i + 2)].select(1L, int64 k)) $"{i}, {k}")

        example "crops cover an image to its edges, evenly, with an overlap of a fifth or more" (fun () ->
            Expect.equal (cuts 10 10 5) [ 0, 0; 0, 2; 0, 5; 2, 0; 2, 2; 2, 5; 5, 0; 5, 2; 5, 5 ] "ten by five"
            Expect.equal (cuts 8 8 8) [ 0, 0 ] "the whole image")

        law "a crop's channels are the means of the layer over the crop, resized" (fun rng ->
            let x = positive rng [ 3; 2; 6; 6 ]
            let found, crops = Craft.channels 3 "h" (model [ 1.; 1. ] 1.) (Instances.ofTensor x)
            Expect.equal crops.Length (3 * 9) "three along a side"

            for at in [ 0; 13; 26 ] do
                let crop = crops[at]

                let pixels = x[int64 crop.Image].narrow(1L, int64 crop.Top, 3L).narrow(2L, int64 crop.Left, 3L)

                let large =
                    torch.nn.functional.interpolate (
                        pixels.unsqueeze 0L,
                        [| 6L; 6L |],
                        mode = torch.InterpolationMode.Bilinear,
                        align_corners = false
                    )

                same (large.mean([| 2L; 3L |]).squeeze 0L) found[int64 at] $"crop {at}"

            let model = batching (Fixed 1) (model [ 1.; 1. ] 1.)
            same found (fst (Craft.channels 3 "h" model (Instances.ofTensor x))) "in batches of one")

        example
            "of channels that are the concepts, importance is the share of each one's variance in the score"
            (fun () ->
                let x = torch.ones (2L, 2L, 4L, 4L, dtype = torch.float64)
                let w = torch.eye (2L, dtype = torch.float64)
                let model = model [ 1.; 2. ] 1.
                let found = Craft.importance 1L 3000 w (Quantity.ofClass 0) "h" model (Instances.ofTensor x)
                close 0.03 (tensor [ 2; 2 ] [ 0.2; 0.8; 0.2; 0.8 ]) found "an image each"

                let alone =
                    Craft.importance
                        1L
                        3000
                        w
                        (Quantity.ofClass 0)
                        "h"
                        (batching (Fixed 7) model)
                        (Instances.ofTensor x)

                same found alone "in passes of seven")

        example "maps are the concepts' coefficients where they are" (fun () ->
            let x = torch.zeros (1L, 2L, 4L, 4L, dtype = torch.float64)
            x[0L, 1L, 2L, 3L] <- number 5.
            let w = torch.eye (2L, dtype = torch.float64)
            let maps = Craft.maps w "h" (model [ 1.; 1. ] 1.) (Instances.ofTensor x)
            same x maps "the identity's are the layer itself")

        example "refuses a layer with negative values, and one without positions" (fun () ->
            let x = Instances.ofTensor (-torch.ones(1L, 2L, 4L, 4L, dtype = torch.float64))

            rejects<AttributionException>
                (fun () -> fst (Craft.channels 2 "x" (graphModel "s" [ node "s" Flatten [ "x" ] ]) x))
                "negative"

            rejects<AttributionException> (fun () -> fst (Craft.channels 2 "s" (model [ 1.; 1. ] 1.) x)) "no positions")

        example "leaves no live tensors" (fun () ->
            let x = Instances.ofTensor (positive (Random 2) [ 2; 2; 6; 6 ])

            let work () =
                use _ = torch.NewDisposeScope()
                let model = model [ 1.; 2. ] 1.
                let a, _ = Craft.channels 3 "h" model x
                let _, w, _ = Nmf.factor 1L 2 20 a
                Craft.importance 1L 4 w (Quantity.ofClass 0) "h" model x |> ignore
                Craft.maps w "h" model x |> ignore

            Expect.equal (liveAfter work) 0L "live")
    ]
