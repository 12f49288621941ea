[<RequireQualifiedAccess>]
module Attribution.Runner.Compress

open System
open Attribution

/// The classes that --quantity names, or those that have images.
let private classes (given: Given) (inputs: Inputs) =
    let each () = inputs.Selected.TrueClasses |> Seq.distinct |> Seq.sort |> Seq.map string |> List.ofSeq

    match given.All QuestionOption.Quantity with
    | [] -> each ()
    | texts ->
        texts
        |> List.collect (fun text ->
            match text with
            | "classes" -> each ()
            | text when text.StartsWith "class:" -> [ Spelled.Quantity(text).Class ]
            | _ -> Arguments.wrong "'compress' takes --quantity class:K, once or several times, or classes.")
    |> List.map (Inputs.classOf inputs)
    |> List.distinct
    |> Array.ofList

/// The true classes over whose images units are ranked; null: each class's own.
let private distribution (given: Given) (inputs: Inputs) =
    match given.Get Distribution |> Option.map Spelled.Distribution with
    | None -> null
    | Some over when over.IsOwn -> null
    | Some over ->
        match Option.ofObj over.Classes with
        | None -> inputs.Selected.TrueClasses |> Seq.map int |> Seq.distinct |> Array.ofSeq
        | Some classes -> classes |> Seq.map (Inputs.classOf inputs) |> Array.ofSeq

let private essence (given: Given) (inputs: Inputs) =
    ClassEssence(inputs.Model, List.last (Methods.layers given inputs), Arguments.units given)

let private subject given inputs = Clusters.subject [ "--keep"; "--silence" ] (Inputs.files given inputs) given

/// The work of a worker.
let plan (given: Given) (inputs: Inputs) (prepared: string option) =
    (essence given inputs)
        .Plan(
            Option.toObj prepared,
            inputs.Selected,
            classes given inputs,
            distribution given inputs,
            Arguments.batchSize given,
            subject given inputs
        )

let private run (given: Given) =
    // What no layer has is refused by the layer.
    let asCount (k: int64) = int (Math.Clamp(k, 0L, int64 Int32.MaxValue))

    let counts =
        given.Get Keep
        |> Option.map (Arguments.integers "--keep" >> List.map asCount >> Array.ofList)
        |> Option.toObj

    use output = Output.Of given
    use inputs = Inputs.load given
    Inputs.sayDoubt given inputs
    let asked, over = classes given inputs, distribution given inputs
    let layer = Methods.layers given inputs |> List.last

    let essence = ClassEssence(inputs.Model, layer, Arguments.units given)
    let images, batchSize, subject = inputs.Selected, Arguments.batchSize given, subject given inputs

    let watch title work = Terminal.watch title (fun progress -> images.Naming(fun () -> work progress))

    let curves =
        Clusters.at given (fun place ->
            let rankings =
                watch $"Ranking the units of layer {layer}" (fun progress ->
                    essence.Rank(
                        images,
                        asked,
                        over,
                        seed = Arguments.seed given,
                        batchSize = batchSize,
                        progress = progress,
                        cancellation = given.Stop,
                        place = place,
                        subject = subject
                    ))

            watch $"Measuring the units of layer {layer}" (fun progress ->
                essence.Evaluate(
                    rankings,
                    images,
                    counts,
                    given.Has Silence,
                    batchSize,
                    progress,
                    given.Stop,
                    place,
                    subject
                )))

    curves.Tables(inputs.Names, images.Count) |> Seq.iter Terminal.table
    curves.WriteCsv(output.Draft "compress.csv")
    curves.WriteJson(output.Draft "compress.json")
    curves.WritePicture(output.Draft "compress.png", inputs.Names)
    output.Commit "compress.csv, compress.json and compress.png"

let command = {
    Name = "compress"
    Summary = "Measures how few units of a layer recognise a class, chosen by influence, by activation or at random."
    Syntax =
        $"{Inputs.syntax} [--layer NAME] [--quantity class:K…] [--distribution DISTRIBUTION] [--keep NUMBERS] [--silence] --out FOLDER"
    Options =
        Inputs.options
        @ [
            Group.of'<CutOption>
            Group.of'<QuestionOption>
            Group.of'<CompressOption>
            Group.of'<SeedOption>
            Group.of'<BatchOption>
        ]
        @ Clusters.submitting
        @ [ Group.of'<OutOption> ]
    Run = run
}
