[<RequireQualifiedAccess>]
module Attribution.Runner.Report

open System
open System.Diagnostics
open System.IO
open Attribution
open TorchSharp

/// Shows the page in the user's browser. What keeps it from opening is no failure of the report.
let private show page =
    let opener =
        if OperatingSystem.IsMacOS() then "open"
        elif OperatingSystem.IsWindows() then "explorer"
        else "xdg-open"

    try
        use _ = Process.Start(ProcessStartInfo(opener, [ page ]))
        ()
    with _ ->
        Terminal.say $"No browser could be opened: open {page}."

let private finish arguments (output: Output) source report =
    use report: AttributionReport = report

    let pictures =
        Terminal.watch "Writing the report" (fun _ -> report.WritePage(output.Folder, source))

    let line (sentence: string) =
        $"{sentence.TrimEnd '.'}: such maps take part in no mean, rank or comparison."

    report.Findings |> Seq.truncate 3 |> Seq.iter Terminal.say
    report.Unsound |> Seq.map line |> Seq.iter Terminal.say
    Seq.iter Terminal.say report.Failures
    Output.commit $"index.html, scores, experts and {pictures} pictures" output
    let page = Path.Combine(output.Folder.FullPath, "index.html")
    Terminal.say $"Open {page}"

    if List.contains Arg.Open arguments.Given then
        show page

let private create arguments (title: string) model images options =
    Terminal.watch title (fun progress ->
        AttributionReport.Create(model, images, options, Terminal.part progress 0. 1., arguments.Stop))

let private pair arguments inputs option pick =
    arguments
    |> Arguments.tryPick pick
    |> Option.map (fun text ->
        match Arguments.parts text |> List.map (Inputs.classOf inputs) with
        | [ a; b ] -> ClassPair(a, b)
        | _ -> Arguments.wrong $"{option} takes two classes, A,B, and not '{text}'.")
    |> Option.toObj

let private positive name pick arguments =
    match arguments |> Arguments.atLeast 1 name pick 0 with
    | 0 -> Nullable()
    | n -> Nullable n

let private options arguments (inputs: Inputs) =
    ReportOptions(
        Names = inputs.Names,
        Classes =
            pair arguments inputs "--classes" (function
                | Arg.Classes text -> Some text
                | _ -> None),
        Related =
            pair arguments inputs "--related" (function
                | Arg.Related text -> Some text
                | _ -> None),
        Figures =
            (match
                arguments
                |> Arguments.tryPick (function
                    | Arg.Figures text -> Some text
                    | _ -> None)
             with
             | Some text -> Array.ofList (Arguments.integers "--figures" text)
             | None -> null),
        Layer = Option.toObj (Arguments.layer arguments),
        Units = Arguments.units arguments,
        DropClass =
            (match
                arguments
                |> Arguments.tryPick (function
                    | Arg.Drop_Class text -> Some text
                    | _ -> None)
             with
             | Some text -> Nullable(Inputs.classOf inputs text)
             | None -> Nullable()),
        PixelsPerStep =
            positive
                "--pixels-per-step"
                (function
                | Arg.Pixels_Per_Step n -> Some n
                | _ -> None)
                arguments,
        Seed = Arguments.seed arguments,
        IsFull = List.contains Arg.Full arguments.Given,
        BatchSize = Arguments.batchSize arguments
    )

let private folder arguments fallback =
    arguments
    |> Arguments.tryPick (function
        | Arg.Out folder -> Some folder
        | _ -> None)
    |> Option.defaultValue fallback

/// The arguments as they were given, for the page.
let private spelled (name: string) =
    Environment.GetCommandLineArgs()
    |> Array.skip 1
    |> Array.map (fun word -> if word.Contains ' ' then $"'{word}'" else word)
    |> String.concat " "
    |> fun rest ->
        if rest.StartsWith name then
            $"attribution {rest}"
        else
            $"attribution {name}"

let private run arguments =
    use output = Output.createIn (folder arguments "report") arguments
    use inputs = Inputs.load arguments
    let file, data = Path.GetFileName inputs.ModelFile, Path.GetFileName inputs.Source

    create
        arguments
        $"Explaining {inputs.Selected.Count} images"
        inputs.Model
        inputs.Selected
        (options arguments inputs)
    |> finish arguments output {
        Title = $"What {file} looks at in {data}"
        Model = file
        Data = data
        Command = spelled "report"
    }

let command = {
    Name = "report"
    Summary = "Makes a page of everything: experts, methods side by side, and how good their maps are."
    Syntax = $"{Inputs.syntax} [--out FOLDER]"
    Options =
        Inputs.options
        @ [
            "--classes"
            "--related"
            "--figures"
            "--layer"
            "--units"
            "--drop-class"
            "--pixels-per-step"
            "--seed"
            "--full"
            "--batch-size"
            "--out"
            "--open"
        ]
    Run = run
}

// Of fewer, hardly any are misclassified.
[<Literal>]
let private ScenesPerClass = 60

// It bounds the memory; larger batches are no faster.
[<Literal>]
let private BatchSize = 32

let private runDemo arguments =
    use output = Output.createIn (folder arguments "demo") arguments
    let seed = Arguments.seed arguments

    use scenes =
        ConceptScenes.Draw(ScenesPerClass * ConceptScenes.ClassNames.Count, seed)

    use network = Model.LoadVgg16 DemoNetwork.WeightsPath
    // Statistics of many scenes do not need the numbers that a comparison of single maps does.
    use model = network.To(torch.CPU, Precision.Float32)

    let options =
        ReportOptions(
            Names = ClassNames.Of ConceptScenes.ClassNames,
            Truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs),
            Seed = seed,
            IsFull = true,
            BatchSize = Nullable BatchSize
        )

    create arguments $"Explaining {scenes.Images.Count} scenes" model scenes.Images options
    |> finish arguments output {
        Title = "What a network looks at, in scenes whose truth is known"
        Model = Path.GetFileName DemoNetwork.WeightsPath
        Data = $"ConceptScenes, seed {seed}"
        Command = spelled "demo"
    }

let demo = {
    Name = "demo"
    Summary = "Explains a network that comes with the program, on scenes that it draws: nothing to download."
    Syntax = "[--out FOLDER]"
    Options = [ "--seed"; "--out"; "--open" ]
    Run = runDemo
}
