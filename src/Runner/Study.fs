[<RequireQualifiedAccess>]
module Attribution.Runner.Study

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open Attribution

/// The metrics of the paper whose figure a study is.
let private papers = [
    "necessity-ordering"
    "sufficiency-ordering"
    "proportionality-necessity"
    "proportionality-sufficiency"
]

/// Scores that were found before: a line for each method, metric and part of the images, under a line that says of what.
type private Progress = {
    File: string
    Known: Dictionary<string, float[]>
}

let private key (method: Method) (metric: Metric) (part: Part) =
    String.Join('\t', method.Name, method.Description, metric.Info.Name, part.Start)

/// What the scores depend on beside the method and the metric.
let private subject arguments (inputs: Inputs) =
    let isSetting arg =
        match arg with
        | Arg.Methods _
        | Arg.Metrics _
        | Arg.Out _
        | Arg.Batch_Size _
        | Arg.Memory _ -> false
        | _ -> true

    let state path =
        if File.Exists path then
            $"{path} {FileInfo(path).Length} {File.GetLastWriteTimeUtc(path).Ticks}"
        else
            path

    [
        yield! arguments.Given |> List.filter isSetting |> List.map (sprintf "%A")
        state inputs.ModelFile
        state inputs.Source
        string inputs.Selected.Count
    ]
    |> String.concat " | "
    |> fun text -> text.ReplaceLineEndings " "

let private readScores (numbers: string) =
    numbers.Split ' '
    |> Array.map (fun n -> Double.Parse(n, CultureInfo.InvariantCulture))

let private resume (folder: OutputFolder) subject : Progress =
    let file = Path.Combine(folder.FullPath, "study.progress")
    let known = Dictionary<string, float[]>()

    let lines = if File.Exists file then File.ReadAllLines file else [||]

    if Array.tryHead lines = Some subject then
        for line in Array.tail lines do
            match line.LastIndexOf '\t', line.EndsWith " ." with
            // Of a line that was cut short the end is missing.
            | at, true when at > 0 -> known[line[.. at - 1]] <- readScores line[at + 1 .. line.Length - 3]
            | _ -> ()
    else
        if lines.Length > 0 then
            Terminal.say "What an earlier study of other images or settings found in this folder is not used."

        File.WriteAllText(file, subject + "\n")

    { File = file; Known = known }

let private remember progress key (scores: float[]) =
    progress.Known[key] <- scores

    let numbers =
        scores
        |> Array.map (fun s -> s.ToString("R", CultureInfo.InvariantCulture))
        |> String.concat " "

    File.AppendAllText(progress.File, $"{key}\t{numbers} .\n")

let private show (study: Study) (names: string list) =
    let number (value: float) =
        value.ToString("0.000", CultureInfo.InvariantCulture)

    let estimate (e: Estimate) =
        $"{number e.Value} [{number e.Low}, {number e.High}]"

    for metric in study.Metrics do
        let better = if metric.Better = Better.Lower then "lower" else "higher"

        Terminal.table
            $"{metric.Title}: {better} is better; medians and mean ranks (1 is the best of {names.Length}) with 95 %% bootstrap intervals"
            1
            [ "method"; "images"; "median"; "mean rank" ]
            [
                for row in study.Rows do
                    if row.Metric = metric.Name then
                        [ row.Method; string row.Count; estimate row.Median; estimate row.Rank ]
            ]

        let pairs = study.Pairs |> Seq.filter (fun p -> p.Metric = metric.Name) |> List.ofSeq

        if pairs <> [] then
            let sure = pairs |> List.filter (fun p -> p.Corrected < 0.05)

            Terminal.say
                $"{sure.Length} of {pairs.Length} pairs of methods differ by this metric (signed-rank test, Holm's correction, 5 %%).\n"

let private run arguments =
    let names option pick ``default`` known =
        match arguments.Given |> List.collect pick with
        | [] -> ``default``
        | given -> Arguments.names option known given

    let methodNames =
        Methods.known
        |> names
            "--methods"
            (function
             | Arg.Methods names -> names
             | _ -> [])
            Methods.known

    let metricNames =
        Scoring.known
        |> names
            "--metrics"
            (function
             | Arg.Metrics names -> names
             | _ -> [])
            papers

    use output = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected
    let target, score = Scoring.target arguments inputs
    let metrics = metricNames |> List.map (Scoring.metric arguments inputs target)
    let methods, _ = Methods.create arguments inputs methodNames
    let progress = resume output.Folder (subject arguments inputs)

    if progress.Known.Count > 0 then
        Terminal.say $"Going on from {progress.Known.Count} results of an earlier run in this folder."

    Scoring.run
        arguments
        inputs
        methods
        metrics
        (fun method metric part -> progress.Known.ContainsKey(key method metric part))
        (fun method metric part scores -> remember progress (key method metric part) scores)

    let scores (method: Method) (metric: Metric) =
        let start (key: string) = Int32.Parse key[key.LastIndexOf '\t' + 1 ..]
        let mine = $"{method.Name}\t{method.Description}\t{metric.Info.Name}\t"

        progress.Known
        |> Seq.filter (fun found -> found.Key.StartsWith mine)
        |> Seq.sortBy (fun found -> start found.Key)
        |> Seq.collect _.Value
        |> Array.ofSeq

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for metric in metrics do
                    for method in methods -> MethodScores(method.Name, metric.Info.Name, scores method metric)
            |]
        )

    let study =
        Study(table, [| for metric in metrics -> metric.Info |], Arguments.seed arguments)

    Terminal.say $"""{Terminal.count images.Count "image"}, {score}."""
    show study methodNames
    methods |> List.choose (fun method -> method.Note()) |> List.iter Terminal.say
    study.WriteCsv(output.Draft "study.csv")
    study.WriteJson(output.Draft "study.json")
    study.Draw(
        output.Draft "study.png",
        $"""{Terminal.count images.Count "image"} of {IO.Path.GetFileName inputs.Source}, {IO.Path.GetFileName inputs.ModelFile}, {score}. Boxes hold the middle half; the best median is on top."""
    )
    output |> Output.commit "study.png, study.csv and study.json"

let command = {
    Name = "study"
    Summary = "Compares all methods by all criteria of a kind, with a figure; goes on where it was stopped."
    Syntax = $"{Inputs.syntax} [--methods METHOD,…] [--metrics METRIC,…] --out FOLDER"
    Options =
        Inputs.options
        @ [ "--methods"; "--metrics" ]
        @ Scoring.options
        @ Methods.options
        @ [ "--out" ]
    Run = run
}
