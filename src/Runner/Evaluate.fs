[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open Attribution

/// The method of the best mean by each metric.
let private best (study: Study) = [
    for metric in study.Metrics do
        let known =
            study.Table.Scores
            |> Seq.filter (fun s -> s.Metric = metric.Name && s.OfSound.Count > 0)
            |> List.ofSeq

        if not known.IsEmpty then
            let by = if metric.Better = Better.Lower then List.minBy else List.maxBy

            (known |> by _.OfSound.Score).Method, metric.Title
]

let private asked (given: Given) =
    let methods = Arguments.names "--methods" StudyMethod.Names (given.All Methods)

    let metrics =
        Arguments.names "--metrics" [ for metric in AttributionMetric.All -> metric.Name ] (given.All Metrics)

    methods, Grid.masked given metrics

/// The work of a worker.
let plan given inputs prepared =
    let methods, metrics = asked given
    Grid.plan given inputs prepared methods metrics

let private run (given: Given) =
    let methods, metrics = asked given

    use output = Output.Of given
    use inputs = Inputs.load given

    let onNonPositive = if given.Has Skip_Non_Positive then NonPositive.Skip else NonPositive.Throw

    let study, score = Grid.run given inputs methods metrics (Nullable onNonPositive) null

    Terminal.table (
        study.MeanTable
            $"""{Words.Count(inputs.Selected.Count, "image")}, {score}{Grid.steps study string}: mean ± standard error; ↓ lower is better, ↑ higher is"""
    )

    let table = study.Table.ByMethod()
    Grid.conclude study table.Notes (best study)
    table.WriteCsv(output.Draft "scores.csv")
    table.WriteJson(output.Draft "scores.json")
    output.Commit "scores.csv and scores.json"
    Output.Complain study.Failures

let command = {
    Name = "evaluate"
    Summary = "Measures methods by metrics, image by image."
    Syntax = $"{Inputs.syntax} --methods METHOD,… --metrics METRIC,… --out FOLDER"
    Options = Grid.options @ [ Group.of'<EvaluateOption>; Group.of'<OutOption> ]
    Run = run
}
