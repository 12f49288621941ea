[<RequireQualifiedAccess>]
module Attribution.Runner.Report

open System
open System.IO
open Attribution
open TorchSharp

/// The command as it was given, for the page, which is the same wherever it is written.
let private spelled (given: Given) =
    let rec shown words =
        match words with
        | "--out" :: _ :: rest -> shown rest
        | (word: string) :: rest when word.StartsWith "--out=" -> shown rest
        | word :: rest -> word :: shown rest
        | [] -> []

    given.Command :: shown given.Words
    |> List.map (fun word -> if word.Contains ' ' then $"'{word}'" else word)
    |> String.concat " "
    |> fun words -> $"attribution {words}"

/// Makes the report of images, and says what it found.
let private make (given: Given) (output: Output) model (images: ImageSet) options (what: string) source =
    use report =
        Terminal.watch $"Explaining {Words.Count(images.Count, what)}" (fun progress ->
            AttributionReport.Create(model, images, options, progress, given.Stop))

    let pictures = Terminal.watch "Writing the report" (fun _ -> report.WritePage(output.Folder, source))

    let line (sentence: string) = $"{sentence.TrimEnd '.'}: such maps take part in no mean, rank or comparison."

    report.Unsound |> Seq.map line |> Seq.iter Terminal.say
    Seq.iter Terminal.say report.Failures
    report.Findings |> Seq.truncate 3 |> Seq.iter Terminal.say
    output.Commit $"index.html, scores, experts and {pictures} pictures"
    let page = Path.Combine(output.Folder.FullPath, "index.html")
    Terminal.say $"Open {page}"

    if given.Has Open then
        Terminal.browse page

let private options (given: Given) (inputs: Inputs) =
    let pair option given =
        given
        |> Option.map (fun text ->
            match Arguments.parts text |> List.map (Inputs.classOf inputs) with
            | [ a; b ] -> ClassPair(a, b)
            | _ -> Arguments.wrong $"{option} takes two classes, A,B, and not '{text}'.")
        |> Option.toObj

    ReportOptions(
        Names = inputs.Names,
        Classes = pair "--classes" (given.Get Classes),
        Related = pair "--related" (given.Get Related),
        Figures = (given.Get Figures |> Option.map (Arguments.integers "--figures" >> Array.ofList) |> Option.toObj),
        Layer = (Arguments.layers given |> List.tryLast |> Option.toObj),
        Units = Arguments.units given,
        DropClass = (given.Get Drop_Class |> Option.map (Inputs.classOf inputs) |> Option.toNullable),
        PixelsPerStep = Arguments.positive "--pixels-per-step" (given.Get Pixels_Per_Step),
        Seed = Arguments.seed given,
        IsFull = given.Has Full,
        BatchSize = Arguments.batchSize given
    )

let private run (given: Given) =
    use output = new Output(defaultArg (given.Get Out) "report", given)
    use inputs = Inputs.load given
    let file, data = Path.GetFileName inputs.ModelFile, Path.GetFileName inputs.Source

    make given output inputs.Model inputs.Selected (options given inputs) "image" {
        Title = $"What {file} looks at in {data}"
        Model = file
        Data = data
        Command = spelled given
    }

let command = {
    Name = "report"
    Summary = "Makes a page of everything: experts, methods side by side, and how good their maps are."
    Syntax = $"{Inputs.syntax} [--out FOLDER]"
    Options =
        Inputs.options
        @ [
            Group.of'<ReportOption>
            Group.of'<CutOption>
            Group.of'<StepOption>
            Group.of'<SeedOption>
            Group.of'<BatchOption>
            Group.of'<OutOption>
            Group.of'<OpenOption>
        ]
    Run = run
}

// Of fewer, hardly any are misclassified.
[<Literal>]
let private ScenesPerClass = 60

// It bounds the memory; larger batches are no faster.
[<Literal>]
let private BatchSize = 32

let private runDemo (given: Given) =
    use output = new Output(defaultArg (given.Get Out) "demo", given)
    let seed = Arguments.seed given

    use scenes =
        Terminal.watch "Drawing scenes" (fun progress ->
            ConceptScenes.Draw(ScenesPerClass * ConceptScenes.ClassNames.Count, seed, progress))

    let file =
        match Arguments.network given with
        | Some SceneNetwork.Segmentation ->
            Arguments.wrong
                "The demo's page is of networks that tell classes apart: --network takes vgg, vit or swin here."
        | Some network -> DemoNetworks.ModelPath network
        | None -> DemoNetwork.WeightsPath

    // Statistics of many scenes do not need the numbers that a comparison of single maps does.
    use model =
        Terminal.watch "Reading the demo's network" (fun _ ->
            use network = Model.Load file
            network.To(torch.CPU, Precision.Float32))

    let options =
        ReportOptions(
            Names = ClassNames.Of ConceptScenes.ClassNames,
            Truth = ReportTruth(scenes.ObjectMasks, scenes.PartMasks, ConceptScenes.Pairs),
            Seed = seed,
            IsFull = true,
            BatchSize = Nullable BatchSize
        )

    make given output model scenes.Images options "scene" {
        Title = "What a network looks at, in scenes whose truth is known"
        Model = Path.GetFileName file
        Data = $"ConceptScenes, seed {seed}"
        Command = spelled given
    }

let demo = {
    Name = "demo"
    Summary = "Explains a network that comes with the program, on scenes that it draws: nothing to download."
    Syntax = "[--network vgg|vit|swin] [--out FOLDER]"
    Options = [ Group.of'<NetworkOption>; Group.of'<SeedOption>; Group.of'<OutOption>; Group.of'<OpenOption> ]
    Run = runDemo
}
