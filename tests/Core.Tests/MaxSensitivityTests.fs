module MaxSensitivityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private norm (v: float[]) = sqrt (Plain.dot v v)

/// Maps made in batches of that size.
let private explainer size (explain: Tensor -> Tensor) (instances: Instances) =
    instances |> Instances.map size (fun b -> explain b.X)

let private scores samples explain maps x = MaxSensitivity.scores explain 0.1 samples 3L maps (Instances.ofTensor x)

let tests =
    testList "MaxSensitivity" [
        law "equals the plain twin, whatever the batch" (fun rng ->
            let x = gaussian rng [ rng.Next(1, 6); 2; 3; 4 ]
            let cube (x: Tensor) = x.pow (3.0.ToScalar())
            let rows = values x |> Array.chunkBySize 24

            let expected =
                rows
                |> Array.mapi (fun i image ->
                    let alone = { batch x with X = x.narrow (0L, int64 i, 1L); Ids = [| int64 i |] }

                    Seq.max [
                        for draw in 0L .. 3L do
                            let noise =
                                values (Noise.uniform 3L draw alone) |> Array.map (fun u -> 0.1 * (2. * u - 1.))

                            let moved = Array.map2 (fun v e -> (v + e) ** 3. - v ** 3.) image noise
                            norm moved / norm (Array.map (fun v -> v ** 3.) image)
                    ])

            for size in [ 1; 2; 7 ] do
                same (vector expected) (scores 4 (explainer size cube) (cube x) x) $"{size} at a time")

        law "is 0 for a map that never changes, and bounded for the image itself" (fun rng ->
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let w = gaussian rng [ 2; 3; 4 ]
            let constant (x: Tensor) = w.expand_as x
            same (torch.zeros (3, torch.float64)) (scores 3 (explainer 2 constant) (constant x) x) "constant"

            for found, image in
                Seq.zip (values (scores 3 (explainer 2 _.clone()) x x)) (Array.chunkBySize 24 (values x)) do
                Expect.isTrue (0. < found && found <= 0.1 * sqrt 24. / norm image) $"{found}"

            let fewer, more =
                values (scores 2 (explainer 2 _.clone()) x x), values (scores 9 (explainer 2 _.clone()) x x)

            Array.iter2 (fun f m -> Expect.isTrue (f <= m) "more samples find more") fewer more)

        example "is NaN where the map is 0, and reads a pixel map as one" (fun () ->
            let x = gaussian (Random 1) [ 2; 2; 3; 4 ]
            let maps = x.clone ()
            maps[1L] <- torch.zeros_like maps[1L]
            let found = values (scores 2 (explainer 2 _.clone()) maps x)
            Expect.isTrue (Double.IsFinite found[0] && Double.IsNaN found[1]) "the second"

            let pixels = scores 2 (explainer 2 _.mean([| 1L |])) (x.mean [| 1L |]) x
            same pixels (scores 2 (explainer 2 _.clone()) (x.mean [| 1L |]) x) "pixels"

            rejects<ArgumentException>
                (fun () -> scores 2 (explainer 2 (fun x -> x.narrow (2L, 0L, 1L))) maps x)
                "another shape"

            let work () = (scores 2 (explainer 1 _.clone()) maps x).Dispose()

            Expect.equal (liveAfter work) 0L "live tensors")
    ]
