module AverageSensitivityTests

open System
open Expecto
open TorchSharp
open Attribution.Core
open Support

let private explained (explain: Tensor -> Tensor) (instances: Instances) =
    instances |> Instances.map 2 (fun b -> explain b.X)

let private by scores samples explain maps x : Tensor =
    scores (explained explain) 0.1 samples 3L maps (Instances.ofTensor x)

let private average samples = by AverageSensitivity.scores samples
let private most samples = by MaxSensitivity.scores samples

let tests =
    testList "AverageSensitivity" [
        law "equals the plain twin" (fun rng ->
            let x = gaussian rng [ rng.Next(1, 6); 2; 3; 4 ]
            let cube (x: Tensor) = x.pow (3.0.ToScalar())
            let norm (v: float[]) = sqrt (Plain.dot v v)

            let expected =
                values x
                |> Array.chunkBySize 24
                |> Array.mapi (fun i image ->
                    let alone = { batch x with X = x.narrow (0L, int64 i, 1L); Ids = [| int64 i |] }

                    List.average [
                        for draw in 0L .. 3L do
                            let moved =
                                Array.map2
                                    (fun v u -> (v + 0.1 * (2. * u - 1.)) ** 3. - v ** 3.)
                                    image
                                    (values (Noise.uniform 3L draw alone))

                            norm moved / norm (Array.map (fun v -> v ** 3.) image)
                    ])

            same (vector expected) (average 4 cube (cube x) x) "twin")

        law "is at most max-sensitivity, and equals it for one sample" (fun rng ->
            let x = gaussian rng [ 3; 2; 3; 4 ]
            let scores of' samples = values (of' samples Tensor.square (Tensor.square x) x)
            Expect.equal (scores average 1) (scores most 1) "one"
            Array.iter2 (fun mean largest -> Expect.isLessThan mean largest "five") (scores average 5) (scores most 5))

        example "is 0 for a map that never changes, and NaN for one of zeros" (fun () ->
            let x = gaussian (Random 1) [ 2; 2; 3; 4 ]
            let maps = x.clone ()
            maps[1L] <- torch.zeros_like maps[1L]
            let found = values (average 2 (fun x -> maps.narrow (0L, 0L, x.shape[0])) maps x)
            Expect.equal found[0] 0. "constant"
            Expect.isTrue (Double.IsNaN found[1]) "zeros")
    ]
