module ExamplesTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// The distance of two rows, one number at a time.
let private apart distance (a: float[]) (b: float[]) =
    match distance with
    | LayerDistance.Euclidean -> sqrt (Array.fold2 (fun sum x y -> sum + (x - y) * (x - y)) 0. a b)
    | LayerDistance.Cosine ->
        let length v = sqrt (Plain.dot v v)
        if length a = 0. || length b = 0. then 1. else max 0. (1. - Plain.dot a b / (length a * length b))

/// The slow twin: a sort of pairs.
let private nearest distance count mayBe (x: float[]) (set: (float[] * int)[]) =
    set
    |> Array.indexed
    |> Array.filter (fun (i, (_, k)) -> mayBe i k)
    |> Array.map (fun (i, (values, _)) -> i, apart distance x values)
    |> Array.sortBy (fun (i, d) -> d, i)
    |> Array.truncate count

let private rows (positions: Tensor, distances: Tensor) =
    Array.zip (values positions) (values distances)
    |> Array.chunkBySize (int positions.shape[1])
    |> Array.map (
        Array.filter (fun (position, _) -> position >= 0.)
        >> Array.map (fun (position, d) -> int position, d)
    )

let private first found = (rows found)[0]

let private same' (expected: (int * float)[]) (found: (int * float)[]) message =
    Expect.equal (Array.map fst found) (Array.map fst expected) message
    Array.iter2 (fun (_, e) (_, f) -> Expect.floatClose Accuracy.high f e message) expected found

