[<RequireQualifiedAccess>]
module Attribution.Runner.Optimal

open System.Collections.Generic
open Attribution
open TorchSharp

let private start, best, part, whole =
    "score at the start",
    "score of the best map",
    "attribution in the part, to a uniform map's",
    "in the object, to a uniform map's"

/// The share of positive attribution inside a mask, to a uniform map's.
let private inside (masks: torch.Tensor) (maps: torch.Tensor) : IReadOnlyList<float> =
    Seq.map2 (/) (Localisation.Shares(masks, maps)) (Localisation.Areas masks) |> Array.ofSeq :> _

let private run (given: Given) =
    let all = [
        for m in AttributionMetric.All do
            // What masks say is what is best by those that need some.
            if MetricOptimal.Exists m && not m.NeedsMasks then
                m
    ]

    let known = [ for m in all -> m.Name ]
    // What compares a map with those of a method asks for whatever the method says.
    let usual = [
        for m in all do
            if not m.NeedsExplain then
                m.Name
    ]

    let asked = given.All Metrics
    let names, isAll = Arguments.namesOr (usual, true) "--metrics" known asked

    if isAll && not asked.IsEmpty then
        let others = [
            for m in AttributionMetric.All do
                if m.NeedsMasks then
                    m.Name
        ]

        Terminal.say $"""Left out: {String.concat ", " others}, which like best what masks say."""

    let steps = defaultArg (Methods.iterations given) 30
    use output = Output.Of given
    use inputs = Inputs.load given
    let images = Inputs.few given 7 inputs
    let x: Instances = Instances.op_Implicit images
    let methodSettings = Methods.settings given inputs
    let explain = Methods.explaining methodSettings

    let from =
        match given.Get From with
        | None
        | Some "noise" -> None
        | Some name ->
            AttributionMethod.Find name |> ignore
            Some((explain name).Invoke(inputs.Model, Quantity.Predicted).Invoke(x, cancellation = given.Stop))

    use _ = torch.NewDisposeScope()
    let masks = if isNull inputs.Scenes then None else Some(torch.tensor (Array.ofSeq images.Ids))

    let measures = [
        yield start
        yield best
        if masks.IsSome then
            yield! [ part; whole ]
    ]

    let trials = Trials(names, measures, [ 0 .. images.Count - 1 ], "image", false)
    let pixels = PictureTable.Images(images.Images(), float images.Peak)

    let groups =
        ResizeArray [
            let row title (pictures: torch.Tensor) =
                KeyValuePair(
                    title,
                    [ for i in 0 .. images.Count - 1 -> PictureTile(pictures[int64 i]) ] :> IReadOnlyList<_>
                )

            row "the images" pixels

            match masks with
            | Some rows ->
                row
                    "the part that tells two classes apart"
                    (PictureTable.Clouds(inputs.Scenes.PartMasks[rows].``to`` torch.float32))
            | None -> ()
        ]

    for name in names do
        use scope = torch.NewDisposeScope()
        let metric = AttributionMetric.Find name

        let settings =
            MetricSettings(
                Explain = explain "saliency",
                PixelsPerStep = Arguments.positive "--pixels-per-step" (given.Get Pixels_Per_Step),
                Seed = int64 (Arguments.seed given)
            )

        let search = MetricOptimal(inputs.Model, metric, settings, steps)

        let scores (maps: torch.Tensor) =
            metric.Create(inputs.Model, settings).Invoke(maps, x, cancellation = given.Stop)

        let found, first =
            Terminal.watch $"Looking for what {name} likes best" (fun progress ->
                let first =
                    match from with
                    | Some maps -> maps
                    | None -> search.Start x

                search.Find(x, first, progress, given.Stop), first)

        trials.Add(name, start, scores first)
        trials.Add(name, best, scores found)

        match masks with
        | Some rows ->
            trials.Add(name, part, inside inputs.Scenes.PartMasks[rows] found)
            trials.Add(name, whole, inside inputs.Scenes.ObjectMasks[rows] found)
        | None -> ()

        let clouds = (PictureTable.Clouds found).MoveToOuterDisposeScope()

        groups.Add(
            KeyValuePair(
                metric.Title,
                [ for i in 0 .. images.Count - 1 -> PictureTile(clouds[int64 i].MoveToOuterDisposeScope()) ]
                :> IReadOnlyList<_>
            )
        )

    Terminal.table (trials.Table("What each metric likes best", "metric"))
    trials.WriteCsv(output.Draft "optimal.csv")
    trials.WriteJson(output.Draft "optimal.json")
    let origin = defaultArg (given.Get From) "noise"

    PictureTable.Write(
        output.Draft "optimal.png",
        "The maps that each metric likes best",
        $"""What is positive of them, after {Words.Count(steps, "step")} along the slope of the relaxed score from {origin}""",
        2,
        76.,
        groups
    )

    output.Commit "optimal.csv, optimal.json and optimal.png"

let command = {
    Name = "optimal"
    Summary = "Finds the maps that each metric likes best, from noise: what it asks for when nothing else restrains it."
    Syntax = $"{Inputs.syntax} [--metrics METRIC…] [--from METHOD] [--iterations N] --out FOLDER"
    Options =
        Inputs.options
        @ [ Group.of'<MetricOption>; Group.of'<OptimalOption>; Group.of'<StepOption> ]
        @ Methods.options
        @ [ Group.of'<OutOption> ]
    Run = run
}
