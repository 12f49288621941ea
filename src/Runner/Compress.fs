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
let private classes arguments (inputs: Inputs) =
    let each () =
        inputs.Selected.TrueClasses
        |> Seq.distinct
        |> Seq.sort
        |> Seq.map (string >> Inputs.classOf inputs)
        |> List.ofSeq

    let isGiven = arguments.Given |> List.exists _.IsQuantity

    if not isGiven then
        each ()
    else
        Arguments.quantities arguments
        |> List.collect (function
            | QuantitiesSpec.EachClass -> each ()
            | QuantitiesSpec.One(QuantitySpec.Class k) -> [ Inputs.classOf inputs k ]
            | _ -> Arguments.wrong "'compress' takes --quantity class:K, once or several times, or classes.")
        |> List.distinct

/// The true classes over whose images units are ranked; null: each class's own.
let private distribution arguments (inputs: Inputs) =
    let isGiven = arguments.Given |> List.exists _.IsDistribution

    match isGiven, Arguments.distribution arguments with
    | false, _
    | _, DistributionSpec.Own -> null
    | _, DistributionSpec.All -> inputs.Selected.TrueClasses |> Seq.map int |> Seq.distinct |> Array.ofSeq
    | _, DistributionSpec.Classes classes -> classes |> List.map (Inputs.classOf inputs) |> Array.ofList

let private show (inputs: Inputs) (curves: EssenceCurves) =
    let noun, verb =
        (if curves.Units = Units.Each then "units" else "channels"), (if curves.IsSilencing then "silenced" else "kept")

    let scores = [
        "recall", (fun (p: EssencePoint) -> p.Recall)
        "precision", (fun p -> p.Precision)
        "F1", (fun p -> p.F1)
        "accuracy", (fun p -> p.Accuracy)
    ]

    let row (shown: string) (ranking: string) count = [
        shown
        ranking
        yield!
            scores
            |> List.map (fun (_, score) -> number (curves.Mean(ranking, count, score)))
    ]

    let subject =
        match List.ofSeq curves.Classes with
        | [ k ] -> $"{inputs.Names[k]} against the rest"
        | several -> $"mean of {several.Length} classes, each against the rest"

    Terminal.table $"First {noun} of layer {curves.Layer} {verb}: {subject}, {inputs.Selected.Count} images" 2 [
        $"{noun} {verb}"
        "ranked by"
        yield! List.map fst scores
    ] [
        for count in curves.Counts do
            for ranking in curves.Rankings do
                row (string count) ranking count

        row "" EssenceCurves.WholeModel curves.UnitCount
    ]

    let decisive (count: Nullable<int>) =
        if count.HasValue then string count.Value else "-"

    if curves.Classes.Count <= MostRows then
        let meaning =
            if curves.IsSilencing then
                $"Fewest {noun}, of the numbers above, without which less than half of the whole model's F1 is left"
            else
                $"Fewest {noun}, of the numbers above, that reach 90 %% of the whole model's F1"

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
                    @ [ for ranking in curves.Rankings -> decisive (curves.Decisive(k, ranking)) ]
            ]

let private run arguments =
    // What no layer has is refused by the layer.
    let asCount (k: int64) =
        int (Math.Clamp(k, 0L, int64 Int32.MaxValue))

    let counts =
        arguments
        |> Arguments.tryPick (function
            | Arg.Keep numbers -> Some numbers
            | _ -> None)
        |> Option.map (Arguments.integers "--keep" >> List.map asCount >> Array.ofList)
        |> Option.toObj

    let seed =
        arguments
        |> Arguments.tryPick (function
            | Arg.Seed seed -> Some seed
            | _ -> None)
        |> Option.defaultValue 1

    use out = Output.create arguments
    use inputs = Inputs.load arguments
    let images = inputs.Selected
    let batchSize = Arguments.batchSize arguments
    Inputs.sayDoubtOfSome arguments inputs
    let asked = classes arguments inputs |> Array.ofList
    let over = distribution arguments inputs
    let layer = Methods.layers arguments inputs |> List.last
    let essence = ClassEssence(inputs.Model, layer, Arguments.units arguments)

    let curves =
        Terminal.watch $"Measuring the units of layer {layer}" (fun report ->
            Inputs.naming (Array.get inputs.Positions) (fun () ->
                let rankings =
                    essence.Rank(
                        images,
                        asked,
                        over,
                        seed = seed,
                        batchSize = batchSize,
                        progress = Terminal.part report 0. 0.2,
                        cancellation = arguments.Stop
                    )

                essence.Evaluate(
                    rankings,
                    images,
                    counts,
                    List.contains Arg.Silence arguments.Given,
                    batchSize,
                    Terminal.part report 0.2 0.8,
                    arguments.Stop
                )))

    show inputs curves
    curves.WriteCsv(out.Draft "compress.csv")
    curves.WriteJson(out.Draft "compress.json")
    curves.WritePicture(out.Draft "compress.png", inputs.Names)
    out |> Output.commit "compress.csv, compress.json and compress.png"

let command = {
    Name = "compress"
    Summary = "Measures how few units of a layer recognise a class, chosen by influence, by activation or at random."
    Syntax =
        $"{Inputs.syntax} [--layer NAME] [--quantity class:K…] [--distribution DISTRIBUTION] [--keep NUMBERS] [--silence] --out FOLDER"
    Options =
        Inputs.options
        @ Methods.unitOptions
        @ [ "--keep"; "--silence"; "--seed"; "--batch-size"; "--out" ]
    Run = run
}
