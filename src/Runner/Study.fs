[<RequireQualifiedAccess>]
module Attribution.Runner.Study

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open Attribution

/// Scores that were found before: under a line that says of what, a line for each method, metric and part of the images.
type private Progress = {
    File: string
    Subject: string
    Known: Dictionary<string, float[]>
}

/// Where what is kept of a method stands: the scores by a metric, or what its maps are.
let private key (method: Method) (what: string) (start: int) =
    String.Join('\t', method.Name, method.Description, what, start)

/// What the scores depend on beside the method and the metric, in short.
let private subject arguments (inputs: Inputs) =
    let file path =
        $"{path} {FileInfo(path).Length} {File.GetLastWriteTimeUtc(path).Ticks}"

    let state path =
        if File.Exists path then
            [ file path ]
        elif Directory.Exists path then
            Directory.GetFiles path |> Array.sort |> Array.map file |> List.ofArray
        else
            [ path ]

    let setting arg =
        match arg with
        | Arg.Methods _
        | Arg.Metrics _
        | Arg.Out _
        | Arg.Batch_Size _
        | Arg.Pixels_Per_Step _
        | Arg.Memory _ -> []
        | Arg.Model path
        | Arg.Dataset path
        | Arg.Labels path -> state path
        | Arg.Images paths -> List.collect state paths
        | other -> [ string other ]

    let positions = inputs.Positions |> Array.map string |> String.concat ","

    List.collect setting arguments.Given
    @ state inputs.ModelFile
    @ [ inputs.Source; positions; string (Scoring.steps arguments inputs) ]
    |> String.concat "\n"
    |> Text.Encoding.UTF8.GetBytes
    |> Security.Cryptography.SHA256.HashData
    |> Convert.ToHexString
    |> fun hash -> $"attribution study 2 {hash}"

