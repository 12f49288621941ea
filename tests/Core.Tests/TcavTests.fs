module TcavTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

/// Solves A x = b by elimination.
let private solve (a: float[][]) (b: float[]) =
    let n = b.Length
    let rows = Array.map2 (fun row value -> Array.append row [| value |]) a b

    for i in 0 .. n - 1 do
        let pivot = Seq.maxBy (fun r -> abs (rows[r][i])) [ i .. n - 1 ]
        let row = rows[pivot]
        rows[pivot] <- rows[i]
        rows[i] <- Array.map (fun v -> v / row[i]) row

        for r in 0 .. n - 1 do
            if r <> i then
                let factor = rows[r][i]
                rows[r] <- Array.map2 (fun v w -> v - factor * w) rows[r] rows[i]

    Array.map Array.last rows

/// The twin: the ridge classifier of labelled rows, in the space of their numbers, with a constant that costs nothing.
let private fit lambda (rows: float[][]) (labels: float[]) =
    let d, n = rows[0].Length, float rows.Length
    let mean = Array.init d (fun k -> Seq.averageBy (fun (row: float[]) -> row[k]) rows)
    let centred = rows |> Array.map (fun row -> Array.map2 (-) row mean)
    let sum f = Seq.sum (Seq.map2 f centred labels)

    let matrix =
        Array.init d (fun i ->
            Array.init d (fun j -> sum (fun row _ -> row[i] * row[j]) + (if i = j then lambda else 0.)))

    let v = solve matrix (Array.init d (fun i -> sum (fun row y -> row[i] * (y - Array.sum labels / n))))
    v, Array.sum labels / n - Plain.dot v mean

let private lambdaOf ridge (rows: float[][]) =
    let mean = Array.init rows[0].Length (fun k -> Seq.averageBy (fun (row: float[]) -> row[k]) rows)
    ridge * Seq.averageBy (fun row -> Array.map2 (-) row mean |> fun c -> Plain.dot c c) rows

let private matrix (rows: float[][]) = tensor [ rows.Length; rows[0].Length ] (Array.concat rows)
let private all (t: Tensor) = (Number.Range(0L, t.shape[0], torch.CPU)).unsqueeze 0L
let private places first count = [| for i in 0 .. count - 1 -> int64 (first + i) |]

/// Images of two numbers, a network of two classes whose score of class 1 is (x₀ + 1)² - x₁, and 30 others.
let private bent =
    ofFunctions [
        "h", (fun x -> x.flatten 1L)
        "s",
        (fun h ->
            let a, b = h.select (1L, 0L), h.select (1L, 1L)
            let a = Tensor.shift 1. a
            torch.stack ([| b; a * a - b |], 1L))
    ]

let private images (rows: float[][]) = Instances.ofTensor (tensor [ rows.Length; 2; 1; 1 ] (Array.concat rows))

/// Everything a test takes, of a concept and others that are drawn.
let private products layer quantity model (others: float[][]) (concept: float[][]) x =
    let values = Tcav.values layer model (images (Array.append others concept))
    Tcav.products values values, Tcav.slopes quantity layer values model (images x)

/// The scores of a concept of 20 images, moved by some vector of 30 numbers, and of random sets in its place; the score's gradient turns
/// with the image, so that shares vary smoothly.
let private turned (rng: Random) (w: Tensor) seed (by: Tensor) =
    let model =
        ofFunctions [ "h", (fun x -> x.flatten 1L); "s", (fun h -> (h.matmul(w).tanh()).sum(1L, keepdim = true)) ]

    let draw count = gaussian rng [ count; 30; 1; 1 ]
    let concept = Tensor.add (draw 20) (by.reshape (1L, 30L, 1L, 1L))
    let values = Tcav.values "h" model (Instances.ofTensor (torch.cat [| draw 60; concept |]))
    let p = Tcav.products values values
    let slopes = Tcav.slopes (Quantity.ofClass 0) "h" values model (Instances.ofTensor (draw 30))

    Tcav.ofConcept 1. 10 (Random seed) 20 p slopes (places 60 20) (places 0 60),
    Tcav.ofRandom 1. 10 (Random seed) 20 p slopes (places 0 60)

