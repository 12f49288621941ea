[<RequireQualifiedAccess>]
module Attribution.Runner.Concepts

open System.Collections.Generic
open System.IO
open Attribution
open TorchSharp

/// What is asked: the quantity, the concepts, what random sets are drawn from, and the explained images.
type private Question = { Quantity: Quantity; Concepts: Concept list; Others: ImageSet option; Explained: ImageSet }

/// The images of a folder or an .npz file, as the model takes them.
let private load (model: Model) (path: string) : ImageSet =
    let images =
        if Path.GetExtension(path).ToLowerInvariant() = ".npz" then
            ImageSet.LoadNpz path
        else
            ImageSet.LoadImages([ path ], model)

    RangeCheck.Fit(model, images)

let private named (word: string) =
    match word.IndexOf '=' with
    | at when at > 0 && at < word.Length - 1 -> word[.. at - 1], word[at + 1 ..]
    | _ -> Arguments.wrong $"--concept takes NAME=FOLDER, and not '{word}'."

/// The class that the quantity names, if it does.
let private classOf (inputs: Inputs) (quantity: SpelledQuantity) =
    quantity.Class |> Option.ofObj |> Option.map (Inputs.classOf inputs)

/// The images of the class that a quantity names, where their classes are known, and those of all others.
let private divided (inputs: Inputs) quantity : ImageSet * ImageSet option =
    let images = inputs.Selected

    match classOf inputs quantity with
    | Some k when images.HasTrueClasses ->
        let own, others = [ 0 .. images.Count - 1 ] |> List.partition (fun i -> images.TrueClasses[i] = int64 k)

        if own.IsEmpty then
            raise (
                AttributionException $"No image is of class {inputs.Names[k]}, whose score is asked about: give some."
            )

        images.Take own, (if others.IsEmpty then None else Some(images.Take others))
    | _ -> images, None

// Of each of the demo's classes: those that concepts and random sets are drawn from, then those that are explained.
let private drawn, explained = 40, 40

[<Literal>]
let private DemoQuantity = "class:0"

/// The demo's concepts: cars with a roof, cars without one, which show wheels, and camels with a hump.
let private demoConcepts = [ "roof", 0; "wheels", 1; "hump", 6 ]

let private ofDemo (given: Given) (inputs: Inputs) : Question =
    let classes = ConceptScenes.ClassNames.Count

    let spelled =
        if (given.All QuestionOption.Quantity).IsEmpty then
            Spelled.Quantity DemoQuantity
        else
            Methods.quantity given

    let scenes =
        Terminal.watch "Drawing scenes" (fun _ ->
            ConceptScenes.Draw((drawn + explained) * classes, Arguments.seed given))

    let part first count = scenes.Images.Take [ first * classes .. (first + count) * classes - 1 ]

    let ofConcepts, ofExplained = part 0 drawn, part drawn explained
    let others = [ 0 .. classes - 1 ] |> List.except (List.map snd demoConcepts)

    {
        Quantity = spelled.For(inputs.Model, ofExplained, Inputs.classOf inputs)
        Concepts = [ for name, k in demoConcepts -> Concept(name, Instances.op_Implicit (ofConcepts.Where k)) ]
        Others = Some(ofConcepts.Where(Array.ofList others))
        Explained =
            match classOf inputs spelled with
            | Some k -> ofExplained.Where k
            | None -> ofExplained
    }

let private ofGiven (given: Given) (inputs: Inputs) : Question =
    let quantity = Methods.quantity given
    let x, rest = divided inputs quantity

    {
        Quantity = Methods.quantityOf inputs quantity
        Concepts = [
            for word in List.concat (given.All ConceptOption.Concept) ->
                let name, path = named word
                Concept(name, Instances.op_Implicit (load inputs.Model path))
        ]
        Others = given.Get ConceptOption.Random |> Option.map (load inputs.Model) |> Option.orElse rest
        Explained = x
    }

let private layers (given: Given) (inputs: Inputs) =
    match Arguments.layers given with
    | [] ->
        let layer = Cuts.LastConvolution inputs.Model
        Terminal.say $"Cut at layer '{layer}'; --layer names another."
        [ layer ]
    | layers -> layers

let private columns = [|
    "layer"
    "concept"
    "images"
    "score"
    "spread"
    "random_score"
    "random_spread"
    "slope"
    "random_low"
    "random_high"
    "p"
    "corrected_p"
    "runs_p"
    "accuracy"
    "is_separable"
    "is_significant"
|]

