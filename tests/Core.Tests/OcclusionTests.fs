module OcclusionTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private baselines = [ Baseline.black, 0.; Baseline.white 0.5, 0.5 ]

/// What class c loses when some features become that value.
let private loss net c (value: float) (isHidden: int -> bool) (image: float[]) =
    let score image = (Plain.logits net image)[c]

    score image - score (image |> Array.mapi (fun i x -> if isHidden i then value else x))

let private ablation =
    testList "FeatureAblation" [
        example "of net M at (20, 50, 30) for class 0 is (80, 200, 120)" (fun () ->
            let model =
                graphModel "linear2" [
                    node "linear0" (Linear(torch.eye (3, dtype = torch.float64), None)) [ "x" ]
                    node "linear1" (Linear(torch.ones (4, 3, torch.float64), Some(vector [ -10; 1; 1; 1 ]))) [
                        "linear0"
                    ]
                    node "relu" (Activation Relu) [ "linear1" ]
                    node "linear2" (Linear(torch.ones (2, 4, torch.float64), Some(vector [ -1; 1 ]))) [ "relu" ]
                ]

            let target = Target.ofQuantity (Quantity.ofClass 0) model

            let ablate groups =
                FeatureAblation.attribute groups Baseline.black target (batch (tensor [ 1; 3 ] [ 20; 50; 30 ]))

            same (tensor [ 1; 3 ] [ 80; 200; 120 ]) (ablate Features.numbers) "each alone"

            same
                (tensor [ 1; 3 ] [ 200; 200; 200 ])
                (ablate (Features.given (torch.tensor [| 0L; 1L; 0L |])))
                "20 with 30, and 50 alone")

        law "equals the plain twin for any groups, whatever the batch outside and inside" (fun rng ->
            let net, model, images, x = case rng 0.
            let start, value = baselines[rng.Next 2]
            let groups = Array.init 24 (fun _ -> int64 (rng.Next 5))

            let expected =
                images
                |> Array.collect (fun image ->
                    let c = Plain.predicted net image
                    Array.init 24 (fun p -> loss net c value (fun i -> groups[i] = groups[p]) image))
                |> tensor [ images.Length; 2; 3; 4 ]

            let groups = Features.given (torch.tensor(groups).reshape(2L, 3L, 4L))

            for outer in [ 2; 7 ] do
                for inner in [ Fixed 1; Fixed 4; Memory(1L <<< 30) ] do
                    let target = Target.ofQuantity Quantity.predicted (batching inner model)
                    let actual = inBatches outer (FeatureAblation.attribute groups start target) x
                    same expected actual $"{outer} at a time, {inner} a pass")

        law
            "groups of one channel hold for all, and one group for everything gives what the whole image adds"
            (fun rng ->
                let _, model, images, x = case rng 0.
                let target = Target.ofQuantity Quantity.predicted model

                let ablate groups = FeatureAblation.attribute (Features.given groups) Baseline.black target (batch x)

                let pixels = torch.arange(12, torch.int64).reshape(1L, 3L, 4L)
                same (ablate (pixels.expand (2L, 3L, 4L))) ((ablate pixels).unsqueeze(1L).expand_as x) "broadcast"
                same (ablate pixels) (FeatureAblation.attribute Features.each Baseline.black target (batch x)) "pixels"

                let gap = IntegratedGradients.completenessGap Baseline.black target (batch x) (torch.zeros_like x)

                let whole = ablate (torch.zeros (1, 1, 1, torch.int64))
                same (gap.reshape(-1L, 1L, 1L, 1L).expand_as x) (whole.abs ()) "all at once"
                Expect.equal whole.shape x.shape $"{images.Length} images")

        example "refuses groups of another shape" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted model

            let other = Features.given (torch.zeros (2, 3, 5, torch.int64))

            rejects<ArgumentException>
                (fun () -> FeatureAblation.attribute other Baseline.black target (batch x))
                "3×5 for 3×4")
    ]

let private given (size: int) = Nullable size
let private unset = Nullable<int>()

