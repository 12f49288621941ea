[<RequireQualifiedAccess>]
module Attribution.Runner.Explain

open System
open Attribution
open TorchSharp

/// What is learned on the way: the classes that the model gives the images, and which maps of each method are empty.
type private Findings = {
    Predicted: ResizeArray<int64>
    Check: PredictionCheck
    Empty: (Method * ResizeArray<int>) list
}

/// The positions in a part of maps that are zero everywhere.
let private emptyMaps (maps: torch.Tensor) =
    use _ = torch.NewDisposeScope()
    let isEmpty = maps.flatten(1L).any(1L).logical_not()
    isEmpty.nonzero().flatten().data<int64>().ToArray() |> Array.map int

let private classes (logits: torch.Tensor) =
    use best = logits.argmax 1L
    best.data<int64>().ToArray()

let private truth (inputs: Inputs) i =
    if inputs.Selected.HasTrueClasses then
        Nullable inputs.Selected.TrueClasses[i]
    else
        Nullable()

/// The picture of an image (c×h×w) and its map (c×h×w or h×w).
let private drawOne arguments (output: Output) inputs (findings: Findings) (method: Method) scale i image map =
    arguments.Stop.ThrowIfCancellationRequested()
    use _ = torch.NewDisposeScope()
    let digits = string(inputs.All.Count - 1).Length
    let index = inputs.Positions[i].ToString().PadLeft(digits, '0')

    let picture =
        ExplanationPicture(
            method.Name,
            method.Description,
            Inputs.title inputs i,
            inputs.Names,
            findings.Predicted[i],
            truth inputs i,
            Option.toObj scale
        )

    picture.Write(output.Draft $"{method.Name}-{index}.png", image, map, float inputs.Selected.Peak)

/// The pictures of a part of the images, each on its own scale.
let private draw arguments (output: Output) inputs (findings: Findings) (method: Method) part (maps: torch.Tensor) =
    if not (Arguments.sharesScale arguments) then
        for k in 0 .. part.Images.Count - 1 do
            drawOne arguments output inputs findings method None (part.Start + k) part.X[int64 k] maps[int64 k]

let private fileOf (method: Method) = $"attributions-{method.Name}.npz"

/// The pictures of a method's maps on the scale that all of them share, which is known when all are.
let private drawShared arguments (output: Output) (inputs: Inputs) findings (method: Method) =
    use _ = torch.NewDisposeScope()
    use file = NpzFile.Open(output.Draft(fileOf method))
    let maps = file.Read "pixels"
    let scale = Some(MapScale.Of maps)

    for i in 0 .. inputs.Selected.Count - 1 do
        use image = inputs.Selected.Images(Range(Index i, Index(i + 1)))
        drawOne arguments output inputs findings method scale i image[0L] maps[int64 i]

/// Writes the maps and the pictures, a part of the images at a time.
let private explain arguments (output: Output) inputs (methods: Method list) : Findings =
    let images = inputs.Selected

    let findings = {
        Predicted = ResizeArray()
        Check = PredictionCheck()
        Empty = [ for method in methods -> method, ResizeArray() ]
    }

    let files = [
        for method in methods -> new AttributionsFile(output.Draft(fileOf method), images)
    ]

    use _ = Output.all files
    let total = float images.Count * List.sumBy _.Passes methods

    Terminal.watch $"""Explaining {Terminal.count images.Count "image"}""" (fun report ->
        let mutable spent = 0.

        Methods.forParts inputs (fun part ->
            let maps = [
                for method in methods do
                    let share = float part.Images.Count * method.Passes / total
                    method.Attribute part (Terminal.part report spent share)
                    spent <- spent + share
            ]

            // Methods that need the logits have left them.
            use logits =
                inputs.Model.ClassScores(part.Instances, Arguments.batchSize arguments, cancellation = arguments.Stop)

            findings.Predicted.AddRange(classes logits)
            findings.Check.Add logits

            for maps, file, (method, empty) in List.zip3 maps files findings.Empty do
                file.Append maps
                empty.AddRange(emptyMaps maps |> Seq.map (fun k -> inputs.Positions[part.Start + k]))
                draw arguments output inputs findings method part maps
                maps.Dispose()))

    for file in files do
        file.Commit findings.Predicted

    findings

/// How many of the file's predictions are not the model's.
let private disagreements (images: ImageSet) (findings: Findings) =
    if images.HasPredictedClasses then
        Seq.zip findings.Predicted images.PredictedClasses
        |> Seq.filter (fun (model, file) -> model <> file)
        |> Seq.length
        |> Nullable
    else
        Nullable()

/// What a person should know before looking at the pictures.
let private notes (images: ImageSet) (expert: ExpertSummary option) (findings: Findings) = [
    match disagreements images findings with
    | some when some.HasValue && some.Value > 0 ->
        $"The model's prediction is not the file's Pred for {some.Value} of {images.Count} images; labels and files have the model's."
    | _ -> ()

    yield! findings.Check.Warning images |> Option.ofObj |> Option.toList

    for method, empty in findings.Empty do
        if empty.Count > 0 then
            let why =
                match expert with
                | Some expert when method.Name = "influence-directed" && not (isNull expert.Remedy) ->
                    $", where {Methods.unit expert} is held at 0 (for a map of them, {Methods.remedy expert})"
                | _ -> ""

            $"The map of {method.Name} is zero everywhere for {empty.Count} of {images.Count} images{why}; summary.json lists them."
]

let private run arguments =
    let names =
        arguments.Given
        |> List.collect (function
            | Arg.Method names -> names
            | _ -> [])
        |> Arguments.names "--method" Methods.known

    use output = Output.create arguments
    use inputs = Inputs.load arguments
    let methods, expert = Methods.create arguments inputs names
    let findings = explain arguments output inputs methods

    if Arguments.sharesScale arguments then
        List.iter (fst >> drawShared arguments output inputs findings) findings.Empty

    let images = inputs.Selected

    let notes =
        List.choose (fun (method: Method) -> method.Note()) methods
        @ notes images expert findings

    List.iter Terminal.say notes

    let summary =
        ExplanationSummary(
            inputs.ModelFile,
            inputs.Source,
            (Inputs.quantity inputs (Arguments.quantity arguments) images).Name,
            [
                for method, empty in findings.Empty -> MethodSummary(method.Name, method.Description, empty)
            ],
            [
                for i in 0 .. images.Count - 1 ->
                    InstanceSummary(inputs.Positions[i], images.Label i, truth inputs i, findings.Predicted[i])
            ],
            disagreements images findings,
            Option.toObj expert,
            [
                yield! inputs.Model.Notes
                yield! inputs.All.Notes
                yield! Option.toList (Option.bind Methods.warning expert)
                yield! notes
            ]
        )

    summary.WriteJson(output.Draft "summary.json")
    let pictures = Terminal.count (images.Count * methods.Length) "picture"
    let maps = methods |> List.map fileOf |> String.concat ", "
    output |> Output.commit $"{pictures}, {maps} and summary.json"

let command = {
    Name = "explain"
    Summary = "Explains images: attributions, and a labelled picture of each."
    Syntax = $"{Inputs.syntax} --method METHOD… --out FOLDER"
    Options = Inputs.options @ [ "--method" ] @ Methods.options @ [ "--out" ]
    Run = run
}
