[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open System.Globalization
open Attribution
open TorchSharp

/// Refuses images whose score is not positive, unless they may be skipped. Asked before the long work begins.
let private requirePositive arguments (inputs: Inputs) (target: Nullable<int>) =
    use _ = torch.NewDisposeScope()

    let logits =
        Terminal.watch $"""Scoring {Terminal.count inputs.Selected.Count "image"}""" (fun report ->
            let progress = Terminal.part report 0. 1.

            Inputs.naming (Array.get inputs.Positions) (fun () ->
                inputs.Model.ClassScores(inputs.Instances, Arguments.batchSize arguments, progress, arguments.Stop)))

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

    let rows = [
        for method, scores in table.Scores |> Seq.groupBy _.Method -> method :: [ for s in scores -> cell s ]
    ]

    let whole = ("method" :: List.map Scoring.title metrics) :: rows

    // Many metrics of few methods go down the page.
    let whole =
        if metrics.Length > 5 && metrics.Length > rows.Length then
            List.transpose whole
        else
            whole

    Terminal.table what 1 whole.Head whole.Tail

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
        |> Arguments.names "--metrics" Scoring.known

    use out = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected

    let target, score = Scoring.target arguments inputs

    if List.contains "average-drop" metricNames then
        requirePositive arguments inputs target

    let metrics =
        metricNames
        |> Scoring.applicable inputs
        |> List.map (Scoring.metric arguments inputs target)

    let methods, _ = Methods.create arguments inputs methodNames

    let scores = [
        for method in methods do
            for metric in metrics -> struct (method.Name, metric.Info.Name), ResizeArray<float>()
    ]

    let found = dict scores

    Scoring.run arguments inputs methods metrics (fun _ _ _ -> false) (fun method metric _ values ->
        found[struct (method.Name, metric.Info.Name)].AddRange values)

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for struct (method, metric), values in scores ->
                    let settings =
                        methods |> List.tryFind (fun m -> m.Name = method) |> Option.map _.Description

                    MethodScores(method, metric, values, Settings = Option.toObj settings)
            |]
        )

    show
        metrics
        table
        $"""{Terminal.count images.Count "image"}, {score}: mean ± standard error; ↓ lower is better, ↑ higher is"""

    methods |> List.choose (fun method -> method.Note()) |> List.iter Terminal.say
    Scoring.note inputs metrics |> Option.iter Terminal.say
    table.WriteCsv(out.Draft "scores.csv")
    table.WriteJson(out.Draft "scores.json")
    out |> Output.commit "scores.csv and scores.json"

let command = {
    Name = "evaluate"
    Summary = "Measures methods by metrics, image by image."
    Syntax = $"{Inputs.syntax} --methods METHOD,… --metrics METRIC,… --out FOLDER"
    Options =
        Inputs.options
        @ [ "--methods"; "--metrics" ]
        @ Scoring.options
        @ [ "--skip-non-positive" ]
        @ Methods.options
        @ [ "--out" ]
    Run = run
}
