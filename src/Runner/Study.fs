[<RequireQualifiedAccess>]
module Attribution.Runner.Study

open System
open System.IO
open Attribution

let private estimate (e: Estimate) =
    if Double.IsNaN e.Value then
        "-"
    else
        $"{Grid.number e.Value} [{Grid.number e.Low}, {Grid.number e.High}]"

let private show (study: Study) =
    for metric in study.Metrics do
        let better = if metric.Better = Better.Lower then "lower" else "higher"

        let rows =
            study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name) |> List.ofSeq

        let isAllSound = rows |> List.forall (fun row -> row.Unsound = 0)

        let over =
            match rows |> List.filter (fun row -> row.Ranked > 0) with
            | [] -> "no image has a score by each method"
            | row :: _ as ranked ->
                $"""mean ranks (1 is the best of {ranked.Length}) over {Words.Count(row.Ranked, "image")}, with 95 %% bootstrap intervals"""

        Terminal.table $"{metric.Title}: {better} is better; medians, and {over}" 1 [
            "method"
            "images"
            "median"
            "mean rank"
            if not isAllSound then
                "maps"
        ] [
            for row in rows ->
                [
                    row.Method
                    string row.Count
                    estimate row.Median
                    estimate row.Rank
                    if not isAllSound then
                        Option.defaultValue "all sound" (Option.ofObj (study.Maps(row.Method).Summary))
                ]
        ]

        match
            study.Pairs
            |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0)
            |> List.ofSeq
        with
        | [] -> ()
        | pairs ->
            let sure = pairs |> List.filter (fun p -> p.Corrected < 0.05)

            Terminal.say
                $"{sure.Length} of {pairs.Length} pairs of methods differ by this metric (signed-rank test, Holm's correction, 5 %%).\n"

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
    show study
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
