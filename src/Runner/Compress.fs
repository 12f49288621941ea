[<RequireQualifiedAccess>]
module Attribution.Runner.Compress

open System
open System.Globalization
open Attribution

// Nobody reads a longer table than this.
[<Literal>]
let private MostRows = 40

let private number (value: float) =
    if Double.IsFinite value then
        value.ToString("0.000", CultureInfo.InvariantCulture)
    else
        "-"

/// The classes that --quantity names, or those that have images.
let private classes (given: Given) (inputs: Inputs) =
    let each () =
        inputs.Selected.TrueClasses
        |> Seq.distinct
        |> Seq.sort
        |> Seq.map string
        |> List.ofSeq

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

let private show (inputs: Inputs) (curves: EssenceCurves) =
    let noun = if curves.Units = Units.Each then "units" else "channels"
    let verb = if curves.IsSilencing then "silenced" else "kept"

    let row (shown: string) (ranking: string) count =
        let mean (score: EssencePoint -> float) =
            number (curves.Mean(ranking, count, score))

        [ shown; ranking; mean _.Recall; mean _.Precision; mean _.F1; mean _.Accuracy ]

    let subject =
        match List.ofSeq curves.Classes with
        | [ k ] -> $"{inputs.Names[k]} against the rest"
        | several -> $"mean of {several.Length} classes, each against the rest"

    Terminal.table $"First {noun} of layer {curves.Layer} {verb}: {subject}, {inputs.Selected.Count} images" 2 [
        $"{noun} {verb}"
        "ranked by"
        "recall"
        "precision"
        "F1"
        "accuracy"
    ] [
        for count in curves.Counts do
            for ranking in curves.Rankings do
                row (string count) ranking count

        row "" EssenceCurves.WholeModel curves.UnitCount
    ]

    if curves.Classes.Count <= MostRows then
        let meaning =
            if curves.IsSilencing then
                $"Fewest {noun}, of the numbers above, without which less than half of the whole model's F1 is left"
            else
                $"Fewest {noun}, of the numbers above, that reach 90 %% of the whole model's F1"

        let decisive k ranking =
            match Option.ofNullable (curves.Decisive(k, ranking)) with
            | Some count -> string count
            | None -> "-"

        Terminal.table
            meaning
            1
            ([ "class"; "number"; "images"; "recall"; "precision"; "F1" ]
             @ List.ofSeq curves.Rankings)
            [
                for k in curves.Classes ->
                    let whole = curves.Whole k

                    [
                        inputs.Names[k]
                        string k
                        string (curves.Images k)
                        number whole.Recall
                        number whole.Precision
                        number whole.F1
                    ]
                    @ [ for ranking in curves.Rankings -> decisive k ranking ]
            ]

let private run (given: Given) =
    // What no layer has is refused by the layer.
    let asCount (k: int64) =
        int (Math.Clamp(k, 0L, int64 Int32.MaxValue))

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
    let images, batchSize = inputs.Selected, Arguments.batchSize given

    let watch title work =
        Terminal.watch title (fun progress -> images.Naming(fun () -> work progress))

    let rankings =
        watch $"Ranking the units of layer {layer}" (fun progress ->
            essence.Rank(
                images,
                asked,
                over,
                seed = Arguments.seed given,
                batchSize = batchSize,
                progress = progress,
                cancellation = given.Stop
            ))

    let curves =
        watch $"Measuring the units of layer {layer}" (fun progress ->
            essence.Evaluate(rankings, images, counts, given.Has Silence, batchSize, progress, given.Stop))

    show inputs curves
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
            Group.of'<OutOption>
        ]
    Run = run
}