let private occlusion =
    testList "Occlusion" [
        law "equals the plain twin: the mean loss over the windows that cover a pixel, whatever the batch" (fun rng ->
            let net, model, images, x = case rng 0.
            let start, value = baselines[rng.Next 2]
            let size = rng.Next(1, 6)
            let stride = rng.Next(1, size + 1)

            // Every window of a side of so many pixels, from the first on that reaches the end none.
            let rec tops side from = if from + size >= side then [ from ] else from :: tops side (from + stride)

            let expected =
                images
                |> Array.collect (fun image ->
                    let c = Plain.predicted net image
                    let covers top at = at >= top && at < top + size

                    Array.init 12 (fun p ->
                        [
                            for top in tops 3 0 do
                                for left in tops 4 0 do
                                    if covers top (p / 4) && covers left (p % 4) then
                                        let isHidden i = covers top (i % 12 / 4) && covers left (i % 4)

                                        loss net c value isHidden image
                        ]
                        |> List.average))
                |> tensor [ images.Length; 3; 4 ]

            for outer in [ 2; 7 ] do
                for inner in [ Fixed 1; Fixed 4; Memory(1L <<< 30) ] do
                    let target = Target.ofQuantity Quantity.predicted (batching inner model)

                    let actual = inBatches outer (Occlusion.attribute (given size) (given stride) start target) x

                    same expected actual $"{size} by {stride}, {outer} at a time, {inner} a pass")

        law "of windows of one pixel is the ablation of pixels" (fun rng ->
            let _, model, _, x = case rng 0.
            let target = Target.ofQuantity Quantity.predicted model
            let ablated = FeatureAblation.attribute Features.each Baseline.black target (batch x)

            same ablated (Occlusion.attribute (given 1) unset Baseline.black target (batch x)) "pixels"

            same ablated (Occlusion.attribute unset unset Baseline.black target (batch x)) "default")

        law "of a linear model with windows side by side is each one's Σ x ⊙ W_c, and complete" (fun rng ->
            let w = gaussian rng [ 3; 32 ]

            let model = graphModel "s" [ node "f" Flatten [ "x" ]; node "s" (Linear(w, None)) [ "f" ] ]

            let x, c = gaussian rng [ 3; 2; 4; 4 ], rng.Next 3
            let target = Target.ofQuantity (Quantity.ofClass c) model
            let product = (x * w[int64 c].reshape(2L, 4L, 4L)).sum 1L
            let blocks = product.reshape(-1L, 2L, 2L, 2L, 2L).sum [| 2L; 4L |]
            let expected = blocks.repeat_interleave(2L, 1L).repeat_interleave(2L, 2L)
            let found = Occlusion.attribute (given 2) (given 2) Baseline.black target (batch x)
            same expected found "blocks"
            same ((Model.logits model x).select(1L, int64 c)) (found.sum [| 1L; 2L |] / 4.) "complete")

        law "of a constant is 0" (fun rng ->
            let _, model, _, x = case rng 0.

            let constant = Quantity.ofFunction "three" (fun s -> torch.full_like (s.select (1L, 0L), 3.))

            let found =
                Occlusion.attribute (given 2) unset Baseline.black (Target.ofQuantity constant model) (batch x)

            same (torch.zeros_like (x.select (1L, 0L))) found "zeros")

        example "has an eighth of the side as window and half a window as stride by default" (fun () ->
            let count (h: int) (w: int) = Occlusion.count unset unset (Instances.ofTensor (torch.zeros (1, 1, h, w)))

            Expect.equal (count 224 224) (15L * 15L) "224: windows of 28 every 14"
            Expect.equal (count 32 16) (15L * 15L) "windows of 4 × 2 every 2 and 1"
            Expect.equal (count 5 7) 35L "no smaller than a pixel")

        example "leaves no tensor behind" (fun () ->
            let _, model, _, x = case (Random 3) 0.
            let target = Target.ofQuantity Quantity.predicted (batching (Fixed 2) model)

            let work () =
                (inBatches 2 (Occlusion.attribute (given 2) unset Baseline.black target) x).Dispose()
                (inBatches 2 (FeatureAblation.attribute Features.numbers Baseline.black target) x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]

let tests = testList "hiding" [ ablation; occlusion ]
