[<RequireQualifiedAccess>]
module Attribution.Runner.Explain

open System
open System.IO
open Attribution
open TorchSharp

let private fileOf name = $"attributions-{name}.npz"

let private pictureOf (inputs: Inputs) (method: string) i =
    let digits = string(inputs.All.Count - 1).Length
    let index = (inputs.Selected.Position i).ToString().PadLeft(digits, '0')
    $"{method}-{index}.png"

/// The picture of an image (c×h×w) and its map (c×h×w or h×w).
let private draw (given: Given) (output: Output) (inputs: Inputs) (method: StudyMethod) predicted scale i image map =
    given.Stop.ThrowIfCancellationRequested()
    use _ = torch.NewDisposeScope()
    let images = inputs.Selected

    let truth =
        if images.HasTrueClasses then
            Nullable images.TrueClasses[i]
        else
            Nullable()

    let picture =
        ExplanationPicture(
            method.Name,
            method.Description,
            Inputs.title inputs i,
            inputs.Names,
            predicted,
            truth,
            Option.toObj scale
        )

    picture.Write(output.Draft(pictureOf inputs method.Name i), image, map, float images.Peak)

/// The pictures of a part of the images, each on its own scale. What is not finite is nothing in a picture.
let private drawPart given output inputs (part: PartOfMaps) =
    use maps = part.Maps.nan_to_num (0., 0., 0.)

    for k in 0 .. part.PredictedClasses.Count - 1 do
        let i = int64 k

        draw given output inputs part.Method part.PredictedClasses[k] None (part.Start + k) part.X[i] maps[i]

/// The pictures of a method's maps on the scale that all of them share, which is known when all are.
let private drawShared given (output: Output) (inputs: Inputs) (found: Explanations) (method: StudyMethod) =
    use _ = torch.NewDisposeScope()
    use file = NpzFile.Open(output.Draft(fileOf method.Name))
    let maps = file.Read("pixels").nan_to_num(0., 0., 0.)
    let scale = Some(MapScale.Of maps)

    for i in 0 .. inputs.Selected.Count - 1 do
        use image = inputs.Selected.Images(Range(Index i, Index(i + 1)))
        draw given output inputs method found.PredictedClasses[i] scale i image[0L] maps[int64 i]

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
    let names, isEvery =
        Arguments.names "--method" StudyMethod.Names (given.All ExplainOption.Method)

    use output = Output.Of given
    use inputs = Inputs.load given
    let isShared = Inputs.sharesScale given = Some true

    let options =
        ExplanationOptions(
            BatchSize = Arguments.batchSize given,
            Names = inputs.Names,
            IsEveryMethod = isEvery,
            Said = Terminal.say,
            FileOf = (fileOf >> output.Draft),
            Made = if isShared then null else drawPart given output inputs
        )

    let methods = Methods.create given inputs names

    let found =
        Terminal.watch "Explaining" (fun progress ->
            Explanations.Run(inputs.Model, inputs.Selected, methods, options, progress, given.Stop))

    if isShared then
        Terminal.watch "Drawing on one scale" (fun _ ->
            for method in found.Methods do
                drawShared given output inputs found method)

    let sound = [ for method in found.Methods -> method.Name ]

    for name in List.except sound names do
        for i in 0 .. inputs.Selected.Count - 1 do
            File.Delete(output.Draft(pictureOf inputs name i))

    Seq.iter Terminal.say found.Notes
    let quantity = Methods.quantityOf inputs (Methods.quantity given)
    let notes = Seq.append inputs.Model.Notes inputs.All.Notes
    found.Summary(inputs.ModelFile, inputs.Source, quantity, notes).WriteJson(output.Draft "summary.json")
    conclude inputs quantity found
    let pictures = Words.Count(int64 (inputs.Selected.Count * sound.Length), "picture")
    output.Commit $"""{pictures}, {sound |> List.map fileOf |> String.concat ", "} and summary.json"""
    Output.Complain found.Failures

let command = {
    Name = "explain"
    Summary = "Explains images: attributions, and a labelled picture of each."
    Syntax = $"{Inputs.syntax} --method METHOD… --out FOLDER"
    Options =
        Inputs.options
        @ [ Group.of'<ExplainOption> ]
        @ Methods.options
        @ [ Group.of'<OutOption> ]
    Run = run
}