/// Reads or writes the file of what was found before.
let private keep (file: string) (work: unit -> 'a) =
    try
        work ()
    with
    | :? IOException
    | :? UnauthorizedAccessException as e ->
        let why = e.Message.TrimEnd '.'

        raise (
            AttributionException(
                $"The study cannot keep what it finds in '{file}': {why}; remove what is there, or choose another folder.",
                e
            )
        )

let private readScores (numbers: string) =
    let found =
        numbers.Split ' '
        |> Array.map (fun n -> Double.TryParse(n, NumberStyles.Float, CultureInfo.InvariantCulture))

    if Array.forall fst found then
        Some(Array.map snd found)
    else
        None

let private resume (folder: OutputFolder) subject : Progress =
    let file = Path.Combine(folder.FullPath, "study.progress")

    let lines =
        keep file (fun () -> if Path.Exists file then File.ReadAllLines file else [||])

    let known = Dictionary<string, float[]>()

    if Array.tryHead lines = Some subject then
        for line in Array.tail lines do
            match line.LastIndexOf '\t' with
            // Of a line that was cut short the end is missing.
            | at when at > 0 && line.EndsWith(" .", StringComparison.Ordinal) ->
                readScores line[at + 1 .. line.Length - 3]
                |> Option.iter (fun scores -> known[line[.. at - 1]] <- scores)
            | _ -> ()
    elif lines.Length > 0 then
        Terminal.say "What an earlier study of other images or settings found in this folder is not used."

    {
        File = file
        Subject = subject
        Known = known
    }

let private isKnown progress method what (part: Part) =
    match progress.Known.TryGetValue(key method what part.Start) with
    | true, scores -> scores.Length = part.Images.Count
    | _ -> false

let private remember progress method what (part: Part) (scores: float[]) =
    let numbers =
        scores
        |> Array.map (fun s -> s.ToString("R", CultureInfo.InvariantCulture))
        |> String.concat " "

    let key = key method what part.Start
    // Lines begin with their break, so that none goes on where one was cut short.
    let line = $"\n{key}\t{numbers} ."

    keep progress.File (fun () ->
        if progress.Known.Count = 0 then
            File.WriteAllText(progress.File, progress.Subject + line)
        else
            File.AppendAllText(progress.File, line))

    progress.Known[key] <- scores

let private show (study: Study) =
    let number (value: float) =
        value.ToString("0.000", CultureInfo.InvariantCulture)

    let estimate (e: Estimate) =
        if Double.IsNaN e.Value then
            "-"
        else
            $"{number e.Value} [{number e.Low}, {number e.High}]"

    for metric in study.Metrics do
        let better = if metric.Better = Better.Lower then "lower" else "higher"

        let rows =
            study.Rows |> Seq.filter (fun row -> row.Metric = metric.Name) |> List.ofSeq

        let ranked = rows |> List.filter (fun row -> row.Ranked > 0)
        let isAllSound = rows |> List.forall (fun row -> row.Unsound = 0)

        let over =
            match ranked with
            | [] -> "no image has a score by each method"
            | row :: _ ->
                $"""mean ranks (1 is the best of {ranked.Length}) over {Terminal.count row.Ranked "image"}, with 95 %% bootstrap intervals"""

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

        let pairs =
            study.Pairs
            |> Seq.filter (fun p -> p.Metric = metric.Name && p.Count > 0)
            |> List.ofSeq

        if pairs <> [] then
            let sure = pairs |> List.filter (fun p -> p.Corrected < 0.05)

            Terminal.say
                $"{sure.Length} of {pairs.Length} pairs of methods differ by this metric (signed-rank test, Holm's correction, 5 %%).\n"

let private run arguments =
    let given pick = arguments.Given |> List.collect pick

    let names option pick ``default`` known =
        match given pick with
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
            (List.ofSeq Study.Criteria)

    use output = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected
    let target, score = Scoring.target arguments inputs

    let metrics =
        metricNames
        |> Scoring.applicable inputs
        |> List.map (Scoring.metric arguments inputs target)

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

    Inputs.sayDoubtOfSome arguments inputs
    let methods, _ = Methods.create arguments inputs methodFailures methodNames
    let progress = resume output.Folder (subject arguments inputs)

    let isScore (key: string) =
        not (key.Contains $"\t{Scoring.Maps}\t")

    match progress.Known.Keys |> Seq.filter isScore |> Seq.length with
    | 0 -> ()
    | known -> Terminal.say $"Going on from {known} results of an earlier run in this folder."

    let starts = SortedSet<int>()

    let isKnown method what (part: Part) =
        starts.Add part.Start |> ignore
        isKnown progress method what part

    let failed =
        Scoring.run arguments inputs methods metrics methodFailures metricFailures isKnown (remember progress)

    let kept method what = [|
        for start in starts do
            yield! progress.Known[key method what start]
    |]

    let table =
        ScoreTable(
            [| for i in 0 .. images.Count - 1 -> images.Label i |],
            [|
                for metric in metrics do
                    for method in methods -> Scoring.found arguments inputs failed method metric (kept method)
            |]
        )

    let study =
        Study(table, [| for metric in metrics -> metric.Info |], Arguments.seed arguments)

    let steps told =
        if study.Steps.HasValue then
            $", {told study.Steps.Value}"
        else
            ""

    Terminal.say $"""{Terminal.count images.Count "image"}, {score}{steps string<PixelSteps>}."""
    show study
    methods |> List.choose (fun method -> method.Note()) |> List.iter Terminal.say
    Scoring.note inputs metrics |> Option.iter Terminal.say
    Seq.iter Terminal.say study.Notes
    let failures = [ methodFailures; metricFailures ]
    failures |> List.collect _.LeftOut |> List.iter Terminal.say
    study.WriteCsv(output.Draft "study.csv")
    study.WriteJson(output.Draft "study.json")

    study.Draw(
        output.Draft "study.png",
        $"""{Terminal.count images.Count "image"} of {IO.Path.GetFileName inputs.Source}, {IO.Path.GetFileName inputs.ModelFile}, {score}{steps _.Short}. Boxes hold the middle half; the best median is on top."""
    )

    output |> Output.commit "study.png, study.csv and study.json"
    Failures.complain failures

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
