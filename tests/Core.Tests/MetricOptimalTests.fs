module MetricOptimalTests

open System
open Attribution
open Attribution.Core
open Expecto
open TorchSharp
open Support

let private settings = {
    MetricSettings.standard with
        Relaxation = Relaxation.Soft 0.1
        PixelsPerStep = Some 4
        Samples = Some 4
        Peak = 1.
        Explain = Some(Saliency.attribute true)
        Masks =
            Some(fun batch ->
                let inside = Array.init 20 (fun p -> p % 4 = 1)
                torch.tensor(inside).reshape(1L, 5L, 4L).expand(batch.X.shape[0], -1L, -1L))
}

let private network (rng: Random) =
    graphModel "s" [
        node "conv" (convolution rng 2 3 true) [ "x" ]
        node "tanh" (Activation Tanh) [ "conv" ]
        node "flat" Flatten [ "tanh" ]
        node "s" (Linear(gaussian rng [ 3; 60 ] * 0.3, Some(gaussian rng [ 3 ] + 4.))) [ "flat" ]
    ]

let private target (row: Metric) model =
    let quantity = Quantity.ofClass 1

    model
    |> Target.ofQuantity (if row.Over = Scale.Probabilities then Quantity.ofProbabilities quantity else quantity)

let tests =
    testList "MetricOptimal" [
        for row in Metrics.all do
            if MetricOptimal.exists row then
                example $"no map that {row.Name} likes best is worse than the one that it began with" (fun () ->
                    let rng = Random 4
                    let model, x = network rng, gaussian rng [ 3; 2; 5; 4 ]
                    let target = target row model
                    let score (maps: Tensor) = values (row.Scores settings target maps (batch x))
                    let start = MetricOptimal.noise 1L (batch x)
                    Expect.equal start.shape [| 3L; 5L; 4L |] "a number a pixel"
                    let found = MetricOptimal.find row settings 8 start target (batch x)
                    let sign = if row.Better = Better.Higher then -1. else 1.

                    for before, after in Array.zip (score start) (score found) do
                        if not (Double.IsNaN before) then
                            Expect.isTrue (sign * after <= sign * before + 1e-9) $"{before} → {after}"

                    Expect.isTrue
                        (Array.exists2 (fun before after -> sign * after < sign * before) (score start) (score found))
                        "and some are better")

        example "complexity likes few pixels" (fun () ->
            let rng = Random 2
            let row = Metrics.all |> List.find (fun row -> row.Name = "complexity")
            let model, x = network rng, gaussian rng [ 2; 2; 5; 4 ]
            let start = MetricOptimal.noise 1L (batch x)
            let found = MetricOptimal.find row settings 300 start (target row model) (batch x)
            let score maps = (row.Scores settings (target row model) maps (batch x)).max().item<float>()
            Expect.isGreaterThan (score start) 2. "noise"
            Expect.isLessThan (score found) 1. "e pixels and less")

        example "what ranks pixels must be relaxed" (fun () ->
            let rng = Random 2
            let row = Metrics.all |> List.find (fun row -> row.Name = "deletion")
            let model, x = network rng, gaussian rng [ 1; 2; 5; 4 ]

            rejects<AttributionException>
                (fun () ->
                    MetricOptimal.find
                        row
                        { settings with Relaxation = Relaxation.Exact }
                        5
                        (MetricOptimal.noise 1L (batch x))
                        (target row model)
                        (batch x))
                "exact")
    ]