let tests =
    testList "Tcav" [
        law
            "the normal is that of the ridge classifier of all numbers, and the accuracy that of leaving each image out"
            (fun rng ->
                let half, d, ridge = rng.Next(3, 8), rng.Next(2, 6), exp (2. * rng.NextDouble() - 1.)

                let rows =
                    Array.init (2 * half) (fun i -> gaussians rng d |> Array.map ((+) (if i < half then 0.7 else 0.)))

                let labels = Array.init (2 * half) (fun i -> if i < half then 1. else -1.)
                let lambda = lambdaOf ridge rows
                let expected, _ = fit lambda rows labels
                let x = matrix rows
                let found = Tcav.classifiers ridge (Tcav.products x x) (all x)
                let length = sqrt (Plain.dot expected expected)
                let unit = vector (expected |> Array.map (fun c -> c / length))
                close 1e-8 unit ((found.Weights.matmul x).squeeze 0L) "v, of length 1"
                close 1e-8 (number 0.) (found.Weights.sum ()) "the weights sum to 0"

                let isRight i =
                    let without values = Array.removeAt i values
                    let v, c = fit lambda (without rows) (without labels)
                    (Plain.dot v rows[i] + c) * labels[i] > 0.

                let right = Seq.averageBy (fun i -> if isRight i then 1. else 0.) [ 0 .. rows.Length - 1 ]
                same (number right) (number found.Accuracies[0]) "accuracy"
                let v = Tcav.vector ridge (x.narrow (0L, 0L, int64 half)) (x.narrow (0L, int64 half, int64 half))
                close 1e-8 unit v "as a vector")

        law "a pair's classifier depends on no other pair, and products on no chunk" (fun rng ->
            let x = gaussian rng [ 12; 5 ]
            let products = Tcav.products x x
            same (x.matmul (x.t ())) products "products"
            let pairs = array2D [ for _ in 1..3 -> [ for _ in 1..6 -> int64 (rng.Next 12) ] ]
            let found = (Tcav.classifiers 0.5 products (torch.tensor pairs)).Weights

            for i in 0..2 do
                let alone = torch.tensor (array2D [ pairs[i, *] ])
                same (Tcav.classifiers 0.5 products alone).Weights[0L] found[int64 i] "alone")

        law "directional derivatives are those of the quantity at the layer, by hand" (fun rng ->
            let net, model, points, x = case rng 0.
            let others = Array.init 5 (fun _ -> gaussians rng 24)

            let values = Tcav.values "h" model (Instances.ofTensor (tensor [ 5; 2; 3; 4 ] (Array.concat others)))

            let found = Tcav.slopes (Quantity.ofClass 1) "z" values model (Instances.ofTensor x)
            let relu = Array.map (max 0.)

            let expected =
                points
                |> Array.map (fun point ->
                    let gradient =
                        Array.map2
                            (fun g z -> if z > 0. then g else 0.)
                            (Plain.hiddenGradient net (Plain.oneHot net 1))
                            (Plain.hidden net point)

                    others |> Array.map (fun other -> Plain.dot gradient (relu (Plain.hidden net other))))

            close 1e-9 (matrix expected) found "slopes"

            let inOnes =
                Tcav.slopes (Quantity.ofClass 1) "z" values (batching (Fixed 1) model) (Instances.ofTensor x)

            same found inOnes "in batches of one")

        law "of a linear model the score is whether its weights point along the normal" (fun rng ->
            let weights = gaussians rng 2

            let model =
                ofFunctions [ "h", (fun x -> x.flatten 1L); "s", (fun h -> h.matmul (tensor [ 2; 1 ] weights)) ]

            let draw count by = Array.init count (fun _ -> gaussians rng 2 |> Array.map ((+) by))
            let others, concept = draw 24 0., draw 12 2.
            let p, slopes = products "h" (Quantity.ofClass 0) model others concept (draw 5 0.)
            let concept, others = places 24 12, places 0 24
            let found = Tcav.ofConcept 1. 4 (Random 3) 12 p slopes concept others
            // The same draws.
            let random = Random 3

            for run in 0..3 do
                let take from =
                    let from = Array.copy from
                    random.Shuffle from
                    from[..11]

                let own = take concept
                let pair = Array.append own (take others)
                let alpha = values (Tcav.classifiers 1. p (torch.tensor (array2D [ pair ]))).Weights
                let slope = Array.init 24 (fun i -> alpha[i] * (slopes[0L, pair[i]]).item<float>()) |> Array.sum
                same (number slope) (number found.Slopes[run]) $"the slope of run {run}"
                Expect.equal found.Scores[run] (if slope > 0. then 1. else 0.) $"the score of run {run}")

        example "a planted direction is found, along which the score grows, or its opposite falls" (fun () ->
            let rng = Random 5
            let draw count x y = Array.init count (fun _ -> gaussians rng 2 |> fun g -> [| g[0] + x; g[1] + y |])
            let others, concept, x = draw 60 0. 0., draw 20 3. 0., draw 40 0. 0.

            let values = Tcav.values "h" bent (images (Array.append others concept))

            let v = Tcav.vector 0.1 (values.narrow (0L, 60L, 20L)) (values.narrow (0L, 0L, 20L))
            Expect.isGreaterThan (v[0L].item<float>()) 0.95 "the first number"

            for quantity, by in [ Quantity.ofClass 1, 1.; Quantity.ofFunction "-" (fun s -> -s.select(1L, 1L)), -1. ] do
                let p, slopes = products "h" quantity bent others concept x
                let scores = Tcav.ofConcept 1. 20 (Random 1) 20 p slopes (places 60 20) (places 0 60)
                let random = Tcav.ofRandom 1. 20 (Random 1) 20 p slopes (places 0 60)
                let score = Array.average scores.Scores
                // The slope along the first number is 2 (x + 1) > 0 for x > -1, of a normal number: 84 %.
                Expect.isTrue (by * (score - 0.5) > 0.25) $"score {score}"
                Expect.isGreaterThan (Array.average scores.Accuracies) 0.85 "accuracy"
                let means = random |> Array.map (fun r -> Array.average r.Scores)
                Expect.isLessThan (abs (Array.average means - 0.5)) 0.2 "random sets lie about one half")

        example
            "random sets as concepts are significant in about 5 % of cases, and by the paper's test of runs in many more"
            (fun () ->
                let rng = Random 11
                let w = gaussian rng [ 30; 30 ]

                let once seed =
                    use _ = torch.NewDisposeScope()
                    let scores, random = turned rng w seed (torch.zeros (30L, dtype = torch.float64))
                    let means = random |> Array.map (fun r -> Array.average r.Slopes)

                    Statistics.oneAgainst means (Array.average scores.Slopes),
                    Statistics.welch scores.Scores (random |> Array.map (fun r -> r.Scores[0]))

                let found = Array.init 60 once
                let share test = found |> Seq.averageBy (fun p -> if test p < 0.05 then 1. else 0.)
                let own, runs = share fst, share snd
                // Of 60 at 5 %, 99.9 % are 9 or fewer.
                Expect.isTrue (own <= 0.15) $"{own} of sets"
                Expect.isGreaterThan runs 0.2 "the paper's test")

        example "a concept along which all scores grow is significant, and one across is not" (fun () ->
            let rng = Random 12
            let w = gaussian rng [ 30; 30 ]
            let along = w.sum 1L
            let along = along / along.norm ()
            let across = gaussian rng [ 30 ]
            let across = across - along * (along.dot across)

            for direction, isSignificant in [ along * Number.Of 4., true; across * Number.Of 0.7, false ] do
                let scores, random = turned rng w 1 direction
                let means = random |> Array.map (fun r -> Array.average r.Slopes)
                let p = Statistics.oneAgainst means (Array.average scores.Slopes)
                Expect.isGreaterThan (Array.average scores.Accuracies) 0.8 "the concept is told from others"
                Expect.equal (p < 0.05) isSignificant $"p = {p}")

        example "leaves no live tensors" (fun () ->
            let rng = Random 1
            let rows count = Array.init count (fun _ -> gaussians rng 2)
            let others, concept, x = rows 20, rows 10, rows 3

            let work () =
                use _ = torch.NewDisposeScope()
                let p, slopes = products "h" (Quantity.ofClass 1) bent others concept x
                Tcav.ofRandom 1. 3 (Random 1) 10 p slopes (places 0 20) |> ignore

            Expect.equal (liveAfter work) 0L "live")

        example "refuses a layer that does not lead to the score, and one without any spread" (fun () ->
            let rows = tensor [ 4; 3 ] (Array.create 12 1.)

            rejects<AttributionException>
                (fun () -> (Tcav.classifiers 1. (Tcav.products rows rows) (all rows)).Weights)
                "no spread"

            let dead =
                graphModel "s" [
                    node "flat" Flatten [ "x" ]
                    node "side" (Activation Relu) [ "flat" ]
                    node "s" (Activation Tanh) [ "flat" ]
                ]

            let x = Instances.ofTensor (torch.ones (1L, 2L, 1L, 1L, dtype = torch.float64))

            rejects<AttributionException>
                (fun () -> Tcav.slopes (Quantity.ofClass 0) "side" (torch.ones (1L, 2L, dtype = torch.float64)) dead x)
                "a dead end")
    ]
