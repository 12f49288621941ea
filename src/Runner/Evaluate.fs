[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open System.Globalization
open Attribution
open TorchSharp

/// A metric, set up.
type private Metric = {
    Info: AttributionMetric
    /// Forward passes an image, about: for the progress.
    Passes: float
    /// The scores of maps of instances.
    Score: Instances -> torch.Tensor -> IProgress<Progress> -> float seq
}

let private known = [ for metric in AttributionMetric.All -> metric.Name ]

/// Refuses images whose score is not positive, unless they may be skipped. Asked before the long work begins.
let private requirePositive arguments (inputs: Inputs) (target: Nullable<int>) =
    use _ = torch.NewDisposeScope()

    let logits =
        Terminal.watch $"""Scoring {Terminal.count inputs.Selected.Count "image"}""" (fun report ->
            let progress = Terminal.part report 0. 1.

            Inputs.naming (Array.get inputs.Positions) (fun () ->
                inputs.Model.Logits(inputs.Instances, Arguments.batchSize arguments, progress, arguments.Stop)))

    let check = PredictionCheck()
    check.Add logits
    check.Warning inputs.Selected |> Option.ofObj |> Option.iter Terminal.say

    let scores =
        if target.HasValue then
            logits.select (1L, int64 target.Value)
        else
            logits.amax [| 1L |]

    let isPositive = scores.gt(0.0.ToScalar()).data<bool>().ToArray()

    let positive, others =
        Array.partition (Array.get isPositive) [| 0 .. isPositive.Length - 1 |]

    if others.Length > 0 && not (List.contains Arg.Skip_Non_Positive arguments.Given) then
        let names =
            others |> Seq.truncate 20 |> Seq.map inputs.Selected.Label |> String.concat ", "

        let more =
            if others.Length > 20 then
                $" and {others.Length - 20} more"
            else
                ""

        raise (
            AttributionException
                $"Average drop is undefined where the score is not positive, as for {others.Length} of {isPositive.Length} images ({names}{more}): leave them out with --skip-non-positive."
        )

    if positive.Length = 0 then
        raise (AttributionException "Average drop is undefined: no image has a positive score.")

let private metric arguments (inputs: Inputs) (target: Nullable<int>) name =
    let info = AttributionMetric.Find name

    let settings =
        MetricSettings(
            TargetClass = target,
            PixelsPerStep =
                (arguments
                 |> Arguments.atLeast
                     1
                     "--pixels-per-step"
                     (function
                     | Arg.Pixels_Per_Step n -> Some n
                     | _ -> None)
                     1000),
            Seed = int64 (Arguments.seed arguments)
        )

    if name = "average-drop" then
        requirePositive arguments inputs target

    let score = info.Create.Invoke(inputs.Model, settings)

    {
        Info = info
        Passes = info.Passes.Invoke(settings, int64 inputs.All.Height * int64 inputs.All.Width)
        Score =
            fun instances maps progress ->
                score.Invoke(maps, instances, Arguments.batchSize arguments, progress, arguments.Stop)
    }

let private show (metrics: Metric list) (table: ScoreTable) what =
    let cell (scores: MethodScores) =
        let number (value: float) =
            value.ToString("0.000", CultureInfo.InvariantCulture)

        let skipped =
            if scores.Skipped.Count > 0 then
                $" (n = {scores.Count})"
            else
                ""

        $"{number scores.Score} ± {number scores.StandardError}{skipped}"

    let title metric =
        let arrow = if metric.Info.Better = Better.Lower then "↓" else "↑"
        $"{metric.Info.Title} {arrow}"

    Terminal.table what 1 ("method" :: List.map title metrics) [
        for method, scores in table.Scores |> Seq.groupBy _.Method -> method :: [ for s in scores -> cell s ]
    ]

let private run arguments =
    let given pick = arguments.Given |> List.collect pick

    let methodNames =
        given (function
            | Arg.Methods names -> names
            | _ -> [])
        |> Arguments.names "--methods" Methods.known

    let metricNames =
        given (function
            | Arg.Metrics names -> names
            | _ -> [])
        |> Arguments.names "--metrics" known

    use out = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected

    let target, score =
        match Arguments.quantity arguments with
        | QuantitySpec.Class k ->
            let k = Inputs.classOf inputs k
            Nullable k, $"the score of class {k}"
        | _ -> Nullable(), "the predicted class's score"

    let metrics = metricNames |> List.map (metric arguments inputs target)

    let methods, _ = Methods.create arguments inputs methodNames

    let scores = [
        for method in methods do
            for metric in metrics -> method, metric, ResizeArray<float>()
    ]

    let passes =
        List.sumBy (fun (m: Method) -> m.Passes) methods
        + float methods.Length * List.sumBy _.Passes metrics

    Terminal.watch $"""Evaluating {Terminal.count images.Count "image"}""" (fun report ->
        let mutable spent = 0.

        Methods.forParts inputs (fun part ->
            let spend passes' work =
                let share = passes' / passes * float part.Images.Count / float images.Count
                let result = work (Terminal.part report spent share)
                spent <- spent + share
                result

            // Every map is made once, and a metric scores those of all methods together.
            let maps = [| for method in methods -> spend method.Passes (method.Attribute part) |]

            use every = torch.cat maps
            let instances = part.Instances.Repeated methods.Length

            for metric in metrics do
                let found =
                    spend (metric.Passes * float methods.Length) (metric.Score instances every)
                    |> Seq.chunkBySize part.Images.Count

                for method, found in Seq.zip methods found do
                    for owner, of', values in scores do
                        if owner.Name = method.Name && of'.Info.Name = metric.Info.Name then
                            values.AddRange found))

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for method, metric, values in scores -> MethodScores(method.Name, metric.Info.Name, values)
            |]
        )

    show
        metrics
        table
        $"""{Terminal.count images.Count "image"}, {score}: mean ± standard error; ↓ lower is better, ↑ higher is"""

    methods |> List.choose (fun method -> method.Note()) |> List.iter Terminal.say
    table.WriteCsv(out.Draft "scores.csv")
    table.WriteJson(out.Draft "scores.json")
    out |> Output.commit "scores.csv and scores.json"

let command = {
    Name = "evaluate"
    Summary = "Measures methods by metrics, image by image."
    Syntax = $"{Inputs.syntax} --methods METHOD,… --metrics METRIC,… --out FOLDER"
    Options =
        Inputs.options
        @ [ "--methods"; "--metrics"; "--pixels-per-step"; "--skip-non-positive" ]
        @ Methods.options
        @ [ "--out" ]
    Run = run
}
