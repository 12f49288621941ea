[<RequireQualifiedAccess>]
module Attribution.Runner.Explore

open System
open System.IO
open Attribution

/// What the command line was given of the model and the images: what names these comes last.
let private spelled (given: Given) =
    let own = [ "--port"; "--host"; "--batch-size"; "--seed" ]

    let rec options words =
        match words with
        | [] -> []
        | (name: string) :: rest ->
            let values = rest |> List.takeWhile (fun word -> not (word.StartsWith "--"))
            (name, values) :: options (List.skip values.Length rest)

    let word (text: string) =
        if text |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || Seq.contains c "-_./:,=+@%") then
            text
        else
            "'" + text.Replace("'", "'\\''") + "'"

    options given.Words
    |> List.filter (fun (name, _) -> name <> "--no-open" && not (List.contains name own))
    |> List.sortBy (fun (name, _) -> name = "--images" || name = "--dataset")
    |> List.collect (fun (name, values) -> name :: List.map word values)
    |> String.concat " "

let private quoted (text: string) = "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\""

/// What makes the model in C# and F# alike.
let private modelCode (given: Given) =
    let loaded =
        match given.Get ModelOption.Model, Arguments.network given with
        | None, None -> "Model.LoadVgg16(DemoNetwork.WeightsPath)"
        | None, Some network -> $"Model.Load(DemoNetworks.ModelPath(SceneNetwork.{network}))"
        | Some file, _ ->
            let isSpelledOut =
                List.concat [
                    given.All ModelOption.Scale
                    given.All ModelOption.Mean
                    given.All ModelOption.Std
                    given.All ModelOption.Channel_Order
                ]
                |> (List.isEmpty >> not)

            let steps =
                match given.Get Preprocess with
                // A record of four numbers is spelled otherwise in each language.
                | _ when isSpelledOut -> Some "PREPROCESSING"
                | preset -> preset |> Option.map (fun name -> $"Spelled.Preprocessing({quoted name})")

            match steps, given.Get ModelOption.Output with
            | None, None -> $"Model.Load({quoted file})"
            | Some steps, None -> $"Model.Load({quoted file}, {steps})"
            | steps, Some output -> $"""Model.Load({quoted file}, {defaultArg steps "null"}, {quoted output})"""

    let numbers = given.Get ModelOption.Precision |> Option.map Spelled.Precision

    // The demo's network computes in these unless it is told otherwise.
    let numbers = if given.Has Demo then Some(defaultArg numbers Precision.Float32) else numbers

    match given.Get Device, numbers with
    | None, None -> loaded
    | device, numbers ->
        $"""{loaded}.To({quoted (defaultArg device "cpu")}, Precision.{defaultArg numbers Precision.Float32})"""

let private imagesCode (given: Given) =
    match given.Get Dataset, List.concat (given.All DataOption.Images) with
    | Some file, _ -> $"RangeCheck.Fit(model, ImageSet.LoadNpz({quoted file}))"
    | None, [] -> $"ConceptScenes.Draw({10 * ConceptScenes.ClassNames.Count}, {Arguments.seed given}).Images"
    | None, [ path ] -> $"ImageSet.LoadImages([{quoted path}], model)"
    | None, paths -> $"""ImageSet.LoadImages({quoted (String.concat "|" paths)}.Split('|'), model)"""

let private run (given: Given) =
    if not ((given.All Indices).IsEmpty && (given.All Ids).IsEmpty) then
        Arguments.wrong "The explorer shows all images, of which the page chooses: leave --indices and --ids out."

    match given.Get Port with
    | Some port when port < 0 || port > 65535 ->
        Arguments.wrong $"--port takes a number from 0 to 65535, and not {port}."
    | _ -> ()

    use inputs = Inputs.load given
    Inputs.sayDoubt given inputs

    let options =
        ExplorerOptions(
            Port = defaultArg (given.Get Port) ExplorerOptions.UsualPort,
            Host = defaultArg (given.Get Host) "127.0.0.1",
            Names = inputs.Names,
            Model = Path.GetFileName inputs.ModelFile,
            Source = inputs.Source,
            Given = spelled given,
            ModelCode = modelCode given,
            ImagesCode = imagesCode given,
            IsDemo = given.Has Demo,
            Seed = Arguments.seed given,
            BatchSize = Arguments.batchSize given
        )

    use explorer = Explorer.Start(inputs.Model, inputs.Selected, options)
    Terminal.say $"The explorer is at {explorer.Address}"
    Terminal.say "Press Ctrl-C to end it."

    if not (given.Has No_Open) then
        Terminal.browse (string explorer.Address)

    explorer.Wait given.Stop

let command = {
    Name = "explore"
    Summary = "Opens a page on this machine on which you ask the network, and see the answers at once."
    Syntax = $"{Inputs.syntax} [--port NUMBER] [--no-open]"
    Options = Inputs.options @ [ Group.of'<ExploreOption>; Group.of'<SeedOption>; Group.of'<BatchOption> ]
    Run = run
}
