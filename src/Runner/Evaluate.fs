[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open System.Collections.Generic
open System.Globalization
open Attribution
open TorchSharp

/// Refuses images whose score is not positive, unless they may be skipped. Asked before the long work begins.
let private requirePositive arguments (inputs: Inputs) (target: Nullable<int>) (logits: torch.Tensor) =
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

/// The mean over the images whose map is sound. Where there is none, the score by definition, so marked.
let private cell (scores: MethodScores) =
    let number (value: float) =
        value.ToString("0.000", CultureInfo.InvariantCulture)

    let sound = scores.OfSound

    if not (isNull scores.Failure) then
        "failed"
    elif sound.Count = 0 && scores.Count > 0 then
        $"{number scores.Score} (no sound map)"
    elif scores.Count = 0 then
        "undefined"
    else
        let few =
            if sound.Count < scores.PerInstance.Count then
                $" (n = {sound.Count})"
            else
                ""

        $"{number sound.Score} ± {number sound.StandardError}{few}"

let private show (metrics: Metric list) (table: ScoreTable) what =
    let methods = [
        for method, scores in table.Scores |> Seq.groupBy _.Method -> method, List.ofSeq scores
    ]

    let states = [ for _, scores in methods -> scores.Head.Maps.Summary ]
    let isAllSound = List.forall isNull states

    let rows = [
        for (method, scores), states in List.zip methods states ->
            [
                method
                yield! List.map cell scores
                if not isAllSound then
                    if isNull states then "all sound" else states
            ]
    ]

    let whole =
        [
            "method"
            yield! List.map Scoring.title metrics
            if not isAllSound then
                "maps"
        ]
        :: rows

    // Many metrics of few methods go down the page.
    let whole =
        if metrics.Length > 5 && metrics.Length > rows.Length then
            List.transpose whole
        else
            whole

    Terminal.table what 1 whole.Head whole.Tail

/// Looks at the model's predictions, which metrics need in any case, and leaves out average drop where it is undefined.
let private scoreFirst arguments (inputs: Inputs) target metricNames (failures: Failures) =
    use _ = torch.NewDisposeScope()

    let logits =
        Terminal.watch $"""Scoring {Terminal.count inputs.Selected.Count "image"}""" (fun report ->
            let progress = Terminal.part report 0. 1.

            Inputs.naming (Array.get inputs.Positions) (fun () ->
                inputs.Model.ClassScores(inputs.Instances, Arguments.batchSize arguments, progress, arguments.Stop)))

    Inputs.sayDoubt inputs logits

    if List.contains "average-drop" metricNames then
        failures.Try (Scoring.failing "average-drop") (fun () -> requirePositive arguments inputs target logits)
        |> ignore

    failures.Require(List.map Scoring.failing metricNames)

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

    let methodFailures, metricFailures =
        Failures.Of(
            given (function
                | Arg.Methods names -> names
                | _ -> [])
        ),
        Failures.Of(
            given (function
                | Arg.Metrics names -> names
                | _ -> [])
        )

    let metricNames = Scoring.applicable inputs metricNames
    scoreFirst arguments inputs target metricNames metricFailures

    let metrics =
        metricNames
        |> List.filter (not << metricFailures.Has << Scoring.failing)
        |> List.map (Scoring.metric arguments inputs target)

    let methods, _ = Methods.create arguments inputs methodFailures methodNames
    let kept = Dictionary<struct (string * string), ResizeArray<float>>()

    let keptOf (method: Method) what =
        match kept.TryGetValue(struct (method.Name, what)) with
        | true, values -> values
        | _ ->
            let values = ResizeArray()
            kept[struct (method.Name, what)] <- values
            values

    let failed =
        Scoring.run
            arguments
            inputs
            methods
            metrics
            methodFailures
            metricFailures
            (fun _ _ _ -> false)
            (fun method what _ values -> (keptOf method what).AddRange values)

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for method in methods do
                    for metric in metrics ->
                        Scoring.found arguments inputs failed method metric (fun what -> (keptOf method what).ToArray())
            |]
        )

    let steps =
        if table.Steps.HasValue then
            $", {table.Steps.Value}"
        else
            ""

    show
        metrics
        table
        $"""{Terminal.count images.Count "image"}, {score}{steps}: mean ± standard error; ↓ lower is better, ↑ higher is"""

    methods |> List.choose (fun method -> method.Note()) |> List.iter Terminal.say
    Scoring.note inputs metrics |> Option.iter Terminal.say
    Seq.iter Terminal.say table.Notes
    let failures = [ methodFailures; metricFailures ]
    failures |> List.collect _.LeftOut |> List.iter Terminal.say
    table.WriteCsv(out.Draft "scores.csv")
    table.WriteJson(out.Draft "scores.json")
    out |> Output.commit "scores.csv and scores.json"
    Failures.complain failures

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
