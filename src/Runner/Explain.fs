[<RequireQualifiedAccess>]
module Attribution.Runner.Explain

open System
open Attribution
open TorchSharp

/// What is learned on the way: the classes that the model gives the images, and what the maps of each method are.
type private Findings = {
    Predicted: ResizeArray<int64>
    Check: PredictionCheck
    Maps: (Method * ResizeArray<MapState>) list
}

let private classes (logits: torch.Tensor) =
    use best = logits.argmax 1L
    best.data<int64>().ToArray()

let private truth (inputs: Inputs) i =
    if inputs.Selected.HasTrueClasses then
        Nullable inputs.Selected.TrueClasses[i]
    else
        Nullable()

let private pictureOf (inputs: Inputs) (method: Method) i =
    let digits = string(inputs.All.Count - 1).Length
    let index = inputs.Positions[i].ToString().PadLeft(digits, '0')
    $"{method.Name}-{index}.png"

/// The picture of an image (c×h×w) and its map (c×h×w or h×w).
let private drawOne arguments (output: Output) inputs (findings: Findings) (method: Method) scale i image map =
    arguments.Stop.ThrowIfCancellationRequested()
    use _ = torch.NewDisposeScope()

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

    picture.Write(output.Draft(pictureOf inputs method i), image, map, float inputs.Selected.Peak)

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
    let maps = file.Read("pixels").nan_to_num(0., 0., 0.)
    let scale = Some(MapScale.Of maps)

    for i in 0 .. inputs.Selected.Count - 1 do
        use image = inputs.Selected.Images(Range(Index i, Index(i + 1)))
        drawOne arguments output inputs findings method scale i image[0L] maps[int64 i]

/// Writes the maps and the pictures, a part of the images at a time. Of a method that fails nothing is left.
let private explain arguments (output: Output) inputs (failures: Failures) (methods: Method list) : Findings =
    let images = inputs.Selected

    let findings = {
        Predicted = ResizeArray()
        Check = PredictionCheck()
        Maps = [ for method in methods -> method, ResizeArray() ]
    }

    let hasFailed (method: Method) =
        failures.Has(Methods.failing method.Name)

    let files = [
        for method in methods -> new AttributionsFile(output.Draft(fileOf method), images)
    ]

    use _ = Output.all files
    let total = float images.Count * List.sumBy _.Passes methods

    Terminal.watch $"""Explaining {Terminal.count images.Count "image"}""" (fun report ->
        let mutable spent = 0.

        Methods.forParts inputs (fun part ->
            let attempt (method: Method) work =
                if hasFailed method then
                    None
                else
                    failures.Try (Methods.failing method.Name) work

            let maps = [
                for method in methods do
                    let share = float part.Images.Count * method.Passes / total

                    attempt method (fun () -> method.Attribute part (Terminal.part report spent share))

                    spent <- spent + share
            ]

            failures.Require [ for method in methods -> Methods.failing method.Name ]

            // Methods that need the logits have left them.
            use logits =
                inputs.Model.ClassScores(part.Instances, Arguments.batchSize arguments, cancellation = arguments.Stop)

            findings.Predicted.AddRange(classes logits)
            findings.Check.Add logits

            for maps, file, (method, states) in List.zip3 maps files findings.Maps do
                maps
                |> Option.iter (fun maps ->
                    attempt method (fun () ->
                        file.Append maps
                        states.AddRange(MapStates.Of maps)
                        // What is not finite is in the file as it is, and is nothing in a picture.
                        let finite = maps.nan_to_num (0., 0., 0.)
                        draw arguments output inputs findings method part finite)
                    |> ignore

                    maps.Dispose())

            failures.Require [ for method in methods -> Methods.failing method.Name ]))

    for method, file in List.zip methods files do
        if hasFailed method then
            for i in 0 .. images.Count - 1 do
                IO.File.Delete(output.Draft(pictureOf inputs method i))
        else
            file.Commit findings.Predicted

    {
        findings with
            Maps = findings.Maps |> List.filter (fst >> hasFailed >> not)
    }

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
let private notes (inputs: Inputs) (expert: ExpertSummary option) (findings: Findings) = [
    let images = inputs.Selected

    match disagreements images findings with
    | some when some.HasValue && some.Value > 0 ->
        $"The model's prediction is not the file's Pred for {some.Value} of {images.Count} images; labels and files have the model's."
    | _ -> ()

    yield! findings.Check.Doubt(images, inputs.Names) |> Option.ofObj |> Option.toList

    for method, states in findings.Maps do
        let states = MapStates states

        match Option.ofObj (states.Sentence method.Name) with
        | Some sentence ->
            let why =
                match expert with
                | Some expert when
                    method.Name = "influence-directed"
                    && not (isNull expert.Remedy)
                    && Seq.contains MapState.Empty states
                    ->
                    $", where {Methods.unit expert} is held at 0 (for a map of them, {Methods.remedy expert})"
                | _ -> ""

            $"{sentence.TrimEnd '.'}{why}; summary.json lists them."
        | None -> ()
]

let private run arguments =
    let given =
        arguments.Given
        |> List.collect (function
            | Arg.Method names -> names
            | _ -> [])

    let names = Arguments.names "--method" Methods.known given
    let failures = Failures.Of given

    use output = Output.create arguments
    use inputs = Inputs.load arguments
    let methods, expert = Methods.create arguments inputs failures names
    let findings = explain arguments output inputs failures methods

    if Arguments.sharesScale arguments then
        for method, _ in findings.Maps do
            drawShared arguments output inputs findings method

    let images = inputs.Selected

    let notes =
        List.choose (fun (method: Method) -> method.Note()) methods
        @ notes inputs expert findings
        @ failures.LeftOut

    List.iter Terminal.say notes

    let summary =
        ExplanationSummary(
            inputs.ModelFile,
            inputs.Source,
            (Inputs.quantity inputs (Arguments.quantity arguments) images).Name,
            [
                for method, states in findings.Maps ->
                    let states = MapStates states

                    let positions state =
                        states.Positions state |> Seq.map (Array.get inputs.Positions) |> Array.ofSeq

                    MethodSummary(
                        method.Name,
                        method.Description,
                        positions MapState.Empty,
                        ConstantMaps = positions MapState.Constant,
                        NonPositiveMaps = positions MapState.NothingPositive,
                        NotFiniteMaps = positions MapState.NotFinite
                    )
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
            ],
            Failed = Array.ofList failures.Sentences
        )

    summary.WriteJson(output.Draft "summary.json")
    let done' = List.map fst findings.Maps
    let pictures = Terminal.count (images.Count * done'.Length) "picture"
    let maps = done' |> List.map fileOf |> String.concat ", "
    output |> Output.commit $"{pictures}, {maps} and summary.json"
    Failures.complain [ failures ]

let command = {
    Name = "explain"
    Summary = "Explains images: attributions, and a labelled picture of each."
    Syntax = $"{Inputs.syntax} --method METHOD… --out FOLDER"
    Options = Inputs.options @ [ "--method" ] @ Methods.options @ [ "--out" ]
    Run = run
}