let tests =
    testList "Examples" [
        law "are those of a sort of all pairs, in passes of any size" (fun rng ->
            let net, model, images, x = case rng 0.
            let others = Array.init 9 (fun _ -> gaussians rng 24)
            let set = tensor [ 9; 2; 3; 4 ] (Array.concat others)

            for distance in [ LayerDistance.Cosine; LayerDistance.Euclidean ] do
                for layer, read in
                    [
                        "z", Plain.hidden net
                        "h", Plain.hidden net >> Array.map (max 0.)
                        "s", Plain.logits net
                        "x", id
                    ] do
                    let known = others |> Array.map (fun image -> read image, Plain.predicted net image)

                    for size in [ Memory(1L <<< 30); Fixed 2 ] do
                        let found =
                            Examples.survey
                                distance
                                Units.Each
                                layer
                                (batching size model)
                                (Instances.ofTensor x)
                                (Instances.ofTensor set)

                        let similar, counterfactual =
                            rows (Examples.similar 3 found), rows (Examples.counterfactual 3 found)

                        for i in 0 .. images.Length - 1 do
                            let own, k = read images[i], Plain.predicted net images[i]

                            let check isAsked (found: (int * float)[]) =
                                let expected = nearest distance 3 (fun _ other -> isAsked other) own known
                                let positions = Array.map fst found
                                Expect.equal positions.Length expected.Length "as many"
                                Expect.equal (Array.distinct positions) positions "each once"

                                // Which of two comes first that are as far apart but for rounding, nobody says.
                                for (position, d), (_, e) in Array.zip found expected do
                                    let values, other = known[position]
                                    Expect.isTrue (isAsked other) "of the classes that are asked for"
                                    Expect.isTrue (abs (d - e) < 1e-7) $"{layer}: {d} in place of {e}"
                                    Expect.isTrue (abs (d - apart distance own values) < 1e-7) "its own distance"

                            check ((=) k) similar[i]
                            check ((<>) k) counterfactual[i])

        law "itself is left out, whatever its place, and as often as it is there" (fun rng ->
            let _, model, images, x = case rng 0.
            let set = torch.cat [| gaussian rng [ 2; 2; 3; 4 ]; x; x |]

            let found =
                Examples.survey
                    LayerDistance.Euclidean
                    Units.Each
                    "z"
                    model
                    (Instances.ofTensor x)
                    (Instances.ofTensor set)

            for i, row in Array.indexed (rows (Examples.similar 100 found)) do
                let positions = Array.map fst row
                Expect.isFalse (Array.contains (2 + i) positions) "its first place"
                Expect.isFalse (Array.contains (2 + images.Length + i) positions) "its second"

            let all = Array.append (rows (Examples.similar 100 found)) (rows (Examples.counterfactual 100 found))
            Expect.equal (all |> Array.sumBy Array.length) (images.Length * (int set.shape[0] - 2)) "and nothing else")

        example "of equals the first is taken first" (fun () ->
            // A layer that sees the first number alone, of images that differ elsewhere.
            let f (x: Tensor) = x.flatten(1L).narrow(1L, 0L, 1L)

            let model =
                ofFunctions [ "first", f; "scores", (fun (z: Tensor) -> torch.cat ([| z; Tensor.complement z |], 1L)) ]

            let set = tensor [ 5; 1; 1; 2 ] [ 3.; 1.; 2.; 2.; 3.; 3.; 2.; 4.; 3.; 5. ]
            let x = tensor [ 1; 1; 1; 2 ] [ 2.; 0. ]

            let found =
                Examples.survey
                    LayerDistance.Euclidean
                    Units.Each
                    "first"
                    model
                    (Instances.ofTensor x)
                    (Instances.ofTensor set)

            same' [| 1, 0.; 3, 0.; 0, 1.; 2, 1. |] (first (Examples.similar 4 found)) "by position"
            Expect.isEmpty (first (Examples.counterfactual 4 found)) "none of another class")

        example "a channel is a unit where units are channels" (fun () ->
            let model = ofFunctions [ "maps", id; "scores", (fun (z: Tensor) -> z.mean [| 2L; 3L |]) ]

            // The same sums over positions, other places.
            let x = tensor [ 1; 2; 1; 2 ] [ 1.; 0.; 0.; 3. ]
            let set = tensor [ 2; 2; 1; 2 ] [ 0.; 1.; 3.; 0.; 1.; 0.; 0.; 2. ]

            let find units =
                Examples.survey
                    LayerDistance.Euclidean
                    units
                    "maps"
                    model
                    (Instances.ofTensor x)
                    (Instances.ofTensor set)

            same' [| 0, 0.; 1, 1. |] (first (Examples.similar 2 (find Units.ChannelSum))) "by channels"
            same' [| 1, 1.; 0, sqrt 20. |] (first (Examples.similar 2 (find Units.Each))) "by numbers")

        example "what is 0 has no direction: its cosine distance is 1" (fun () ->
            let zero, other = torch.zeros (1L, 3L, torch.float64), tensor [ 2; 3 ] [ 1.; 0.; 0.; 0.; 0.; 0. ]
            same (tensor [ 1; 2 ] [ 1.; 1. ]) (Examples.distances LayerDistance.Cosine zero other) "to anything"

            same
                (tensor [ 1; 1 ] [ 2. ])
                (Examples.distances
                    LayerDistance.Cosine
                    (vector [ -2. ] |> _.unsqueeze(0L))
                    (vector [ 1. ] |> _.unsqueeze(0L)))
                "opposite")

        example "leaves no tensor but what it found" (fun () ->
            let _, model, _, x = case (Random 1) 0.
            let set = gaussian (Random 2) [ 4; 2; 3; 4 ]

            let live =
                liveAfter (fun () ->
                    use _ = torch.NewDisposeScope()

                    let found =
                        Examples.survey
                            LayerDistance.Cosine
                            Units.Each
                            "z"
                            model
                            (Instances.ofTensor x)
                            (Instances.ofTensor set)

                    Examples.similar 2 found |> ignore)

            Expect.equal live 0L "no tensor more")

        example "refuses sets of another shape, no examples, and a layer that leads nowhere" (fun () ->
            let _, model, _, x = case (Random 1) 0.

            let find layer (set: Tensor) =
                Examples.survey
                    LayerDistance.Cosine
                    Units.Each
                    layer
                    model
                    (Instances.ofTensor x)
                    (Instances.ofTensor set)

            let empty = torch.zeros ([| 0L; 2L; 3L; 4L |], torch.float64)

            for wrong in
                [
                    (fun () -> find "z" (torch.zeros (2L, 2L, 4L, 3L)))
                    (fun () -> find "z" empty)
                    (fun () -> find "q" x)
                ] do
                Expect.throwsT<AttributionException> (wrong >> ignore) "one sentence"

            rejects<ArgumentException> (fun () -> Examples.similar 0 (find "z" x) |> fst) "no examples")
    ]
