[<RequireQualifiedAccess>]
module Attribution.Runner.Explain

open System
open Attribution

let private fileOf name = $"attributions-{name}.npz"

/// What was explained, in a few lines.
let private conclude (inputs: Inputs) (quantity: Quantity) (found: Explanations) =
    let classes =
        found.PredictedClasses
        |> Seq.countBy id
        |> Seq.sortByDescending snd
        |> Seq.map (fun (k, n) -> $"{inputs.Names[int k]} {n}")
        |> List.ofSeq

    let more = if classes.Length > 5 then ", …" else ""
    let most = classes |> List.truncate 5 |> String.concat ", "

    Terminal.say
        $"""Explained {Words.Count(inputs.Selected.Count, "image")}, quantity {quantity.Name}; the model takes them for {most}{more}."""

    match Option.ofObj found.Expert with
    | Some expert ->
        Terminal.say
            $"The expert is {expert.Named} of layer {expert.Layer}, active on {100. * expert.ActiveShare:F1} %% of {expert.Instances} images."
    | None -> ()

let private run (given: Given) =
    let names, isEvery = Arguments.names "--method" StudyMethod.Names (given.All ExplainOption.Method)

    use output = Output.Of given
    use inputs = Inputs.load given
    let images, draft = inputs.Selected, Func<string, string> output.Draft
    let mapsOf = Func<string, string>(fileOf >> output.Draft)
    let quantity = Methods.quantityOf inputs (Methods.quantity given)

    let pictures =
        ExplanationPictures(
            images,
            inputs.Names,
            draft,
            inputs.All.Count,
            (Inputs.sharesScale given = Some true),
            given.Stop,
            (fun image -> quantity.RegionOf(inputs.Model, image))
        )

    let options =
        ExplanationOptions(
            BatchSize = Arguments.batchSize given,
            Names = inputs.Names,
            IsEveryMethod = isEvery,
            Said = Terminal.say,
            FileOf = mapsOf,
            Made = Action<PartOfMaps> pictures.Draw
        )

    let methods = Methods.create given inputs names

    let found =
        Terminal.watch "Explaining" (fun progress ->
            Explanations.Run(inputs.Model, images, methods, options, progress, given.Stop))

    let drawn = Terminal.watch "Drawing on one scale" (fun _ -> pictures.Finish(found, names, mapsOf))

    Seq.iter Terminal.say found.Notes
    let notes = Seq.append inputs.Model.Notes inputs.All.Notes
    found.Summary(inputs.ModelFile, inputs.Source, quantity, notes).WriteJson(output.Draft "summary.json")
    conclude inputs quantity found
    let files = found.Methods |> Seq.map (fun m -> fileOf m.Name) |> String.concat ", "
    output.Commit $"""{Words.Count(drawn, "picture")}, {files} and summary.json"""
    Output.Complain found.Failures

let command = {
    Name = "explain"
    Summary = "Explains images: attributions, and a labelled picture of each."
    Syntax = $"{Inputs.syntax} --method METHOD… --out FOLDER"
    Options = Inputs.options @ [ Group.of'<ExplainOption> ] @ Methods.options @ [ Group.of'<OutOption> ]
    Run = run
}