let private records (tests: ConceptTest seq) =
    let rows = Records columns

    for test in tests do
        let struct (low, high) = test.RandomInterval

        rows.Add(
            test.Layer,
            test.Concept,
            test.Images,
            test.Score,
            test.Spread,
            test.RandomScore,
            test.RandomSpread,
            test.Slope,
            low,
            high,
            test.P,
            test.CorrectedP,
            test.RunsP,
            test.Accuracy,
            test.IsSeparable,
            test.IsSignificant
        )

    rows

let private notes (tests: ConceptTest seq) = [|
    for test in tests do
        if not test.IsSeparable then
            $"Layer '{test.Layer}' does not tell '{test.Concept}' from random images, of which it puts %.0f{100. * test.Accuracy} %% on their side: it has no direction for it, and the score says nothing."
|]

let private table (tests: ConceptTest seq) =
    let p (value: float) = if value < 0.001 then "< 0.001" else $"%.3f{value}"

    let row (test: ConceptTest) : IReadOnlyList<string> =
        let struct (low, high) = test.RandomInterval

        [|
            test.Layer
            test.Concept
            $"%.2f{test.Score} ± %.2f{test.Spread}"
            $"%.2f{test.RandomScore} ± %.2f{test.RandomSpread}"
            $"%.3f{test.Slope}"
            $"%.3f{low} to %.3f{high}"
            p test.CorrectedP
            $"%.0f{100. * test.Accuracy} %%"
            if test.IsSignificant then "yes" else "no"
        |]

    let headers = [|
        "layer"
        "concept"
        "score"
        "of random sets"
        "slope"
        "of random sets"
        "p"
        "told apart"
        "significant"
    |]

    TextTable.Of("TCAV: does the score grow along the concept?", 2, headers, [| for t in tests -> row t |], notes tests)

let private about (items: (string * obj) list) : IReadOnlyDictionary<string, obj> = Dictionary(dict items)

let private test (given: Given) (inputs: Inputs) (asked: Question) runs (output: Output) =
    let others =
        asked.Others
        |> Option.defaultWith (fun () ->
            Arguments.wrong
                "Random images are missing: give --random, or --quantity class:K and images whose classes are known.")

    let tcav =
        Tcav(inputs.Model, layers given inputs, asked.Quantity, runs = runs, seed = Arguments.seed given)

    let tests =
        Terminal.watch "Looking for concepts" (fun progress ->
            tcav.Test(
                Array.ofList asked.Concepts,
                Instances.op_Implicit others,
                Instances.op_Implicit asked.Explained,
                Arguments.batchSize given,
                progress,
                given.Stop
            ))

    let rows = records tests
    rows.WriteCsv(output.Draft "concepts.csv")

    rows.WriteJson(
        output.Draft "concepts.json",
        about [
            "quantity", asked.Quantity.Name
            "explained_images", asked.Explained.Count
            "other_images", others.Count
            "runs", runs
            "tests", tests.Count
            "level", ConceptTest.Level
        ]
    )

    tests.WritePicture(output.Draft "concepts.png", $"Does the score of {asked.Quantity.Name} grow along a concept?")
    Terminal.table (table tests)
    output.Commit "concepts.csv, concepts.json and concepts.png"

// Crops of each concept, images with maps, and maps of each.
let private crops, mapped, shown = 8, 6, 4

/// Each concept's crops, and maps of some images.
let private draw (output: Output) (craft: Craft) (found: CraftConcepts) (x: ImageSet) count layer =
    let peak = float x.Peak
    let concepts = Seq.truncate count found.All |> List.ofSeq

    let tiles (pictures: torch.Tensor) : IReadOnlyList<PictureTile> = [|
        for i in 0L .. pictures.shape[0] - 1L -> PictureTile(pictures[i])
    |]

    PictureTable.Write(
        output.Draft "craft.png",
        "What a layer sees in these images, and how much it matters",
        $"CRAFT at layer '{layer}': the crops that show each concept most",
        1,
        96.,
        [
            for number, concept in List.indexed concepts ->
                KeyValuePair(
                    $"Concept {number + 1}: total Sobol index %.2f{concept.Importance}, 95 %% interval %.2f{concept.Low} to %.2f{concept.High}",
                    tiles (PictureTable.Images(found.Pixels(x, concept, crops), peak))
                )
        ]
    )

    let some = x.Take [ 0 .. min mapped x.Count - 1 ]
    let images, maps = some.Images(), craft.Maps(found, Instances.op_Implicit some)
    let pixels = PictureTable.Images(images, peak)

    let heats = [
        for concept in List.truncate shown concepts ->
            Visualization.HeatMap(images, maps.select (1L, int64 concept.Index))
    ]

    PictureTable.Write(
        output.Draft "craft-maps.png",
        "Where the concepts are",
        $"CRAFT at layer '{layer}': the coefficients at each position, each map by its own largest",
        2,
        110.,
        [
            for i in 0L .. pixels.shape[0] - 1L ->
                KeyValuePair(
                    "",
                    [|
                        PictureTile(pixels[i], "image")

                        for number, heat in List.indexed heats do
                            PictureTile(heat[i], $"concept {number + 1}")
                    |]
                    :> IReadOnlyList<_>
                )
        ]
    )

