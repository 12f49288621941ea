[<RequireQualifiedAccess>]
module Attribution.Runner.Evaluate

open System
open Attribution

/// The mean over the images whose map is sound. Where there is none, the score by definition, so marked.
let private cell (scores: MethodScores) =
    let sound = scores.OfSound

    if not (isNull scores.Failure) then
        "failed"
    elif sound.Count = 0 && scores.Count > 0 then
        $"{Grid.number scores.Score} (no sound map)"
    elif scores.Count = 0 then
        "undefined"
    else
        let few =
            if sound.Count < scores.PerInstance.Count then
                $" (n = {sound.Count})"
            else
                ""

        $"{Grid.number sound.Score} ± {Grid.number sound.StandardError}{few}"

let private show (study: Study) what =
    let arrow (metric: AttributionMetric) =
        if metric.Better = Better.Lower then "↓" else "↑"

    let scores = List.ofSeq (study.Table.ByMethod().Scores)
    let isAllSound = scores |> List.forall (fun s -> isNull s.Maps.Summary)

    let maps (scores: MethodScores list) =
        if isAllSound then
            []
        else
            [ Option.defaultValue "all sound" (Option.ofObj scores.Head.Maps.Summary) ]

    let rows = [
        for method, scores in scores |> List.groupBy _.Method -> method :: List.map cell scores @ maps scores
    ]

    let titles = [ for metric in study.Metrics -> $"{metric.Title} {arrow metric}" ]

    let whole = ("method" :: titles @ (if isAllSound then [] else [ "maps" ])) :: rows

    // Many metrics of few methods go down the page.
    let whole =
        if titles.Length > 5 && titles.Length > rows.Length then
            List.transpose whole
        else
            whole

    Terminal.table what 1 whole.Head whole.Tail

/// The method of the best mean by each metric.
let private best (study: Study) = [
    for metric in study.Metrics do
        let known =
            study.Table.Scores
            |> Seq.filter (fun s -> s.Metric = metric.Name && s.OfSound.Count > 0)
            |> List.ofSeq

        if not known.IsEmpty then
            let by =
                if metric.Better = Better.Lower then
                    List.minBy
                else
                    List.maxBy

            (known |> by _.OfSound.Score).Method, metric.Title
]

let private run (given: Given) =
    let methods = Arguments.names "--methods" StudyMethod.Names (given.All Methods)

    let metrics =
        Arguments.names "--metrics" [ for metric in AttributionMetric.All -> metric.Name ] (given.All Metrics)

    use output = Output.Of given
    use inputs = Inputs.load given

    let onNonPositive =
        if given.Has Skip_Non_Positive then
            NonPositive.Skip
        else
            NonPositive.Throw

    let study, score =
        Grid.run given inputs methods metrics (Nullable onNonPositive) null

    show
        study
        $"""{Words.Count(inputs.Selected.Count, "image")}, {score}{Grid.steps study string}: mean ± standard error; ↓ lower is better, ↑ higher is"""

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
