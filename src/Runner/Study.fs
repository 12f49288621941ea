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

let private asked (given: Given) =
    let methods =
        given.All Methods
        |> Arguments.namesOr (List.ofSeq StudyMethod.Names, true) "--methods" StudyMethod.Names

    let metrics =
        given.All Metrics
        |> Arguments.namesOr (List.ofSeq Study.Criteria, true) "--metrics" [
            for metric in AttributionMetric.All -> metric.Name
        ]

    methods, Grid.masked given metrics

/// The work of a worker.
let plan given inputs prepared =
    let methods, metrics = asked given
    Grid.plan given inputs prepared methods metrics

[<Literal>]
let Kept = "study.progress"

let private runPart (given: Given) (output: Output) (inputs: Inputs) (part, parts) =
    let methods, metrics = asked given
    Grid.runPart given inputs methods metrics (Path.Combine(output.Folder.FullPath, Kept)) (part, parts)
    output.Commit $"part {part} of {parts} to {Kept}: 'attribution merge' joins all parts; it went"

let private runWhole (given: Given) (output: Output) (inputs: Inputs) =
    let methods, metrics = asked given
    let kept = Path.Combine(output.Folder.FullPath, Kept)
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

let private run (given: Given) =
    let part = Clusters.part given

    if part.IsSome && (given.Get ClusterOption.Cluster).IsSome then
        Arguments.wrong "--part is for machines that do not know of each other: leave --cluster out."

    asked given |> ignore
    use output = Output.Of given
    use inputs = Inputs.load given

    match part with
    | Some part -> runPart given output inputs part
    | None -> runWhole given output inputs

let command = {
    Name = "study"
    Summary = "Compares all methods by all criteria of a kind, with a figure; goes on where it was stopped."
    Syntax = $"{Inputs.syntax} [--methods METHOD,…] [--metrics METRIC,…] --out FOLDER"
    Options = Grid.options @ [ Group.of'<PartOption>; Group.of'<OutOption> ]
    Run = run
}