let private factor (given: Given) (inputs: Inputs) (asked: Question) count (output: Output) =
    let layer = List.last (layers given inputs)
    let craft = Craft(inputs.Model, layer, asked.Quantity, max 10 count, seed = Arguments.seed given)

    use found =
        Terminal.watch "Looking for concepts" (fun progress ->
            craft.Find(Instances.op_Implicit asked.Explained, Arguments.batchSize given, progress, given.Stop))

    let rows =
        Records("concept", "importance", "low", "high", "rank", "image", "top", "left", "coefficient")

    for number, concept in Seq.indexed found.All do
        for rank, crop in Seq.indexed (Seq.truncate crops concept.Crops) do
            rows.Add(
                number + 1,
                concept.Importance,
                concept.Low,
                concept.High,
                rank + 1,
                crop.Image,
                crop.Top,
                crop.Left,
                crop.Coefficient
            )

    rows.WriteCsv(output.Draft "craft.csv")

    rows.WriteJson(
        output.Draft "craft.json",
        about [
            "quantity", asked.Quantity.Name
            "layer", layer
            "images", asked.Explained.Count
            "crop_size", found.CropSize
            "error", found.Error
        ]
    )

    draw output craft found asked.Explained count layer

    Terminal.table (
        TextTable.Of(
            $"""CRAFT: concepts of {Words.Count(asked.Explained.Count, "image")} at layer '{layer}'""",
            0,
            [| "concept"; "importance"; "95 % interval" |],
            [|
                for number, concept in Seq.indexed (Seq.truncate count found.All) ->
                    [| string (number + 1); $"%.3f{concept.Importance}"; $"%.3f{concept.Low} to %.3f{concept.High}" |]
                    :> IReadOnlyList<_>
            |],
            [|
                $"The {found.All.Count} concepts miss %.0f{100. * found.Error} %% of what the layer sees in the crops."
            |]
        )
    )

    output.Commit "craft.csv, craft.json, craft.png and craft-maps.png"

let private run (given: Given) =
    let runs = Arguments.atLeast 2 "--runs" (given.Get ConceptOption.Runs) |> Option.defaultValue 20
    let count = Arguments.atLeast 1 "--count" (given.Get Count) |> Option.defaultValue 6
    let words = List.concat (given.All ConceptOption.Concept)
    let isCraft = given.Has ConceptOption.Craft
    words |> List.iter (named >> ignore)

    if isCraft && not words.IsEmpty then
        Arguments.wrong "--craft finds concepts by itself: leave --concept out."

    if not isCraft && words.IsEmpty && not (given.Has Demo) then
        Arguments.wrong "--concept is missing."

    use output = Output.Of given
    use inputs = Inputs.load given
    use _ = torch.NewDisposeScope()
    let asked = if given.Has Demo && words.IsEmpty then ofDemo given inputs else ofGiven given inputs

    if isCraft then factor given inputs asked count output else test given inputs asked runs output

let command = {
    Name = "concepts"
    Summary = "Tests whether a score grows along a concept of images (TCAV), or finds concepts in their crops (CRAFT)."
    Syntax =
        $"{Inputs.syntax} (--concept NAME=FOLDER… [--random FOLDER] [--runs N] | --craft [--count N]) [--layer L]… [--quantity class:K] --out FOLDER"
    Options =
        Inputs.options
        @ [
            Group.of'<ConceptOption>
            Group.of'<CountOption>
            Group.of'<CutOption>
            Group.of'<QuestionOption>
            Group.of'<BatchOption>
            Group.of'<SeedOption>
            Group.of'<OutOption>
        ]
    Run = run
}
