[<RequireQualifiedAccess>]
module Attribution.Runner.Explain

open System
open Attribution
open TorchSharp

/// The positions in a part of maps that are zero everywhere.
let private zeroMaps (maps: torch.Tensor) =
    use _ = torch.NewDisposeScope()
    let isZero = maps.flatten(1L).any(1L).logical_not()
    isZero.nonzero().flatten().data<int64>().ToArray() |> Array.map int

let private classes (logits: torch.Tensor) =
    use best = logits.argmax 1L
    best.data<int64>().ToArray()

/// "image 3 · id 11436", or the file's name.
let private title (inputs: Inputs) (i: int) =
    let position, label = inputs.Positions[i], inputs.Selected.Label i

    if inputs.Selected.HasIds then
        $"image {position} · id {label}"
    elif label = string position then
        $"image {position}"
    else
        $"image {position} · {label}"

let private run arguments =
    let names =
        arguments.Given
        |> List.collect (function
            | Arg.Method names -> names
            | _ -> [])
        |> Arguments.names "--method" Methods.known

    use out = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected
    let methods, expert = Methods.create arguments inputs names
    let digits = string(inputs.All.Count - 1).Length
    let predicted = ResizeArray<int64>()
    let zeros = methods |> List.map (fun _ -> ResizeArray<int>())

    let truth i =
        if images.HasTrueClasses then
            Nullable images.TrueClasses[i]
        else
            Nullable()

    let draw (method: Method) (part: Part) (maps: torch.Tensor) =
        for k in 0 .. part.Images.Count - 1 do
            arguments.Stop.ThrowIfCancellationRequested()
            use _ = torch.NewDisposeScope()
            let i = part.Start + k
            let index = inputs.Positions[i].ToString().PadLeft(digits, '0')

            ExplanationPicture(method.Name, method.Description, title inputs i, inputs.Names, predicted[i], truth i)
                .Write(out.Draft $"{method.Name}-{index}.png", part.X[int64 k], maps[int64 k], float images.Peak)

    let files =
        methods
        |> List.map (fun m -> new AttributionsFile(out.Draft $"attributions-{m.Name}.npz", images))

    use _ = Output.all files

    let total = float images.Count * List.sumBy _.Passes methods

    Terminal.watch $"""Explaining {Terminal.count images.Count "image"}""" (fun report ->
        let mutable spent = 0.

        Methods.forParts inputs (fun part ->
            use logits =
                inputs.Model.Logits(part.X, Arguments.batchSize arguments, cancellation = arguments.Stop)

            predicted.AddRange(classes logits)

            for method, file, zeros in List.zip3 methods files zeros do
                let share = float part.Images.Count * method.Passes / total
                use maps = method.Attribute part (Terminal.part report spent share)
                file.Append maps
                zeros.AddRange(zeroMaps maps |> Seq.map (fun k -> inputs.Positions[part.Start + k]))
                draw method part maps
                spent <- spent + share))

    for file in files do
        file.Commit predicted

    let disagreements =
        if images.HasPredictedClasses then
            Nullable(
                Seq.zip predicted images.PredictedClasses
                |> Seq.filter (fun (a, b) -> a <> b)
                |> Seq.length
            )
        else
            Nullable()

    let notes = [
        if disagreements.HasValue && disagreements.Value > 0 then
            $"The model's prediction is not the file's Pred for {disagreements.Value} of {images.Count} images; labels and files have the model's."
        for method, zeros in List.zip methods zeros do
            if zeros.Count > 0 then
                let why =
                    match expert with
                    | Some expert when method.Name = "influence-directed" && not (isNull expert.Remedy) ->
                        $", where unit {expert.Expert} is held at 0 (for a map of them, {Methods.remedy expert})"
                    | _ -> ""

                $"The map of {method.Name} is zero everywhere for {zeros.Count} of {images.Count} images{why}; summary.json lists them."
    ]

    List.iter Terminal.say notes

    ExplanationSummary(
        inputs.ModelFile,
        inputs.Source,
        (Inputs.quantity inputs (Arguments.quantity arguments) images).Name,
        [
            for method, zeros in List.zip methods zeros -> MethodSummary(method.Name, method.Description, zeros)
        ],
        [
            for i in 0 .. images.Count - 1 ->
                InstanceSummary(inputs.Positions[i], images.Label i, truth i, predicted[i])
        ],
        disagreements,
        Option.toObj expert,
        [
            yield! inputs.Model.Notes
            yield! Option.toList (Option.bind Methods.warning expert)
            yield! notes
        ]
    )
        .WriteJson(out.Draft "summary.json")

    let maps =
        methods
        |> List.map (fun m -> $"attributions-{m.Name}.npz")
        |> String.concat ", "

    out
    |> Output.commit $"""{Terminal.count (images.Count * methods.Length) "picture"}, {maps} and summary.json"""

let command = {
    Name = "explain"
    Summary = "Explains images: attributions, and a labelled picture of each."
    Syntax = $"{Inputs.syntax} --method METHOD… --out FOLDER"
    Options = Inputs.options @ [ "--method" ] @ Methods.options @ [ "--out" ]
    Run = run
}
