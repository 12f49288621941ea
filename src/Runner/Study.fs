[<RequireQualifiedAccess>]
module Attribution.Runner.Study

open System
open System.IO
open Attribution

/// The method of the best median by each metric.
let private best (study: Study) = [
    for metric in study.Metrics do
        match study.Rows |> Seq.tryFind (fun row -> row.Metric = metric.Name && row.IsRanked) with
        | Some row -> row.Method, metric.Title
        | None -> ()
]

let private run (given: Given) =
    let methods =
        given.All Methods
        |> Arguments.namesOr (List.ofSeq StudyMethod.Names, true) "--methods" StudyMethod.Names

    let metrics =
        given.All Metrics
        |> Arguments.namesOr (List.ofSeq Study.Criteria, true) "--metrics" [
            for metric in AttributionMetric.All -> metric.Name
        ]

    use output = Output.Of given
    use inputs = Inputs.load given
    let kept = Path.Combine(output.Folder.FullPath, "study.progress")
    let study, score = Grid.run given inputs methods metrics (Nullable()) kept
    let images = Words.Count(inputs.Selected.Count, "image")
    Terminal.say $"{images}, {score}{Grid.steps study string}."
    Seq.iter Terminal.table (study.Tables())
    Grid.conclude study study.Notes (best study)
    study.WriteCsv(output.Draft "study.csv")
    study.WriteJson(output.Draft "study.json")

    study.Draw(
        output.Draft "study.png",
        $"{images} of {Path.GetFileName inputs.Source}, {Path.GetFileName inputs.ModelFile}, {score}{Grid.steps study _.Short}. Boxes hold the middle half; the best median is on top."
    )

    output.Commit "study.png, study.csv and study.json"
    Output.Complain study.Failures

let command = {
    Name = "study"
    Summary = "Compares all methods by all criteria of a kind, with a figure; goes on where it was stopped."
    Syntax = $"{Inputs.syntax} [--methods METHOD,…] [--metrics METRIC,…] --out FOLDER"
    Options = Grid.options @ [ Group.of'<OutOption> ]
    Run = run
}
