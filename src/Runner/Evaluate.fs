[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open System.Globalization
open Attribution
open TorchSharp

/// A metric, set up.
type private Metric = {
    Name: string
    Title: string
    /// Forward passes an image, about: for the progress.
    Passes: float
    /// The scores of maps of a part of the images.
    Score: Part -> torch.Tensor -> IProgress<Progress> -> float[]
}

let private known = [ "average-drop"; "necessity-ordering" ]

/// The positions, among the selected, of the images whose score is positive. Asked before the long work begins.
let private positives arguments (inputs: Inputs) (target: Nullable<int>) =
    use _ = torch.NewDisposeScope()

    let logits =
        Terminal.watch $"""Scoring {Terminal.count inputs.Selected.Count "image"}""" (fun report ->
            let progress = Terminal.part report 0. 1.

            Inputs.naming (Array.get inputs.Positions) (fun () ->
                inputs.Model.Logits(inputs.Selected, Arguments.batchSize arguments, progress, arguments.Stop)))

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

    set positive

let private averageDrop arguments (inputs: Inputs) target =
    let positives = positives arguments inputs target
    let metric = AverageDrop(inputs.Model, target, NonPositive.Skip)

    let score part maps progress =
        let drops = Array.create part.Images.Count nan

        let rows =
            drops
            |> Array.indexed
            |> Array.map fst
            |> Array.filter (fun k -> positives.Contains(part.Start + k))

        if rows.Length > 0 then
            use _ = torch.NewDisposeScope()

            let pick (all: torch.Tensor) =
                all.index_select (0L, torch.tensor (Array.map int64 rows))

            let result =
                metric.Evaluate(pick maps, pick part.X, Arguments.batchSize arguments, progress, arguments.Stop)

            Seq.iter2 (Array.set drops) rows result.Drops

        drops

    {
        Name = "average-drop"
        Title = "average drop (%)"
        Passes = 2.
        Score = score
    }

let private necessityOrdering arguments (inputs: Inputs) target =
    let step =
        arguments
        |> Arguments.atLeast
            1
            "--pixels-per-step"
            (function
            | Arg.Pixels_Per_Step n -> Some n
            | _ -> None)
            1000

    let metric = N_Ord(inputs.Model, target, step)

    {
        Name = "necessity-ordering"
        Title = "necessity ordering"
        Passes = 2. + float (inputs.All.Height * inputs.All.Width) / (2. * float step)
        Score =
            fun part maps progress ->
                metric.Evaluate(maps, part.X, Arguments.batchSize arguments, progress, arguments.Stop)
                |> Array.ofSeq
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

    Terminal.table what 1 ("method" :: List.map _.Title metrics) [
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

    let metrics =
        metricNames
        |> List.map (function
            | "average-drop" -> averageDrop arguments inputs target
            | _ -> necessityOrdering arguments inputs target)

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

            // Every map is made once, and all metrics share it.
            for method in methods do
                use maps = spend method.Passes (method.Attribute part)

                for owner, metric, values in scores do
                    if owner.Name = method.Name then
                        values.AddRange(spend metric.Passes (metric.Score part maps))))

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for method, metric, values in scores -> MethodScores(method.Name, metric.Name, values)
            |]
        )

    show metrics table $"""{Terminal.count images.Count "image"}, {score}: mean ± standard error; lower is better"""
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
